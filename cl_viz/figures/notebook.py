"""A figure taken elsewhere: the lines of Python that make it again, and its numbers as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from cl_viz.core.view import View
from cl_viz.figures.theme import ThemeName


def python_lines(
    diagnostic: str,
    runs: Sequence[str],
    view: str,
    *,
    quantity: str = "",
    params: Mapping[str, Any] | None = None,
    step: int | None = None,
    layer: str | None = None,
    others: Sequence[str] = (),
    theme: ThemeName = "light",
    run_colours: Mapping[str, int] | None = None,
    log_y: bool = False,
    marked: int | None = None,
    wide: bool = False,
    bars: str = "",
) -> str:
    """Return three lines of Python that make a figure in a notebook, four with a marked step.

    Parameters
    ----------
    diagnostic : str
    runs : sequence of str
        For each run, the Python expression that opens it.
    view : str
        Key of `Result.views`.
    quantity, theme, run_colours, log_y, wide
        As given to `compare` and `render`; defaults are left out of the lines.
    params, step, layer
        As given to `cl_viz.diagnose`; defaults are left out of the lines.
    others : sequence of str
        Expressions that open the runs that the diagnostic compares with.
    marked : int, optional
        A training step that is marked; see `at_step`.
    bars : {"", "at_ends", "below_each_other"}
        What is done to bars of many categories.

    Returns
    -------
    str
    """
    given = {"step": step, "layer": layer, "params": dict(params or {}) or None}
    arguments = "".join(f", {name}={value!r}" for name, value in given.items() if value is not None)
    if others:
        arguments = f", others=[{', '.join(others)}]{arguments}"
    look = {
        "theme": None if theme == "light" else theme,
        "run_colours": dict(run_colours or {}) or None,
        "log_y": log_y or None,
        "wide": wide or None,
    }
    drawn = "".join(f", {name}={value!r}" for name, value in look.items() if value is not None)
    several = len(runs) > 1
    shown = f"cl_viz.figures.compare(results, {view!r}, {quantity!r})" if several else f"result.views[{view!r}]"
    setup = "import cl_viz, cl_viz.figures" if several or marked is not None or bars else "import cl_viz"
    opened = f"[{', '.join(runs)}]" if several else runs[0]
    if marked is not None:
        name = "runs" if several else "run"
        setup, opened = f"{setup}\n{name} = {opened}", name
        steps = "{run.name: run.steps for run in runs}" if several else "{run.name: run.steps}"
        shown = f"cl_viz.figures.at_step({shown}, {marked}, {steps})"
    if bars:
        shown = f"cl_viz.figures.{bars}({shown})"
    if several:
        asked = f"results = [cl_viz.diagnose({diagnostic!r}, run{arguments}) for run in {opened}]"
    else:
        asked = f"result = cl_viz.diagnose({diagnostic!r}, {opened}{arguments})"
    return f"{setup}\n{asked}\ncl_viz.render({shown}{drawn})"


def csv_text(view: View) -> str:
    """Return the numbers behind a view as CSV text."""
    columns = view.numbers()
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(values.tolist() for values in columns.values()), strict=True))
    return buffer.getvalue()

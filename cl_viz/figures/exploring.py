"""A diagnostic with sliders in a notebook; without the widgets' library its figure at the defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cl_viz.core.errors import InputError
from cl_viz.core.result import Result
from cl_viz.core.view import Table
from cl_viz.diagnostics import DIAGNOSTICS, diagnose
from cl_viz.encoders import open_run
from cl_viz.engine.scanner import Scanner
from cl_viz.figures.controls import Shown, widgets_installed, with_controls
from cl_viz.figures.rendering import render
from cl_viz.figures.theme import ThemeName

if TYPE_CHECKING:
    from cl_viz.encoders import Target

_SHOWN_FINDINGS = 3


def explore(
    name: str,
    target: Target,
    view: str | None = None,
    *,
    others: Sequence[Target] = (),
    step: int | None = None,
    layer: str | None = None,
    params: Mapping[str, Any] | None = None,
    theme: ThemeName | None = None,
    **settings: Any,
) -> Any:
    """Show a diagnostic's figure in a notebook, with a control for each of its parameters.

    The passes over pairs are made once; a control asks what they left behind.

    Parameters
    ----------
    name : str
        A key of `DIAGNOSTICS`.
    target : Run or EmbeddingSet, path, or what is in memory
        What `cl_viz.open_run` takes.
    view : str, optional
        Key of `Result.views`; by default the first figure.
    others, step, layer : optional
        As for `cl_viz.diagnose`.
    params : mapping, optional
        Where the controls start; ``temperature=0.2`` is short for ``params={"temperature": 0.2}``.
    theme : {"light", "dark"}, optional
    **settings
        Single parameters.

    Returns
    -------
    ipywidgets.Widget or plotly.graph_objects.Figure
        Controls above the figure above the findings; the figure alone where ipywidgets or anywidget (the extra
        ``notebook``) is not installed.

    Raises
    ------
    InputError
        If the diagnostic has no such figure, or a parameter is out of range.
    """
    scanner, run = Scanner(), open_run(target)
    spec = DIAGNOSTICS[name]
    start = spec.params.make({**(params or {}), **settings}, dict(run.card)).as_dict()

    def ask(values: Mapping[str, Any]) -> Result:
        return diagnose(name, run, others=others, step=step, layer=layer, params=values, scanner=scanner)

    first = ask(start)
    figures = [key for key, found in first.views.items() if not isinstance(found, Table)]
    if view is None and figures:
        view = figures[0]
    if view not in figures:
        raise InputError(
            f"no figure {view!r}: " + " ".join(finding.message for finding in first.findings),
            where=name, allowed=", ".join(figures) or "none for this input",
        )  # fmt: skip
    if not widgets_installed():
        return render(first.views[view], theme)

    def shown(result: Result) -> Shown:
        figures = (render(result.views[view], theme),) if view in result.views else ()
        return Shown(figures, "".join(finding._repr_html_() for finding in result.findings[:_SHOWN_FINDINGS]))

    return with_controls(spec.params.describe(), start, shown(first), lambda values: shown(ask(values)))

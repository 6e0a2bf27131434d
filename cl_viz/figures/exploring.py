"""A diagnostic with sliders in a notebook; without the widgets' library its figure at the defaults."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import ClVizError, InputError
from cl_viz.core.params import ParamInfo
from cl_viz.core.result import Result
from cl_viz.core.run import Run
from cl_viz.core.view import Table
from cl_viz.diagnostics import DIAGNOSTICS, diagnose
from cl_viz.engine.scanner import Scanner
from cl_viz.figures.rendering import render
from cl_viz.figures.theme import ThemeName

_SHOWN_FINDINGS = 3


def explore(
    name: str,
    target: Run | EmbeddingSet,
    view: str | None = None,
    *,
    others: Sequence[Run | EmbeddingSet] = (),
    step: int | None = None,
    layer: str | None = None,
    params: Mapping[str, Any] | None = None,
    theme: ThemeName = "light",
) -> Any:
    """Show a diagnostic's figure in a notebook, with a control for each of its parameters.

    The passes over pairs are made once; a control asks what they left behind.

    Parameters
    ----------
    name : str
        A key of `DIAGNOSTICS`.
    target : Run or EmbeddingSet
    view : str, optional
        Key of `Result.views`; by default the first figure.
    others, step, layer : optional
        As for `cl_viz.diagnose`.
    params : mapping, optional
        Where the controls start.
    theme : {"light", "dark"}

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
    scanner = Scanner()
    spec = DIAGNOSTICS[name]
    start = spec.params.make(dict(params or {}), dict(target.card) if isinstance(target, Run) else None).as_dict()

    def ask(values: Mapping[str, Any]) -> Result:
        return diagnose(name, target, others=others, step=step, layer=layer, params=values, scanner=scanner)

    first = ask(start)
    figures = [key for key, found in first.views.items() if not isinstance(found, Table)]
    if view is None and figures:
        view = figures[0]
    if view not in figures:
        raise InputError(
            f"no figure {view!r}: " + " ".join(finding.message for finding in first.findings),
            where=name, allowed=", ".join(figures) or "none for this input",
        )  # fmt: skip
    try:
        import anywidget  # noqa: F401  (plotly's widget needs it)
        import ipywidgets
        from plotly.graph_objects import FigureWidget
    except ImportError:
        return render(first.views[view], theme)
    controls = {info.name: _control(info, start[info.name], ipywidgets) for info in spec.params.describe()}
    findings = ipywidgets.HTML()
    box = ipywidgets.VBox()

    def draw(result: Result) -> None:
        box.children = (FigureWidget(render(result.views[view], theme)),) if view in result.views else ()
        findings.value = "".join(finding._repr_html_() for finding in result.findings[:_SHOWN_FINDINGS])

    def changed(_: Any) -> None:
        try:
            draw(ask({key: control.value for key, control in controls.items()}))
        except ClVizError as error:
            findings.value = f"<p>{html.escape(str(error))}</p>"

    for control in controls.values():
        control.observe(changed, names="value")
    draw(first)
    return ipywidgets.VBox([ipywidgets.VBox(list(controls.values())), box, findings])


def _control(info: ParamInfo, value: Any, widgets: Any) -> Any:
    """Return the widget of one parameter."""
    common = {
        "description": info.name.replace("_", " "),
        "tooltip": info.help,
        "style": {"description_width": "12em"},
        "layout": {"width": "32em"},
    }
    if info.choices is not None:
        return widgets.Dropdown(options=list(info.choices), value=value, **common)
    if isinstance(info.default, bool):
        return widgets.Checkbox(value=value, **common)
    if not isinstance(info.default, (int, float)):
        return widgets.Text(value="" if value is None else str(value), continuous_update=False, **common)
    whole = isinstance(info.default, int)
    if info.low is None or info.high is None:
        return (widgets.IntText if whole else widgets.FloatText)(value=value, **common)
    if info.log and info.low > 0:
        return widgets.SelectionSlider(options=_spaced(info, value), value=value, continuous_update=False, **common)
    slider = widgets.IntSlider if whole else widgets.FloatSlider
    step = 1 if whole else (info.high - info.low) / 100
    return slider(min=info.low, max=info.high, step=step, value=value, continuous_update=False, **common)


def _spaced(info: ParamInfo, value: float) -> list[tuple[str, float]]:
    """Return 40 values spaced evenly on a logarithmic scale, and the start among them."""
    assert info.low is not None
    assert info.high is not None
    made = np.geomspace(info.low, info.high, 40)
    rounded = {round(entry) if isinstance(info.default, int) else float(f"{entry:.2g}") for entry in made}
    kept = {entry for entry in rounded if info.low <= entry <= info.high} | {value}
    return [(f"{entry:g}", entry) for entry in sorted(kept) if math.isfinite(entry)]

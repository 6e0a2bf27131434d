"""Controls above figures in a notebook; their library is optional."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cl_viz.core.errors import ClVizError
from cl_viz.core.params import ParamInfo

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True)
class Moving:
    """A figure with moments; a slider chooses which is shown.

    Attributes
    ----------
    draw : callable
        ``draw(moment) -> plotly.graph_objects.Figure``.
    labels : tuple of str
        One a moment.
    unit : str
        What the labels count.
    """

    draw: Callable[[int], go.Figure]
    labels: tuple[str, ...]
    unit: str


@dataclass(frozen=True)
class Shown:
    """What the controls answer with.

    Attributes
    ----------
    figures : tuple of plotly.graph_objects.Figure or Moving
    text : str
        HTML, shown below the figures; foreign text in it is escaped.
    """

    figures: tuple[go.Figure | Moving, ...]
    text: str


def widgets_installed() -> bool:
    """Whether the libraries of interactive figures (the extra ``notebook``) can be imported."""
    try:
        import anywidget  # noqa: F401  (plotly's widget needs it)
        import ipywidgets  # noqa: F401
    except ImportError:
        return False
    return True


def with_controls(
    infos: Sequence[ParamInfo], start: Mapping[str, Any], first: Shown, ask: Callable[[dict[str, Any]], Shown]
) -> Any:
    """Put a control for each parameter above figures.

    Parameters
    ----------
    infos : sequence of ParamInfo
    start : Mapping
        Where the controls stand.
    first : Shown
        What is shown at first: the answer at `start`.
    ask : callable
        ``ask(values) -> Shown``, called when a control was moved. Where it raises a `ClVizError`, the figures stay
        and the error is told below them.

    Returns
    -------
    ipywidgets.VBox
        Of the controls, of the figures, and of the text.
    """
    import ipywidgets

    controls = {info.name: _control(info, start[info.name], ipywidgets) for info in infos}
    told, box = ipywidgets.HTML(), ipywidgets.VBox()

    def draw(shown: Shown) -> None:
        box.children = tuple(_figure(entry, ipywidgets) for entry in shown.figures)
        told.value = shown.text

    def changed(_: Any) -> None:
        try:
            draw(ask({name: control.value for name, control in controls.items()}))
        except ClVizError as error:
            told.value = f"<p>{html.escape(str(error))}</p>"

    for control in controls.values():
        control.observe(changed, names="value")
    draw(first)
    return ipywidgets.VBox([ipywidgets.VBox(list(controls.values())), box, told])


def _figure(entry: go.Figure | Moving, widgets: Any) -> Any:
    from plotly.graph_objects import FigureWidget

    if not isinstance(entry, Moving):
        return FigureWidget(_json_ready(entry))
    last = len(entry.labels) - 1
    options = [(label, moment) for moment, label in enumerate(entry.labels)]
    slider = widgets.SelectionSlider(options=options, value=last, description=entry.unit, continuous_update=False)
    place = widgets.VBox([FigureWidget(_json_ready(entry.draw(last)))])

    def moved(_: Any) -> None:
        place.children = (FigureWidget(_json_ready(entry.draw(slider.value))),)

    slider.observe(moved, names="value")
    return widgets.VBox([slider, place])


def _json_ready(figure: go.Figure) -> go.Figure:
    """Return a figure as plotly's widget takes it: None for NaN in tables, which JSON has not."""
    for trace in figure.data:
        for name, value in trace.to_plotly_json().items():
            if isinstance(value, np.ndarray) and value.ndim > 1 and value.dtype.kind == "f":
                sent = value.astype(object)
                sent[~np.isfinite(value)] = None
                trace[name] = sent.tolist()
    return figure


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

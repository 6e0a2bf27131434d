"""Points in two dimensions; drawn by the graphics card where they are many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from cl_viz.core.view import Axis, Scatter, Series, told
from cl_viz.figures.frame import Canvas, new_canvas, numbers, plain, set_axes, whiskers
from cl_viz.figures.references import add_references
from cl_viz.figures.strokes import Stroke, line_colours, strokes
from cl_viz.figures.theme import Theme

_SVG_POINTS = 3000
_FEW_POINTS = 100
"""Up to so many points are drawn large enough to be found."""


def draw_scatter(view: Scatter, theme: Theme, colours: Mapping[str, int], *, wide: bool = False) -> go.Figure:
    """Draw points, each with its row number as custom data; references are lines, such as the outline of a circle."""
    canvas = new_canvas(told(view), theme, wide=wide)
    total = sum(len(entry.y) for entry in view.series)
    kind = "scattergl" if total > _SVG_POINTS else "scatter"
    for entry, stroke in zip(view.series, strokes(view.series, theme, colours, dashed=False), strict=True):
        if entry.meaning == "reference":
            _add_outline(canvas, entry, stroke)
            continue
        canvas.add(
            kind,
            x=numbers(entry.x),
            y=numbers(entry.y),
            error_x=whiskers(entry.x, entry.left, entry.right, theme),
            error_y=whiskers(entry.y, entry.low, entry.high, theme),
            mode="markers+text" if view.named else "markers",
            text=[plain(entry.name)] * len(entry.y) if view.named else None,
            textposition=_outwards(entry, view) if view.named else None,
            textfont={"color": stroke.colour, "size": 14} if view.named else None,
            marker={"color": stroke.colour, "size": 11 if view.named or total <= _FEW_POINTS else 5, "opacity": 0.7},
            customdata=np.arange(len(entry.y), dtype=np.int32),
            name=plain(stroke.legend or entry.name),
            showlegend=bool(stroke.legend),
            legendrank=stroke.rank,
            legendgroup=stroke.group,
            hovertemplate=f"{plain(entry.name)}<br>%{{x:.3g}}, %{{y:.3g}}<br>row %{{customdata}}<extra></extra>",
        )
    set_axes(canvas, view.x, view.y, theme)
    several = sum(entry.meaning != "reference" for entry in view.series) > 1
    canvas.layout["showlegend"] = several and not view.named
    if view.equal:
        canvas.y.update(scaleanchor="x", scaleratio=1)
        canvas.x.update(constrain="domain")
        canvas.y.update(constrain="domain")
    add_references(canvas, view.references, theme, line_colours(view.series, theme, colours))
    return canvas.figure()


def _outwards(entry: Series, view: Scatter) -> list[str]:
    """Return on which side of its points a name stands: away from the middle of the figure."""
    sides = []
    for across, upwards in zip(_from_middle(entry.x, view.x), _from_middle(entry.y, view.y), strict=True):
        if abs(across) > abs(upwards):
            sides.append("middle right" if across > 0 else "middle left")
        else:
            sides.append("top center" if upwards >= 0 else "bottom center")
    return sides


def _from_middle(values: NDArray[Any], axis: Axis) -> NDArray[np.float64]:
    """Return where values stand on an axis: from -1 at its low end to 1; from 0, as they are, if it has no ends."""
    at = np.asarray(values, dtype=np.float64)
    if axis.range is None:
        return at
    low, high = np.log(axis.range) if axis.log else axis.range
    return (2 * (np.log(at) if axis.log else at) - low - high) / (high - low)


def _add_outline(canvas: Canvas, entry: Series, stroke: Stroke) -> None:
    canvas.add(
        "scatter",
        x=numbers(entry.x),
        y=numbers(entry.y),
        mode="lines",
        line={"color": stroke.colour, "dash": stroke.dash, "width": 1.2},
        name=plain(entry.name),
        showlegend=False,
        hoverinfo="skip",
    )

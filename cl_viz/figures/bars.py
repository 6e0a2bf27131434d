"""Bars: one a category, with the interval as a whisker."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from cl_viz.core.view import Bars
from cl_viz.figures.frame import new_canvas, numbers, plain, set_axes, whiskers
from cl_viz.figures.references import add_references
from cl_viz.figures.strokes import line_colours, strokes
from cl_viz.figures.theme import Theme


def draw_bars(view: Bars, theme: Theme, colours: Mapping[str, int], *, wide: bool = False) -> go.Figure:
    """Draw bars side by side; categories keep their order."""
    canvas = new_canvas(view.title, theme, wide=wide)
    for entry, stroke in zip(view.series, strokes(view.series, theme, colours), strict=True):
        owner = f"{plain(entry.run)}, " if entry.run else ""
        canvas.add(
            "bar",
            x=np.array([plain(str(value)) for value in entry.x], dtype=object),
            y=numbers(entry.y),
            marker={"color": stroke.colour, "line": {"width": 0}},
            error_y=whiskers(entry.y, entry.low, entry.high, theme),
            name=plain(stroke.legend or entry.name),
            showlegend=bool(stroke.legend),
            legendrank=stroke.rank,
            legendgroup=stroke.group,
            hovertemplate=f"{owner}{plain(entry.name)}<br>%{{x}}<br>{plain(view.y.label)} %{{y:.4g}}<extra></extra>",
        )
    set_axes(canvas, view.x, view.y, theme)
    canvas.x.update(type="category", categoryorder="trace")
    canvas.layout |= {"barmode": "group", "showlegend": len(view.series) > 1}
    add_references(canvas, view.references, theme, line_colours(view.series, theme, colours))
    return canvas.figure()

"""Points in two dimensions; drawn by the graphics card where they are many."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from cl_viz.core.view import Scatter
from cl_viz.figures.frame import add_references, new_figure, numbers, plain, set_axes
from cl_viz.figures.strokes import strokes
from cl_viz.figures.theme import Theme

_SVG_POINTS = 3000


def draw_scatter(view: Scatter, theme: Theme, colours: Mapping[str, int]) -> go.Figure:
    """Draw points; each carries its row number as custom data."""
    figure = new_figure(view.title, theme)
    total = sum(len(entry.y) for entry in view.series)
    trace = go.Scattergl if total > _SVG_POINTS else go.Scatter
    for entry, stroke in zip(view.series, strokes(view.series, theme, colours), strict=True):
        figure.add_trace(
            trace(
                x=numbers(entry.x),
                y=numbers(entry.y),
                mode="markers",
                marker={"color": stroke.colour, "size": 5, "opacity": 0.7},
                customdata=np.arange(len(entry.y), dtype=np.int32),
                name=plain(stroke.legend or entry.name),
                showlegend=bool(stroke.legend),
                legendgroup=stroke.group,
                hovertemplate=f"{plain(entry.name)}<br>%{{x:.3g}}, %{{y:.3g}}<br>row %{{customdata}}<extra></extra>",
            )
        )
    set_axes(figure, view.x, view.y, theme)
    figure.update_layout(showlegend=len(view.series) > 1)
    add_references(figure, view.references, theme)
    return figure

"""A matrix with named rows and columns."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from cl_viz.core.view import Heatmap
from cl_viz.figures.frame import new_canvas, numbers, plain, set_axes
from cl_viz.figures.theme import SEQUENTIAL, Theme

_NUMBERED_CELLS = 150


def draw_heatmap(view: Heatmap, theme: Theme) -> go.Figure:
    """Draw the matrix, first row on top; a stated centre makes the scale diverge around it."""
    canvas = new_canvas(view.title, theme)
    values = np.asarray(view.values, dtype=np.float32)
    low, high = _limits(view, values)
    canvas.add(
        "heatmap",
        z=values,
        x=numbers(np.array(view.column_labels, dtype=object)),
        y=numbers(np.array(view.row_labels, dtype=object)),
        zmin=low,
        zmax=high,
        colorscale=SEQUENTIAL if view.centre is None else [[i / 2, colour] for i, colour in enumerate(theme.diverging)],
        colorbar={
            "title": {"text": plain(view.scale.title), "side": "right"},
            "outlinewidth": 0,
            "thickness": 12,
            "tickfont": {"color": theme.muted},
        },
        texttemplate="%{z:.2f}" if values.size <= _NUMBERED_CELLS else None,
        hovertemplate=f"{plain(view.y.label)} %{{y}}<br>{plain(view.x.label)} %{{x}}"
        f"<br>{plain(view.scale.label)} %{{z:.4g}}<extra></extra>",
        xgap=1,
        ygap=1,
    )
    set_axes(canvas, view.x, view.y, theme)
    canvas.x.update(type="category", showgrid=False)
    canvas.y.update(type="category", autorange="reversed", showgrid=False)
    return canvas.figure()


def _limits(view: Heatmap, values: np.ndarray) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    lowest, highest = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    low, high = view.scale.range or (lowest, highest)
    if view.centre is None:
        return low, high
    reach = max(high - view.centre, view.centre - low) or 1.0
    return view.centre - reach, view.centre + reach

"""A matrix with named rows and columns."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.colors import sample_colorscale, unlabel_rgb

from cl_viz.core.view import Heatmap, told
from cl_viz.figures.frame import Canvas, new_canvas, numbers, plain, set_axes, shorten
from cl_viz.figures.theme import SEQUENTIAL, Theme, readable_on

_NUMBERED_CELLS = 150
_NUMBERED_COLUMNS = {False: 11, True: 24}
"""Columns whose numbers stand side by side, at half the width of a page and at all of it."""
_SEPARATED = 60
"""Up to so many rows and columns, cells stand apart."""
_LONG_LABEL = 22
_ROUND_THE_ROWS = 190
_TALLEST_ROW = 60
_SHADES = 64


def draw_heatmap(view: Heatmap, theme: Theme, *, wide: bool = False) -> go.Figure:
    """Draw the matrix, first row on top; a stated centre makes the scale diverge around it."""
    canvas = new_canvas(told(view), theme, wide=wide)
    values = np.asarray(view.values, dtype=np.float32)
    low, high = _limits(view, values)
    scale = SEQUENTIAL if view.centre is None else [[i / 2, colour] for i, colour in enumerate(theme.diverging)]
    gap = 1 if max(values.shape) <= _SEPARATED else 0
    canvas.add(
        "heatmap",
        z=values,
        x=numbers(np.array(view.column_labels, dtype=object)),
        y=numbers(np.array(view.row_labels, dtype=object)),
        zmin=low,
        zmax=high,
        colorscale=scale,
        colorbar={
            "title": {"text": plain(view.scale.title), "side": "right", "font": {"size": 13, "color": theme.text}},
            "outlinewidth": 0,
            "thickness": 12,
            "tickfont": {"color": theme.muted},
        },
        hovertemplate=f"{plain(view.y.label)} %{{y}}<br>{plain(view.x.label)} %{{x}}"
        f"<br>{plain(view.scale.label)} %{{z:.4g}}<extra></extra>",
        xgap=gap,
        ygap=gap,
    )
    if values.size <= _NUMBERED_CELLS and values.shape[1] <= _NUMBERED_COLUMNS[wide]:
        _add_numbers(canvas, view, values, scale, (low, high))
    set_axes(canvas, view.x, view.y, theme)
    # Marks and numbers in the cells must not widen the axes; names that repeat share a row or a column.
    n_rows, n_columns = len(set(view.row_labels)), len(set(view.column_labels))
    canvas.x.update(type="category", showgrid=False, range=[-0.5, n_columns - 0.5])
    canvas.y.update(type="category", showgrid=False, range=[n_rows - 0.5, -0.5])
    shorten(canvas.x, view.column_labels, 14 if wide else 8, _LONG_LABEL)
    shorten(canvas.y, view.row_labels, 14, _LONG_LABEL)
    _outline(canvas, view, theme)
    return canvas.figure()


def tallest(view: Heatmap) -> int:
    """Return the pixels of height beyond which few rows would only be stretched."""
    return _ROUND_THE_ROWS + _TALLEST_ROW * len(view.row_labels)


def _add_numbers(
    canvas: Canvas,
    view: Heatmap,
    values: NDArray[np.float32],
    scale: str | list[list[object]],
    ends: tuple[float, float],
) -> None:
    """Write the numbers into the cells, each in black or white, whichever stands out more from its cell."""
    low, high = ends
    shades = np.nan_to_num((values - low) / ((high - low) or 1.0)).clip(0, 1)
    colours = [_hexadecimal(colour) for colour in sample_colorscale(scale, np.linspace(0, 1, _SHADES).tolist())]
    inks = np.array([readable_on(colour) for colour in colours])[np.rint(shades * (_SHADES - 1)).astype(int)]
    for ink in sorted(set(inks.ravel().tolist())):
        rows, columns = np.nonzero((inks == ink) & np.isfinite(values))
        canvas.add(
            "scatter",
            x=numbers(np.array([view.column_labels[place] for place in columns], dtype=object)),
            y=numbers(np.array([view.row_labels[place] for place in rows], dtype=object)),
            # Added zero takes the sign off a number that is rounded to zero.
            text=[f"{number:.2f}" for number in np.round(values[rows, columns].astype(np.float64), 2) + 0.0],
            mode="text",
            textfont={"color": ink, "size": 12 if canvas.wide or values.shape[1] <= 7 else 11},
            hoverinfo="skip",
            showlegend=False,
        )


def _hexadecimal(colour: str) -> str:
    return "#" + "".join(f"{round(channel):02x}" for channel in unlabel_rgb(colour))


def _outline(canvas: Canvas, view: Heatmap, theme: Theme) -> None:
    """Draw a frame around the marked row and column."""
    line = {"color": theme.text, "width": 2.5}
    for axis, across, labels, others in (
        ("y", "x", view.row_labels, view.column_labels),
        ("x", "y", view.column_labels, view.row_labels),
    ):
        if view.marked in labels:
            place = labels.index(view.marked)
            canvas.shapes.append(
                {
                    "type": "rect", "line": line, f"{axis}0": place - 0.5, f"{axis}1": place + 0.5,
                    f"{across}0": -0.5, f"{across}1": len(others) - 0.5,
                }
            )  # fmt: skip


def _limits(view: Heatmap, values: NDArray[np.float32]) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    lowest, highest = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    low, high = view.scale.range or (lowest, highest)
    if view.centre is None:
        return low, high
    reach = max(high - view.centre, view.centre - low) or 1.0
    return view.centre - reach, view.centre + reach

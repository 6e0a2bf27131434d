"""Places of a figure that can be clicked: they carry what they stand for, and look as before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cl_viz.core.view import Heatmap, Histogram, Lines, Series, View

if TYPE_CHECKING:
    import plotly.graph_objects as go

_REACH = 14
_MOST_CELLS = 10_000


def with_targets(figure: go.Figure, view: View) -> go.Figure:
    """Return a copy of a figure of scores, or of classes against classes, whose places can be clicked.

    Parameters
    ----------
    figure : plotly.graph_objects.Figure
        Of the view.
    view : View
        A histogram or curves over the score, or a matrix of classes; others stay as they are.

    Returns
    -------
    plotly.graph_objects.Figure
        Each place carries ``[meaning, run, low, high]`` (a bin of the score) or ``[run, row, column]`` (a cell).
    """
    import plotly.graph_objects as go

    if isinstance(view, Heatmap):
        return _with_cells(go.Figure(figure), view)
    if not isinstance(view, (Histogram, Lines)):
        return figure
    copied = go.Figure(figure)
    curves = [trace for trace in copied.data if trace.type == "scatter" and trace.x is not None]
    for entry in view.series:
        if entry.meaning == "reference":
            continue
        carried = _bins(entry, histogram=isinstance(view, Histogram))
        trace = next(
            (t for t in curves if len(t.x) == len(carried) and t.customdata is None and _is_of(t, entry)), None
        )
        if trace is not None:
            colour = trace.line.color
            trace.update(
                mode="lines+markers",
                marker={"size": _REACH, "opacity": 0, "color": colour},
                selected={"marker": {"opacity": 0.9}},
                unselected={"marker": {"opacity": 0}},
                customdata=carried,
            )
    return copied.update_layout(clickmode="event+select", dragmode="zoom")


def _is_of(trace: Any, entry: Series) -> bool:
    """Whether a trace is the curve of a series: it has the same heights."""
    heights = np.asarray(trace.y, dtype=np.float64)[: len(entry.y)]
    wanted = np.asarray(entry.y, dtype=np.float32).astype(np.float64)
    shown = np.isfinite(heights)
    return bool(np.allclose(heights[shown], wanted[shown], rtol=1e-4))


def _bins(entry: Series, *, histogram: bool) -> list[list[Any]]:
    """Return meaning, run and ends of the score for each point of a curve."""
    x = np.asarray(entry.x, dtype=np.float64)
    if histogram:
        low, high = x[:-1], x[1:]
        # A curve of steps has one point more than bins: its last one closes the last bin.
        low, high = np.append(low, low[-1:]), np.append(high, high[-1:])
    else:
        half = float(np.diff(x).min()) / 2 if len(x) > 1 else 0.01
        low, high = x - half, x + half
    return [[entry.meaning, entry.run, float(start), float(end)] for start, end in zip(low, high, strict=True)]


def _with_cells(figure: go.Figure, view: Heatmap) -> go.Figure:
    """Lay a mark that cannot be seen on each cell: a matrix itself tells nobody where it was clicked."""
    n_rows, n_columns = np.asarray(view.values).shape
    if n_rows * n_columns > _MOST_CELLS:
        return figure
    matrix = figure.data[0]
    places = [(row, column) for row in range(n_rows) for column in range(n_columns)]
    figure.add_scatter(
        x=[matrix.x[column] for _, column in places],
        y=[matrix.y[row] for row, _ in places],
        mode="markers",
        marker={"symbol": "square", "size": _REACH, "opacity": 0},
        selected={"marker": {"opacity": 0.9, "color": "#7f7f7f"}},
        unselected={"marker": {"opacity": 0}},
        customdata=[[view.run, view.row_labels[row], view.column_labels[column]] for row, column in places],
        text=[f"{float(np.asarray(view.values)[row, column]):.4g}" for row, column in places],
        hovertemplate="%{y}<br>%{x}<br>%{text}<extra></extra>",
        showlegend=False,
    )
    return figure.update_layout(clickmode="event+select")

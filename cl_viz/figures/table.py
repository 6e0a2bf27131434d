"""Tables, for hosts that show figures only; the dashboard shows them as tables."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from cl_viz.core.result import format_number
from cl_viz.core.view import Table, told
from cl_viz.figures.frame import new_canvas, plain
from cl_viz.figures.theme import Theme


def draw_table(view: Table, theme: Theme, *, wide: bool = False) -> go.Figure:
    """Draw columns; numbers are right-aligned, with three significant digits."""
    canvas = new_canvas(told(view), theme, wide=wide)
    columns = [np.asarray(values) for values in view.columns.values()]
    canvas.add(
        "table",
        header={
            "values": [plain(name) for name in view.columns],
            "align": [_align(values) for values in columns],
            "fill": {"color": theme.grid},
            "line": {"color": theme.grid},
            "font": {"color": theme.text, "size": 13},
        },
        cells={
            "values": [_texts(values) for values in columns],
            "align": [_align(values) for values in columns],
            "fill": {"color": theme.background},
            "line": {"color": theme.grid},
            "font": {"color": theme.text, "size": 13},
            "height": 26,
        },
    )
    canvas.layout["margin"] |= {"b": 16, "l": 16, "r": 16}
    return canvas.figure()


def _align(values: np.ndarray) -> str:
    return "right" if values.dtype.kind in "iuf" else "left"


def _texts(values: np.ndarray) -> list[str]:
    if values.dtype.kind == "f":
        return [format_number(float(value)) for value in values]
    if values.dtype.kind in "iu":
        return [f"{int(value):,}" for value in values]
    return [plain(str(value)) for value in values]

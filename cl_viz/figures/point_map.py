"""A map as points, in two or three dimensions: kinds with a legend that filters, or numbers on a scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from cl_viz.core.view import Axis, PointMap, told
from cl_viz.figures.frame import Canvas, new_canvas, numbers, plain, set_axes
from cl_viz.figures.map_colours import Categories, Scale, by_entries, by_numbers, colour_column
from cl_viz.figures.theme import SEQUENTIAL, Theme

_SVG_POINTS = 3000
_SIZES = ((300, 8), (5000, 5), (20_000, 3))
"""Up to so many points a point is so many pixels wide; beyond them 2."""
_UNIT = "map units"


def draw_point_map(view: PointMap, theme: Theme, *, wide: bool = False) -> go.Figure:
    """Draw the points, each with the row it stands for as custom data."""
    canvas = new_canvas(told(view), theme, wide=wide)
    if view.colour is None:
        colouring: Categories | Scale = by_entries("", np.full(len(view.points), "points", dtype=object))
    elif view.scale.range is not None:
        colouring = by_numbers(view.scale.title, view.colour, view.scale.range)
    else:
        colouring = colour_column(view.scale.title, np.asarray(view.colour))
    if isinstance(colouring, Categories):
        _add_kinds(canvas, view, colouring, theme)
    else:
        _add_scale(canvas, view, colouring, theme)
    _set_space(canvas, view, theme)
    return canvas.figure()


def _add_kinds(canvas: Canvas, view: PointMap, kinds: Categories, theme: Theme) -> None:
    for place, (name, colour) in enumerate(zip(kinds.names, kinds.colours(theme.name), strict=True)):
        chosen = kinds.codes == place
        canvas.add(
            **_points(view, chosen),
            marker={"color": colour, "size": _size(len(view.points)), "opacity": 0.75},
            name=plain(name),
            hovertemplate=f"{plain(name)}<br>row %{{customdata}}<extra></extra>",
        )
    canvas.layout["showlegend"] = len(kinds.names) > 1
    canvas.layout["legend"] = {
        **canvas.layout.get("legend", {}), "title": {"text": plain(kinds.label)}, "itemsizing": "constant",
    }  # fmt: skip


def _add_scale(canvas: Canvas, view: PointMap, scale: Scale, theme: Theme) -> None:
    known = np.isfinite(scale.values)
    marker = {"size": _size(len(view.points)), "opacity": 0.85}
    if not known.all():
        canvas.add(**_points(view, ~known), marker={**marker, "color": theme.muted}, name="unknown",
                   hovertemplate="unknown<br>row %{customdata}<extra></extra>")  # fmt: skip
    bar = {"title": {"text": plain(scale.label), "side": "right"}, "thickness": 12, "outlinewidth": 0}
    canvas.add(
        **_points(view, known),
        marker={
            **marker, "color": numbers(scale.values[known]), "colorscale": SEQUENTIAL, "cmin": scale.low,
            "cmax": scale.high, "showscale": True, "colorbar": bar,
        },
        name="points",
        hovertemplate="%{marker.color:.3g}<br>row %{customdata}<extra></extra>",
    )  # fmt: skip
    canvas.layout["showlegend"] = False


def _points(view: PointMap, chosen: np.ndarray[Any, np.dtype[np.bool_]]) -> dict[str, Any]:
    flat = view.points.shape[1] == 2
    kind = ("scatter" if len(view.points) <= _SVG_POINTS else "scattergl") if flat else "scatter3d"
    axes = {name: numbers(view.points[chosen, place]) for place, name in enumerate("xy" if flat else "xyz")}
    return {"kind": kind, **axes, "mode": "markers", "customdata": numbers(view.rows[chosen])}


def _size(count: int) -> int:
    return next((size for most, size in _SIZES if count <= most), 2)


def _set_space(canvas: Canvas, view: PointMap, theme: Theme) -> None:
    labels = [Axis(f"Axis {place + 1} of the map", _UNIT) for place in range(view.points.shape[1])]
    if len(labels) == 2:
        set_axes(canvas, labels[0], labels[1], theme)
        canvas.y.update(scaleanchor="x", scaleratio=1)
        return
    look = {"backgroundcolor": theme.background, "gridcolor": theme.grid, "zeroline": False, "color": theme.muted}
    canvas.layout["scene"] = {
        **{f"{axis}axis": {**look, "title": {"text": label.title}} for axis, label in zip("xyz", labels, strict=True)},
        "aspectmode": "data",
    }

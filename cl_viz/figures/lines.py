"""Curves, with the band of their interval."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from cl_viz.core.view import Axis, Lines, Series
from cl_viz.figures.frame import Canvas, new_canvas, numbers, plain, set_axes
from cl_viz.figures.labels import Label, Place, add_labels
from cl_viz.figures.references import add_references
from cl_viz.figures.strokes import DIRECT_LABELS, Stroke, add_style_legend, is_several, line_colours, strokes
from cl_viz.figures.theme import Theme, translucent

_LETTER_HEIGHT = 0.07
"""Height of a label as a share of the plot."""
_LOG_TICKS = 8
"""Most ticks of a logarithmic axis."""


def draw_lines(view: Lines, theme: Theme, colours: Mapping[str, int], *, wide: bool = False) -> go.Figure:
    """Draw curves; up to four curves of one run are labelled at their end."""
    canvas = new_canvas(view.title, theme, wide=wide)
    found = strokes(view.series, theme, colours)
    several = is_several(view.series)
    for entry, stroke in zip(view.series, found, strict=True):
        _add_band(canvas, entry, stroke)
        _add_curve(canvas, view, entry, stroke)
    set_axes(canvas, view.x, view.y, theme)
    if view.y.log and view.y.range is None:
        canvas.y["dtick"] = _decades_per_tick(view)
    add_references(canvas, view.references, theme, line_colours(view.series, theme, colours))
    if several:
        add_style_legend(canvas, view.series, found, theme)
    elif len(view.series) == 1:
        canvas.layout["showlegend"] = False
    elif len(view.series) <= DIRECT_LABELS and not view.y.ticks:
        # Curves on ticks of their own stand above each other: a name beside one of them would stand on the next.
        canvas.layout["showlegend"] = not add_labels(canvas, _labels(view, found, canvas.letter), log_y=view.y.log)
    return canvas.figure()


def _decades_per_tick(view: Lines) -> int | str:
    """Return the distance of ticks: so many decades that labels do not touch, or 1, 2, 5 where there are few."""
    values = np.concatenate([np.asarray(entry.y, dtype=np.float64) for entry in view.series])
    shown = values[values > 0]
    decades = float(np.log10(shown.max() / shown.min())) if len(shown) else 1.0
    return "D2" if decades < 2 else math.ceil(decades / _LOG_TICKS)


def _add_curve(canvas: Canvas, view: Lines, entry: Series, stroke: Stroke) -> None:
    owner = f"{plain(entry.run)}, " if entry.run else ""
    size = f"<br>N = {entry.n:,}" if entry.n is not None else ""
    ring = _is_points(entry)
    canvas.add(
        "scatter",
        x=numbers(entry.x),
        y=numbers(entry.y),
        mode="markers" if ring else "lines+markers" if view.markers else "lines",
        line={"color": stroke.colour, "dash": stroke.dash, "width": 2},
        marker={"color": stroke.colour, "size": 15, "symbol": "circle-open", "line": {"width": 2.5}}
        if ring
        else {"color": stroke.colour, "size": 7},
        name=plain(stroke.legend or entry.name),
        showlegend=bool(stroke.legend),
        legendrank=stroke.rank,
        legendgroup=stroke.group,
        hovertemplate=f"{owner}{plain(entry.name)}<br>{plain(view.x.label)} %{{x}}"
        f"<br>{plain(view.y.label)} %{{y:.4g}}{size}<extra></extra>",
    )


def _is_points(entry: Series) -> bool:
    """Whether a reference is marked points, and not a curve: no two of its neighbours are there."""
    there = np.isfinite(np.asarray(entry.y, dtype=np.float64))
    return entry.meaning == "reference" and not bool((there[1:] & there[:-1]).any())


def _add_band(canvas: Canvas, entry: Series, stroke: Stroke) -> None:
    if entry.low is None or entry.high is None:
        return
    across = np.concatenate([numbers(entry.x), numbers(entry.x)[::-1]])
    around = np.concatenate([numbers(entry.high), numbers(entry.low)[::-1]])
    canvas.add(
        "scatter",
        x=across,
        y=around,
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=translucent(stroke.colour, 0.15),
        legendgroup=stroke.group,
        showlegend=False,
        hoverinfo="skip",
    )


def _labels(view: Lines, found: list[Stroke], letter: float) -> list[Label]:
    """One label at the end of each curve, where it can be beside all curves."""
    curves = [(_on(entry.x, view.x), _on(entry.y, view.y)) for entry in view.series]
    heights = np.concatenate([y[np.isfinite(y)] for _, y in curves] or [np.zeros(0)])
    low, high = (0.0, 1.0) if not len(heights) else (heights.min(), heights.max())
    if view.y.range is not None and np.isfinite(_on(view.y.range, view.y)).all():
        low, high = _on(view.y.range, view.y)
    height = float(high - low) or 1.0
    labels = []
    for entry, stroke, (_, y) in zip(view.series, found, curves, strict=True):
        there = np.flatnonzero(np.isfinite(y))
        # A curve may end, or be nowhere, before its last place: the label stands where something is drawn.
        if not len(there) or np.asarray(entry.x).dtype.kind not in "iuf":
            continue
        last = there[-1]
        ups = [float(y[last]) + rise * height for rise in (0.05, -0.05, 0.09, -0.09, 0.13, -0.13)]
        places = [
            Place(float(entry.x[last]), 10**up if view.y.log else up, 1.0, (up - float(low)) / height, "left")
            for up in ups
        ]
        width = letter * len(entry.name)
        covered = {place: _covers(view, curves, place, width, (float(low), height)) for place in places}
        labels.append(Label(entry.name, stroke.colour, tuple(sorted(places, key=covered.__getitem__))))
    return labels


def _on(values: object, axis: Axis) -> NDArray[np.float64]:
    """Return values as an axis shows them: in decades where it is logarithmic; what cannot be shown is NaN."""
    found = np.asarray(values)
    if found.dtype.kind not in "iuf":
        return np.arange(found.size, dtype=np.float64)
    found = found.astype(np.float64)
    return np.log10(np.where(found > 0, found, np.nan)) if axis.log else found


def _covers(
    view: Lines,
    curves: list[tuple[NDArray[np.float64], NDArray[np.float64]]],
    place: Place,
    width: float,
    ends: tuple[float, float],
) -> bool:
    """Whether a curve runs through the place of a label, `width` (a share of the plot) wide and left of its point."""
    low, height = ends
    point = float(_on(place.x, view.x))
    for x, y in curves:
        there = np.isfinite(x) & np.isfinite(y)
        if there.sum() < 2:
            continue
        across, up = x[there], (y[there] - low) / height
        first, last = _on(view.x.range, view.x) if view.x.range else (across.min(), across.max())
        order = np.argsort(across, kind="stable")
        under = np.interp(np.linspace(point - width * (last - first), point, 12), across[order], up[order])
        if bool((np.abs(under - place.up) < _LETTER_HEIGHT / 2).any()):
            return True
    return False

"""Curves, with the band of their interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from cl_viz.core.view import Axis, Lines, Series, told
from cl_viz.figures.frame import MOST_POWERS, Canvas, new_canvas, numbers, plain, set_axes, write_powers
from cl_viz.figures.labels import HEIGHT, NO_SEGMENTS, Label, Place, Segments, Side, add_labels, segments
from cl_viz.figures.references import add_references
from cl_viz.figures.strokes import DIRECT_LABELS, Stroke, add_style_legend, is_several, line_colours, strokes
from cl_viz.figures.theme import Theme, as_text, translucent

_LIFTS = (0.0, 0.03, 0.06, 0.1, 0.15, 0.2)
"""How far from what it must not cover a label may stand, as shares of the plot."""
_ANCHORS = 25
"""Places along a curve where its name may end."""
_PADDING = 0.055
"""Room that plotly leaves at the ends of an axis that it chooses itself, as a share of the values' range."""
Curve = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Where a curve runs, across and up, as shares of the plot."""


def draw_lines(view: Lines, theme: Theme, colours: Mapping[str, int], *, wide: bool = False) -> go.Figure:
    """Draw curves; up to four curves of one run are labelled at their end."""
    canvas = new_canvas(told(view), theme, wide=wide)
    found = strokes(view.series, theme, colours)
    several = is_several(view.series)
    for entry, stroke in zip(view.series, found, strict=True):
        _add_band(canvas, entry, stroke)
        _add_curve(canvas, view, entry, stroke)
    set_axes(canvas, view.x, view.y, theme)
    _write_ticks(canvas.x, view.x, [entry.x for entry in view.series])
    _write_ticks(canvas.y, view.y, [entry.y for entry in view.series])
    if view.y.log and view.y.range is None:
        canvas.y["dtick"] = _decades_per_tick(view)
    add_references(canvas, view.references, theme, line_colours(view.series, theme, colours))
    if several:
        add_style_legend(canvas, view.series, found, theme)
    elif len(view.series) == 1:
        canvas.layout["showlegend"] = False
    elif len(view.series) <= DIRECT_LABELS and not view.y.ticks:
        # Curves on ticks of their own stand above each other: a name beside one of them would stand on the next.
        drawn, lines = _shares(view), _reference_lines(view)
        canvas.layout["showlegend"] = not add_labels(
            canvas,
            _labels(view, found, drawn, theme),
            log_y=view.y.log,
            curves=np.concatenate([segments(across, up) for across, up in drawn]),
            lines=lines,
        )
    return canvas.figure()


def _write_ticks(settings: dict[str, Any], axis: Axis, values: Sequence[NDArray[Any]]) -> None:
    """Write the ticks of a logarithmic axis that is as long as its values; others are written by their range."""
    if not axis.log or axis.range is not None or axis.ticks or not values:
        return
    found = np.concatenate([np.asarray(entry, dtype=np.float64) for entry in values])
    shown = found[(found > 0) & np.isfinite(found)]
    if len(shown):
        write_powers(settings, float(shown.min()), float(shown.max()))


def _decades_per_tick(view: Lines) -> int | str:
    """Return the distance of ticks: so many decades that labels do not touch, or 1, 2, 5 where there are few."""
    values = np.concatenate([np.asarray(entry.y, dtype=np.float64) for entry in view.series])
    shown = values[values > 0]
    decades = float(np.log10(shown.max() / shown.min())) if len(shown) else 1.0
    return "D2" if decades < 2 else math.ceil(decades / MOST_POWERS)


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
        # A marker at the end of an axis is seen whole.
        cliponaxis=False if ring or view.markers else None,
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


def _labels(view: Lines, found: list[Stroke], drawn: list[Curve], theme: Theme) -> list[Label]:
    """One label a curve, near its end where that is free, and else further along."""
    labels = []
    low, high = _ends(view.y, _heights(view), _PADDING)
    for entry, stroke, (across, up) in zip(view.series, found, drawn, strict=True):
        there = np.flatnonzero(np.isfinite(across) & np.isfinite(up))
        # A curve may end, or be nowhere, before its last place: the label stands where something is drawn.
        if not len(there) or np.asarray(entry.x).dtype.kind not in "iuf":
            continue
        last = there[-1]
        sides: tuple[Side, Side] = ("left", "right")
        places = [(0.0, _at(entry, view, across[last], up[last], last, (low, high), "right"))]
        for place in dict.fromkeys(np.linspace(last, there[0], _ANCHORS).round().astype(int).tolist()):
            for lift in _LIFTS if np.isfinite(across[place] + up[place]) else ():
                cost = lift + 0.3 * float(across[last] - across[place])
                for away in (HEIGHT / 2 + 0.015 + lift, -HEIGHT / 2 - 0.015 - lift):
                    for side in sides:
                        at = _at(entry, view, across[place], up[place] + away, place, (low, high), side)
                        places.append((cost, at))
        inside = sorted((pair for pair in places if HEIGHT / 3 < pair[1].up < 1), key=lambda pair: pair[0])
        labels.append(Label(entry.name, as_text(stroke.colour, theme), tuple(at for _, at in inside)))
    return labels


def _at(
    entry: Series, view: Lines, across: float, up: float, place: int, ends: tuple[float, float], side: Side
) -> Place:
    """Return the place beside a point of a curve, `up` above the foot of the plot."""
    value = float(ends[0] + up * (ends[1] - ends[0]))
    return Place(float(entry.x[place]), 10**value if view.y.log else value, float(across), float(up), side)


def _shares(view: Lines) -> list[Curve]:
    """Return where each curve runs, as shares of the plot's width and height."""
    wide = _ends(view.x, _values(view.x, *(entry.x for entry in view.series)), _PADDING if view.markers else 0.0)
    high = _ends(view.y, _heights(view), _PADDING)
    return [
        ((_on(entry.x, view.x) - wide[0]) / (wide[1] - wide[0]), (_on(entry.y, view.y) - high[0]) / (high[1] - high[0]))
        for entry in view.series
    ]


def _reference_lines(view: Lines) -> Segments:
    """Return where the dashed lines run."""
    wide = _ends(view.x, _values(view.x, *(entry.x for entry in view.series)), _PADDING if view.markers else 0.0)
    high = _ends(view.y, _heights(view), _PADDING)
    found = []
    for entry in view.references:
        axis, (low, top) = (view.x, wide) if entry.on == "x" else (view.y, high)
        share = float((_on([entry.at], axis)[0] - low) / (top - low))
        found.append((share, 0.0, share, 1.0) if entry.on == "x" else (0.0, share, 1.0, share))
    lines = np.array(found).reshape(-1, 4)
    return lines[np.isfinite(lines).all(axis=1)] if len(lines) else NO_SEGMENTS


def _heights(view: Lines) -> NDArray[np.float64]:
    parts = [part for entry in view.series for part in (entry.y, entry.low, entry.high) if part is not None]
    return _values(view.y, *parts)


def _values(axis: Axis, *parts: NDArray[Any]) -> NDArray[np.float64]:
    values = np.concatenate([_on(part, axis) for part in parts])
    finite: NDArray[np.float64] = values[np.isfinite(values)]
    return finite


def _ends(axis: Axis, values: NDArray[np.float64], padding: float) -> tuple[float, float]:
    """Return the ends of an axis as it shows values: those it was given, or those of its values with some room."""
    given = _on(axis.range, axis) if axis.range is not None else np.full(2, np.nan)
    if np.isfinite(given).all() and given[0] != given[1]:
        return float(given[0]), float(given[1])
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    room = padding * (high - low) if high > low else 1.0
    return low - room, high + room


def _on(values: object, axis: Axis) -> NDArray[np.float64]:
    """Return values as an axis shows them: in decades where it is logarithmic; what cannot be shown is NaN."""
    found = np.asarray(values)
    if found.dtype.kind not in "iuf":
        return np.arange(found.size, dtype=np.float64)
    found = found.astype(np.float64)
    return np.log10(np.where(found > 0, found, np.nan)) if axis.log else found

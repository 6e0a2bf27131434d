"""Histograms: densities as steps over shared bins."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from cl_viz.core.view import Histogram, Series, told
from cl_viz.figures.frame import Canvas, new_canvas, numbers, plain, set_axes
from cl_viz.figures.labels import Label, Place, Side, add_labels
from cl_viz.figures.references import add_references
from cl_viz.figures.strokes import DIRECT_LABELS, Stroke, add_style_legend, is_several, line_colours, strokes
from cl_viz.figures.theme import Theme, as_text, translucent

# A run whose peak is more than so many times the usual one does not stretch the axis.
_TALLEST = 2.5


def draw_histogram(view: Histogram, theme: Theme, colours: Mapping[str, int], *, wide: bool = False) -> go.Figure:
    """Draw densities; with one run the areas are filled."""
    canvas = new_canvas(told(view), theme, wide=wide)
    found = strokes(view.series, theme, colours)
    several = is_several(view.series)
    for entry, stroke in zip(view.series, found, strict=True):
        _add_steps(canvas, view, entry, stroke, filled=not several and not view.y.log)
    set_axes(canvas, view.x, view.y, theme)
    top = _limit_height(canvas, view, theme)
    add_references(canvas, view.references, theme, line_colours(view.series, theme, colours))
    if several:
        add_style_legend(canvas, view.series, found, theme)
    elif len(view.series) == 1:
        canvas.layout["showlegend"] = False
    elif len(view.series) <= DIRECT_LABELS:
        canvas.layout["showlegend"] = not add_labels(
            canvas, _labels(view, found, top, canvas.letter, theme), log_y=view.y.log
        )
    return canvas.figure()


def _add_steps(canvas: Canvas, view: Histogram, entry: Series, stroke: Stroke, *, filled: bool) -> None:
    density = np.asarray(entry.y, dtype=np.float32)
    if view.y.log:
        density = np.where(density > 0, density, np.nan)
    owner = f"{plain(entry.run)}, " if entry.run else ""
    canvas.add(
        "scatter",
        x=numbers(entry.x),
        y=numbers(np.append(density, density[-1:])),
        mode="lines",
        line={"color": stroke.colour, "dash": stroke.dash, "width": 2, "shape": "hv"},
        fill="tozeroy" if filled and entry.meaning != "reference" else None,
        fillcolor=translucent(stroke.colour, 0.16),
        name=plain(stroke.legend or entry.name),
        showlegend=bool(stroke.legend),
        legendgroup=stroke.group,
        legendrank=stroke.rank,
        hovertemplate=f"{owner}{plain(entry.name)}<br>{plain(view.x.label)} %{{x:.3f}}"
        f"<br>{plain(view.y.label)} %{{y:.3g}}<extra></extra>",
    )


def _limit_height(canvas: Canvas, view: Histogram, theme: Theme) -> float:
    """End the axis below the peaks of a run that would flatten every other run's, and say how high those go.

    Returns
    -------
    float
        Upper end of the axis.
    """
    top = max((float(np.max(entry.y, initial=0.0)) for entry in view.series), default=0.0) or 1.0
    if view.y.range is not None or view.y.log:
        return view.y.range[1] if view.y.range is not None else top
    peaks: dict[str, float] = {}
    for entry in view.series:
        if entry.meaning != "reference":
            peaks[entry.run] = max(peaks.get(entry.run, 0.0), float(np.max(entry.y, initial=0.0)))
    usual = sorted(peaks.values())[(len(peaks) - 1) // 2] if peaks else 0.0
    outlying = [run for run, peak in peaks.items() if peak > _TALLEST * usual]
    if not outlying:
        canvas.y.update(rangemode="tozero")
        return top
    limit = 1.15 * max(peak for peak in peaks.values() if peak <= _TALLEST * usual)
    canvas.y.update(range=[0, limit])
    for place, run in enumerate(outlying):
        _say_how_high(canvas, next(e for e in view.series if e.run == run), peaks[run], place, theme)
    return limit


def _say_how_high(canvas: Canvas, entry: Series, peak: float, place: int, theme: Theme) -> None:
    bin_of_peak = int(np.argmax(entry.y))
    left = float(entry.x[bin_of_peak]) < (float(entry.x[0]) + float(entry.x[-1])) / 2
    canvas.note(
        x=float(entry.x[bin_of_peak + 1] if left else entry.x[bin_of_peak]),
        y=1 - 0.075 * place,
        yref="paper",
        text=plain(f"↑ {entry.run} goes up to {peak:.3g}"),
        xanchor="left" if left else "right",
        yanchor="top",
        xshift=8 if left else -8,
        bgcolor=theme.background,
        font={"color": theme.text, "size": 12},
    )


def _labels(view: Histogram, found: list[Stroke], top: float, letter: float, theme: Theme) -> list[Label]:
    """Say beside each curve what it is; the tallest curve chooses its place first."""
    low, high = view.x.range or (
        float(min(entry.x[0] for entry in view.series)),
        float(max(entry.x[-1] for entry in view.series)),
    )
    drawn = [(entry, stroke) for entry, stroke in zip(view.series, found, strict=True) if np.any(entry.y > 0)]
    drawn.sort(key=lambda pair: -float(np.max(pair[0].y)))
    return [
        Label(entry.name, as_text(stroke.colour, theme), _places(entry, view, low, high, top, letter))
        for entry, stroke in drawn
    ]


def _places(entry: Series, view: Histogram, low: float, high: float, top: float, letter: float) -> tuple[Place, ...]:
    """Points on both flanks of a curve, lifted above whatever the text would cover; the least lifted first."""
    peak = min(float(np.max(entry.y)), top)
    width = letter * len(entry.name)
    costed = []
    for share in (0.97, 0.85, 0.7, 0.55, 0.4, 0.25, 0.12):
        inside = np.flatnonzero(entry.y >= share * peak)
        last, first = float(entry.x[inside[-1] + 1]), float(entry.x[inside[0]])
        points: list[tuple[float, Side]] = [(last, "right"), (first, "left"), ((first + last) / 2, "centre")]
        for x, side in points:
            across = (x - low) / (high - low)
            start = across - {"left": 1.0, "centre": 0.5, "right": 0.0}[side] * width
            covered = max(_height_within(other, (start, start + width), low, high) for other in view.series) / top
            up = max(share * peak / top, covered + 0.05)
            cost = up - share * peak / top + 0.15 * (1 - share)
            costed.append((cost, Place(x, up * top, across, up, side)))
    return tuple(place for _, place in sorted(costed, key=lambda pair: pair[0]))


def _height_within(entry: Series, span: tuple[float, float], low: float, high: float) -> float:
    """Largest density of a curve over a span of the plot's width."""
    edges = (np.asarray(entry.x, dtype=np.float64) - low) / (high - low)
    inside = (edges[1:] > span[0]) & (edges[:-1] < span[1])
    return float(np.max(np.asarray(entry.y)[inside], initial=0.0))

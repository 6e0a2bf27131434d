"""Histograms: densities as steps over shared bins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
import plotly.graph_objects as go

from cl_viz.core.view import Histogram, Series
from cl_viz.figures.frame import add_references, new_figure, numbers, plain, set_axes
from cl_viz.figures.labels import Label, Place, Side, add_labels
from cl_viz.figures.strokes import DIRECT_LABELS, Stroke, add_style_legend, is_several, strokes
from cl_viz.figures.theme import Theme, translucent


def draw_histogram(view: Histogram, theme: Theme, colours: Mapping[str, int]) -> go.Figure:
    """Draw densities; with one run the areas are filled."""
    figure = new_figure(view.title, theme)
    found = strokes(view.series, theme, colours)
    several = is_several(view.series)
    for entry, stroke in zip(view.series, found, strict=True):
        _add_steps(figure, view, entry, stroke, filled=not several and not view.y.log)
    set_axes(figure, view.x, view.y, theme)
    if view.y.range is None and not view.y.log:
        figure.update_yaxes(rangemode="tozero")
    add_references(figure, view.references, theme)
    if several:
        add_style_legend(figure, view.series, found, theme)
    elif len(view.series) <= DIRECT_LABELS:
        figure.update_layout(showlegend=not add_labels(figure, _labels(view, found), log_y=view.y.log))
    return figure


def _add_steps(figure: go.Figure, view: Histogram, entry: Series, stroke: Stroke, *, filled: bool) -> None:
    density = np.asarray(entry.y, dtype=np.float32)
    if view.y.log:
        density = np.where(density > 0, density, np.nan)
    owner = f"{plain(entry.run)}, " if entry.run else ""
    figure.add_scatter(
        x=numbers(entry.x),
        y=numbers(np.append(density, density[-1:])),
        mode="lines",
        line={"color": stroke.colour, "dash": stroke.dash, "width": 2, "shape": "hv"},
        fill="tozeroy" if filled else None,
        fillcolor=translucent(stroke.colour, 0.16),
        name=plain(stroke.legend or entry.name),
        showlegend=bool(stroke.legend),
        legendgroup=stroke.group,
        hovertemplate=f"{owner}{plain(entry.name)}<br>{plain(view.x.label)} %{{x:.3f}}"
        f"<br>{plain(view.y.label)} %{{y:.3g}}<extra></extra>",
    )


def _labels(view: Histogram, found: list[Stroke]) -> list[Label]:
    """Say beside each curve what it is: near its peak, or further down a flank; the tallest curve chooses first."""
    low, high = view.x.range or (
        float(min(entry.x[0] for entry in view.series)),
        float(max(entry.x[-1] for entry in view.series)),
    )
    top = max((float(np.max(entry.y, initial=0.0)) for entry in view.series), default=0.0) or 1.0
    drawn = [(entry, stroke) for entry, stroke in zip(view.series, found, strict=True) if np.any(entry.y > 0)]
    drawn.sort(key=lambda pair: -float(np.max(pair[0].y)))
    return [Label(entry.name, stroke.colour, _places(entry, low, high, top)) for entry, stroke in drawn]


def _places(entry: Series, low: float, high: float, top: float) -> tuple[Place, ...]:
    """Points on both flanks of a curve, from the peak down."""
    peak = float(np.max(entry.y))
    places = []
    for share in (0.97, 0.85, 0.7, 0.55, 0.4, 0.25, 0.12):
        inside = np.flatnonzero(entry.y >= share * peak)
        ends = (float(entry.x[inside[-1] + 1]), "right"), (float(entry.x[inside[0]]), "left")
        for x, side in ends:
            height = share * peak
            places.append(Place(x, height, (x - low) / (high - low), height / top, cast(Side, side)))
    return tuple(places)

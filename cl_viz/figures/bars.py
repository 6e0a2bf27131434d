"""Bars: one a category, with the interval as a whisker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from textwrap import wrap
from typing import Any

import numpy as np
import plotly.graph_objects as go

from cl_viz.core.view import Bars, told
from cl_viz.figures.frame import Canvas, new_canvas, numbers, plain, set_axes, shorten, whiskers
from cl_viz.figures.many_bars import MANY, MOST, categories
from cl_viz.figures.references import add_references
from cl_viz.figures.strokes import is_several, line_colours, strokes, styles
from cl_viz.figures.theme import Theme

_FEW_CATEGORIES = 4
_LONG_NAME = 20
_LONGEST_NAME = {False: 24, True: 60}
"""Letters of a name beside bars that lie on their side, at half the width of a page and at all of it."""
_MOST_LINES = 4
_FEWEST_PLACES = 3
_PATTERNS: Mapping[str, str] = {"solid": "", "dot": "/", "dashdot": ".", "longdash": "x", "dash": "-"}
"""Pattern of the bars whose lines would have a dash, where colour says which run."""


def draw_bars(view: Bars, theme: Theme, colours: Mapping[str, int], *, wide: bool = False) -> go.Figure:
    """Draw bars side by side, or below each other; categories keep their order."""
    canvas = new_canvas(told(view), theme, wide=wide)
    found = strokes(view.series, theme, colours)
    patterned = styles(view.series, found)
    plainly = is_several(view.series) and not patterned
    for number, (entry, stroke) in enumerate(zip(view.series, found, strict=True)):
        owner = f"{plain(entry.run)}, " if entry.run else ""
        names = np.array([plain(str(value)) for value in entry.x], dtype=object)
        ends = whiskers(entry.y, entry.low, entry.high, theme)
        places = {"x": numbers(entry.y), "y": names, "orientation": "h", "error_x": ends} if view.sideways else {
            "x": names, "y": numbers(entry.y), "error_y": ends}  # fmt: skip
        category, value = ("%{y}", "%{x:.4g}") if view.sideways else ("%{x}", "%{y:.4g}")
        canvas.add(
            "bar",
            **places,
            offsetgroup=str(number) if patterned else None,
            marker=_marker(stroke.colour, "solid" if plainly or entry.meaning == "reference" else stroke.dash),
            name=plain(stroke.legend or entry.name),
            showlegend=bool(stroke.legend),
            legendrank=stroke.rank,
            legendgroup=stroke.group,
            hovertemplate=f"{owner}{plain(entry.name)}<br>{category}<br>{plain(view.y.label)} {value}<extra></extra>",
        )
    _tell_patterns(canvas, patterned, theme, sideways=view.sideways)
    canvas.layout |= {"barmode": "group", "showlegend": len(view.series) > 1}
    references = view.references
    if view.sideways:
        set_axes(canvas, view.y, view.x, theme)
        canvas.y.update(type="category", categoryorder="trace", autorange="reversed", dtick=1)
        # The values are read from above, where a tall figure begins: room for their axis below the title.
        canvas.x.update(side="top")
        shorten(canvas.y, categories(view), MOST, _LONGEST_NAME[wide])
        canvas.layout["margin"] |= {"t": canvas.layout["margin"]["t"] + 44, "b": 24}
        canvas.layout["legend"] |= {"traceorder": "normal"}
        references = tuple(replace(entry, on="x" if entry.on == "y" else "y") for entry in references)
    else:
        set_axes(canvas, view.x, view.y, theme)
        canvas.x.update(type="category", categoryorder="trace")
        _wrap(canvas.x, view, MANY * (2 if wide else 1))
        _leave_room(canvas.x, view)
    add_references(canvas, references, theme, line_colours(view.series, theme, colours))
    return canvas.figure()


def _tell_patterns(canvas: Canvas, patterned: Mapping[str, str], theme: Theme, *, sideways: bool) -> None:
    """Add to the legend alone what each pattern stands for: of the first bar's group, so that it takes no room."""
    for word, dash in patterned.items():
        canvas.add(
            "bar",
            x=[None],
            y=[None],
            orientation="h" if sideways else None,
            offsetgroup="0",
            marker=_marker(theme.muted, dash),
            name=plain(word),
            legendgroup=f"style: {word}",
            legendrank=2,
            hoverinfo="skip",
        )


def _leave_room(axis: dict[str, Any], view: Bars) -> None:
    """Keep the bars of one or two categories from filling the figure."""
    count = len(categories(view))
    if 0 < count < _FEWEST_PLACES:
        beside = (_FEWEST_PLACES - count) / 2
        axis.update(range=[-0.5 - beside, count - 0.5 + beside])


def _wrap(axis: dict[str, Any], view: Bars, most: int) -> None:
    """Break the long names of a few categories into lines, and end those of more early: they stand upright.

    In full they would take the room of the bars.
    """
    names = categories(view)
    if len(names) > _FEW_CATEGORIES:
        shorten(axis, names, most, _LONG_NAME)
        return
    if max(map(len, names), default=0) <= _LONG_NAME:
        return
    lines = [[plain(line) for line in wrap(name, _LONG_NAME, max_lines=_MOST_LINES, placeholder="…")] for name in names]
    axis.update(tickmode="array", tickvals=list(range(len(names))), ticktext=["<br>".join(some) for some in lines])
    axis.update(tickangle=0)


def _marker(colour: str, dash: str) -> dict[str, Any]:
    """Return how a bar is filled: wholly, or with the pattern of its style."""
    shape = _PATTERNS[dash]
    if not shape:
        return {"color": colour, "line": {"width": 0}}
    return {"color": colour, "line": {"color": colour, "width": 1}, "pattern": {"shape": shape, "solidity": 0.4}}

"""How high a figure is drawn: its plot keeps its room where names of runs are many, or long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cl_viz.figures.frame import TITLE_LINE

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_LETTER, _SYMBOL = 6.4, 45
"""Pixels of a letter of a legend, and of what stands before it."""
_ENTRY, _BETWEEN_ROWS = 20, 10
"""Pixels of an entry of a legend, and between its rows."""
_LEGEND_WIDTH = {False: 350, True: 820}
"""Pixels of a row of the legend of a figure of half the page, and of all its width, in a window of 1280."""
_USUAL_LEGEND = 90
_MOST_LEGEND = 330
"""Pixels of the highest legend that all is made room for; a longer one scrolls."""
_USUAL_TITLE = 2


def needed(drawn: Figure, height: int, *, wide: bool) -> int:
    """Return the height of a figure in which its legend and its title leave the usual room to the plot.

    Parameters
    ----------
    drawn : Figure
    height : int
        Pixels that suffice for a legend of up to three rows and a title of up to two lines.
    wide : bool
        Whether it is as wide as the page.
    """
    lines = str(drawn.layout.title.text).count("<br>") + 1
    legend = min(legend_height(drawn, wide=wide), _MOST_LEGEND)
    return height + max(0, legend - _USUAL_LEGEND) + TITLE_LINE * max(0, lines - _USUAL_TITLE)


def legend_height(drawn: Figure, *, wide: bool) -> int:
    """Return about how many pixels a legend below the plot takes; entries of a group stand below each other."""
    if drawn.layout.showlegend is False:
        return 0
    groups: dict[str, list[str]] = {}
    for number, trace in enumerate(drawn.data):
        if trace.name and getattr(trace, "showlegend", None) is not False:
            groups.setdefault(getattr(trace, "legendgroup", None) or f"\0{number}", []).append(trace.name)
    rows: list[int] = []
    left = 0.0
    for names in groups.values():
        width = _SYMBOL + _LETTER * max(map(len, names))
        if width > left:
            rows.append(0)
            left = _LEGEND_WIDTH[wide]
        left -= width
        rows[-1] = max(rows[-1], len(names))
    return sum(_ENTRY * entries + _BETWEEN_ROWS for entries in rows)

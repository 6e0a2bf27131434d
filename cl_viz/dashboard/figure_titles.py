"""Titles of figures as text above them, which wraps at any width, can be searched and marked.

A figure keeps its own title for the picture that its camera saves. On the page the room of that title is pulled up
under the edge of the figure's place and cut off there, so that the title is not seen twice.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import streamlit as st

from cl_viz.figures.captions import together
from cl_viz.figures.frame import TITLE_LINE

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_MOST_LINES = 24
"""Lines of a title that can be cut off; names of runs can be long."""
_PLACE = "titled"
_FIGURE = '[data-testid="stElementContainer"]:has(.stPlotlyChart)'
_BELOW = 10
"""Pixels from the edge of a figure to its title, which is cut off with it."""


def _room(lines: int) -> str:
    """Return the rules that cut off a figure's own title of so many lines."""
    place = f'[class*="st-key-{_PLACE}-{lines}-"]'
    room = lines * TITLE_LINE + _BELOW
    return (
        f"{place} {_FIGURE} {{ margin-bottom: -{room}px; }}\n"
        f"{place} .stPlotlyChart {{ margin-top: -{room}px; }}\n"
        f"{place} .stPlotlyChart .modebar-container {{ margin-top: {room}px; }}"
    )


STYLE = f"""
.cl-viz-title {{ font-weight: 600; line-height: {TITLE_LINE}px; text-wrap: pretty; overflow-wrap: anywhere; }}
[class*="st-key-{_PLACE}-"] {_FIGURE} {{ overflow: hidden; pointer-events: none; }}
[class*="st-key-{_PLACE}-"] .stPlotlyChart {{ pointer-events: auto; }}
""" + "\n".join(_room(lines) for lines in range(1, _MOST_LINES + 1))


def above(drawn: Figure, key: str, title: str) -> AbstractContextManager[Any]:
    """Draw the title of a figure as text; the figure is drawn inside of what is returned.

    Parameters
    ----------
    drawn : Figure
        With its own title, which `title` takes the place of.
    key : str
        Unique on the page.
    title : str
    """
    lines = min(_MOST_LINES, drawn.layout.title.text.count("<br>") + 1)
    place = st.container(key=f"{_PLACE}-{lines}-{key}", gap=None)
    with place:
        st.html(f'<div class="cl-viz-title">{together(title)}</div>')
    return place

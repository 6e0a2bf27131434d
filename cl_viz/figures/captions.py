"""Figures whose title stands beside them as text, where a page sets it: it wraps at any width, and can be searched."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from cl_viz.figures.frame import TITLE_LINE, TOGETHER

if TYPE_CHECKING:
    import plotly.graph_objects as go


def without_title(figure: go.Figure) -> go.Figure:
    """Take the title out of a figure that `render` made, and the room that it took above the plot."""
    lines = figure.layout.title.text.count("<br>") + 1
    return figure.update_layout(title=None, margin_t=figure.layout.margin.t - TITLE_LINE * lines)


def together(text: str) -> str:
    """Return text as HTML in which N and % stay with their numbers."""
    return html.escape(text).replace("N = ", TOGETHER).replace(" %", "\N{NO-BREAK SPACE}%")

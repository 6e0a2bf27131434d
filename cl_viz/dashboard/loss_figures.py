"""Figures of the loss pages: views that no diagnostic made, with the same row of quiet buttons."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import streamlit as st

from cl_viz.core.view import View
from cl_viz.dashboard import cache, figure_buttons, panels, state
from cl_viz.figures import render

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def figure(
    view: View,
    key: str,
    colours: Mapping[str, int],
    lines: str,
    *,
    explain: Callable[[], None] | None = None,
    height: int = panels.MAIN_HEIGHT,
    buttons: bool = True,
    wide: bool = False,
) -> None:
    """Draw one figure with its buttons.

    Parameters
    ----------
    view : View
    key : str
        Unique on the page.
    colours : Mapping[str, int]
        Number of the colour of each loss.
    lines : str
        Python that makes the same figure in a notebook.
    explain : callable, optional
        Draws "How to read this"; the main figure of a page has it, and the link.
    height : int
        Pixels.
    buttons : bool
        Whether the row of buttons is drawn; not while the figure still changes every second.
    wide : bool
        Whether it is as wide as the page.
    """
    st.plotly_chart(
        _drawn(view, colours, wide),
        theme=None,
        width="stretch",
        height=height,
        key=f"figure {key}",
        config=figure_buttons.chart_config(key.replace(" ", "-")),
        alt=view.title,
    )
    if buttons:
        figure_buttons.row(view, key, lines, explain)


def _drawn(view: View, colours: Mapping[str, int], wide: bool) -> Figure:
    """Return the figure of a view, drawn only once."""
    # The view is kept with its figure, so that no other object can take over its identity.
    key = (id(view), state.theme(), tuple(colours.items()), wide)
    kept = _figures().get(key)
    if kept is None:
        kept = _figures().put(key, (view, render(view, state.theme(), run_colours=colours, wide=wide)))
    return kept[1]


@st.cache_resource(show_spinner=False, scope="session")
def _figures() -> cache.BoundedStore[tuple[View, Figure]]:
    return cache.BoundedStore(64)

"""Figures of the loss pages: views that no diagnostic made, with the same row of quiet buttons."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

from cl_viz.core.view import View
from cl_viz.dashboard import panels, state
from cl_viz.figures import render


def figure(
    view: View,
    key: str,
    colours: Mapping[str, int],
    lines: str,
    *,
    explain: Callable[[], None] | None = None,
    height: int = panels.MAIN_HEIGHT,
    buttons: bool = True,
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
    """
    st.plotly_chart(
        render(view, state.theme(), run_colours=colours),
        theme=None,
        width="stretch",
        height=height,
        key=f"figure {key}",
        config=panels.chart_config(key.replace(" ", "-")),
        alt=view.title,
    )
    if buttons:
        panels.buttons(view, key, lines, explain)

"""Figures of the loss pages: views that no diagnostic made, with the same row of quiet buttons."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cl_viz.core.view import View, told
from cl_viz.dashboard import drawn_figures, figure_buttons, panels, state
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
    theme = state.theme()
    drawn = drawn_figures.once(
        [view],
        (theme, tuple(colours.items()), wide),
        lambda: render(view, theme, run_colours=colours, wide=wide),
    )
    drawn_figures.chart(drawn, f"figure {key}", told(view), height, wide=wide)
    if buttons:
        figure_buttons.row(view, key, lines, explain)

"""Figures on a page: drawn once and kept between reruns, and put there with the same buttons everywhere."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import streamlit as st

from cl_viz.core.result import Result
from cl_viz.core.view import View
from cl_viz.dashboard import figure_room, figure_titles, state
from cl_viz.dashboard.bounded_store import BoundedStore
from cl_viz.figures import at_ends, below_each_other, compare, render
from cl_viz.figures.marking import at_step

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

T = TypeVar("T")
BarsShown = Literal["", "at_ends", "below_each_other"]
"""What is shown of bars of many categories."""
_KEPT = 128
_PICTURE_WIDTH = {False: 560, True: 1000}
"""Pixels of a saved picture of a figure of half the page, and of all its width: the lines of its title fit in it."""


@st.cache_resource(show_spinner=False, scope="session")
def _store() -> BoundedStore[Any]:
    return BoundedStore(_KEPT)


def once(sources: Sequence[object], choices: tuple[Hashable, ...], draw: Callable[[], T]) -> T:
    """Return what is drawn of some objects, drawing it only once.

    Parameters
    ----------
    sources : sequence of object
        What it is drawn of, told apart by identity.
    choices : tuple of Hashable
        All else that it depends on.
    draw : callable
    """
    # The sources are kept too, so that no other object can take over their identity.
    key = (tuple(map(id, sources)), *choices)
    kept: tuple[Any, T] | None = _store().get(key)
    return (kept or _store().put(key, (tuple(sources), draw())))[1]


def of_results(
    results: Sequence[Result],
    view_name: str,
    quantity: str,
    colours: Mapping[str, int],
    log_y: bool,
    marked: tuple[int, Mapping[str, Sequence[int]]] | None = None,
    wide: bool = False,
    bars: BarsShown = "",
) -> tuple[View, Figure]:
    """Return a view of one or several results and its figure, drawing it only once.

    `marked` is a training step to mark in it, with the steps of each run; see `cl_viz.figures.marking`. `bars` is the
    name of what is done to bars of many categories; see `cl_viz.figures.many_bars`.

    Raises
    ------
    MissingInputError
        If no result has the view.
    """
    theme = state.theme()

    def draw() -> tuple[View, Figure]:
        view = compare(results, view_name, quantity)
        view = view if marked is None else at_step(view, *marked)
        view = {"": lambda view: view, "at_ends": at_ends, "below_each_other": below_each_other}[bars](view)
        return view, render(view, theme, run_colours=colours, log_y=log_y, wide=wide)

    choices = (view_name, quantity, theme, tuple(colours.items()), log_y, marked and marked[0], wide, bars)
    return once(results, choices, draw)


def chart(
    drawn: Figure, key: str, title: str, height: int, *, wide: bool = False, clicked: bool = False, moves: bool = False
) -> None:
    """Put a figure on the page; a picture that its camera saves is named after `key`.

    Parameters
    ----------
    drawn : Figure
    key : str
        Unique on the page.
    title : str
        What the figure says; it stands above the figure, and is its text for those who cannot see it.
    height : int
        Pixels, its own title included; it grows with the lines of a long title and of a long legend.
    wide : bool
        Whether it was drawn as wide as the page: the picture is that wide, in a window of any size.
    clicked : bool
        Whether a click on a point runs the page again.
    moves : bool
        Whether its own title changes while it moves, and stays the one that is seen.
    """
    name = key.removeprefix("figure ").replace(" ", "-")
    with nullcontext() if moves else figure_titles.above(drawn, key, title):
        st.plotly_chart(
            drawn,
            theme=None,
            width="stretch",
            height=figure_room.needed(drawn, height, wide=wide),
            key=key,
            config={
                "displaylogo": False,
                "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
                "toImageButtonOptions": {
                    "format": "png", "scale": 2, "filename": f"cl_viz-{name}", "width": _PICTURE_WIDTH[wide],
                },
            },
            alt=title,
            on_select="rerun" if clicked else "ignore",
            selection_mode="points",
        )  # fmt: skip

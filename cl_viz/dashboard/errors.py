"""Error boxes: what happened, where, what is allowed, what to do. Never a traceback; the app stays alive."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import streamlit as st

from cl_viz.core.errors import ClVizError
from cl_viz.dashboard import opening, state
from cl_viz.dashboard.long_work import LongWork
from cl_viz.dashboard.text import escape

_LOGGER = logging.getLogger("cl_viz.dashboard")


@contextmanager
def boundary(name: str = "") -> Iterator[None]:
    """Turn errors of the block into boxes; what comes after the block goes on."""
    try:
        yield
    except LongWork as work:
        show_long_work([work], name)
    except ClVizError as error:
        show(error)
    except Exception as error:
        show_unexpected(error)


def show(error: ClVizError) -> None:
    """Show an error that cl_viz raised on purpose; visitors of an open server do not see where files lie."""
    lines = [f"**{escape(opening.shown_text(_sentence(error.what)))}**"]
    for word, text in (("Where", error.where), ("Allowed", error.allowed), ("What to do", error.remedy)):
        if text:
            lines.append(f"{word}: {escape(opening.shown_text(text))}")
    st.error("  \n".join(lines), icon=":material/error:")


def show_unexpected(error: Exception) -> None:
    """Show an error that nobody foresaw: an id here, the details in the terminal."""
    number = uuid.uuid4().hex[:8]
    _LOGGER.error("unexpected error %s", number, exc_info=error)
    st.error(
        f"**This part could not be shown: an unexpected {escape(type(error).__name__)}, number {number}.**  \n"
        "The open runs and the other pages are untouched.  \n"
        f"What to do: report it with the lines that the terminal shows under number {number}, and with what you did.",
        icon=":material/error:",
    )


def show_long_work(works: Sequence[LongWork], name: str) -> None:
    """Ask once before work that takes long, or offer work that was stopped.

    Parameters
    ----------
    works : sequence of LongWork
        At least one; a single button starts all of them.
    name : str
        Of the place, so that buttons of several places differ.
    """
    what = dict.fromkeys(_sentence(work.what[:1].upper() + work.what[1:]) for work in works)
    jobs = tuple(dict.fromkeys(work.where or "" for work in works))
    st.info("  \n".join(escape(text) for text in what), icon=":material/hourglass:")
    st.button(
        "Compute" if len(jobs) == 1 else "Compute all",
        key=f"_compute {name} {jobs[0]}",
        icon=":material/play_arrow:",
        on_click=state.allow_jobs,
        args=jobs,
    )


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?")) else f"{text}."


def show_problems() -> None:
    """Show what could not be opened, until it is dismissed or something else is opened."""
    problems = state.problems()
    for problem in problems:
        if isinstance(problem, ClVizError):
            show(problem)
        else:
            show_unexpected(problem)
    if problems:
        st.button("Dismiss", icon=":material/close:", on_click=state.forget_problems, type="tertiary")

"""Work in a thread of its own while the page is there to be used: how far it is, a stop, and what came of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import streamlit as st

from cl_viz.core.errors import Cancelled, ClVizError
from cl_viz.core.progress import ProgressCallback, duration
from cl_viz.dashboard import state
from cl_viz.dashboard.text import escape
from cl_viz.projections import Job

_LOGGER = logging.getLogger("cl_viz.dashboard")
_LOOK_EVERY = 0.5
T = TypeVar("T")


class BackgroundWork(Generic[T]):
    """Work that has begun.

    Parameters
    ----------
    make : callable
        Given a progress callback, returns what is wanted.

    Attributes
    ----------
    fraction : float
        Share done, 0 to 1.
    message : str
        What is being done, in a few words.
    """

    def __init__(self, make: Callable[[ProgressCallback], T]) -> None:
        self.fraction, self.message = 0.0, "starting"
        self._began = time.monotonic()
        self._stopping, self._ended = threading.Event(), threading.Event()
        self._found: list[T] = []
        self._error: ClVizError | None = None

        def run() -> None:
            try:
                self._found.append(make(self._report))
            except ClVizError as error:
                self._error = error
            except Exception as error:
                _LOGGER.exception("background work ended unexpectedly")
                self._error = ClVizError(f"it could not be worked out: {type(error).__name__}: {error}")
            finally:
                self._ended.set()

        threading.Thread(target=run, name="background-work", daemon=True).start()

    def _report(self, done: float, message: str) -> None:
        if self._stopping.is_set():
            raise Cancelled("it was stopped")
        self.fraction, self.message = done, message

    @property
    def done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._ended.is_set()

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began

    def wait(self, seconds: float) -> bool:
        """Wait for it, but no longer; return whether it has ended."""
        return self._ended.wait(seconds)

    def stop(self) -> None:
        """Have it end at its next report of progress."""
        self._stopping.set()

    def result(self) -> T:
        """Return what was wanted, waiting for it; raises `ClVizError` with what went wrong."""
        self._ended.wait()
        if self._error is not None:
            raise self._error
        return self._found[0]


Running = Job | BackgroundWork[Any]
"""Work in the background: a process, or a thread of this one."""


def watch(running: Running, title: str, job: str) -> None:
    """Draw how far work is that `state.map_jobs` has, and show the page again once it has ended.

    Parameters
    ----------
    running : Running
    title : str
        What is worked out.
    job : str
        What it is known by.
    """

    def stop() -> None:
        state.stop_job(job)
        state.map_jobs().pop(job, None)
        running.stop()

    @st.fragment(run_every=_LOOK_EVERY)
    def look() -> None:
        if running.done:
            st.rerun()
        left = running.seconds * (1 - running.fraction) / running.fraction if running.fraction > 0.05 else None
        time = f"{running.seconds:,.0f} s so far" + (f", {duration(left)} left" if left is not None else "")
        text = f"{escape(title)}: {escape(running.message)}, {time}"
        st.progress(min(1.0, max(0.0, running.fraction)), text=text)
        st.button("Stop", key=f"_stop {job}", icon=":material/stop_circle:", on_click=stop)

    look()

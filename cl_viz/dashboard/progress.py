"""Progress of long work, in the sidebar, with time left and a stop."""

from __future__ import annotations

import time
import uuid
from types import TracebackType

import streamlit as st

from cl_viz.core.progress import duration
from cl_viz.dashboard import state
from cl_viz.dashboard.text import escape

_SHOW_AFTER = 0.5
_BETWEEN_UPDATES = 0.15


class Progress:
    """A callback that draws a bar once the work has taken half a second.

    Drawing is also what lets a rerun interrupt the work: Streamlit raises through the next call that draws.
    """

    def __init__(self, title: str, job: str) -> None:
        self.title = title
        self.job = job
        self._began = time.monotonic()
        self._last = 0.0
        self._bar: st.delta_generator.DeltaGenerator | None = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        slot = state.progress_slot()
        if self._bar is not None and slot is not None and (kind is None or issubclass(kind, Exception)):
            slot.empty()

    def __call__(self, fraction: float, message: str) -> None:
        """Show how far the work is."""
        now = time.monotonic()
        slot = state.progress_slot()
        if slot is None or now - self._began < _SHOW_AFTER or now - self._last < _BETWEEN_UPDATES:
            return
        self._last = now
        left = (now - self._began) * (1 - fraction) / fraction if fraction > 0.02 else None
        text = f"{escape(self.title)}: {escape(message)}" + (f", {duration(left)} left" if left is not None else "")
        share = min(1.0, max(0.0, fraction))
        if self._bar is None:
            with slot.container():
                self._bar = st.progress(share, text=text)
                st.button(
                    "Stop",
                    key=f"_stop {uuid.uuid4().hex}",
                    icon=":material/stop_circle:",
                    on_click=state.stop_job,
                    args=(self.job,),
                )
        else:
            self._bar.progress(share, text=text)

"""Following folders of steps that a training still writes into: only those that are open, and only while asked to."""

from __future__ import annotations

import time
from pathlib import Path

import streamlit as st

from cl_viz.dashboard import errors, opening, state
from cl_viz.dashboard.text import escape
from cl_viz.encoders._growing import Growth, growth, holds_other_steps

SECONDS_BETWEEN_LOOKS = 2.0
_TOGGLE = "follow"
_MINUTE, _HOUR = 60.0, 3600.0


def follow() -> None:
    """Draw the toggle and look for new snapshots, where an open folder is still growing; nothing elsewhere."""
    if not growing_runs():
        return
    wanted = st.toggle(
        "Follow the training",
        value=True,
        key=_TOGGLE,
        persist_state="session",
        help="New steps of the open folders are read as they come, and the page is drawn again with them.",
    )
    st.fragment(_look, run_every=SECONDS_BETWEEN_LOOKS if wanted else None)(wanted)


def catch_up() -> None:
    """Read folders again that have grown; to be called before anything is drawn."""
    if not st.session_state.get(_TOGGLE, True):
        return
    for opened in list(state.open_runs().values()):
        found = _growth(opened)
        if found is not None and _is_behind(opened, found):
            with errors.boundary("follow"):
                _read_again(opened)


def growing_runs() -> list[state.OpenRun]:
    """Return the open runs whose folder a training is likely still to write into."""
    found = [(opened, _growth(opened)) for opened in state.open_runs().values()]
    return [opened for opened, now in found if now is not None and now.goes_on]


def _growth(opened: state.OpenRun) -> Growth | None:
    # Without a step it is one dump, or was opened with other views than its folder's.
    followed = opened.origin == "path" and opened.run.steps != (None,)
    return growth(Path(opened.key)) if followed else None


def _look(wanted: bool) -> None:
    """Say when the last snapshot came; where something is new, draw the page again: it catches up first."""
    with errors.boundary("follow"):
        for opened in state.open_runs().values():
            found = _growth(opened)
            if found is None:
                continue
            if wanted and _is_behind(opened, found):
                st.rerun()
            if found.goes_on:
                st.caption(f"{escape(opened.name)}: last snapshot {_ago(time.time() - found.last)}")


def _is_behind(opened: state.OpenRun, found: Growth) -> bool:
    """Whether the folder holds other steps than the open run, or was finished since."""
    return found.settled and holds_other_steps(Path(opened.key), opened.run.snapshots, opened.run.card)


def _read_again(opened: state.OpenRun) -> None:
    """Read a run in its place; whether it is shown stays as it was."""
    tick = state.tick_key(opened.name)
    shown = st.session_state.get(tick, True)
    opening.open_path(opened.key)
    st.session_state[tick] = shown


def _ago(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{max(0.0, seconds):.0f} s ago"
    return f"{seconds / _MINUTE:.0f} min ago" if seconds < _HOUR else f"{seconds / _HOUR:.0f} h ago"

"""Following run folders that a training still writes into: only those that are open, and only while asked to."""

from __future__ import annotations

import time
from pathlib import Path

import streamlit as st

from cl_viz.core.errors import ClVizError
from cl_viz.dashboard import errors, opening, state
from cl_viz.dashboard.text import escape
from cl_viz.encoders._card import CARD, read_card
from cl_viz.encoders._recorded import is_growing, snapshot_files
from cl_viz.encoders._recorded_card import RecordedCard

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
        help="New snapshots of the open run folders are read as they come, and the page is drawn again with them.",
    )
    st.fragment(_look, run_every=SECONDS_BETWEEN_LOOKS if wanted else None)(wanted)


def catch_up() -> None:
    """Read folders again that have grown; to be called before anything is drawn."""
    if not st.session_state.get(_TOGGLE, True):
        return
    for opened in list(state.open_runs().values()):
        card = _card(opened)
        if card is not None and _is_behind(opened, card):
            with errors.boundary("follow"):
                _read_again(opened)


def growing_runs() -> list[state.OpenRun]:
    """Return the open runs whose folder a training is likely still to write into."""
    found = []
    for opened in state.open_runs().values():
        card = _card(opened)
        if card is not None and is_growing(card):
            found.append(opened)
    return found


def _card(opened: state.OpenRun) -> RecordedCard | None:
    if opened.origin != "path" or not (Path(opened.key) / CARD).is_file():
        return None
    try:
        card = read_card(Path(opened.key))
    except ClVizError:
        return None
    return card if isinstance(card, RecordedCard) else None


def _look(wanted: bool) -> None:
    """Say when the last snapshot came; where something is new, draw the page again: it catches up first."""
    with errors.boundary("follow"):
        for opened in state.open_runs().values():
            card = _card(opened)
            if card is None:
                continue
            if wanted and _is_behind(opened, card):
                st.rerun()
            files = snapshot_files(card.folder)
            if files and is_growing(card):
                age = time.time() - max(path.stat().st_mtime for path in files.values())
                st.caption(f"{escape(opened.name)}: last snapshot {_ago(age)}")


def _is_behind(opened: state.OpenRun, card: RecordedCard) -> bool:
    """Whether the folder holds other snapshots than the open run, or was finished since."""
    files = tuple(snapshot_files(card.folder))
    return bool(files) and (files != opened.run.steps or card.facts != opened.run.card)


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

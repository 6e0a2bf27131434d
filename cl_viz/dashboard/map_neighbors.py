"""A sample that was clicked on the Map page, beside its nearest ones in the original space of each run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from cl_viz.dashboard import errors, sample_cards, state
from cl_viz.dashboard.background_work import BackgroundWork, watch
from cl_viz.dashboard.bounded_store import BoundedStore
from cl_viz.dashboard.long_work import LongWork
from cl_viz.dashboard.map_colouring import Shown
from cl_viz.dashboard.map_selection import carried
from cl_viz.dashboard.text import escape
from cl_viz.diagnostics._selection import nearest_samples

_NEIGHBOURS = 6
_MOMENT = 0.5
"""Seconds that are waited for without showing progress."""


@st.cache_resource(show_spinner=False, scope="session")
def _store() -> BoundedStore[Any]:
    return BoundedStore(64)


def sample_panels(shown: Sequence[Shown], clicked: tuple[int, int]) -> None:
    """Draw a sample that was clicked, beside its nearest ones in the original space of each run.

    Parameters
    ----------
    shown : sequence of Shown
    clicked : tuple of int
        The map and the row.
    """
    source = shown[clicked[0]]
    one = np.zeros(source.n, dtype=bool)
    one[clicked[1]] = True
    for index, entry in enumerate(shown):
        found = np.flatnonzero(one if index == clicked[0] else carried(one, source, entry))
        if len(found):
            _sample_panel(entry, int(found[0]), len(shown) > 1)


def _sample_panel(entry: Shown, row: int, several: bool) -> None:
    owner = f"{escape(entry.opened.name)}: row" if several else "Row"
    st.header(f"{owner} {row:,} and its nearest samples", anchor=False)
    if not entry.embedding_set.quality[entry.view].usable[row]:
        st.caption("Its neighbours are unknown: the row has no direction (NaN, infinite or all zeros).")
        return
    nearest = _nearest(entry, row)
    if nearest is None:
        return
    near, scores = nearest
    rows = np.concatenate([[row], near])
    notes = {"score": ["clicked", *(f"{score:.3f}" for score in scores)]}
    sample_cards.draw_grid(entry.opened, entry.embedding_set, rows, view=entry.view, columns=len(rows), notes=notes)
    kept = 1 - float(entry.projection.error[row])
    if np.isfinite(kept):
        st.caption(f"The map keeps {100 * kept:.0f} % of this sample's {entry.projection.neighbor_recall.k} nearest.")


def _nearest(entry: Shown, row: int) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
    """Return the nearest samples; what takes longer than a moment goes on in the background. None until it is there."""
    key = (entry.embedding_set.fingerprint, entry.view, ("nearest", row))
    found: tuple[Any] | None = _store().get(key)
    if found is not None:
        return found[0]  # type: ignore[no-any-return]
    job = f"nearest/{entry.embedding_set.fingerprint}/{entry.view}/{row}"
    if state.is_stopped(job):
        work = LongWork(f"The search for the nearest samples of row {row:,} was stopped", where=job)
        errors.show_long_work([work], f"nearest {entry.slot}")
        return None
    running = state.map_jobs().get(job)
    if running is None:
        running = state.map_jobs()[job] = BackgroundWork(
            lambda progress: nearest_samples(entry.embedding_set, entry.view, row, _NEIGHBOURS, progress)
        )
    if not running.wait(_MOMENT):
        watch(running, f"Nearest samples of row {row:,} of {entry.opened.name}", job)
        return None
    del state.map_jobs()[job]
    return _store().put(key, (running.result(),))[0]  # type: ignore[no-any-return]

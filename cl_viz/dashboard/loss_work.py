"""Work of the loss pages that takes long: kept, estimated first, with progress and a stop."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import streamlit as st

from cl_viz.core.progress import ProgressCallback, duration
from cl_viz.dashboard import errors, long_work, state
from cl_viz.dashboard.bounded_store import BoundedStore
from cl_viz.dashboard.long_work import LongWork
from cl_viz.dashboard.progress import Progress
from cl_viz.engine.memory import array_bytes

T = TypeVar("T")

_KEPT_BYTES = 5e8


@dataclass(frozen=True)
class Work(Generic[T]):
    """One thing to compute.

    Attributes
    ----------
    label : str
        Shown to people.
    key : Hashable
        Everything the answer depends on.
    seconds : callable
        About how long it takes; called only where the answer is not kept.
    make : callable
        Computes the answer, reporting its progress.
    """

    label: str
    key: Hashable
    seconds: Callable[[], float]
    make: Callable[[ProgressCallback], T]

    @property
    def job(self) -> str:
        """Name under which it is confirmed and stopped."""
        return f"{self.label}/{hash(self.key)}"


@st.cache_resource(scope="session", show_spinner=False)
def _store() -> BoundedStore[object]:
    return BoundedStore(_KEPT_BYTES, array_bytes)


def answers(title: str, works: Sequence[Work[T]]) -> dict[str, T]:
    """Return the answers by label; what would take long together is asked for first, what fails gets an error box.

    Parameters
    ----------
    title : str
        What is done, for the progress bar.
    works : sequence of Work
    """
    store = _store()
    found: dict[str, T] = {}
    open_works = []
    for work in works:
        kept = store.get(work.key)
        if kept is not None:
            found[work.label] = kept  # type: ignore[assignment]
        else:
            open_works.append(work)
    stopped = [work for work in open_works if state.is_stopped(work.job)]
    asked = [work for work in open_works if not state.is_confirmed(work.job) and work not in stopped]
    seconds: dict[str, float] = {}
    for work in asked:
        with errors.boundary(f"{title} {work.label}"):
            seconds[work.label] = _estimate(work)
    failed = {work.label for work in asked} - set(seconds)
    long = asked if sum(seconds.values()) > long_work.ASK_ABOVE_SECONDS else []
    for work in open_works:
        if work in stopped or work in long or work.label in failed:
            continue
        with errors.boundary(f"{title} {work.label}"):
            with Progress(f"{title}, {work.label}", work.job) as progress:
                found[work.label] = work.make(progress)
            store.put(work.key, found[work.label])
    _offer(title, [work for work in (*stopped, *long) if work.label not in failed], seconds)
    return {work.label: found[work.label] for work in works if work.label in found}


def _estimate(work: Work[T]) -> float:
    """Return the estimate, made once: it may try a step of the work."""
    store = _store()
    key = ("seconds", work.key)
    kept = store.get(key)
    return float(kept if kept is not None else store.put(key, work.seconds()))  # type: ignore[arg-type]


def _offer(title: str, works: Sequence[Work[T]], seconds: dict[str, float]) -> None:
    if not works:
        return
    total = sum(seconds.get(work.label, 0.0) for work in works)
    names = "; ".join(work.label for work in works)
    what = f"{title} of {names} takes about {duration(total)}" if total else f"{title} of {names} was stopped"
    errors.show_long_work([LongWork(what, where=work.job) for work in works], title)

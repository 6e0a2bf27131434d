"""What is kept between reruns: statistics and results, in bounded stores; nothing is computed that nobody asked for.

The keys hold fingerprints of the full content, never arrays: Streamlit hashes only a sample of a large array. The
stores themselves are `cache_resource` entries, shared by all sessions for samples and paths, and private to the
session for uploads. They hold the objects themselves (all of them frozen), so a hit costs no copy.
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import streamlit as st

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import Cancelled
from cl_viz.core.progress import ProgressCallback
from cl_viz.core.result import Result
from cl_viz.core.view import View
from cl_viz.dashboard import state
from cl_viz.dashboard.progress import Progress
from cl_viz.diagnostics import DIAGNOSTICS, diagnose
from cl_viz.engine import Statistics, scan
from cl_viz.engine.device import describe_device
from cl_viz.figures import compare, render
from cl_viz.figures.theme import ThemeName

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

T = TypeVar("T")

ASK_ABOVE_SECONDS = 10.0
_FIRST_GUESS = 1.5e7
"""Scores a second, before a scan was timed."""


class LongWork(Cancelled):
    """Work that would take longer than people wait unasked; carries the job to confirm."""


@dataclass
class BoundedStore(Generic[T]):
    """The last `limit` values, by key; safe to use from several sessions at once."""

    limit: int
    _values: OrderedDict[Any, T] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: Any) -> T | None:
        """Return the value of `key` and mark it as used, or None."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key]

    def put(self, key: Any, value: T) -> T:
        """Keep a value, dropping the least recently used ones above the limit."""
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > self.limit:
                self._values.popitem(last=False)
        return value


@dataclass
class _Stores:
    statistics: BoundedStore[Statistics] = field(default_factory=lambda: BoundedStore(32))
    results: BoundedStore[Result] = field(default_factory=lambda: BoundedStore(256))


@st.cache_resource(show_spinner=False)
def _shared() -> _Stores:
    return _Stores()


@st.cache_resource(show_spinner=False, scope="session")
def _private() -> _Stores:
    return _Stores()


@st.cache_resource(show_spinner=False, scope="session")
def _figures() -> BoundedStore[tuple[Any, View, Figure]]:
    return BoundedStore(64)


@st.cache_resource(show_spinner=False)
def _speed() -> BoundedStore[float]:
    return BoundedStore(1)


def result(
    opened: state.OpenRun, name: str, params: Mapping[str, Any], step: int | None = None, layer: str | None = None
) -> Result:
    """Return what a diagnostic finds on an open run, computing it only once.

    Raises
    ------
    LongWork
        If it would take more than `ASK_ABOVE_SECONDS` and nobody agreed to it.
    Cancelled
        If the user stopped it.
    ClVizError
        As the diagnostic raises.
    """
    stores = _private() if opened.private else _shared()
    run = opened.run
    found = run.get(step, layer)
    key = (
        name, found.fingerprint, run.name, run.source, step, layer,
        json.dumps(dict(run.card), default=str, sort_keys=True), tuple(sorted(params.items())),
    )  # fmt: skip
    kept = stores.results.get(key)
    if kept is not None:
        return kept
    job = f"{name}/{found.fingerprint}"
    if state.is_stopped(job):
        raise LongWork(f"{DIAGNOSTICS[name].title} was stopped", where=job, remedy="compute it when you need it")

    def scanner(embedding_set: EmbeddingSet, *, anchors: Any, progress: ProgressCallback) -> Statistics:
        return statistics(stores, embedding_set, anchors, progress, job, run.name)

    with Progress(f"{run.name}: {DIAGNOSTICS[name].title}", job) as progress:
        computed = diagnose(name, run, step=step, layer=layer, params=params, scanner=scanner, progress=progress)
    return stores.results.put(key, computed)


def figure(
    results: Sequence[Result], view_name: str, quantity: str, theme: ThemeName, colours: Mapping[str, int], log_y: bool
) -> tuple[View, Figure]:
    """Return a view of one or several results and its figure, drawing it only once.

    Raises
    ------
    MissingInputError
        If no result has the view.
    """
    # Results are kept with the figure, so that no other object can take over their identity.
    key = (tuple(map(id, results)), view_name, quantity, theme, tuple(colours.items()), log_y)
    kept = _figures().get(key)
    if kept is None:
        view = compare(results, view_name, quantity)
        drawn = render(view, theme, run_colours=colours, log_y=log_y)
        kept = _figures().put(key, (tuple(results), view, drawn))
    return kept[1], kept[2]


def statistics(
    stores: _Stores, embedding_set: EmbeddingSet, anchors: Any, progress: ProgressCallback, job: str, run: str
) -> Statistics:
    """Return the statistics of a set, scanning it only once."""
    key = (embedding_set.fingerprint, anchors)
    kept = stores.statistics.get(key)
    if kept is not None:
        return kept
    seconds = expected_seconds(embedding_set)
    if seconds > ASK_ABOVE_SECONDS and not state.is_confirmed(job):
        raise LongWork(
            f"all pairs of {run} ({embedding_set.n:,} samples) take about {seconds:,.0f} s on {describe_device()}",
            where=job,
            remedy="start it when you are ready",
        )
    began = time.monotonic()
    found = scan(embedding_set, anchors=anchors, progress=progress)
    took = time.monotonic() - began
    if took > 0.2:
        # The fastest scan tells what the machine can do; a busy moment must not make the next one ask.
        _speed().put("scores", max(_speed().get("scores") or 0.0, _scores(embedding_set) / took))
    return stores.statistics.put(key, found)


def expected_seconds(embedding_set: EmbeddingSet) -> float:
    """Return about how long a scan takes, from the speed of the fastest one so far."""
    return _scores(embedding_set) / (_speed().get("scores") or _FIRST_GUESS)


def _scores(embedding_set: EmbeddingSet) -> float:
    """Scores that a scan looks at: each pair once, and those of the anchors once more."""
    total = sum(embedding_set.sizes)
    return total * total / 2 + sum(min(1024, size) for size in embedding_set.sizes) * total

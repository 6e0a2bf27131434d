"""What is kept between reruns: facts on sets and results, in bounded stores; nothing unasked for is computed.

The keys hold fingerprints of the full content, never arrays: Streamlit hashes only a sample of a large array. The
stores themselves are `cache_resource` entries, shared by all sessions for samples and paths, and private to the
session for uploads. They hold the objects themselves (all of them frozen), so a hit costs no copy.
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import streamlit as st

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import Cancelled, InputError
from cl_viz.core.progress import ProgressCallback
from cl_viz.core.result import Result
from cl_viz.core.run import Run, Snapshot
from cl_viz.core.specs import DiagnosticSpec
from cl_viz.core.view import View
from cl_viz.dashboard import state
from cl_viz.dashboard.progress import Progress
from cl_viz.diagnostics import (
    DIAGNOSTICS,
    SAMPLE_QUANTITIES,
    SampleQuantity,
    diagnose,
    estimate,
    passes_of,
    sample_quantities,
)
from cl_viz.engine.device import describe_device
from cl_viz.engine.memory import array_bytes
from cl_viz.engine.scanner import Scanner
from cl_viz.figures import at_ends, below_each_other, compare, render
from cl_viz.figures.marking import at_step
from cl_viz.figures.theme import ThemeName

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

T = TypeVar("T")
BarsShown = Literal["", "at_ends", "below_each_other"]
"""What is shown of bars of many categories."""

ASK_ABOVE_SECONDS = 10.0
_FIRST_GUESS = 1.5e7
"""Scores a second, before a scan was timed."""


FACTS_BYTES = 2e9
"""Memory for statistics, neighbours and what was derived from them."""


class LongWork(Cancelled):
    """Work that would take longer than people wait unasked; `where` is the job to confirm.

    Attributes
    ----------
    seconds : float
        About how long it takes.
    """

    seconds = 0.0

    @classmethod
    def lasting(cls, what: str, seconds: float, job: str) -> LongWork:
        """Return the question whether to start a job; `what` says what would be done."""
        work = cls(f"{what} about {max(1.0, seconds):,.0f} s", where=job, remedy="start it when you are ready")
        work.seconds = seconds
        return work


@dataclass
class BoundedStore(Generic[T]):
    """The values used last, by key, up to a limit; safe to use from several sessions at once.

    Attributes
    ----------
    limit : float
        Largest sum of weights.
    weigh : callable
        Weight of a value; by default each counts one.
    """

    limit: float
    weigh: Callable[[T], float] = lambda value: 1.0
    _values: OrderedDict[Any, tuple[T, float]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: Any) -> T | None:
        """Return the value of `key` and mark it as used, or None."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def put(self, key: Any, value: T) -> T:
        """Keep a value, dropping the least recently used ones above the limit, but never the value itself."""
        with self._lock:
            self._values[key] = value, self.weigh(value)
            self._values.move_to_end(key)
            while len(self._values) > 1 and sum(weight for _, weight in self._values.values()) > self.limit:
                self._values.popitem(last=False)
        return value


@dataclass
class _Stores:
    facts: BoundedStore[Any] = field(default_factory=lambda: BoundedStore(FACTS_BYTES, array_bytes))
    results: BoundedStore[Result] = field(default_factory=lambda: BoundedStore(512))


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


class _AskingScanner(Scanner):
    """Keeps what it has computed beyond the session's rerun, and asks before passes that take long."""

    def __init__(self, stores: _Stores, job: str) -> None:
        super().__init__()
        self.stores = stores
        self.job = job

    def kept(self, embedding_set: EmbeddingSet, what: Hashable) -> bool:
        return self.stores.facts.get((embedding_set.fingerprint, what)) is not None

    def keep(self, embedding_set: EmbeddingSet, what: Hashable, make: Callable[[], T], scores: float = 0.0) -> T:
        key = (embedding_set.fingerprint, what)
        kept: T | None = self.stores.facts.get(key)
        if kept is not None:
            return kept
        seconds = scores / (_speed().get("scores") or _FIRST_GUESS)
        if seconds > ASK_ABOVE_SECONDS and not state.is_confirmed(self.job):
            what = f"all pairs of {embedding_set.name} ({embedding_set.n:,} samples) on {describe_device()} take"
            raise LongWork.lasting(what, seconds, self.job)
        began = time.monotonic()
        made = make()
        took = time.monotonic() - began
        if took > 0.2 and scores:
            # The fastest pass tells what the machine can do; a busy moment must not make the next one ask.
            _speed().put("scores", max(_speed().get("scores") or 0.0, scores / took))
        self.stores.facts.put(key, made)
        return made


def result(
    opened: state.OpenRun,
    name: str,
    params: Mapping[str, Any],
    step: int | None = None,
    layer: str | None = None,
    *,
    only_kept: bool = False,
    beside: Collection[str] = (),
) -> Result:
    """Return what a diagnostic finds on an open run, computing it only once.

    Diagnostics that compare runs are given the reference run, or all open runs.

    Parameters
    ----------
    opened : OpenRun
    name : str
    params : Mapping
    step, layer : optional
    only_kept : bool
        Ask before any computation that is not quick, whatever its estimate.
    beside : collection of str
        Diagnostics that are going to be asked of the same run: what they all look at is found in one pass.

    Raises
    ------
    LongWork
        If it would take more than `ASK_ABOVE_SECONDS` and nobody agreed to it.
    Cancelled
        If the user stopped it.
    ClVizError
        As the diagnostic raises.
    """
    spec, run = DIAGNOSTICS[name], opened.run
    others = compared_with(spec, opened)
    stores, key = _result_place(opened, others, name, params, step, layer)
    kept = stores.results.get(key)
    if kept is not None:
        return kept
    job = f"{name}/{run.get(step, layer).fingerprint}"
    if state.is_stopped(job):
        raise LongWork(f"{spec.title} was stopped", where=job, remedy="compute it when you need it")
    scanner = _AskingScanner(stores, job)
    scanner.expect(run.get(step, layer), passes_of(DIAGNOSTICS[each] for each in {name, *beside}))
    runs = [entry.run for entry in others]
    if not state.is_confirmed(job):
        seconds = estimate(name, run, others=runs, step=step, layer=layer, params=params, scanner=scanner)
        if seconds > ASK_ABOVE_SECONDS or (only_kept and seconds > 0):
            raise LongWork.lasting(f"{spec.title} of {run.name} takes", seconds, job)
    with Progress(f"{run.name}: {spec.title}", job) as progress:
        computed = diagnose(
            name, run, others=runs, step=step, layer=layer, params=params, scanner=scanner, progress=progress
        )
    return stores.results.put(key, computed)


def kept_result(
    opened: state.OpenRun, name: str, params: Mapping[str, Any], step: int | None = None, layer: str | None = None
) -> Result | None:
    """Return what `result` returned before, or None; nothing is computed."""
    others = compared_with(DIAGNOSTICS[name], opened)
    stores, key = _result_place(opened, others, name, params, step, layer)
    return stores.results.get(key)


def _result_place(
    opened: state.OpenRun, others: Sequence[state.OpenRun], name: str, params: Mapping[str, Any], step: int | None,
    layer: str | None,
) -> tuple[_Stores, Hashable]:  # fmt: skip
    runs = (opened, *others)
    stores = _private() if any(entry.private for entry in runs) else _shared()
    identities = tuple(_identity(entry, step, layer) for entry in runs)
    return stores, (name, tuple(sorted(params.items())), step, layer, identities)


def together(
    runs: Sequence[state.OpenRun],
    title: str,
    make: Callable[[Scanner, ProgressCallback], T],
    *,
    what: Hashable = (),
    step: int | None = None,
    layer: str | None = None,
    seconds: float = 0.0,
) -> T:
    """Return what is computed from several runs at once, computing it only once.

    Parameters
    ----------
    runs : sequence of OpenRun
    title : str
        What is computed, in words.
    make : callable
        Given a scanner that keeps what it finds, and a progress callback.
    what : Hashable
        Parameters that it depends on besides the runs, `step` and `layer`.
    seconds : float
        About how long it takes, beyond the passes over pairs.

    Raises
    ------
    LongWork, Cancelled, ClVizError
        As `result`.
    """
    stores = _private() if any(entry.private for entry in runs) else _shared()
    key = ("together", title, what, step, layer, tuple(_identity(entry, step, layer) for entry in runs))
    kept: T | None = stores.facts.get(key)
    if kept is not None:
        return kept
    job = f"{title}/{'/'.join(entry.run.get(step, layer).fingerprint[:8] for entry in runs)}"
    if state.is_stopped(job):
        raise LongWork(f"{title} was stopped", where=job, remedy="compute it when you need it")
    if seconds > ASK_ABOVE_SECONDS and not state.is_confirmed(job):
        raise LongWork.lasting(f"{title} takes", seconds, job)
    with Progress(title, job) as progress:
        made = make(_AskingScanner(stores, job), progress)
    stores.facts.put(key, made)
    return made


def sample_quantity(
    opened: state.OpenRun, name: str, view: str, step: int | None = None, layer: str | None = None
) -> SampleQuantity:
    """Return a number that each sample of a view has, computing it only once.

    Parameters
    ----------
    opened : OpenRun
    name : str
        Of `cl_viz.diagnostics.SAMPLE_QUANTITIES`.
    view : str
    step, layer : optional

    Raises
    ------
    LongWork, Cancelled, ClVizError
        As `result`.
    """
    embedding_set, card = opened.run.get(step, layer), opened.run.card
    stores = _private() if opened.private else _shared()
    content = embedding_set.fingerprint
    key = ("sample quantity", name, view, content, json.dumps(dict(card), default=str, sort_keys=True))
    kept: SampleQuantity | None = stores.facts.get(key)
    if kept is not None:
        return kept
    title, job = SAMPLE_QUANTITIES[name].label, f"sample quantity {name}/{content}"
    if state.is_stopped(job):
        raise LongWork(f"{title} was stopped", where=job, remedy="compute it when you need it")
    run = Run(opened.name, {Snapshot(): embedding_set}, card=card)
    with Progress(f"{opened.name}: {title}", job) as progress:
        found = sample_quantities(run, [name], view=view, scanner=_AskingScanner(stores, job), progress=progress)
    stores.facts.put(key, found[name])
    return found[name]


def compared_with(spec: DiagnosticSpec, opened: state.OpenRun) -> list[state.OpenRun]:
    """Return the open runs that a diagnostic needs besides the one it is asked about."""
    if spec.needs == "pair":
        reference = state.reference_run()
        return [reference] if reference is not None and reference.name != opened.name else []
    if spec.needs == "family":
        return [entry for entry in state.open_runs().values() if entry.name != opened.name]
    return []


def _identity(opened: state.OpenRun, step: int | None, layer: str | None) -> tuple[str, ...]:
    """Return what a result says of a run: its content where it has this step and layer, its name and its card."""
    run = opened.run
    try:
        content = run.get(step, layer).fingerprint
    except InputError:
        content = ""
    return run.name, run.source, content, json.dumps(dict(run.card), default=str, sort_keys=True)


def figure(
    results: Sequence[Result],
    view_name: str,
    quantity: str,
    theme: ThemeName,
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
    # Results are kept with the figure, so that no other object can take over their identity.
    key = (
        tuple(map(id, results)),
        view_name,
        quantity,
        theme,
        tuple(colours.items()),
        log_y,
        marked and marked[0],
        wide,
        bars,
    )
    kept = _figures().get(key)
    if kept is None:
        view = compare(results, view_name, quantity)
        view = view if marked is None else at_step(view, *marked)
        view = {"": lambda view: view, "at_ends": at_ends, "below_each_other": below_each_other}[bars](view)
        drawn = render(view, theme, run_colours=colours, log_y=log_y, wide=wide)
        kept = _figures().put(key, (tuple(results), view, drawn))
    return kept[1], kept[2]

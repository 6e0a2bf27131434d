"""What is kept between reruns: facts on sets and results, in bounded stores; nothing unasked for is computed.

The keys hold fingerprints of the full content, never arrays: Streamlit hashes only a sample of a large array. The
stores themselves are `cache_resource` entries, shared by all sessions for samples and paths, and private to the
session for uploads. They hold the objects themselves (all of them frozen), so a hit costs no copy.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import streamlit as st

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError
from cl_viz.core.progress import ProgressCallback
from cl_viz.core.result import Result
from cl_viz.core.run import Run, Snapshot
from cl_viz.core.specs import DiagnosticSpec, Pass
from cl_viz.dashboard import long_work, state
from cl_viz.dashboard.bounded_store import BoundedStore
from cl_viz.dashboard.progress import Progress
from cl_viz.diagnostics import (
    DIAGNOSTICS,
    SAMPLE_QUANTITIES,
    SampleQuantity,
    diagnose,
    estimate,
    labelled_count,
    labelled_passes_of,
    passes_of,
    sample_quantities,
)
from cl_viz.engine import compiled
from cl_viz.engine.device import describe_device
from cl_viz.engine.memory import array_bytes
from cl_viz.engine.plan import plan
from cl_viz.engine.scanner import Scanner

T = TypeVar("T")

_FIRST_GUESS = 1.5e7
"""Scores a second, before anything was timed: what a pass does without its compiled loops."""
_WORTH_TIMING = 10.0
"""Seconds by that guess from which on parts of a pass are timed, which takes a second or two."""
_READY_SECONDS = 3.0
"""How long the loops are waited for: on a machine that has them on disk they are there by then."""
FACTS_BYTES = 2e9
"""Memory for statistics, neighbours and what was derived from them."""


def _scores_a_second(embedding_set: EmbeddingSet, scores: float) -> float:
    """Return how fast the fastest pass so far was; before the first one, how fast parts of a pass are."""
    timed = _speed().get("scores")
    if timed is not None or scores < _WORTH_TIMING * _FIRST_GUESS:
        return timed or _FIRST_GUESS
    if not compiled.wait(_READY_SECONDS) and not compiled.failure():
        return _FIRST_GUESS
    planned = plan(embedding_set)
    return planned.scores / planned.seconds


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


@st.cache_resource(show_spinner=False)
def _speed() -> BoundedStore[float]:
    return BoundedStore(1)


class _AskingScanner(Scanner):
    """Keeps what it has computed beyond the session's rerun, and asks before passes that take long."""

    def __init__(self, stores: _Stores, job: str, again: Collection[Pass] = ()) -> None:
        super().__init__()
        self.stores = stores
        self.job = job
        # Passes that follow over the labelled rows alone, where some have no label.
        self.again = again

    def kept(self, embedding_set: EmbeddingSet, what: Hashable) -> bool:
        return self.stores.facts.get((embedding_set.fingerprint, what)) is not None

    def keep(self, embedding_set: EmbeddingSet, what: Hashable, make: Callable[[], T], scores: float = 0.0) -> T:
        key = (embedding_set.fingerprint, what)
        kept: T | None = self.stores.facts.get(key)
        if kept is not None:
            return kept
        labelled = labelled_count(embedding_set) if scores and what in self.again else 0
        share = labelled / sum(embedding_set.sizes)
        seconds = (1 + share**2) * scores / _scores_a_second(embedding_set, scores) if scores else 0.0
        second = f", and again of the {100 * share:.0f} % that have a label" if labelled else ""
        where = f"{embedding_set.name} ({embedding_set.n:,} samples{second}) on {describe_device()}"
        long_work.ask_if_long(f"all pairs of {where} take", seconds, self.job)
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
    long_work.ask_if_stopped(spec.title, job)
    asked = [DIAGNOSTICS[each] for each in {name, *beside}]
    scanner = _AskingScanner(stores, job, labelled_passes_of(asked))
    scanner.expect(run.get(step, layer), passes_of(asked))
    runs = [entry.run for entry in others]
    if not state.is_confirmed(job):
        seconds = estimate(name, run, others=runs, step=step, layer=layer, params=params, scanner=scanner)
        if seconds > long_work.ASK_ABOVE_SECONDS or (only_kept and seconds > 0):
            raise long_work.LongWork.lasting(f"{spec.title} of {run.name} takes", seconds, job)
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
    job = f"{title}/{'/'.join(entry.run.get(step, layer).fingerprint[:8] for entry in runs)}"
    return _fact(stores, key, job, title, make, seconds=seconds)


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
    run = Run(opened.name, {Snapshot(): embedding_set}, card=card)

    def make(scanner: Scanner, progress: ProgressCallback) -> SampleQuantity:
        return sample_quantities(run, [name], view=view, scanner=scanner, progress=progress)[name]

    job = f"sample quantity {name}/{content}"
    return _fact(stores, key, job, SAMPLE_QUANTITIES[name].label, make, about=f"{opened.name}: ")


def _fact(
    stores: _Stores,
    key: Hashable,
    job: str,
    title: str,
    make: Callable[[Scanner, ProgressCallback], T],
    *,
    seconds: float = 0.0,
    about: str = "",
) -> T:
    """Return a fact that is kept, or else compute it with progress; `about` stands before its title there."""
    kept: T | None = stores.facts.get(key)
    if kept is not None:
        return kept
    long_work.ask_if_stopped(title, job)
    long_work.ask_if_long(f"{title} takes", seconds, job)
    with Progress(f"{about}{title}", job) as progress:
        made = make(_AskingScanner(stores, job), progress)
    stores.facts.put(key, made)
    return made


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

"""The coordinates of the Map page: kept ones, quick ones made at once, others by a worker that can be stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import Cancelled, ClVizError
from cl_viz.core.params import Params
from cl_viz.dashboard import errors, long_work, state
from cl_viz.dashboard.background_work import BackgroundWork, Running, watch
from cl_viz.dashboard.bounded_store import BoundedStore
from cl_viz.dashboard.long_work import LongWork
from cl_viz.dashboard.progress import Progress
from cl_viz.engine.memory import array_bytes
from cl_viz.projections import (
    PROJECTIONS,
    Projection,
    estimate_judging,
    estimate_layout,
    find_kept,
    judge,
    lay_out,
    lay_over,
    start,
)

AT_ONCE_SECONDS = 1.0
"""Maps that take no longer are made in this process: a worker takes longer to start."""
_KEPT_BYTES = 1e9
_WITH_UNIT = ("pca",)


@dataclass(frozen=True)
class MapChoice:
    """How maps are asked for.

    Attributes
    ----------
    method : str
        Name in `cl_viz.projections.PROJECTIONS`.
    dim : int
    view : str
    seed : int
    params : Mapping
        Every parameter of the method.
    """

    method: str
    dim: int
    view: str
    seed: int = 0
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Everything a map depends on besides its set."""
        return json.dumps([self.method, self.dim, self.view, self.seed, dict(self.params)], sort_keys=True)

    @property
    def arguments(self) -> dict[str, Any]:
        """What `cl_viz.project` and its kin take besides the set."""
        return {
            "method": self.method, "dim": self.dim, "view": self.view, "seed": self.seed, "params": dict(self.params),
        }  # fmt: skip


@st.cache_resource(show_spinner=False, scope="session")
def _store() -> BoundedStore[Any]:
    return BoundedStore(_KEPT_BYTES, array_bytes)


def made_params(method: str, values: Mapping[str, Any]) -> Params:
    """Return the parameters of a method; raises `InputError` where one is out of range."""
    return PROJECTIONS[method].params.make(dict(values))


def seconds(sets: Sequence[EmbeddingSet], choice: MapChoice) -> float:
    """Return about how long the maps of some sets take, those that are kept left out."""
    return sum(
        estimate_layout(len(each.views[choice.view]), each.dim, choice.method, choice.params)
        for each in sets
        if _find(each, choice) is None
    )


def layouts(sets: Sequence[EmbeddingSet], choice: MapChoice) -> list[Projection] | None:
    """Return the maps of some sets, several laid over each other; None while they are made, asked for or stopped.

    What is to be said meanwhile is drawn in their place. What they keep may not be known yet: see `judging`.

    Parameters
    ----------
    sets : sequence of EmbeddingSet
        At least one.
    choice : MapChoice

    Raises
    ------
    ClVizError
        As `cl_viz.project`.
    """
    made: list[Projection] = []
    for each in sets:
        found = _find(each, choice) or _make(each, sets, choice)
        if found is None:
            return None
        made.append(found)
    if len(made) == 1:
        return made
    # Maps are kept with what is made of them, so that no others can take over their identity.
    key = ("aligned", tuple(map(id, made)), choice.key)
    kept = _store().get(key)
    if kept is None:
        # Components have a unit that a scale would hide.
        kept = _store().put(key, (lay_over(made, sets, scale=choice.method not in _WITH_UNIT), made))
    return list(kept[0])


def judging(sets: Sequence[EmbeddingSet], choice: MapChoice, *, every_error: bool) -> None:
    """Have it worked out what maps keep that are shown already; draw how far that is, and show them again after it.

    Parameters
    ----------
    sets : sequence of EmbeddingSet
        Whose maps are shown.
    choice : MapChoice
    every_error : bool
        Whether the error of every point is wanted.
    """
    ended = False
    for each in sets:
        made = _find(each, choice)
        if made is None or made.complete or (made.judged and not every_error):
            continue
        job = f"judge/{each.fingerprint}/{choice.key}/{every_error}"
        running = state.map_jobs().get(job) or _judging(each, made, choice, every_error, job)
        if running is None:
            continue
        if running.done:
            del state.map_jobs()[job]
            with errors.boundary("map judging"):
                ended |= _judged(running, each, choice, job)
        else:
            watch(running, _judged_what(each, choice, every_error), job)
    if ended:
        st.rerun()


def _judged(running: Running, each: EmbeddingSet, choice: MapChoice, job: str) -> bool:
    """Take over what was worked out; return whether there is anything."""
    try:
        _store().put((each.fingerprint, choice.key), running.result())
    except ClVizError as error:
        # It is not begun again by itself.
        state.stop_job(job)
        if not isinstance(error, Cancelled):
            raise
        return False
    return True


def _judged_what(each: EmbeddingSet, choice: MapChoice, every_error: bool) -> str:
    what = "Error of every point" if every_error else "What is kept"
    return f"{what} in {PROJECTIONS[choice.method].label} of {each.name}"


def _judging(each: EmbeddingSet, made: Projection, choice: MapChoice, every_error: bool, job: str) -> Running | None:
    """Return what was just begun; None where it was stopped before, or is to be asked for."""
    what = _judged_what(each, choice, every_error)
    total = estimate_judging(len(each.views[choice.view]), each.dim, choice.method, every_error)
    if state.is_stopped(job):
        errors.show_long_work([LongWork(f"{what} was stopped", where=job)], "map judging")
        return None
    if total > long_work.ASK_ABOVE_SECONDS and not state.is_confirmed(job):
        work = LongWork.lasting(f"{what} (N = {len(each.views[choice.view]):,}) takes", total, job)
        errors.show_long_work([work], "map judging")
        return None
    running = BackgroundWork(lambda progress: judge(made, each, every_error=every_error, progress=progress))
    state.map_jobs()[job] = running
    return running


def _find(each: EmbeddingSet, choice: MapChoice) -> Projection | None:
    key = (each.fingerprint, choice.key)
    kept: Projection | None = _store().get(key)
    if kept is None:
        kept = find_kept(each, **choice.arguments)
        if kept is not None:
            _store().put(key, kept)
    return kept


def _make(each: EmbeddingSet, sets: Sequence[EmbeddingSet], choice: MapChoice) -> Projection | None:
    """Make a map: at once where it is quick, else watch the worker that makes it, or ask."""
    size = len(each.views[choice.view]), each.dim, choice.method
    alone = estimate_layout(*size, choice.params)
    job = f"map/{each.fingerprint}/{choice.key}"
    label = PROJECTIONS[choice.method].label
    if alone <= AT_ONCE_SECONDS:
        with Progress(f"{each.name}: {label}", job) as progress:
            made = lay_out(each, **choice.arguments, progress=progress)
            if estimate_judging(*size) <= AT_ONCE_SECONDS:
                made = judge(made, each, progress=progress)
        _store().put((each.fingerprint, choice.key), made)
        return made
    running = state.map_jobs().get(job) or _begun(each, sets, choice, job, label)
    if running is None:
        return None
    if not running.done:
        watch(running, f"{each.name}: {label}", job)
        return None
    del state.map_jobs()[job]
    return _ended(running, each, choice, job, label)


def _begun(each: EmbeddingSet, sets: Sequence[EmbeddingSet], choice: MapChoice, job: str, label: str) -> Running | None:
    """Return a worker that was just begun; None where it was stopped before, or is to be asked for."""
    total = seconds(sets, choice)
    others = f" and {len(sets) - 1} more" if len(sets) > 1 else ""
    if state.is_stopped(job):
        _offer(f"The {label} map of {each.name} was stopped", 0.0, sets, choice)
        return None
    if total > long_work.ASK_ABOVE_SECONDS and not state.is_confirmed(job):
        what = f"The {label} map of {each.name}{others} (N = {len(each.views[choice.view]):,}) takes"
        _offer(what, total, sets, choice)
        return None
    running = start(each, **choice.arguments, judged=False)
    state.map_jobs()[job] = running
    return running


def _offer(what: str, total: float, sets: Sequence[EmbeddingSet], choice: MapChoice) -> None:
    """Ask once for all maps that are not at hand."""
    jobs = [f"map/{each.fingerprint}/{choice.key}" for each in sets if _find(each, choice) is None]
    works = [LongWork.lasting(what, total, job) if total else LongWork(what, where=job) for job in jobs]
    errors.show_long_work(works, "map")


def _ended(running: Running, each: EmbeddingSet, choice: MapChoice, job: str, label: str) -> Projection | None:
    try:
        made = running.result()
    except Cancelled:
        state.stop_job(job)
        _offer(f"The {label} map of {each.name} was stopped", 0.0, [each], choice)
        return None
    except ClVizError:
        # It is not begun again by itself; the button that offers it stands below the error.
        state.stop_job(job)
        raise
    _store().put((each.fingerprint, choice.key), made)
    return made

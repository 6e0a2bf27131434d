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
from cl_viz.dashboard import cache, errors, state
from cl_viz.dashboard.progress import Progress
from cl_viz.dashboard.text import escape
from cl_viz.engine.memory import array_bytes
from cl_viz.projections import PROJECTIONS, Job, Projection, estimate, find_kept, project, project_aligned, start

AT_ONCE_SECONDS = 1.0
"""Maps that take no longer are made in this process: a worker takes longer to start."""
_KEPT_BYTES = 1e9
_LOOK_EVERY = 0.5
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
def _store() -> cache.BoundedStore[Any]:
    return cache.BoundedStore(_KEPT_BYTES, array_bytes)


def made_params(method: str, values: Mapping[str, Any]) -> Params:
    """Return the parameters of a method; raises `InputError` where one is out of range."""
    return PROJECTIONS[method].params.make(dict(values))


def seconds(sets: Sequence[EmbeddingSet], choice: MapChoice) -> float:
    """Return about how long the maps of some sets take, those that are kept left out."""
    return sum(
        estimate(len(each.views[choice.view]), each.dim, choice.method, choice.params)
        for each in sets
        if _find(each, choice) is None
    )


def layouts(sets: Sequence[EmbeddingSet], choice: MapChoice) -> list[Projection] | None:
    """Return the maps of some sets, several laid over each other; None while they are made, asked for or stopped.

    What is to be said meanwhile is drawn in their place.

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
    key = ("aligned", tuple(each.fingerprint for each in sets), choice.key)
    kept = _store().get(key)
    if kept is None:
        # Each map is at hand; they are only turned onto each other. Components have a unit that a scale would hide.
        scale = choice.method not in _WITH_UNIT
        kept = _store().put(key, project_aligned(list(sets), scale=scale, **choice.arguments))
    return list(kept)


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
    alone = estimate(len(each.views[choice.view]), each.dim, choice.method, choice.params)
    job = f"map/{each.fingerprint}/{choice.key}"
    label = PROJECTIONS[choice.method].label
    if alone <= AT_ONCE_SECONDS:
        with Progress(f"{each.name}: {label}", job) as progress:
            made = project(each, **choice.arguments, progress=progress)
        _store().put((each.fingerprint, choice.key), made)
        return made
    running = state.map_jobs().get(job) or _begun(each, sets, choice, job, label)
    if running is None:
        return None
    if not running.done:
        _watch(running, f"{each.name}: {label}", job)
        return None
    del state.map_jobs()[job]
    return _ended(running, each, choice, job, label)


def _begun(each: EmbeddingSet, sets: Sequence[EmbeddingSet], choice: MapChoice, job: str, label: str) -> Job | None:
    """Return a worker that was just begun; None where it was stopped before, or is to be asked for."""
    total = seconds(sets, choice)
    others = f" and {len(sets) - 1} more" if len(sets) > 1 else ""
    if state.is_stopped(job):
        _offer(f"{label} of {each.name} was stopped", 0.0, sets, choice)
        return None
    if total > cache.ASK_ABOVE_SECONDS and not state.is_confirmed(job):
        what = f"{label} of {each.name}{others} (N = {len(each.views[choice.view]):,}) takes"
        _offer(what, total, sets, choice)
        return None
    running = start(each, **choice.arguments)
    state.map_jobs()[job] = running
    return running


def _offer(what: str, total: float, sets: Sequence[EmbeddingSet], choice: MapChoice) -> None:
    """Ask once for all maps that are not at hand."""
    jobs = [f"map/{each.fingerprint}/{choice.key}" for each in sets if _find(each, choice) is None]
    works = [cache.LongWork.lasting(what, total, job) if total else cache.LongWork(what, where=job) for job in jobs]
    errors.show_long_work(works, "map")


def _watch(running: Job, title: str, job: str) -> None:
    """Draw how far a worker is, and look again until it has ended."""

    def stop() -> None:
        state.stop_job(job)
        state.map_jobs().pop(job, None)
        running.stop()

    @st.fragment(run_every=_LOOK_EVERY)
    def look() -> None:
        if running.done:
            st.rerun()
        left = running.seconds * (1 - running.fraction) / running.fraction if running.fraction > 0.05 else None
        text = f"{escape(title)}: {escape(running.message)}" + (f", {left:,.0f} s left" if left is not None else "")
        st.progress(min(1.0, max(0.0, running.fraction)), text=text)
        st.button("Stop", key=f"_stop {job}", icon=":material/stop_circle:", on_click=stop)

    look()


def _ended(running: Job, each: EmbeddingSet, choice: MapChoice, job: str, label: str) -> Projection | None:
    try:
        made: Projection = running.result()
    except Cancelled:
        state.stop_job(job)
        _offer(f"{label} of {each.name} was stopped", 0.0, [each], choice)
        return None
    except ClVizError:
        # It is not begun again by itself; the button that offers it stands below the error.
        state.stop_job(job)
        raise
    _store().put((each.fingerprint, choice.key), made)
    return made

"""`project_aligned`: maps of several sets of the same samples, laid over each other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError
from cl_viz.core.params import Params
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.core.run import Run
from cl_viz.projections._aligned_umap import lay_out_together
from cl_viz.projections._cache import MapCache
from cl_viz.projections._honesty import NEIGHBORS, honesty
from cl_viz.projections._inputs import part_of, unit_rows
from cl_viz.projections._making import as_projection, check_layout, kept_values
from cl_viz.projections._neighbors import NeighborSearch
from cl_viz.projections._projecting import project
from cl_viz.projections._projection import Projection
from cl_viz.projections._requests import MapRequest, check_rows, checked_request

Alignment = Literal["procrustes", "umap"]
_LEAST_SHARED = 3


def project_aligned(
    sets: Sequence[EmbeddingSet | Run] | Run,
    method: str = "umap",
    *,
    alignment: Alignment = "procrustes",
    scale: bool = True,
    dim: int = 2,
    view: str | None = None,
    params: Mapping[str, Any] | Params | None = None,
    seed: int = 0,
    device: str = "auto",
    cache: bool = True,
    progress: ProgressCallback | None = None,
) -> list[Projection]:
    """Make one map of each set, so that a sample stands at about the same place in all of them.

    Samples are matched by their ids where every set has the role ``id``, else by row, which needs equal N.

    Parameters
    ----------
    sets : sequence of EmbeddingSet or Run, or Run
        Two or more. Of runs in a sequence the last step is taken; of one run all its steps, in order.
    method : str
        See `project`.
    alignment : {"procrustes", "umap"}
        ``"procrustes"``: each map is made on its own, then shifted, turned, mirrored (and scaled) onto the one
        before, by least squares over the shared samples; neighbourhoods stay as they were. ``"umap"``: all are laid
        out together by umap-learn's AlignedUMAP, which pulls shared samples together and so may move what did move.
    scale : bool
        Whether Procrustes may also scale a map; UMAP and t-SNE have no scale of their own.
    dim, view, params, seed, device, cache, progress
        See `project`.

    Returns
    -------
    list of Projection
        In the order of the sets; each with its own honesty, and the root mean square distance of shared samples to
        the map before, in units of that map's spread, in its notes.

    Raises
    ------
    InputError
        If there are fewer than two sets, they share fewer than three usable samples, or as `project`.
    """
    found = _sets(sets)
    if alignment not in ("procrustes", "umap"):
        raise InputError(f"alignment = {alignment!r}", where="project_aligned", allowed="procrustes, umap")
    if alignment == "umap" and method != "umap":
        raise InputError(
            f"method = {method!r} with alignment = 'umap'", where="project_aligned", allowed="method umap",
            remedy="use alignment = 'procrustes' for other methods",
        )  # fmt: skip
    requests = [checked_request(each, method, dim, view, params, seed, device) for each in found]
    shared = [shared_samples(before, after, requests[0].view) for before, after in pairwise(found)]
    report = progress or silent
    if alignment == "umap":
        return _together(found, requests, shared, MapCache(cache), report)
    maps: list[Projection] = []
    for place, (each, request) in enumerate(zip(found, requests, strict=True)):
        part = part_of(report, place / len(found), (place + 1) / len(found))
        made = project(each, method, dim=dim, view=request.view, params=request.params, seed=seed, device=device,
                       cache=cache, progress=part)  # fmt: skip
        maps.append(made)
    report(1.0, "done")
    return lay_over(maps, found, scale=scale)


def lay_over(maps: Sequence[Projection], sets: Sequence[EmbeddingSet], *, scale: bool = True) -> list[Projection]:
    """Return maps of which each is laid over the one before, by Procrustes on the samples that both have.

    Parameters
    ----------
    maps : sequence of Projection
    sets : sequence of EmbeddingSet
        What they are maps of.
    scale : bool
        See `project_aligned`.

    Raises
    ------
    InputError
        As `project_aligned`, where sets share too few samples.
    """
    found = list(maps[:1])
    for each, (before, after) in zip(maps[1:], pairwise(sets), strict=True):
        found.append(_onto(found[-1], each, shared_samples(before, after, each.view), scale))
    return found


def _sets(sets: Sequence[EmbeddingSet | Run] | Run) -> list[EmbeddingSet]:
    if isinstance(sets, Run):
        found = [sets.get(step) for step in sets.steps]
    else:
        found = [each.get() if isinstance(each, Run) else each for each in sets]
    if len(found) < 2:
        raise InputError(
            f"{len(found)} set{'s' if len(found) != 1 else ''}", where="project_aligned", allowed="two or more",
            remedy="give several sets or runs of the same samples, or a run with several steps",
        )  # fmt: skip
    return found


def shared_samples(before: EmbeddingSet, after: EmbeddingSet, view: str) -> NDArray[np.int64]:
    """Return the rows of two sets that are the same sample and usable in both, shape (M, 2), ascending.

    Raises
    ------
    InputError
        If ids are not at hand and N differs, or fewer than three are shared.
    """
    ids = [each.role("id", view) for each in (before, after)]
    if ids[0] is not None and ids[1] is not None:
        at = {str(value): row for row, value in enumerate(ids[0].tolist())}
        matched = [(at[str(value)], row) for row, value in enumerate(ids[1].tolist()) if str(value) in at]
        pairs = np.array(matched, dtype=np.int64).reshape(-1, 2)
    elif len(before.views[view]) == len(after.views[view]):
        rows = np.arange(len(before.views[view]))
        pairs = np.stack([rows, rows], axis=1)
    else:
        raise InputError(
            f"{len(before.views[view]):,} and {len(after.views[view]):,} rows, and not both have ids",
            where="project_aligned",
            remedy="give both sets the role id, or the same rows in the same order",
        )
    both = before.quality[view].usable[pairs[:, 0]] & after.quality[view].usable[pairs[:, 1]]
    if int(both.sum()) < _LEAST_SHARED:
        raise InputError(
            f"{before.name} and {after.name} share {int(both.sum())} usable samples",
            where="project_aligned",
            allowed=f"{_LEAST_SHARED} or more",
        )
    return pairs[both]


def _onto(reference: Projection, moved: Projection, shared: NDArray[np.int64], scale: bool) -> Projection:
    """Return a map laid over another one by Procrustes on the shared samples."""
    from scipy.linalg import orthogonal_procrustes

    target = reference.coordinates[shared[:, 0]].astype(np.float64)
    source = moved.coordinates[shared[:, 1]].astype(np.float64)
    target_centre, source_centre = target.mean(axis=0), source.mean(axis=0)
    rotation, strength = orthogonal_procrustes(source - source_centre, target - target_centre)
    size = float(np.square(source - source_centre).sum())
    factor = strength / size if scale and size > 0 and strength > 0 else 1.0
    placed = (moved.coordinates.astype(np.float64) - source_centre) @ rotation * factor + target_centre
    coordinates = placed.astype(np.float32)
    coordinates.setflags(write=False)
    note = f"laid over the map of {reference.name} by Procrustes{' with scale' if scale else ''}: "
    note += moved_text(reference.coordinates, coordinates, shared)
    return replace(moved, coordinates=coordinates, notes=(*moved.notes, note))


def moved_text(before: NDArray[np.float32], after: NDArray[np.float32], shared: NDArray[np.int64]) -> str:
    """Say how far shared samples lie apart in two maps."""
    target = before[shared[:, 0]].astype(np.float64)
    gap = after[shared[:, 1]] - target
    spread = float(np.sqrt(np.square(target - target.mean(axis=0)).sum(axis=1).mean()))
    apart = float(np.sqrt(np.square(gap).sum(axis=1).mean()))
    share = f"{apart / spread:.2f} of its spread" if spread > 0 else "not defined, all points coincide"
    return f"shared samples moved by {share} (root mean square, N = {len(shared):,})"


def _together(
    sets: Sequence[EmbeddingSet], requests: Sequence[MapRequest], shared: Sequence[NDArray[np.int64]],
    cache: MapCache, progress: ProgressCallback,
) -> list[Projection]:  # fmt: skip
    """Lay all sets out at once with AlignedUMAP."""
    fingerprints = [each.fingerprint for each in sets]
    keys = [{**request.key, "aligned with": fingerprints, "place": place} for place, request in enumerate(requests)]
    kept = [cache.find(fingerprint, key) for fingerprint, key in zip(fingerprints, keys, strict=True)]
    if any(values is None for values in kept):
        kept = list(_make_together(sets, requests, shared, cache, progress))
        for fingerprint, key, values in zip(fingerprints, keys, kept, strict=True):
            cache.keep(fingerprint, key, values or {})
    progress(1.0, "done")
    return [
        as_projection(values or {}, values or {}, request, each)
        for values, request, each in zip(kept, requests, sets, strict=True)
    ]


def _make_together(
    sets: Sequence[EmbeddingSet], requests: Sequence[MapRequest], shared: Sequence[NDArray[np.int64]],
    cache: MapCache, progress: ProgressCallback,
) -> list[dict[str, Any]]:  # fmt: skip
    began = time.monotonic()
    rows, numbers = [], []
    for each, request in zip(sets, requests, strict=True):
        found, usable = unit_rows(each, request.view)
        check_rows(each, request, len(found))
        rows.append(found)
        numbers.append(np.cumsum(usable) - 1)
    relations = [
        np.stack([numbers[place][pairs[:, 0]], numbers[place + 1][pairs[:, 1]]], axis=1)
        for place, pairs in enumerate(shared)
    ]
    progress(0.05, "all maps together")
    layouts = lay_out_together(rows, relations, requests[0])
    seconds = (time.monotonic() - began) / len(sets)
    made = []
    for place, (each, request, layout) in enumerate(zip(sets, requests, layouts, strict=True)):
        report = part_of(progress, 0.8 + 0.2 * place / len(sets), 0.8 + 0.2 * (place + 1) / len(sets))
        check_layout(layout, rows[place], request)
        search: Callable[[int], Any] = NeighborSearch(
            rows[place], request.view, each.fingerprint, request.device, cache, report
        )
        judged = honesty(rows[place], layout, search(NEIGHBORS + 1), request.seed)
        notes = ["laid out together with the others by AlignedUMAP, neighbours by umap-learn's own search"]
        if place:
            notes.append(
                f"from the map of {sets[place - 1].name} "
                + moved_text(layouts[place - 1], layout, relations[place - 1])
            )
        made.append({"coordinates": layout, "seconds": seconds, "notes": tuple(notes), **kept_values(judged)})
    return made

"""`project`: a set in, a map with its honesty out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import ClVizError, InputError
from cl_viz.core.params import Params
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.core.registry import Registry
from cl_viz.core.run import Run
from cl_viz.core.specs import ProjectionSpec
from cl_viz.engine.rows import check_usable
from cl_viz.projections._cache import MapCache
from cl_viz.projections._honesty import NEIGHBORS, Honesty, honesty
from cl_viz.projections._inputs import ProjectionInputs, unit_rows
from cl_viz.projections._neighbors import NeighborSearch
from cl_viz.projections._projection import Kept, Projection

PROJECTIONS: Registry[ProjectionSpec] = Registry("cl_viz.projections", ProjectionSpec)

_SEARCH_PART, _LAYOUT_PART = 0.3, 0.9
"""Where the search for neighbours and the layout end on the way from 0 to 1."""
_EQUAL = 1e-6
"""Largest difference of entries of unit rows that are one direction."""


@dataclass(frozen=True)
class MapRequest:
    """A map that was asked for, checked.

    Attributes
    ----------
    method, dim, view, seed, device
        See `project`.
    params : Params
    """

    method: str
    dim: int
    view: str
    params: Params
    seed: int
    device: str = "auto"

    @property
    def spec(self) -> ProjectionSpec:
        """The method."""
        return PROJECTIONS[self.method]

    @property
    def key(self) -> dict[str, Any]:
        """Everything the map depends on besides the set."""
        return {
            "map": self.method, "dim": self.dim, "view": self.view, "params": self.params.as_dict(), "seed": self.seed,
        }  # fmt: skip


def project(
    data: EmbeddingSet | Run,
    method: str = "umap",
    *,
    dim: int = 2,
    view: str | None = None,
    params: Mapping[str, Any] | Params | None = None,
    seed: int = 0,
    device: str = "auto",
    cache: bool = True,
    progress: ProgressCallback | None = None,
) -> Projection:
    """Make a map of the rows of one view, by cosine.

    Parameters
    ----------
    data : EmbeddingSet or Run
        Of a run the last step and the first layer are taken.
    method : str
        Name in `cl_viz.projections.PROJECTIONS`: ``"pca"``, ``"umap"``, ``"tsne"``, ``"pacmap"``.
    dim : int
        Dimensions of the map, 2 or 3 where the method can.
    view : str, optional
        By default the first.
    params : mapping or Params, optional
        Parameters of the method; the others keep the papers' defaults.
    seed : int
        0 or above. The same set, parameters and seed give the same map.
    device : str
        Where the neighbours are found; see `cl_viz.scan`.
    cache : bool
        Keep the map and the neighbours on disk, and take them from there next time.
    progress : callable, optional
        Called with fraction and message; may raise `Cancelled` to stop.

    Returns
    -------
    Projection
        One point a row, with trustworthiness, neighbour recall and each point's error.

    Raises
    ------
    InputError
        If the method, the view, the dimension or a parameter is not known or out of range, or a method gets too few
        usable rows.
    MissingDependencyError
        If the method's library is not installed.
    """
    embedding_set = data.get() if isinstance(data, Run) else data
    request = checked_request(embedding_set, method, dim, view, params, seed, device)
    kept = MapCache(cache)
    found = kept.find(embedding_set.fingerprint, request.key)
    if found is None:
        rows, _ = unit_rows(embedding_set, request.view)
        check_rows(embedding_set, request, len(rows))
        found = make_map(request, rows, embedding_set.fingerprint, kept, progress or silent)
    if progress is not None:
        progress(1.0, "done")
    return as_projection(found, request, embedding_set)


def find_kept(
    embedding_set: EmbeddingSet,
    method: str = "umap",
    *,
    dim: int = 2,
    view: str | None = None,
    params: Mapping[str, Any] | Params | None = None,
    seed: int = 0,
) -> Projection | None:
    """Return the map that `project` would take from the disk, or None; nothing is computed. Raises as `project`."""
    request = checked_request(embedding_set, method, dim, view, params, seed)
    found = MapCache().find(embedding_set.fingerprint, request.key)
    return None if found is None else as_projection(found, request, embedding_set)


def checked_request(
    embedding_set: EmbeddingSet, method: str, dim: int, view: str | None, params: Mapping[str, Any] | Params | None,
    seed: int, device: str = "auto",
) -> MapRequest:  # fmt: skip
    """Return a request whose every part can be used; raises as `project`, without computing anything."""
    spec = known_method(method)
    if dim not in spec.dims:
        raise InputError(f"dim = {dim!r}", where=spec.name, allowed=" or ".join(map(str, spec.dims)))
    view = view or embedding_set.view_names[0]
    if view not in embedding_set.views:
        raise InputError(f"no view {view!r}", where=embedding_set.name, allowed=", ".join(embedding_set.view_names))
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**31:
        raise InputError(f"seed = {seed!r}", where="project", allowed="a whole number from 0 to 2,147,483,647")
    return MapRequest(method, int(dim), view, made_params(spec, params), int(seed), device)


def known_method(method: str) -> ProjectionSpec:
    """Return the spec of a method; raises `InputError` naming those there are."""
    if method not in PROJECTIONS:
        raise InputError(f"no method {method!r}", where="project", allowed=", ".join(PROJECTIONS))
    return PROJECTIONS[method]


def made_params(spec: ProjectionSpec, params: Mapping[str, Any] | Params | None) -> Params:
    """Return the parameters of a method from what was given."""
    if isinstance(params, Params):
        if not isinstance(params, spec.params):
            raise InputError(
                f"parameters of the type {type(params).__name__}", where=spec.name, allowed=spec.params.__name__
            )
        return params
    return spec.params.make(dict(params or {}))


def check_rows(embedding_set: EmbeddingSet, request: MapRequest, usable: int) -> None:
    """Raise where a view has too few usable rows for the method."""
    check_usable(embedding_set, request.view, usable)
    if usable < request.spec.least_rows:
        raise InputError(
            f"view {request.view!r} has {usable} usable rows",
            where=f"{request.spec.label} of {embedding_set.name}",
            allowed=f"{request.spec.least_rows} or more",
            remedy="use the method pca, or add samples",
        )


def make_map(
    request: MapRequest, rows: NDArray[np.float32], fingerprint: str, cache: MapCache, progress: ProgressCallback
) -> dict[str, Any]:
    """Return the values of a map of unit rows, made now, and keep them.

    Parameters
    ----------
    request : MapRequest
    rows : NDArray[np.float32], shape (n, D)
    fingerprint : str
        Of the set the rows are of.
    cache : MapCache
    progress : callable
    """
    began = time.monotonic()
    search = NeighborSearch(
        rows, request.view, fingerprint, request.device, cache, part_of(progress, 0.0, _SEARCH_PART)
    )
    needed = 0 if request.spec.neighbors is None else request.spec.neighbors(request.params)
    search(max(needed, NEIGHBORS + 1))
    label = request.spec.label
    inputs = ProjectionInputs(
        rows, request.dim, request.seed, search, part_of(progress, _SEARCH_PART, _LAYOUT_PART, label)
    )
    coordinates = _laid_out(request, inputs)
    check_layout(coordinates, rows, request)
    near = search(NEIGHBORS + 1)
    found = honesty(rows, coordinates, near, request.seed, progress=part_of(progress, _LAYOUT_PART, 1.0))
    values = values_of(coordinates, found, time.monotonic() - began, inputs.notes)
    cache.keep(fingerprint, request.key, values)
    return values


def values_of(coordinates: NDArray[np.float32], found: Honesty, seconds: float, notes: Sequence[str]) -> dict[str, Any]:
    """Return what is kept of a map, and what `as_projection` takes."""
    return {
        "coordinates": coordinates,
        "error": found.error,
        "trustworthiness": _as_mapping(found.trustworthiness),
        "neighbor_recall": _as_mapping(found.neighbor_recall),
        "seconds": seconds,
        "notes": (*notes, *found.notes),
    }


def as_projection(values: Mapping[str, Any], request: MapRequest, embedding_set: EmbeddingSet) -> Projection:
    """Return the map of a set from its values: points stand at their rows, unusable rows have none."""
    usable = embedding_set.quality[request.view].usable
    coordinates = np.full((len(usable), request.dim), np.nan, dtype=np.float32)
    coordinates[usable] = values["coordinates"]
    error = np.full(len(usable), np.nan, dtype=np.float32)
    error[usable] = values["error"]
    for array in (coordinates, error):
        array.setflags(write=False)
    left_out = int((~usable).sum())
    notes = [f"unit rows of {request.view}: distances order as cosines do", *values["notes"], f"seed {request.seed}"]
    if left_out:
        notes.append(f"{left_out:,} row{'s' if left_out > 1 else ''} without a direction left out")
    return Projection(
        coordinates, request.method, request.params.as_dict(), request.seed, request.view, embedding_set.fingerprint,
        Kept(**values["trustworthiness"]), Kept(**values["neighbor_recall"]), error, float(values["seconds"]),
        tuple(notes), embedding_set.name,
    )  # fmt: skip


def estimate(n: int, dim: int, method: str = "umap", params: Mapping[str, Any] | Params | None = None) -> float:
    """Return about how many seconds a map takes on two cores: neighbours, layout and what it keeps.

    Parameters
    ----------
    n, dim : int
        Rows and columns of the set.
    method, params
        See `project`.

    Returns
    -------
    float
        From constants measured on two cores; without the first start of a worker process.
    """
    spec = known_method(method)
    return _search_seconds(n, dim) + spec.seconds(n, dim, made_params(spec, params)) + _honesty_seconds(n, dim)


def _search_seconds(n: int, columns: int) -> float:
    # The first pass over many pairs waits for its compiled loops.
    return (0.5 if n > 2000 else 0.0) + n * n * (columns * 4e-11 + 4e-9)


def _honesty_seconds(n: int, columns: int) -> float:
    return 2e-5 * n + min(n, 2000) * n * (columns * 3e-11 + 2e-8)


def _laid_out(request: MapRequest, inputs: ProjectionInputs) -> NDArray[np.float32]:
    """Have the method lay the rows out; what its library raises becomes an error that says what to do."""
    if request.spec.neighbors is not None and float(np.ptp(inputs.rows, axis=0).max()) <= _EQUAL:
        raise InputError(
            f"all {len(inputs.rows):,} usable rows have one direction: any map of them would be made up",
            where=request.spec.label,
            remedy="use the method pca, which shows them as one point, and look at the Collapse page",
        )
    try:
        return np.asarray(request.spec.fit(inputs, request.params), dtype=np.float32)
    except (ValueError, ArithmeticError, LookupError, AssertionError, TypeError) as error:
        if isinstance(error, ClVizError):
            raise
        raise ClVizError(
            f"its library failed: {type(error).__name__}: {error}",
            where=request.spec.label,
            remedy="use other parameters, or the method pca",
        ) from error


def check_layout(coordinates: NDArray[np.float32], rows: NDArray[np.float32], request: MapRequest) -> None:
    """Raise where a layout has another shape than asked for, or a point that is not finite."""
    if coordinates.shape != (len(rows), request.dim) or not np.isfinite(coordinates).all():
        raise ClVizError(
            f"the layout is not finite for {len(rows):,} rows",
            where=request.spec.label,
            remedy="use other parameters, another seed, or the method pca",
        )


def _as_mapping(kept: Kept) -> dict[str, Any]:
    return {entry.name: getattr(kept, entry.name) for entry in fields(kept)}


def part_of(progress: ProgressCallback, start: float, stop: float, label: str = "") -> ProgressCallback:
    """Return a callback whose 0 to 1 fills a part of another's."""

    def report(done: float, message: str = "") -> None:
        share = min(1.0, done)
        progress(start * (1 - share) + stop * share, message or label)

    return report

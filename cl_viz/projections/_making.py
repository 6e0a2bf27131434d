"""`MapMaker`: lays a map out, and works out what it keeps, from the same rows and neighbours."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import ClVizError, InputError
from cl_viz.core.lazily import lazily
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.core.specs import ProjectionSpec
from cl_viz.projections._cache import MapCache
from cl_viz.projections._honesty import NEIGHBORS, Honesty, compared, honesty
from cl_viz.projections._inputs import ProjectionInputs, part_of, unit_rows
from cl_viz.projections._neighbors import NeighborSearch
from cl_viz.projections._projection import Kept, Projection
from cl_viz.projections._requests import MapRequest, check_rows
from cl_viz.projections._torch_layouts import notes_on_device

_SEARCH_PART = 1 / 3
"""Where the search for neighbours ends on the way through a layout."""
EVERY_UP_TO = 5_000
"""Rows up to which every point's error is worked out, whether the method needs neighbours or not."""
_EQUAL = 1e-6
"""Largest difference of entries of unit rows that are one direction."""


class MapMaker:
    """Lays a map out and works out what it keeps, from the same rows and neighbours.

    Parameters
    ----------
    request : MapRequest
    fingerprint : str
        Of the set the rows are of.
    rows : callable
        Returns the usable rows of the view at unit length, shape (n, D); called once they are needed.
    cache : MapCache
    """

    def __init__(
        self, request: MapRequest, fingerprint: str, rows: Callable[[], NDArray[np.float32]], cache: MapCache
    ) -> None:
        self.request, self.fingerprint, self.cache = request, fingerprint, cache
        self._rows = rows

    @classmethod
    def of_set(cls, request: MapRequest, embedding_set: EmbeddingSet, cache: MapCache) -> MapMaker:
        """Return what makes maps of a set."""

        def rows() -> NDArray[np.float32]:
            found, _ = unit_rows(embedding_set, request.view)
            check_rows(embedding_set, request, len(found))
            return found

        return cls(request, embedding_set.fingerprint, rows, cache)

    @lazily
    def rows(self) -> NDArray[np.float32]:
        """The usable rows at unit length."""
        return self._rows()

    @lazily
    def search(self) -> NeighborSearch:
        """What finds their neighbours."""
        return NeighborSearch(self.rows, self.request.view, self.fingerprint, self.request.device, self.cache, silent)

    def layout(self, progress: ProgressCallback) -> dict[str, Any]:
        """Return coordinates, seconds and notes, kept or made now."""
        found = self.cache.find(self.fingerprint, self.request.key)
        if found is None:
            found = self._make_layout(progress)
            self.cache.keep(self.fingerprint, self.request.key, found)
        return found

    def kept(self, layout: Mapping[str, Any], every_error: bool, progress: ProgressCallback) -> dict[str, Any]:
        """Return what a layout keeps of the neighbourhoods, kept or worked out now."""
        key = self.request.kept_key(every_error)
        found = self.cache.find(self.fingerprint, key)
        if found is None:
            found = self._make_kept(layout["coordinates"], every_error, progress)
            self.cache.keep(self.fingerprint, key, found)
        return found

    def _make_layout(self, progress: ProgressCallback) -> dict[str, Any]:
        began, request = time.monotonic(), self.request
        label, spec, part = request.spec.label, request.spec, 0.0
        if spec.neighbors is not None:
            part, self.search.progress = _SEARCH_PART, part_of(progress, 0.0, _SEARCH_PART)
            self.search(max(spec.neighbors(request.params), NEIGHBORS + 1))
        inputs = ProjectionInputs(
            self.rows, request.dim, request.seed, self.search, part_of(progress, part, 1.0, label)
        )
        inputs.progress(0.0, f"{label} begins")
        coordinates = _laid_out(request, inputs)
        check_layout(coordinates, self.rows, request)
        where = notes_on_device(spec, len(self.rows), request.device, request.laid_out_on)
        notes = (*inputs.notes, *where)
        return {"coordinates": coordinates, "seconds": time.monotonic() - began, "notes": notes}

    def _make_kept(
        self, coordinates: NDArray[np.float32], every_error: bool, progress: ProgressCallback
    ) -> dict[str, Any]:
        near, part = None, 0.0
        if needs_neighbors(self.request.spec, len(self.rows), every_error):
            part, self.search.progress = 0.5, part_of(progress, 0.0, 0.5)
            near = self.search(NEIGHBORS + 1)
        found = honesty(self.rows, coordinates, near, self.request.seed, progress=part_of(progress, part, 1.0))
        return kept_values(found)


def needs_neighbors(spec: ProjectionSpec, rows: int, every_error: bool) -> bool:
    """Return whether what a map keeps is judged by the neighbours of all rows."""
    return every_error or spec.neighbors is not None or rows <= EVERY_UP_TO


def kept_values(found: Honesty) -> dict[str, Any]:
    """Return what is kept of what a map keeps, as `as_projection` takes it."""
    return {
        "error": found.error,
        "trustworthiness": _as_mapping(found.trustworthiness),
        "neighbor_recall": _as_mapping(found.neighbor_recall),
        "kept_notes": found.notes,
    }


def as_projection(
    layout: Mapping[str, Any], kept: Mapping[str, Any] | None, request: MapRequest, embedding_set: EmbeddingSet
) -> Projection:
    """Return the map of a set from its values: points stand at their rows, unusable rows have none.

    Parameters
    ----------
    layout : Mapping
        Of `MapMaker.layout`.
    kept : Mapping or None
        Of `MapMaker.kept`; None where it has not been worked out.
    request : MapRequest
    embedding_set : EmbeddingSet
    """
    usable = embedding_set.quality[request.view].usable
    coordinates = np.full((len(usable), request.dim), np.nan, dtype=np.float32)
    coordinates[usable] = layout["coordinates"]
    error = np.full(len(usable), np.nan, dtype=np.float32)
    if kept is not None:
        error[usable] = kept["error"]
    for array in (coordinates, error):
        array.setflags(write=False)
    left_out = int((~usable).sum())
    notes = [f"unit rows of {request.view}: distances order as cosines do", *layout["notes"]]
    notes += [*(kept or {}).get("kept_notes", ()), f"seed {request.seed}"]
    if left_out:
        notes.append(f"{left_out:,} row{'s' if left_out > 1 else ''} without a direction left out")
    unknown = Kept(None, 0, int(usable.sum()), max(1, compared(int(usable.sum()))))
    found = [unknown if kept is None else _as_kept(kept[name]) for name in ("trustworthiness", "neighbor_recall")]
    return Projection(
        coordinates, request.method, request.params.as_dict(), request.seed, request.view, embedding_set.fingerprint,
        found[0], found[1], error, float(layout["seconds"]), tuple(notes), embedding_set.name, kept is not None,
    )  # fmt: skip


def _laid_out(request: MapRequest, inputs: ProjectionInputs) -> NDArray[np.float32]:
    """Have the method lay the rows out; what its library raises becomes an error that says what to do."""
    if request.spec.neighbors is not None and float(np.ptp(inputs.rows, axis=0).max()) <= _EQUAL:
        raise InputError(
            f"all {len(inputs.rows):,} usable rows have one direction: any map of them would be made up",
            where=request.spec.label,
            remedy="use the method pca, which shows them as one point, and look at the Collapse page",
        )
    try:
        spec = request.spec
        if request.laid_out_on and spec.fit_on_gpu is not None:
            return np.asarray(spec.fit_on_gpu(inputs, request.params, request.laid_out_on), dtype=np.float32)
        return np.asarray(spec.fit(inputs, request.params), dtype=np.float32)
    except (ValueError, ArithmeticError, LookupError, AssertionError, TypeError, RuntimeError) as error:
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


def _as_kept(values: Mapping[str, Any]) -> Kept:
    interval = values.get("interval")
    return Kept(**{**values, "interval": None if interval is None else (float(interval[0]), float(interval[1]))})

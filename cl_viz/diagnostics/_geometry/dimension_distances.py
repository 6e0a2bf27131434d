"""Distances of rows to their nearest others, with repeated rows taken out: what intrinsic dimension rests on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import MissingInputError
from cl_viz.core.progress import ProgressCallback
from cl_viz.diagnostics._geometry.near_rows import NearRows

MOST_ANCHORS = 8192
"""Rows whose distances are computed; their neighbours are sought among all rows."""
REPEATED = 1e-6
"""Two rows nearer than this share of the median nearest distance are one row."""
_LOOKED_AT = 8
_EXACT_COLUMNS = 32
_NEAR = 1 - 1e-3
"""Score from which two rows may be so close that their score does not say how close."""
_BLOCK_BYTES = 2 << 20
Values = NDArray[np.float64]


@dataclass(frozen=True)
class DimensionDistances:
    """Neighbours of the anchors of one view, repeated rows aside.

    Attributes
    ----------
    view : str
    anchors : NDArray[np.int64], shape (A,)
        Places of rows that are not repeats of an earlier one.
    places : NDArray[np.int64], shape (A, K)
        Their neighbours that are not repeats, nearest first; -1 where there are fewer.
    distances : NDArray[np.float64], shape (A, K)
        Euclidean distances of unit rows, ascending; NaN where there are fewer.
    n_rows, n_repeats : int
        Usable rows of the view; how many of them repeat another.
    """

    view: str
    anchors: NDArray[np.int64]
    places: NDArray[np.int64]
    distances: Values
    n_rows: int
    n_repeats: int

    @property
    def n_distinct(self) -> int:
        """Rows without repeats."""
        return self.n_rows - self.n_repeats

    def among(self, keep: NDArray[np.bool_], k: int) -> Values:
        """Return the `k` smallest distances of kept anchors to kept rows, shape (at most A, k).

        Anchors with fewer than `k` kept neighbours in their list are left out.
        """
        asked = keep[self.anchors]
        # The nearest kept ones usually stand among the first of a list; the rest is looked at where they do not.
        width = min(self.places.shape[1], int(2 * k / max(1e-3, float(keep.mean()))) + 16)
        full, found = self._first(asked, keep, k, width)
        if width < self.places.shape[1] and full < asked.sum():
            full, found = self._first(asked, keep, k, self.places.shape[1])
        return found

    def _first(self, asked: NDArray[np.bool_], keep: NDArray[np.bool_], k: int, width: int) -> tuple[int, Values]:
        """Return how many anchors have `k` kept neighbours among the first `width`, and their distances."""
        places = self.places[asked, :width]
        there = (places >= 0) & keep[places]
        there &= np.cumsum(there, axis=1, dtype=np.int16) <= k
        full = there.sum(axis=1) == k
        return int(full.sum()), self.distances[asked, :width][full][there[full]].reshape(-1, k)


def dimension_distances(
    embedding_set: EmbeddingSet, near: NearRows, report: ProgressCallback, seed: int = 0
) -> DimensionDistances:
    """Compute distances of at most `MOST_ANCHORS` rows to their neighbours.

    The nearest 32 come from the differences of the rows in float64: near-duplicates would lose half their digits in
    ``2 - 2s``. Farther ones come from their scores.

    Raises
    ------
    MissingInputError
        If fewer than three different rows are left.
    """
    units = _UnitRows(embedding_set, near)
    closest = _closest(units, near)
    first = closest[:, 0]
    typical = float(np.median(first[first > 0])) if (first > 0).any() else 0.0
    original = _originals(near.places[:, :_LOOKED_AT], closest <= REPEATED * typical)
    repeated = original != np.arange(len(near))
    distinct = np.flatnonzero(~repeated)
    if len(distinct) < 3:
        raise MissingInputError(
            f"view {near.view!r} has {len(distinct)} different rows", where=embedding_set.name,
            remedy="look for collapse first: intrinsic dimension needs rows that differ",
        )  # fmt: skip
    anchors = distinct
    if len(distinct) > MOST_ANCHORS:
        anchors = np.sort(np.random.default_rng(seed).choice(distinct, MOST_ANCHORS, replace=False))
    places = near.places[anchors].copy()
    distances = np.sqrt(np.maximum(2 - 2 * near.scores[anchors].astype(np.float64), 0.0))
    exact = min(_EXACT_COLUMNS, places.shape[1])
    distances[:, :exact] = units.distances(anchors, places[:, :exact], report)
    # A repeat is not a neighbour: the row that it repeats is.
    distances[repeated[places]] = np.nan
    order = np.argsort(distances, axis=1, kind="stable")
    places, distances = np.take_along_axis(places, order, axis=1), np.take_along_axis(distances, order, axis=1)
    places[np.isnan(distances)] = -1
    return DimensionDistances(near.view, anchors, places, distances, len(near), int(repeated.sum()))


def _closest(units: _UnitRows, near: NearRows) -> Values:
    """Return the distances of every row to its nearest few, exactly where they may be repeats, shape (n, at most 8).

    Elsewhere a score says well enough how far apart two rows are.
    """
    scores = near.scores[:, :_LOOKED_AT].astype(np.float64)
    found: Values = np.sqrt(np.maximum(2 - 2 * scores, 0.0))
    row, column = np.nonzero(scores >= _NEAR)
    found[row, column] = units.distances(row, near.places[row, column][:, None])[:, 0]
    return found


def _originals(places: NDArray[np.int64], equal: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the first row of each group of equal rows, for every row, shape (n,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size = len(places)
    row, column = np.nonzero(equal)
    graph = coo_array((np.ones(len(row), dtype=np.int8), (row, places[row, column])), shape=(size, size))
    group = connected_components(graph, directed=False)[1]
    first = np.full(size, size, dtype=np.int64)
    np.minimum.at(first, group, np.arange(size))
    found: NDArray[np.int64] = first[group]
    return found


class _UnitRows:
    """Unit rows of one view, read when they are asked for."""

    def __init__(self, embedding_set: EmbeddingSet, near: NearRows) -> None:
        self.array = embedding_set.views[near.view]
        self.norms = embedding_set.quality[near.view].norms
        self.rows = near.rows

    def at(self, places: NDArray[np.int64]) -> Values:
        rows = self.rows[places]
        found = self.array[rows].astype(np.float64)
        found /= self.norms[rows][..., None]
        return found

    def distances(
        self, anchors: NDArray[np.int64], places: NDArray[np.int64], report: ProgressCallback | None = None
    ) -> Values:
        """Return distances of anchors (A,) to the rows at `places` (A, K), from the differences, shape (A, K)."""
        found = np.empty(places.shape)
        step = max(1, _BLOCK_BYTES // (8 * self.array.shape[1] * max(1, places.shape[1])))
        for start in range(0, len(anchors), step):
            part = slice(start, start + step)
            apart = self.at(places[part])
            apart -= self.at(anchors[part])[:, None, :]
            found[part] = np.sqrt(np.einsum("akd,akd->ak", apart, apart))
            if report is not None and not start % (64 * step):
                report(min(1.0, (start + step) / len(anchors)), "distances to neighbours")
        return found

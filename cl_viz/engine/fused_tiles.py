"""Tiles handed to the compiled kernels, and what the kernels keep handed back to the sketches."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.engine import bins, fixed_point
from cl_viz.engine.anchor_sketch import CandidateCells, narrow_counts
from cl_viz.engine.largest import Largest
from cl_viz.engine.pair_sketch import PairSketch, Relation
from cl_viz.engine.row_kernels import TAIL

if TYPE_CHECKING:
    from cl_viz.engine.compiled import Kernels

Labels = NDArray[np.int64]
_HELD = 160
"""Scores of an anchor that are held while its largest are looked for: those above its limit, all tiles together."""
_NO_LINKS = np.zeros((0, 2), dtype=np.int64)


class FusedPairs:
    """Adds tiles of scores to a sketch with the compiled kernels.

    Parameters
    ----------
    functions : Kernels
    sketch : PairSketch
        Is added to; complete after `flush`.
    dtype : numpy.dtype
        Of the scores: float32 or float64.
    """

    def __init__(self, functions: Kernels, sketch: PairSketch, dtype: np.dtype[Any]) -> None:
        self._kernels, self._sketch = functions, sketch
        self._exact = dtype.itemsize == 8
        self._grid, self._bias = fixed_point.score_grid(dtype), _fixed_bias()
        self._near = fixed_point.no_near_bins() if self._exact else _near_bins()
        self._packed = np.zeros((len(Relation), bins.BINS), dtype=np.int64)
        self._limits = np.empty((len(Relation), 2), dtype=np.int32)
        self._fixed = np.zeros(0, dtype=np.int32)
        self._block = -1
        self._held = np.zeros(1, dtype=np.int64)

    def add(
        self,
        block: int,
        scores: NDArray[Any],
        row_labels: Labels | None,
        column_labels: Labels | None,
        *,
        diagonal: bool = False,
        links: NDArray[np.int64] = _NO_LINKS,
    ) -> None:
        """Add a tile.

        Parameters
        ----------
        block : int
            Of the sketch.
        scores : NDArray, shape (rows, columns)
        row_labels, column_labels : NDArray[np.int64]
            Codes; those of the columns ascend. None without labels.
        diagonal : bool
            Whether rows and columns are the same: only pairs above the diagonal count.
        links : NDArray[np.int64], shape (P, 2)
            Pairs of one sample, as row and column of the tile, sorted.
        """
        if len(self._fixed) < scores.shape[1]:
            self._fixed = np.zeros(scores.shape[1], dtype=np.int32)
        edges, first_links = tile_parts(self._kernels, scores, row_labels, column_labels, links)
        self._kernels.bin_tile(
            scores, diagonal, edges, links, first_links, self._grid, self._exact, self._near, self._fixed,
            *self.arrays(block),
        )  # fmt: skip

    def arrays(self, block: int) -> tuple[NDArray[Any], ...]:
        """Return what the kernels add pairs of a block of the sketch to."""
        if block != self._block:
            self.flush()
            self._limits[:] = np.iinfo(np.int32).max, np.iinfo(np.int32).min
            self._block = block
        sketch = self._sketch
        return (
            self._packed, self._held, self._bias, self._limits,
            sketch.counts[block], sketch.sums[block], sketch.squares[block], sketch.low[block], sketch.high[block],
        )  # fmt: skip

    def flush(self) -> None:
        """Hand everything over to the sketch."""
        if self._held[0]:
            counts, sums = self._sketch.counts[self._block], self._sketch.sums[self._block]
            self._kernels.unpack(self._packed, self._held, self._bias, counts, sums)


def tile_parts(
    kernels: Kernels,
    scores: NDArray[Any],
    row_labels: Labels | None,
    column_labels: Labels | None,
    links: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where in a tile the columns of each relation to a row begin, and where the links of each row do."""
    n_rows, n_columns = scores.shape
    if row_labels is None or column_labels is None:
        edges = _no_edges(n_rows, n_columns)
    else:
        edges = np.empty((n_rows, 5), dtype=np.int64)
        kernels.find_edges(row_labels, column_labels, edges)
    if not len(links):
        return edges, _no_links(n_rows)
    return edges, np.searchsorted(links[:, 0], np.arange(n_rows + 1)).astype(np.int64)


@lru_cache(maxsize=16)
def _no_edges(n_rows: int, n_columns: int) -> NDArray[np.int64]:
    edges = np.full((n_rows, 5), n_columns, dtype=np.int64)
    edges[:, 0] = 0
    return edges


@lru_cache(maxsize=16)
def _no_links(n_rows: int) -> NDArray[np.int64]:
    return np.zeros(n_rows + 1, dtype=np.int64)


@lru_cache(maxsize=1)
def _near_bins() -> NDArray[np.int32]:
    return fixed_point.near_bins()


@lru_cache(maxsize=1)
def _fixed_bias() -> NDArray[np.float64]:
    return fixed_point.fixed_bias()


class CellRoom:
    """Memory for the cells of a band of anchors: all zeros between two bands."""

    def __init__(self) -> None:
        self._kept: dict[str, NDArray[Any]] = {}

    def zeros(self, name: str, n_anchors: int, dtype: Any) -> NDArray[Any]:
        """Return the zeros of this name, shape (n_anchors, 2, ANCHOR_BINS); who writes there puts zeros again."""
        if name not in self._kept or len(self._kept[name]) < n_anchors:
            self._kept[name] = np.zeros((n_anchors, 2, bins.ANCHOR_BINS), dtype=dtype)
        return self._kept[name][:n_anchors]


class FusedAnchors:
    """Adds tiles of scores to what a band of anchors has seen, with the compiled kernels.

    Parameters
    ----------
    kernels : Kernels
    n_anchors : int
        Anchors of the band.
    n_candidates : int
        Candidates that each will see at most.
    dtype : numpy.dtype
        Of the scores: float32 or float64.
    room : CellRoom, optional
        Memory to use; free again once `cells` has been asked for.
    """

    def __init__(
        self,
        kernels: Kernels,
        n_anchors: int,
        n_candidates: int,
        dtype: np.dtype[Any],
        room: CellRoom | None = None,
    ) -> None:
        self._kernels = kernels
        self._exact = dtype.itemsize == 8 or n_candidates >= fixed_point.PACKED_CANDIDATES
        self._grid = fixed_point.score_grid(dtype)
        self._near = fixed_point.no_near_bins() if dtype.itemsize == 8 else _near_bins()
        room, none = room or CellRoom(), np.zeros((n_anchors, 2, 0), dtype=np.int64)
        self._cells = none if self._exact else room.zeros("cells", n_anchors, np.int64)
        self._counts = room.zeros("counts", n_anchors, np.int64) if self._exact else none
        self._sums = room.zeros("sums", n_anchors, np.float64) if self._exact else none.astype(np.float64)
        self._within = np.tile(np.array([bins.ANCHOR_BINS, 0]), (n_anchors, 1))
        self._own = np.zeros(bins.UNIFORM_BINS, dtype=np.int64)
        self._fixed = np.zeros(0, dtype=np.int32)
        self._largest = Largest(n_anchors, TAIL, dtype, np.bool_, _HELD)
        self._uncounted = FusedPairs(kernels, PairSketch.empty([("", "")]), dtype)

    def add(
        self,
        scores: NDArray[Any],
        labels: tuple[Labels | None, Labels | None],
        links: NDArray[np.int64],
        positives: tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]],
        moments: NDArray[np.float64],
        pairs: tuple[FusedPairs, int] | None = None,
        *,
        diagonal: bool = False,
    ) -> None:
        """Add a tile of the anchors against candidates, whose labels ascend.

        Parameters
        ----------
        scores : NDArray, shape (anchors, candidates)
        labels : pair of NDArray[np.int64] or of None
            Of the anchors and of the candidates.
        links : NDArray[np.int64], shape (P, 2)
            Pairs that are no candidates, sorted: the anchor itself, and pairs of one sample.
        positives : tuple
            Scores of the anchors' positives, where each anchor's begin, and the counts below them, which are added to.
        moments : NDArray[np.float64], shape (anchors, 4, 3)
            Are added to.
        pairs : pair of FusedPairs and int, optional
            Where the tile's pairs are counted too, and in which block.
        diagonal : bool
            Whether rows and columns are the same: only pairs above the diagonal are counted.
        """
        if len(self._fixed) < scores.shape[1]:
            self._fixed = np.zeros(scores.shape[1], dtype=np.int32)
        edges, first_links = tile_parts(self._kernels, scores, *labels, links)
        counting, block = pairs or (self._uncounted, 0)
        self._kernels.anchor_tile(
            scores, pairs is not None, diagonal, edges, links, first_links, self._grid, self._exact, self._near,
            self._fixed, self._own, self._cells, self._counts, self._sums, self._within, moments,
            *counting.arrays(block),
        )  # fmt: skip
        self._kernels.limits_of_largest(self._cells, self._counts, self._within, self._exact, TAIL, self._largest.limit)
        self._kernels.keep_candidates(scores, edges, links, first_links, *self._largest.arrays)
        values, offsets, below = positives
        if len(values):
            # A product of matrices and a sum of products differ by rounding: equal scores must stay equal.
            tolerance = scores.dtype.type(8 * np.finfo(scores.dtype).eps)
            self._kernels.count_below(
                scores, edges, links, first_links, values.astype(scores.dtype), offsets, tolerance, below
            )

    def cells(self) -> CandidateCells:
        """Return the filled cells of all tiles added, once."""
        filled = np.zeros(len(self._within), dtype=np.int64)
        self._kernels.count_filled(self._counts if self._exact else self._cells, self._within, filled)
        offsets = np.concatenate([[0], np.cumsum(filled)]).astype(np.int64)
        places = np.empty(offsets[-1], dtype=np.uint16)
        counts, means = np.empty(offsets[-1], dtype=np.uint32), np.empty(offsets[-1], dtype=np.int16)
        self._kernels.compact(self._cells, self._counts, self._sums, self._within, self._exact, places, counts, means)
        return CandidateCells(offsets, places, narrow_counts(counts), means)

    def tail(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the largest scores of each anchor, and whether their labels are the anchor's."""
        return self._largest.found(self._kernels)


def warm_up(kernels: Kernels, dtype: type[np.floating[Any]]) -> None:
    """Compile every kernel for scores of this type, or read it from the cache on disk."""
    kind = np.dtype(dtype)
    scores, labels = np.zeros((2, 2), dtype=kind), np.zeros(2, dtype=np.int64)
    pairs = FusedPairs(kernels, PairSketch.empty([("a", "a")]), kind)
    pairs.add(0, scores, labels, labels, diagonal=True)
    pairs.flush()
    anchors = FusedAnchors(kernels, 2, 2, kind)
    positives = (np.zeros(2), np.arange(3), np.zeros((2, len(Relation))))
    anchors.add(scores, (labels, labels), _NO_LINKS, positives, np.zeros((2, len(Relation), 3)), (pairs, 0))
    anchors.cells(), anchors.tail()
    for entry in (np.uint16, np.uint32, np.int16):
        kernels.copy_runs(np.zeros(1, dtype=entry), np.arange(2), np.zeros(1, dtype=np.int64), np.zeros(1, dtype=entry))
    numbers = np.arange(2)
    largest = Largest(2, 1, kind, np.int64)
    kernels.keep_neighbours(scores, numbers, numbers, True, 1, *largest.arrays)
    kernels.keep_neighbours_of_columns(scores, numbers, numbers, 1, *largest.arrays)
    largest.found(kernels)

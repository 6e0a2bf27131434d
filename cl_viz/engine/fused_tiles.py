"""Tiles handed to the compiled kernels, and what the kernels keep handed back to the sketches."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.engine import bins, kernels, row_kernels
from cl_viz.engine.anchor_sketch import CandidateCells, narrow_counts
from cl_viz.engine.largest import Largest
from cl_viz.engine.pair_sketch import PairSketch, Relation
from cl_viz.engine.row_kernels import TAIL

if TYPE_CHECKING:
    from cl_viz.engine.compiled import Kernels

Labels = NDArray[np.int64]
_NO_LABELS = np.zeros(0, dtype=np.int64)
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
        self._grid, self._near, self._bias = kernels.score_grid(dtype), _near_bins(), _fixed_bias()
        self._packed = np.zeros((len(Relation), bins.BINS), dtype=np.int64)
        self._limits = np.empty((len(Relation), 2), dtype=np.int32)
        self._places = np.zeros((2, 0), dtype=np.int32)
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
        if block != self._block:
            self.flush()
            self._limits[:] = np.iinfo(np.int32).max, np.iinfo(np.int32).min
            self._block = block
        if self._places.shape[1] < scores.shape[1]:
            self._places = np.zeros((2, scores.shape[1]), dtype=np.int32)
        labelled = row_labels is not None and column_labels is not None
        labels = (row_labels, column_labels, True) if labelled else (_NO_LABELS, _NO_LABELS, False)
        first_links = np.searchsorted(links[:, 0], np.arange(len(scores) + 1)) if len(links) else _no_links(len(scores))
        sketch = self._sketch
        self._kernels.bin_tile(
            scores, diagonal, *labels, links, first_links, self._grid, self._exact, self._near,
            self._places[0], self._places[1], self._packed, self._held, self._bias, self._limits,
            sketch.counts[block], sketch.sums[block], sketch.squares[block], sketch.low[block], sketch.high[block],
        )  # fmt: skip

    def flush(self) -> None:
        """Hand everything over to the sketch."""
        if self._held[0]:
            counts, sums = self._sketch.counts[self._block], self._sketch.sums[self._block]
            self._kernels.unpack(self._packed, self._held, self._bias, counts, sums)


@lru_cache(maxsize=16)
def _no_links(n_rows: int) -> NDArray[np.int64]:
    return np.zeros(n_rows + 1, dtype=np.int64)


@lru_cache(maxsize=1)
def _near_bins() -> NDArray[np.int32]:
    return kernels.near_bins()


@lru_cache(maxsize=1)
def _fixed_bias() -> NDArray[np.float64]:
    return kernels.fixed_bias()


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
    """

    def __init__(self, kernels: Kernels, n_anchors: int, n_candidates: int, dtype: np.dtype[Any]) -> None:
        self._kernels = kernels
        self._exact = dtype.itemsize == 8 or n_candidates >= row_kernels.MOST_CANDIDATES
        self._grid = np.array([1.0, bins.ANCHOR_BINS / 2], dtype=dtype)
        shape, none = (n_anchors, 2, bins.ANCHOR_BINS), (n_anchors, 2, 0)
        self._packed = np.zeros(none if self._exact else shape, dtype=np.int64)
        self._counts = np.zeros(shape if self._exact else none, dtype=np.int64)
        self._sums = np.zeros(shape if self._exact else none)
        self._largest = Largest(n_anchors, TAIL, dtype, np.bool_)
        self._places = np.zeros((2, 0), dtype=np.int32)

    def add(
        self,
        scores: NDArray[Any],
        labels: tuple[Labels | None, Labels | None],
        holes: NDArray[np.int64],
        positives: tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]],
        moments: NDArray[np.float64],
    ) -> None:
        """Add a tile of the anchors against candidates, whose labels ascend.

        Parameters
        ----------
        scores : NDArray, shape (anchors, candidates)
        labels : pair of NDArray[np.int64] or of None
            Of the anchors and of the candidates.
        holes : NDArray[np.int64], shape (P, 2)
            Pairs that do not count, sorted: the anchor itself, and pairs of one sample.
        positives : tuple
            Scores of the anchors' positives, where each anchor's begin, and the counts below them, which are added to.
        moments : NDArray[np.float64], shape (anchors, 4, 3)
            Are added to.
        """
        row_labels, column_labels = labels
        labelled = row_labels is not None and column_labels is not None
        known = (row_labels, column_labels, True) if labelled else (_NO_LABELS, _NO_LABELS, False)
        values, offsets, below = positives
        # A product of matrices and a sum of products differ by rounding: equal scores must stay equal.
        tolerance = scores.dtype.type(8 * np.finfo(scores.dtype).eps)
        if self._places.shape[1] < scores.shape[1]:
            self._places = np.zeros((2, scores.shape[1]), dtype=np.int32)
        self._kernels.anchor_tile(
            scores, *known, holes, values.astype(scores.dtype), offsets, tolerance, self._grid, self._exact,
            self._places[0], self._places[1], self._packed, self._counts, self._sums, moments, below,
            *self._largest.arrays,
        )  # fmt: skip

    def cells(self) -> CandidateCells:
        """Return the filled cells of all tiles added."""
        if self._exact:
            return CandidateCells.of(self._counts, self._sums)
        packed = self._packed.reshape(len(self._packed), -1)
        filled = np.zeros(len(packed), dtype=np.int64)
        self._kernels.count_filled(packed, filled)
        offsets = np.concatenate([[0], np.cumsum(filled)]).astype(np.int64)
        places = np.empty(offsets[-1], dtype=np.uint16)
        counts, means = np.empty(offsets[-1], dtype=np.uint32), np.empty(offsets[-1], dtype=np.int16)
        self._kernels.compact(packed, places, counts, means)
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
    anchors.add(scores, (labels, labels), _NO_LINKS, positives, np.zeros((2, len(Relation), 3)))
    anchors.cells(), anchors.tail()
    numbers = np.arange(2)
    largest = Largest(2, 1, kind, np.int64)
    kernels.keep_neighbours(scores, numbers, numbers, True, 1, *largest.arrays)
    kernels.keep_neighbours_of_columns(scores, numbers, numbers, 1, *largest.arrays)
    largest.found(kernels)

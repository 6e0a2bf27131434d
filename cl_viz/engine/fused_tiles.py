"""Tiles handed to the compiled kernels, and what the kernels keep handed back to the sketches."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.engine import bins
from cl_viz.engine.pair_sketch import PairSketch, Relation

Labels = NDArray[np.int64]
_NO_LABELS = np.zeros(0, dtype=np.int64)
_NO_LINKS = np.zeros((0, 2), dtype=np.int64)


class FusedPairs:
    """Adds tiles of scores to a sketch with the compiled kernels.

    Parameters
    ----------
    kernels : module
        `cl_viz.engine.kernels`.
    sketch : PairSketch
        Is added to; complete after `flush`.
    dtype : numpy.dtype
        Of the scores: float32 or float64.
    """

    def __init__(self, kernels: ModuleType, sketch: PairSketch, dtype: np.dtype[Any]) -> None:
        self._kernels, self._sketch = kernels, sketch
        self._exact = dtype.itemsize == 8
        self._integer = np.dtype(np.int64 if self._exact else np.int32)
        self._shift = self._integer.type(self._integer.itemsize * 8 - 1)
        self._mask = self._integer.type(np.iinfo(np.int64 if self._exact else np.int32).max)
        self._float = dtype
        self._grid = kernels.score_grid(dtype)
        self._packed = np.zeros((len(Relation), bins.BINS), dtype=np.int64)
        self._lows = np.full(len(Relation), np.iinfo(np.int64).max)
        self._highs = np.full(len(Relation), np.iinfo(np.int64).min)
        self._index = np.zeros(0, dtype=np.int32)
        self._residual = np.zeros(0, dtype=np.int32)
        self._block = 0
        self._pairs_packed = 0

    def add(
        self,
        block: int,
        scores: NDArray[Any],
        row_labels: Labels | None,
        column_labels: Labels | None,
        *,
        column_place: NDArray[np.int64] | None = None,
        links: NDArray[np.int64] = _NO_LINKS,
    ) -> None:
        """Add a tile; its scores may be overwritten.

        Parameters
        ----------
        block : int
            Of the sketch.
        scores : NDArray, shape (rows, columns)
        row_labels, column_labels : NDArray[np.int64]
            Codes; those of the columns ascend. None without labels.
        column_place : NDArray[np.int64], optional
            For a tile on the diagonal: each column's place among the rows; only later ones count.
        links : NDArray[np.int64], shape (P, 2)
            Pairs of one sample, as row and column of the tile.
        """
        if block != self._block or self._pairs_packed + scores.size > self._kernels.PACKED_PAIRS:
            self.flush()
            self._block = block
        if len(self._index) < scores.shape[1]:
            self._index = np.zeros(scores.shape[1], dtype=np.int32)
            self._residual = np.zeros(scores.shape[1], dtype=np.int32)
        labelled = row_labels is not None and column_labels is not None
        labels = (row_labels, column_labels, True) if labelled else (_NO_LABELS, _NO_LABELS, False)
        found = (self._sketch.counts[block], self._sketch.sums[block], self._sketch.squares[block])
        seen = (scores, scores.view(self._integer), self._shift, self._mask, self._grid)
        extremes = (self._lows, self._highs)
        if column_place is not None or len(links):
            place = np.zeros(0, dtype=np.int64) if column_place is None else column_place
            above = column_place is not None
            self._kernels.bin_tile_with_links(*seen, *labels, above, place, links, *found, *extremes)
            return
        order = _NO_LABELS if row_labels is None else np.argsort(row_labels)
        scratch = (order, self._index, self._residual, self._packed)
        self._kernels.bin_tile(*seen, self._exact, *labels, *scratch, *found, *extremes)
        self._pairs_packed += scores.size

    def flush(self) -> None:
        """Hand everything over to the sketch."""
        sketch, block = self._sketch, self._block
        if self._pairs_packed:
            for relation in np.flatnonzero(self._packed.any(axis=1)):
                packed = self._packed[relation]
                counts = packed >> self._kernels.COUNT_SHIFT
                residual = packed & ((1 << self._kernels.COUNT_SHIFT) - 1)
                place = (residual + 0.5 * counts) / (1 << self._kernels.RESIDUAL_BITS)
                sketch.counts[block, relation] += counts
                sketch.sums[block, relation] += counts * (np.arange(bins.BINS) * bins.WIDTH - 1) + place * bins.WIDTH
                packed[:] = 0
            self._pairs_packed = 0
        seen = self._lows <= self._highs
        low, high = (self._as_scores(keys) for keys in (self._lows, self._highs))
        sketch.low[block, seen] = np.minimum(sketch.low[block], low)[seen]
        sketch.high[block, seen] = np.maximum(sketch.high[block], high)[seen]
        self._lows[:], self._highs[:] = np.iinfo(np.int64).max, np.iinfo(np.int64).min

    def _as_scores(self, keys: NDArray[np.int64]) -> NDArray[np.float64]:
        """Turn integers in the order of the scores back into scores."""
        narrow = keys.astype(self._integer)
        with np.errstate(invalid="ignore"):
            scores: NDArray[np.float64] = (
                (narrow ^ ((narrow >> self._shift) & self._mask)).view(self._float).astype(float)
            )
        return scores


def add_anchor_tile(
    kernels: ModuleType,
    scores: NDArray[Any],
    labels: tuple[Labels | None, Labels | None],
    holes: NDArray[np.int64],
    positives: tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]],
    seen: tuple[NDArray[Any], ...],
) -> None:
    """Add a tile of anchors against candidates, whose labels ascend.

    Parameters
    ----------
    kernels : module
    scores : NDArray, shape (anchors, candidates)
        Overwritten at the holes.
    labels : pair of NDArray[np.int64] or of None
        Of the anchors and of the candidates.
    holes : NDArray[np.int64], shape (P, 2)
        Pairs that do not count: the anchor itself, and pairs of one sample.
    positives : tuple
        Scores of these anchors' positives, where each anchor's begin, and the counts below them, which are added to.
    seen : tuple
        Counts, sums, moments, largest scores and whether their labels agree; all added to.
    """
    row_labels, column_labels = labels
    labelled = row_labels is not None and column_labels is not None
    known = (row_labels, column_labels, True) if labelled else (_NO_LABELS, _NO_LABELS, False)
    values, offsets, below = positives
    # A product of matrices and a sum of products differ by rounding: equal scores must stay equal.
    tolerance = scores.dtype.type(8 * np.finfo(scores.dtype).eps)
    counts, sums, moments, top_scores, top_same = seen
    kernels.anchor_tile(
        scores, *known, holes, values.astype(scores.dtype), offsets, tolerance,
        counts, sums, moments, below, top_scores, top_same,
    )  # fmt: skip


def warm_up(kernels: ModuleType, dtype: type[np.floating[Any]]) -> None:
    """Compile every kernel for scores of this type, or read it from the cache on disk."""
    kind = np.dtype(dtype)
    pairs = FusedPairs(kernels, PairSketch.empty([("a", "a")]), kind)
    labels = np.zeros(2, dtype=np.int64)
    pairs.add(0, np.zeros((2, 2), dtype=kind), labels, labels)
    pairs.add(0, np.zeros((2, 2), dtype=kind), labels, labels, column_place=np.arange(2))
    pairs.flush()
    seen = (
        np.zeros((2, 2, bins.ANCHOR_BINS), dtype=np.int32),
        np.zeros((2, 2, bins.ANCHOR_BINS)),
        np.zeros((2, len(Relation), 3)),
        np.full((2, 4), -np.inf),
        np.zeros((2, 4), dtype=np.bool_),
    )
    positives = (np.zeros(2), np.arange(3), np.zeros((2, len(Relation))))
    add_anchor_tile(kernels, np.zeros((2, 2), dtype=kind), (labels, labels), _NO_LINKS, positives, seen)
    kernels.keep_neighbours(
        np.zeros((2, 2), dtype=kind),
        0,
        _NO_LINKS,
        np.full((2, 1), -np.inf, dtype=kind),
        np.zeros((2, 1), dtype=np.int64),
    )

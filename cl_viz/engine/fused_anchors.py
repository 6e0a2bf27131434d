"""`FusedAnchors`: tiles of anchors handed to the compiled kernels, and what these have found of each anchor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.engine import bins, fixed_point
from cl_viz.engine.anchor_sketch import CandidateCells, narrow_counts
from cl_viz.engine.fused_pairs import FusedPairs, Labels, edges_of, first_links_of, near_bins_for
from cl_viz.engine.largest import Largest
from cl_viz.engine.row_kernels import TAIL

if TYPE_CHECKING:
    from cl_viz.engine.compiled import Kernels

MOST_GROUP = 32
_LEAST_GROUP, _GROUP_BYTES = 4, 1 << 20
"""Anchors that are looked at together, at most and at least, and bytes of their scores."""
_HELD = 160
"""Scores of an anchor that are held while its largest are looked for: those above its limit, all tiles together."""


class CellRoom:
    """Memory for the cells of a band of anchors: all zeros between two bands."""

    def __init__(self) -> None:
        self._kept: dict[str, NDArray[Any]] = {}
        self.own = np.zeros(bins.UNIFORM_BINS, dtype=np.int64), np.zeros((bins.UNIFORM_BINS, 2))
        """Zeros of one histogram of all pairs: cells that hold count and sum in one number, or one beside the other."""

    def zeros(self, name: str, n_anchors: int, dtype: Any) -> NDArray[Any]:
        """Return the zeros of this name, shape (n_anchors, 2, ANCHOR_BINS); who writes there puts zeros again."""
        if name not in self._kept or len(self._kept[name]) < n_anchors:
            self._kept[name] = np.zeros((n_anchors, 2, bins.ANCHOR_BINS), dtype=dtype)
        return self._kept[name][:n_anchors]

    def empty(self, name: str, size: int, dtype: Any) -> NDArray[Any]:
        """Return memory of this name, shape (size,), with anything in it."""
        if name not in self._kept or len(self._kept[name]) < size:
            self._kept[name] = np.empty(size, dtype=dtype)
        return self._kept[name][:size]


@dataclass(frozen=True)
class Section:
    """Columns of a tile whose labels ascend.

    Attributes
    ----------
    columns : slice
        Of the tile.
    labels : NDArray[np.int64], or None
        Of the columns.
    counted : bool
        Whether pairs are counted in the sketch of all pairs.
    itself : int or None
        Column at which the first of the tile's anchors stands itself, the others beside it: only pairs to the right of
        an anchor itself are counted.
    """

    columns: slice
    labels: Labels | None
    counted: bool = False
    itself: int | None = None

    def counted_from(self, n_anchors: int) -> NDArray[np.int64]:
        """Return from which column on pairs of each anchor are counted, shape (n_anchors,)."""
        if self.itself is None:
            return np.full(n_anchors, self.columns.start if self.counted else self.columns.stop)
        return np.arange(self.itself + 1, self.itself + 1 + n_anchors)


class FusedAnchors:
    """Adds tiles of scores to what a band of anchors has seen, with the compiled kernels.

    Anchors are looked at a few at a time: their scores and their cells stay in the cache from the placing of the scores
    until the largest have been found.

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
    at_once : bool
        Whether there will be one tile only: then cells are compacted while they are in the cache, too.
    """

    def __init__(
        self,
        kernels: Kernels,
        n_anchors: int,
        n_candidates: int,
        dtype: np.dtype[Any],
        room: CellRoom | None = None,
        *,
        at_once: bool = False,
    ) -> None:
        self._kernels, self._room, self._at_once = kernels, room or CellRoom(), at_once
        self._exact = dtype.itemsize == 8 or n_candidates >= fixed_point.PACKED_CANDIDATES
        self._grid = fixed_point.score_grid(dtype)
        self._near = near_bins_for(dtype)
        self._within = np.tile(np.array([bins.ANCHOR_BINS, 0]), (n_anchors, 1))
        self._largest = Largest(n_anchors, TAIL, dtype, np.bool_, _HELD)
        self._filled = np.zeros(n_anchors, dtype=np.int64)
        self._n_filled = 0

    def add(
        self,
        scores: NDArray[Any],
        labels: Labels | None,
        sections: Sequence[Section],
        links: NDArray[np.int64],
        positives: tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]],
        moments: NDArray[np.float64],
        pairs: FusedPairs,
        block: int,
    ) -> None:
        """Add a tile of the anchors against candidates.

        Parameters
        ----------
        scores : NDArray, shape (anchors, candidates)
        labels : NDArray[np.int64], or None
            Of the anchors.
        sections : sequence of Section
            They cover the tile's columns, one after another.
        links : NDArray[np.int64], shape (P, 2)
            Pairs that are no candidates, sorted: the anchor itself, and pairs of one sample.
        positives : tuple
            Scores of the anchors' positives, where each anchor's begin, and the counts below them, which are added to.
        moments : NDArray[np.float64], shape (anchors, 4, 3)
            Are added to.
        pairs : FusedPairs
            Where pairs of sections that are counted are counted too.
        block : int
            Of these.
        """
        kernels, n_anchors, size = self._kernels, len(scores), scores.shape[1]
        edges = np.empty((n_anchors, len(sections), 5), dtype=np.int64)
        for number, section in enumerate(sections):
            columns = section.columns
            edges[:, number] = edges_of(kernels, labels, section.labels, n_anchors, columns.stop - columns.start)
            edges[:, number] += columns.start
        first_links = first_links_of(links, n_anchors)
        counted_from = np.stack([section.counted_from(n_anchors) for section in sections], axis=1)
        fixed, places = self._room.empty("fixed", size, np.int32), self._room.empty("places", size + 1, np.int64)
        values, offsets, below = positives
        values = values.astype(scores.dtype)
        # A product of matrices and a sum of products differ by rounding: equal scores must stay equal.
        tolerance = scores.dtype.type(8 * np.finfo(scores.dtype).eps)
        for group in self._groups(size * scores.itemsize):
            cells, counts, sums = self._seen(group)
            within, around = self._within[group], (edges[group], links, first_links[group.start : group.stop + 1])
            kernels.anchor_tile(
                scores[group], counted_from[group], *around, self._grid, self._exact, self._near, fixed,
                *self._room.own, cells, counts, sums, within, moments[group], *pairs.arrays(block),
            )  # fmt: skip
            kernels.keep_candidates(
                scores[group], *around, self._exact, cells, counts, within, places, *self._largest.part(group)
            )
            if self._at_once:
                self._compact(group)
            if len(values):
                of_group = offsets[group.start : group.stop + 1]
                kernels.count_below(scores[group], *around, values, of_group, tolerance, below)

    def cells(self) -> CandidateCells:
        """Return the filled cells of all tiles added, once."""
        if not self._at_once:
            for group in self._groups(0):
                self._compact(group)
        offsets = np.concatenate([[0], np.cumsum(self._filled)]).astype(np.int64)
        places, counts, means = self._compacted()
        number = self._n_filled
        return CandidateCells(offsets, places[:number].copy(), narrow_counts(counts[:number]), means[:number].copy())

    def tail(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the largest scores of each anchor, descending, and whether they have its label, both (A, TAIL)."""
        return self._largest.found(self._kernels)

    def _groups(self, row_bytes: int) -> Iterator[slice]:
        """Divide the band into groups of anchors whose scores and cells fit the cache."""
        height = max(_LEAST_GROUP, min(MOST_GROUP, _GROUP_BYTES // max(1, row_bytes)))
        for top in range(0, len(self._within), height):
            yield slice(top, min(top + height, len(self._within)))

    def _seen(self, group: slice) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Return the cells of a group: count and sum in one, counts, and sums, whichever are in use."""
        rows, number = (slice(0, group.stop - group.start), MOST_GROUP) if self._at_once else (group, len(self._within))
        none = np.zeros((group.stop - group.start, 2, 0), dtype=np.int64)
        if not self._exact:
            return self._room.zeros("cells", number, np.int64)[rows], none, none.astype(np.float64)
        counts, sums = self._room.zeros("counts", number, np.int64), self._room.zeros("sums", number, np.float64)
        return none, counts[rows], sums[rows]

    def _compacted(self) -> tuple[NDArray[np.uint16], NDArray[np.uint32], NDArray[np.int16]]:
        """Return room for the filled cells of the band, and for one more."""
        size = len(self._within) * 2 * bins.ANCHOR_BINS + 1
        return (
            self._room.empty("entries", size, np.uint16),
            self._room.empty("entry counts", size, np.uint32),
            self._room.empty("entry means", size, np.int16),
        )

    def _compact(self, group: slice) -> None:
        self._n_filled = self._kernels.compact(
            *self._seen(group), self._within[group], self._exact, self._n_filled, self._filled[group],
            *self._compacted(),
        )  # fmt: skip

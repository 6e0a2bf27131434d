"""`FusedPairs`: tiles of all pairs handed to the compiled kernels, and what these keep handed back to the sketch."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.engine import bins, fixed_point
from cl_viz.engine.pair_sketch import PairSketch, Relation

if TYPE_CHECKING:
    from cl_viz.engine.compiled import Kernels

Labels = NDArray[np.int64]
NO_LINKS = np.zeros((0, 2), dtype=np.int64)


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
        self._near = near_bins_for(dtype)
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
        links: NDArray[np.int64] = NO_LINKS,
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
        edges = edges_of(self._kernels, row_labels, column_labels, *scores.shape)
        self._kernels.bin_tile(
            scores, diagonal, edges, links, first_links_of(links, len(scores)), self._grid, self._exact, self._near,
            self._fixed, *self.arrays(block),
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


def edges_of(
    kernels: Kernels, row_labels: Labels | None, column_labels: Labels | None, n_rows: int, n_columns: int
) -> NDArray[np.int64]:
    """Return where in a tile the columns of each relation to a row begin, shape (rows, 5)."""
    if row_labels is None or column_labels is None:
        return _no_edges(n_rows, n_columns)
    edges = np.empty((n_rows, 5), dtype=np.int64)
    kernels.find_edges(row_labels, column_labels, edges)
    return edges


def first_links_of(links: NDArray[np.int64], n_rows: int) -> NDArray[np.int64]:
    """Return where in a tile's links those of each row begin."""
    return np.searchsorted(links[:, 0], np.arange(n_rows + 1)).astype(np.int64) if len(links) else _no_links(n_rows)


@lru_cache(maxsize=16)
def _no_edges(n_rows: int, n_columns: int) -> NDArray[np.int64]:
    edges = np.full((n_rows, 5), n_columns, dtype=np.int64)
    edges[:, 0] = 0
    return edges


@lru_cache(maxsize=16)
def _no_links(n_rows: int) -> NDArray[np.int64]:
    return np.zeros(n_rows + 1, dtype=np.int64)


def near_bins_for(dtype: np.dtype[Any]) -> NDArray[np.int32]:
    """Return the table of bins close to 1 for scores of this type: empty for float64."""
    return fixed_point.no_near_bins() if dtype.itemsize == 8 else _near_bins()


@lru_cache(maxsize=1)
def _near_bins() -> NDArray[np.int32]:
    return fixed_point.near_bins()


@lru_cache(maxsize=1)
def _fixed_bias() -> NDArray[np.float64]:
    return fixed_point.fixed_bias()

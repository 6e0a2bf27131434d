"""`NearestSoFar`: the nearest rows of every row, among the scores that a pass has come by so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.engine.compiled import Kernels
from cl_viz.engine.largest import Kept, Largest
from cl_viz.engine.pair_sketch import Block

Numbers = NDArray[np.int64]
_ROWS_OF_A_LOCK = 512


class NearestSoFar:
    """What threads offer the scores of their tiles to.

    Parameters
    ----------
    largest : mapping
        What to fill, by where neighbours are looked for: the view they are of, and the view they are in. A score
        between two views is offered to its row, and to its column if the other direction is there too.
    """

    def __init__(self, largest: Mapping[Block, Kept]) -> None:
        self.largest = largest
        # Two tiles of the same rows must not write at once.
        self._locks = {
            block: [Lock() for _ in range(0, max(1, kept.n_rows), _ROWS_OF_A_LOCK)] for block, kept in largest.items()
        }

    def offer(
        self,
        kernels: Kernels,
        block: Block,
        scores: NDArray[np.floating[Any]],
        rows: Numbers,
        columns: Numbers,
        *,
        diagonal: bool = False,
        to_columns: bool = True,
    ) -> None:
        """Offer a tile to its rows and columns, where these are kept in the main memory.

        Parameters
        ----------
        kernels : Kernels
        block : pair of str
            View of the rows, and of the columns.
        scores : NDArray, shape (rows, columns)
        rows, columns : NDArray[np.int64]
            Their numbers in their views.
        diagonal : bool
            Whether they are the same rows: all pairs are offered to the rows, save each with itself.
        to_columns : bool
            Whether to offer them to the columns too.
        """
        kept = self.largest.get(block)
        if isinstance(kept, Largest):
            with self._locked(block, rows):
                kernels.keep_neighbours(scores, rows, columns, diagonal, kept.n_largest, *kept.arrays)
        back = block[::-1]
        kept = self.largest.get(back)
        if to_columns and not diagonal and isinstance(kept, Largest):
            with self._locked(back, columns):
                kernels.keep_neighbours_of_columns(scores, rows, columns, kept.n_largest, *kept.arrays)

    def offer_with_torch(
        self,
        block: Block,
        scores: torch.Tensor,
        rows: slice,
        columns: slice,
        *,
        diagonal: bool = False,
        to_columns: bool = True,
    ) -> None:
        """Offer a tile without the kernels; see `offer`."""
        if diagonal:
            scores = scores.clone().fill_diagonal_(-torch.inf)
        if block in self.largest:
            self._merge(block, rows, scores, columns.start)
        if to_columns and not diagonal and block[::-1] in self.largest:
            self._merge(block[::-1], columns, scores.T, rows.start)

    def _merge(self, block: Block, rows: slice, scores: torch.Tensor, first: int) -> None:
        with self._locked(block, np.array([rows.start, rows.stop - 1])):
            self.largest[block].merge_scores(rows, scores, first)

    @contextmanager
    def _locked(self, block: Block, rows: Numbers) -> Iterator[None]:
        first, last = int(rows.min()) // _ROWS_OF_A_LOCK, int(rows.max()) // _ROWS_OF_A_LOCK
        with ExitStack() as held:
            # In ascending order, so that no two threads wait for each other.
            for lock in self._locks[block][first : last + 1]:
                held.enter_context(lock)
            yield

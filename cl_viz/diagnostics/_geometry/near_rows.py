"""The neighbours of one view in the numbering of its usable rows, and what is left of them without some samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import MissingInputError
from cl_viz.engine.nearest import NeighborMap

Places = NDArray[np.int64]


@dataclass(frozen=True)
class NearRows:
    """Neighbours within one view.

    Attributes
    ----------
    view : str
    rows : NDArray[np.int64], shape (n,)
        Usable rows of the view, ascending.
    places : NDArray[np.int64], shape (n, K)
        Their neighbours, nearest first, as places in `rows`.
    scores : NDArray, shape (n, K)
        Cosines.
    """

    view: str
    rows: Places
    places: Places
    scores: NDArray[np.floating]

    def __len__(self) -> int:
        return len(self.rows)

    def first(self, k: int, keep: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        """Return which of `places` are the `k` nearest kept neighbours of a kept row, shape (n, K)."""
        if keep is None:
            found = np.zeros(self.places.shape, dtype=np.bool_)
            found[:, :k] = True
            return found
        there = keep[self.places]
        return there & (np.cumsum(there, axis=1) <= k) & keep[:, None]

    def narrow(self, k: int) -> NearRows:
        """Return the same with so few columns that `k` kept neighbours are still among them when one in 20 is not."""
        width = min(self.places.shape[1], k + max(8, k))
        return NearRows(self.view, self.rows, self.places[:, :width], self.scores[:, :width])

    def occurrences(self, k: int, keep: NDArray[np.bool_] | None = None) -> Places:
        """Return how often each kept row is among the `k` nearest kept rows of others."""
        counts = np.bincount(self.places[self.first(k, keep)], minlength=len(self)).astype(np.int64)
        return counts if keep is None else counts[keep]


def near_rows(embedding_set: EmbeddingSet, neighbors: NeighborMap, view: str, least: int) -> NearRows:
    """Return the neighbours within a view.

    Raises
    ------
    MissingInputError
        If there are not more than `least` usable rows.
    """
    found = neighbors[view, view]
    if len(found.rows) <= least:
        raise MissingInputError(
            f"view {view!r} has {len(found.rows):,} usable rows, and {least} neighbours of each are asked for",
            where=embedding_set.name,
            remedy=f"add samples, at least {least + 1}, or look at fewer neighbours",
        )
    place = np.zeros(len(embedding_set.views[view]), dtype=np.int64)
    place[found.rows] = np.arange(len(found.rows))
    return NearRows(view, found.rows, place[found.indices], found.scores)

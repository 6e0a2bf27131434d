"""How many of its nearest neighbours each sample keeps from one embedding to another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.diagnostics._geometry.near_rows import NearRows

Places = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class SharedNeighbors:
    """Neighbours of the same samples in two embeddings.

    Attributes
    ----------
    first, second : NDArray[np.int64], shape (n, K)
        Places among the n shared samples, nearest first; -1 for a row that only one embedding has.
    """

    first: Places
    second: Places

    @classmethod
    def of(cls, rows: Places, first: NearRows, second: NearRows) -> SharedNeighbors:
        """Number the neighbours of two views by the shared `rows`."""
        width = min(first.places.shape[1], second.places.shape[1])
        lists = []
        for near in (first, second):
            place = np.full(int(max(near.rows.max(), rows.max())) + 1, -1, dtype=np.int64)
            place[rows] = np.arange(len(rows))
            lists.append(place[near.rows][near.places[np.isin(near.rows, rows), :width]])
        return cls(*lists)

    def __len__(self) -> int:
        return len(self.first)

    def most(self) -> int:
        """Return the largest k that every sample has in both embeddings."""
        return int(min((places >= 0).sum(axis=1).min() for places in (self.first, self.second)))

    def narrow(self, k: int) -> SharedNeighbors:
        """Return the same with so few columns that `k` are still among them when one sample in 20 is left out."""
        width = k + max(8, k)
        return SharedNeighbors(self.first[:, :width], self.second[:, :width])

    def kept(self, k: int, keep: NDArray[np.bool_] | None = None) -> Values:
        """Return the share of its `k` nearest kept samples that each kept sample has in both, shape (at most n,).

        Samples that have fewer in a list are left out.
        """
        everyone = np.ones(len(self), dtype=np.bool_) if keep is None else keep
        chosen = [_first(places, everyone, k) for places in (self.first, self.second)]
        full = everyone & (chosen[0].sum(axis=1) == k) & (chosen[1].sum(axis=1) == k)
        lists = [
            places[full][mask[full]].reshape(-1, k)
            for places, mask in zip((self.first, self.second), chosen, strict=True)
        ]
        joined = np.sort(np.concatenate(lists, axis=1), axis=1)
        found: Values = (joined[:, 1:] == joined[:, :-1]).sum(axis=1) / k
        return found


def _first(places: Places, keep: NDArray[np.bool_], k: int) -> NDArray[np.bool_]:
    there = (places >= 0) & keep[places]
    found: NDArray[np.bool_] = there & (np.cumsum(there, axis=1) <= k)
    return found

"""How far apart the views of each sample are, from the rows themselves: no pair of samples is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import MissingInputError
from cl_viz.core.result import Interval, influence_interval

_BLOCK_BYTES = 32 << 20
Values = NDArray[np.float64]


@dataclass(frozen=True)
class PositiveDistances:
    """Euclidean distance of the unit rows of every pair of views of one sample.

    Attributes
    ----------
    distances : NDArray[np.float64], shape (P,)
        In [0, 2]; from the differences, so that near-duplicates keep their digits.
    owners : NDArray[np.int64], shape (P,)
        Row of the first view that each pair belongs to.
    n_samples : int
        Rows of the first view that have a pair.
    nested : bool
        Whether each row of the other views has one owner: pairs of different owners are then independent.
    """

    distances: Values
    owners: NDArray[np.int64]
    n_samples: int
    nested: bool

    def mean_power(self, alpha: float) -> tuple[float, Interval | None]:
        """Return the mean of distance to the power `alpha`, with its interval over samples."""
        powers = self.distances**alpha
        value = float(powers.mean())
        if not self.nested or self.n_samples < 2:
            return value, None
        _, place = np.unique(self.owners, return_inverse=True)
        total = np.bincount(place, weights=powers - value)
        influence = total * (self.n_samples / len(powers))
        return value, influence_interval(value, influence, limits=(0.0, 2.0**alpha))

    def farthest(self, count: int) -> NDArray[np.int64]:
        """Return the places of the `count` largest distances, largest first."""
        return np.argsort(-self.distances, kind="stable")[:count].astype(np.int64)


def positive_distances(embedding_set: EmbeddingSet) -> PositiveDistances:
    """Return the distances of all pairs of views of one sample.

    Raises
    ------
    MissingInputError
        If there are no such pairs.
    """
    usable = embedding_set.usable_rows
    distances, owners, nested = [], [], True
    for first, second in combinations(embedding_set.view_names, 2):
        links = embedding_set.links(first, second)
        links = links[usable[first][links[:, 0]] & usable[second][links[:, 1]]]
        nested &= len(np.unique(links[:, 1])) == len(links)
        distances.append(_distances(embedding_set, first, second, links))
        owners.append(links[:, 0])
    found = np.concatenate(distances) if distances else np.zeros(0)
    if not len(found):
        raise MissingInputError("there are no two views of one sample", remedy="add a second view of the samples")
    rows = np.concatenate(owners)
    # With three views or more the second pair's owner is another view's row: the same sample where views are aligned.
    nested = nested and (embedding_set.aligned or len(distances) == 1)
    return PositiveDistances(found, rows, len(np.unique(rows)), nested)


def _distances(embedding_set: EmbeddingSet, first: str, second: str, links: NDArray[np.int64]) -> Values:
    found = np.empty(len(links))
    step = max(1, _BLOCK_BYTES // (8 * embedding_set.dim))
    for start in range(0, len(links), step):
        part = links[start : start + step]
        units = [
            np.asarray(embedding_set.views[view][part[:, side]], dtype=np.float64)
            / embedding_set.quality[view].norms[part[:, side]][:, None]
            for side, view in enumerate((first, second))
        ]
        found[start : start + step] = np.linalg.norm(units[0] - units[1], axis=1)
    # Rounding can push two opposite rows a little beyond 2.
    clipped: Values = np.minimum(found, 2.0)
    return clipped

"""The pairs of two views: which rows belong together, how much each weighs, and a draw of them in memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import MissingInputError
from cl_viz.core.validation import row_blocks
from cl_viz.diagnostics._geometry.modality_measures import Array
from cl_viz.diagnostics._groups.probes import Codes, Rows, probe_rows


@dataclass(frozen=True)
class ModalityPairs:
    """Two views of one set.

    Attributes
    ----------
    embedding_set : EmbeddingSet
    first, second : str
    links : NDArray[np.int64], shape (P, 2)
        Usable rows that are one sample, sorted by the first.
    """

    embedding_set: EmbeddingSet
    first: str
    second: str
    links: Codes

    @classmethod
    def of(cls, embedding_set: EmbeddingSet, first: str, second: str) -> ModalityPairs:
        """Find the usable pairs.

        Raises
        ------
        MissingInputError
            If there are fewer than ten.
        """
        links = embedding_set.links(first, second)
        usable = embedding_set.usable_rows
        links = links[usable[first][links[:, 0]] & usable[second][links[:, 1]]]
        if len(np.unique(links[:, 0])) < 10:
            raise MissingInputError(
                f"{len(np.unique(links[:, 0])):,} usable rows of {first} have a partner in {second}; ten are needed",
                where=embedding_set.name,
                remedy="add pairs or ids that say which rows are the same sample (Data page), or more samples",
            )
        return cls(embedding_set, first, second, links)

    @cached_property
    def samples(self) -> Codes:
        """Rows of the first view that have a partner, shape (S,)."""
        return np.unique(self.links[:, 0])

    @cached_property
    def weights(self) -> tuple[Array, Array]:
        """How much each row of the two views counts, shapes (N_1,) and (N_2,), each summing to 1.

        Every sample of the first view weighs the same, and its partners share its weight: an image with five captions
        does not count five times.
        """
        sizes = (len(self.embedding_set.views[self.first]), len(self.embedding_set.views[self.second]))
        partners = np.bincount(self.links[:, 0], minlength=sizes[0])
        share = 1 / (partners[self.links[:, 0]] * len(self.samples))
        own, others = (
            np.bincount(self.links[:, column], share, size).astype(np.float64) for column, size in enumerate(sizes)
        )
        return own, others

    @cached_property
    def centres(self) -> tuple[Array, Array]:
        """Weighted means of the unit rows of the two views, shape (D,) each."""
        found = []
        for view, weight in zip((self.first, self.second), self.weights, strict=True):
            total = np.zeros(self.embedding_set.dim)
            rows = np.flatnonzero(weight)
            for block in row_blocks(np.broadcast_to(np.float64(0), (len(rows), self.embedding_set.dim))):
                total += weight[rows[block]] @ probe_rows(self.embedding_set, view, rows[block], "unit")
            found.append(total)
        return found[0], found[1]

    @cached_property
    def gap(self) -> Array:
        """Centre of the first view minus that of the second, shape (D,)."""
        gap: Array = self.centres[0] - self.centres[1]
        return gap

    @property
    def gap_norm(self) -> float:
        """Distance of the two centres, in [0, 2]."""
        return float(np.linalg.norm(self.gap))

    @cached_property
    def influence(self) -> Array:
        """How much each sample moves the gap's length, mean 0, shape (S,).

        The derivative of the length is the gap's direction times the sample's own gap: its row minus the mean of its
        partners' rows.
        """
        direction = self.gap / max(self.gap_norm, 1e-300)
        values = np.zeros(len(self.samples))
        for view, column, sign in ((self.first, 0, 1.0), (self.second, 1, -1.0)):
            place = np.searchsorted(self.samples, self.links[:, 0])
            share = self.weights[0][self.links[:, 0]] * len(self.samples)
            partners = np.bincount(place)
            for block in row_blocks(np.broadcast_to(np.float64(0), (len(self.links), self.embedding_set.dim))):
                rows = probe_rows(self.embedding_set, view, self.links[block, column], "unit")
                weight = sign * share[block] / partners[place[block]]
                values += np.bincount(place[block], weight * (rows @ direction), len(values))
        return values - self.gap_norm

    def draw(self, most: int, seed: int) -> DrawnPairs:
        """Draw samples, and one partner for each; a partner that two samples would share is given to the first."""
        generator = np.random.default_rng(seed)
        starts = np.searchsorted(self.links[:, 0], self.samples)
        counts = np.diff(np.append(starts, len(self.links)))
        chosen = starts + (generator.random(len(starts)) * counts).astype(np.int64)
        _, kept = np.unique(self.links[chosen, 1], return_index=True)
        chosen = np.sort(chosen[kept])
        if len(chosen) > most:
            chosen = np.sort(generator.choice(chosen, most, replace=False))
        rows = self.links[chosen]
        return DrawnPairs(
            rows,
            probe_rows(self.embedding_set, self.first, rows[:, 0], "unit"),
            probe_rows(self.embedding_set, self.second, rows[:, 1], "unit"),
        )


def centre_distances(embedding_set: EmbeddingSet) -> dict[tuple[str, str], float]:
    """Return the distance of the centres of every two views that share samples.

    Raises
    ------
    MissingInputError
        If no two views share ten.
    """
    found: dict[tuple[str, str], float] = {}
    missing: MissingInputError | None = None
    for first, second in combinations(embedding_set.view_names, 2):
        try:
            found[first, second] = ModalityPairs.of(embedding_set, first, second).gap_norm
        except MissingInputError as error:
            missing = missing or error
    if missing is not None and not found:
        raise missing
    return found


@dataclass(frozen=True)
class DrawnPairs:
    """Pairs in memory, each row in one pair only.

    Attributes
    ----------
    rows : NDArray[np.int64], shape (n, 2)
        Their rows in the two views.
    first, second : NDArray[np.float64], shape (n, D)
        Unit rows.
    """

    rows: Codes
    first: Rows
    second: Rows

    @property
    def scores(self) -> NDArray[np.float64]:
        """Cosine of each pair, shape (n,)."""
        found: NDArray[np.float64] = np.clip((self.first * self.second).sum(axis=1), -1, 1)
        return found

    def own_score(self) -> float:
        """Mean cosine of different samples within a modality, the mean of both modalities."""
        n_rows = len(self.rows)
        sums = [float(np.square(rows.sum(axis=0)).sum()) for rows in (self.first, self.second)]
        return float(np.mean([(total - n_rows) / (n_rows * (n_rows - 1)) for total in sums]))

    def own_influence(self) -> NDArray[np.float64]:
        """Return what each sample does to `own_score`, mean 0, shape (n,): it is in all pairs of its two rows."""
        n_rows, value = len(self.rows), self.own_score()
        own = [(rows @ rows.sum(axis=0) - 1) / (n_rows - 1) for rows in (self.first, self.second)]
        found: NDArray[np.float64] = 2 * (np.mean(own, axis=0) - value)
        return found

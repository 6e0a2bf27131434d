"""Retrieval: where the relevant rows stand in the ranking of each query, and the measures made of that.

Ties are ranked by row (a stable sort), so that every measure is reproducible; a query is never among its own results.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.validation import row_blocks
from cl_viz.diagnostics._groups.probes import Codes, Rows, probe_rows

Scores = NDArray[np.float64]
_HELD_SCORES = 1 << 24
_FEW = 4


@dataclass(frozen=True)
class RelevantRanks:
    """Ranks of the relevant rows, query by query.

    Attributes
    ----------
    ranks : NDArray[np.int64], shape (T,)
        From 1; ascending within a query.
    offsets : NDArray[np.int64], shape (Q + 1,)
        Ranks of query i are ``ranks[offsets[i]:offsets[i + 1]]``; every query has one relevant row or more.
    scores : NDArray[np.float64], shape (T,)
        Cosines of the relevant rows.
    """

    ranks: Codes
    offsets: Codes
    scores: Scores

    @property
    def totals(self) -> Codes:
        """Relevant rows R of each query, shape (Q,)."""
        return np.diff(self.offsets)

    @property
    def first(self) -> Codes:
        """Best rank of each query, shape (Q,)."""
        return self.ranks[self.offsets[:-1]]

    def hit(self, k: int) -> NDArray[np.bool_]:
        """Whether any relevant row is among the first `k`: Recall@k of metric learning, shape (Q,)."""
        found: NDArray[np.bool_] = self.first <= k
        return found

    def recall(self, k: int) -> Scores:
        """Share of the relevant rows among the first `k`: Recall@k of information retrieval, shape (Q,)."""
        return self._sums(self.ranks <= k) / self.totals

    def r_precision(self, depth: int | None = None) -> Scores:
        """Share of relevant rows among the first R; among the first min(R, depth) where a depth is given."""
        most = self.totals if depth is None else np.minimum(self.totals, depth)
        return self._sums(self.ranks <= np.repeat(most, self.totals)) / most

    def map_at_r(self, depth: int | None = None) -> Scores:
        """MAP@R: 1/R times the sum over ranks i <= R of precision(i) where row i is relevant, shape (Q,)."""
        most = self.totals if depth is None else np.minimum(self.totals, depth)
        return self._sums(self._precision * (self.ranks <= np.repeat(most, self.totals))) / self.totals

    def average_precision(self, depth: int | None = None) -> Scores:
        """Mean over the relevant rows of the precision at their rank, 0 beyond `depth`, shape (Q,)."""
        within = self._precision if depth is None else self._precision * (self.ranks <= depth)
        return self._sums(within) / self.totals

    def average_precision_above_zero(self) -> Scores:
        """Average precision with relevant rows of a score of 0 or below left out of it, 0 without any, shape (Q,).

        What torchmetrics calls average precision: scores there are taken as probabilities.
        """
        above = self.scores > 0
        return self._sums(self._precision * above) / np.maximum(1, self._sums(above))

    def reciprocal_rank(self, depth: int | None = None) -> Scores:
        """1 over the best rank, 0 beyond `depth`, shape (Q,)."""
        found = 1.0 / self.first
        return found if depth is None else np.where(self.first <= depth, found, 0.0)

    @property
    def _precision(self) -> Scores:
        place = np.arange(len(self.ranks)) - np.repeat(self.offsets[:-1], self.totals) + 1
        found: Scores = place / self.ranks
        return found

    def _sums(self, values: NDArray[np.generic]) -> Scores:
        return np.add.reduceat(values.astype(np.float64), self.offsets[:-1])


def relevant_ranks(scores: Scores, relevant: NDArray[np.bool_]) -> RelevantRanks:
    """Rank the columns of `scores` (Q, M) for each query and find the relevant ones; -inf columns stand last."""
    if relevant.sum() <= _FEW * len(scores):
        return _few_ranks(scores, relevant)
    ranks, found = zip(*map(_ranked, scores, relevant), strict=True)
    counts = relevant.sum(axis=1)
    return RelevantRanks(np.concatenate(ranks), np.concatenate([[0], np.cumsum(counts)]), np.concatenate(found))


def _ranked(scores: Scores, relevant: NDArray[np.bool_]) -> tuple[Codes, Scores]:
    """Return the ranks of the relevant columns of one query, ascending, and their scores."""
    ascending = np.sort(scores)
    if (ascending[1:] == ascending[:-1]).any():
        order = np.argsort(-scores, kind="stable")
        (place,) = np.nonzero(relevant[order])
        return place + 1, scores[order[place]]
    # Without ties a rank is the number of larger scores: values are sorted several times faster than places.
    own = np.sort(scores[relevant])[::-1]
    return len(scores) - np.searchsorted(ascending, own, side="right") + 1, own


def _few_ranks(scores: Scores, relevant: NDArray[np.bool_]) -> RelevantRanks:
    """Count what stands before each of a few relevant rows: the same ranks without sorting all."""
    query, column = np.nonzero(relevant)
    own = scores[query, column]
    ranks = np.array(
        [
            1 + np.count_nonzero(scores[row] > score) + np.count_nonzero(scores[row, :place] == score)
            for row, place, score in zip(query, column, own, strict=True)
        ],
        dtype=np.int64,
    )
    order = np.lexsort((ranks, query))
    counts = np.bincount(query, minlength=len(scores))
    return RelevantRanks(ranks[order], np.concatenate([[0], np.cumsum(counts)]), own[order])


def joined(parts: list[RelevantRanks]) -> RelevantRanks:
    """Put the queries of several parts one after the other."""
    counts = np.concatenate([part.totals for part in parts])
    return RelevantRanks(
        np.concatenate([part.ranks for part in parts]),
        np.concatenate([[0], np.cumsum(counts)]),
        np.concatenate([part.scores for part in parts]),
    )


def shifted(rows: Rows, shift: Rows | None) -> Rows:
    """Return unit rows after adding a vector to each; rows that this makes 0 stay 0."""
    if shift is None:
        return rows
    moved: Rows = rows + shift
    norms = np.linalg.norm(moved, axis=1, keepdims=True)
    return moved / np.where(norms > 0, norms, 1.0)


def gallery_scores(
    embedding_set: EmbeddingSet, queries: Rows, view: str, gallery: Codes, shift: Rows | None = None
) -> Scores:
    """Return the cosines of unit queries (Q, D) with rows `gallery` of a view, in float64, shape (Q, M)."""
    scores = np.empty((len(queries), len(gallery)))
    template = np.broadcast_to(np.float64(0), (len(gallery), embedding_set.dim))
    for block in row_blocks(template):
        scores[:, block] = queries @ shifted(probe_rows(embedding_set, view, gallery[block], "unit"), shift).T
    return scores


def ranks_by_label(
    embedding_set: EmbeddingSet, view: str, queries: Codes, gallery: Codes, codes: Codes,
    report: Callable[[float], None] = lambda done: None,
) -> RelevantRanks:  # fmt: skip
    """Rank the gallery for each query, the query itself left out; rows of its label are relevant.

    Parameters
    ----------
    embedding_set : EmbeddingSet
    view : str
    queries : NDArray[np.int64], shape (Q,)
        Places in `gallery`, each with another row of its label.
    gallery, codes : NDArray[np.int64], shape (M,)
        Rows of the view, and their labels.
    report : callable
        Given the fraction done.
    """
    parts = []
    step = max(1, _HELD_SCORES // len(gallery))
    for start in range(0, len(queries), step):
        chosen = queries[start : start + step]
        rows = probe_rows(embedding_set, view, gallery[chosen], "unit")
        scores = gallery_scores(embedding_set, rows, view, gallery)
        places = np.arange(len(chosen))
        scores[places, chosen] = -np.inf
        relevant = codes[chosen][:, None] == codes[None]
        relevant[places, chosen] = False
        parts.append(relevant_ranks(scores, relevant))
        report(min(1.0, (start + step) / len(queries)))
    return joined(parts)


ALL_SEARCHED = 2000
"""Samples up to which a draw of a quarter or more of them is not worth its noise."""


def searched_for(samples: int, queries: int) -> int:
    """Return how many of some samples are searched for where `queries` are asked."""
    return samples if samples <= min(4 * queries, ALL_SEARCHED) else min(queries, samples)


def ranks_of_partners(
    embedding_set: EmbeddingSet, view: str, other: str, most: int, seed: int,
    shift: Rows | None = None, gallery_shift: Rows | None = None,
) -> RelevantRanks | None:  # fmt: skip
    """Rank the usable rows of `other` for queries of `view`; the rows of the same sample are relevant.

    Parameters
    ----------
    embedding_set : EmbeddingSet
    view, other : str
    most : int
        Queries drawn; all with a partner, where there are fewer.
    seed : int
    shift, gallery_shift : NDArray[np.float64], shape (D,), optional
        Added to the unit rows of `view` and of `other`, which are then normalised again.

    Returns
    -------
    RelevantRanks or None
        None where no row has a partner.
    """
    links = embedding_set.links(view, other)
    usable, gallery = (np.flatnonzero(embedding_set.usable_rows[name]) for name in (view, other))
    number = np.full(len(embedding_set.views[other]), -1, dtype=np.int64)
    number[gallery] = np.arange(len(gallery))
    links = links[np.isin(links[:, 0], usable) & (number[links[:, 1]] >= 0)]
    queries = np.unique(links[:, 0])
    if not len(queries):
        return None
    if len(queries) > most:
        queries = np.sort(np.random.default_rng(seed).choice(queries, most, replace=False))
    parts = []
    step = max(1, _HELD_SCORES // len(gallery))
    for start in range(0, len(queries), step):
        chosen = queries[start : start + step]
        rows = shifted(probe_rows(embedding_set, view, chosen, "unit"), shift)
        scores = gallery_scores(embedding_set, rows, other, gallery, gallery_shift)
        relevant = np.zeros(scores.shape, dtype=np.bool_)
        own = links[np.isin(links[:, 0], chosen)]
        relevant[np.searchsorted(chosen, own[:, 0]), number[own[:, 1]]] = True
        parts.append(relevant_ranks(scores, relevant))
    return joined(parts)

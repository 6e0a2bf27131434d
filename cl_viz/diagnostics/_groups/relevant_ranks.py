"""Where the relevant rows stand in a ranking, and the measures made of that.

Rows of one score, as copies of a document have, stand in no order: a measure is its expected value over all orders of
them, so that it does not depend on the order of the rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.result import Source
from cl_viz.diagnostics._groups.probes import Codes

Scores = NDArray[np.float64]
MCSHERRY = Source(
    "McSherry and Najork 2008, Computing Information Retrieval Performance Measures Efficiently in the Presence of "
    "Tied Scores",
    "https://doi.org/10.1007/978-3-540-78646-7_38",
)
_SAME = 1e-12
"""Cosines so near to each other are one score: sums of double precision round by less."""
_FEW = 4


@dataclass(frozen=True)
class RelevantRanks:
    """Places of the relevant rows, query by query.

    Attributes
    ----------
    above : NDArray[np.int64], shape (T,)
        Rows of a higher score; ascending within a query.
    tied : NDArray[np.int64], shape (T,)
        Rows of the same score, itself included.
    offsets : NDArray[np.int64], shape (Q + 1,)
        Those of query i are ``above[offsets[i]:offsets[i + 1]]``; every query has one relevant row or more.
    scores : NDArray[np.float64], shape (T,)
        Cosines of the relevant rows.
    """

    above: Codes
    tied: Codes
    offsets: Codes
    scores: Scores

    @property
    def totals(self) -> Codes:
        """Relevant rows R of each query, shape (Q,)."""
        return np.diff(self.offsets)

    @property
    def first(self) -> Scores:
        """Expected best rank of each query, from 1, shape (Q,)."""
        above, tied, relevant = self._best
        found: Scores = above + (tied + 1) / (relevant + 1)
        return found

    def hit(self, k: int) -> Scores:
        """Return how likely a relevant row is among the first `k`: Recall@k of metric learning, shape (Q,)."""
        above, tied, relevant = self._best
        looked = np.clip(k - above, 0, tied)
        missed = np.ones(len(above))
        for place in range(int(looked.max(initial=0))):
            left = np.maximum(0, tied - relevant - place) / np.maximum(1, tied - place)
            missed *= np.where(place < looked, left, 1.0)
        return 1 - missed

    def recall(self, k: int) -> Scores:
        """Share of the relevant rows among the first `k`: Recall@k of information retrieval, shape (Q,)."""
        return self._sums(self._within(k)) / self.totals

    def r_precision(self, depth: int | None = None) -> Scores:
        """Share of relevant rows among the first R; among the first min(R, depth) where a depth is given."""
        most = self.totals if depth is None else np.minimum(self.totals, depth)
        return self._sums(self._within(np.repeat(most, self.totals))) / most

    def map_at_r(self, depth: int | None = None) -> Scores:
        """MAP@R: 1/R times the sum over ranks i <= R of precision(i) where row i is relevant, shape (Q,)."""
        most = self.totals if depth is None else np.minimum(self.totals, depth)
        return self._sums(self._precision(np.repeat(most, self.totals))) / self.totals

    def average_precision(self, depth: int | None = None) -> Scores:
        """Mean over the relevant rows of the precision at their rank, 0 beyond `depth`, shape (Q,)."""
        return self._sums(self._precision(depth)) / self.totals

    def average_precision_above_zero(self) -> Scores:
        """Average precision with relevant rows of a score of 0 or below left out of it, 0 without any, shape (Q,).

        What torchmetrics calls average precision: scores there are taken as probabilities.
        """
        positive = self.scores > 0
        return self._sums(self._precision(None) * positive) / np.maximum(1, self._sums(positive))

    def reciprocal_rank(self, depth: int | None = None) -> Scores:
        """1 over the best rank, 0 beyond `depth`, shape (Q,)."""
        above, tied, relevant = self._best
        found = 1 / (above + 1) * (True if depth is None else above < depth)
        (shared,) = np.nonzero(tied > 1)
        cases, back = np.unique(np.stack([above, tied, relevant], axis=1)[shared], axis=0, return_inverse=True)
        expected = np.array([_expected_reciprocal(*case, depth=depth) for case in cases])
        found[shared] = expected[back.reshape(-1)] if len(shared) else 0
        return found

    @property
    def _best(self) -> tuple[Codes, Codes, Codes]:
        """Of the relevant rows of the highest score of each query: rows above, tied rows, relevant ones of these."""
        starts = self.offsets[:-1]
        above = self.above[starts]
        return above, self.tied[starts], self._sums(self.above == np.repeat(above, self.totals)).astype(np.int64)

    def _within(self, k: int | Codes) -> Scores:
        """How likely each relevant row is among the first `k`, shape (T,)."""
        found: Scores = np.clip(k - self.above, 0, self.tied) / self.tied
        return found

    def _precision(self, k: int | Codes | None) -> Scores:
        """Return the expected precision at the rank of each relevant row, 0 beyond rank `k`, shape (T,).

        At place j of t tied rows, r of them relevant, a row is at rank ``above + j``, with all relevant rows above
        and ``(j - 1)(r - 1)/(t - 1)`` of the tied ones before it.
        """
        above, tied = self.above, self.tied
        place = np.arange(len(above)) - np.repeat(self.offsets[:-1], self.totals)
        looked = tied if k is None else np.clip(k - above, 0, tied)
        alone: Scores = looked * (place + 1) / (above + 1)
        if tied.max() == 1:
            return alone
        begins = np.r_[True, (above[1:] != above[:-1]) | (place[1:] == 0)]
        group = np.cumsum(begins) - 1
        before, relevant = place[begins][group], np.bincount(group)[group]
        harmonic = np.r_[0.0, np.cumsum(1 / np.arange(1, int((above + tied).max()) + 1))]
        inverse = harmonic[above + looked] - harmonic[above]
        beside = (relevant - 1) / np.maximum(1, tied - 1)
        shared: Scores = ((before + 1) * inverse + beside * (looked - (above + 1) * inverse)) / tied
        return np.where(tied == 1, alone, shared)

    def _sums(self, values: NDArray[np.generic]) -> Scores:
        return np.add.reduceat(values.astype(np.float64), self.offsets[:-1])


def _expected_reciprocal(above: int, tied: int, relevant: int, *, depth: int | None) -> float:
    """Return the expected 1 / (best rank) of `relevant` rows among `tied` ones behind `above`, 0 beyond `depth`."""
    places = np.arange(tied - relevant + 1)
    missed = np.cumprod(np.r_[1.0, (tied - relevant - places[:-1]) / (tied - places[:-1])])
    ranks = above + places + 1
    within = 1.0 if depth is None else ranks <= depth
    return float((missed * relevant / (tied - places) / ranks * within).sum())


def relevant_ranks(scores: Scores, relevant: NDArray[np.bool_]) -> RelevantRanks:
    """Rank the columns of `scores` (Q, M) for each query and find the relevant ones; -inf columns stand last."""
    if relevant.sum() <= _FEW * len(scores):
        return _few_ranks(scores, relevant)
    above, tied, found = zip(*map(_ranked, scores, relevant), strict=True)
    counts = relevant.sum(axis=1)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return RelevantRanks(np.concatenate(above), np.concatenate(tied), offsets, np.concatenate(found))


def _ranked(scores: Scores, relevant: NDArray[np.bool_]) -> tuple[Codes, Codes, Scores]:
    """Return how many columns of one query stand above and beside each relevant one, and the scores of these."""
    ascending = np.sort(scores)
    own = np.sort(scores[relevant])[::-1]
    above = len(scores) - np.searchsorted(ascending, own + _SAME, side="right")
    tied = len(scores) - np.searchsorted(ascending, own - _SAME, side="left") - above
    return above, tied, own


def _few_ranks(scores: Scores, relevant: NDArray[np.bool_]) -> RelevantRanks:
    """Count what stands above and beside each of a few relevant rows: the same without sorting all."""
    query, column = np.nonzero(relevant)
    own = scores[query, column]
    above = np.array([np.count_nonzero(scores[row] > score + _SAME) for row, score in zip(query, own, strict=True)])
    least = np.array([np.count_nonzero(scores[row] >= score - _SAME) for row, score in zip(query, own, strict=True)])
    order = np.lexsort((-own, query))
    counts = np.bincount(query, minlength=len(scores))
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return RelevantRanks(above[order], (least - above)[order], offsets, own[order])


def joined(parts: list[RelevantRanks]) -> RelevantRanks:
    """Put the queries of several parts one after the other."""
    counts = np.concatenate([part.totals for part in parts])
    return RelevantRanks(
        np.concatenate([part.above for part in parts]),
        np.concatenate([part.tied for part in parts]),
        np.concatenate([[0], np.cumsum(counts)]),
        np.concatenate([part.scores for part in parts]),
    )

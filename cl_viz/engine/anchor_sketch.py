"""`AnchorSketch`: what single rows (anchors) see: their histogram, moments, positives and ranks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cl_viz.engine import bins
from cl_viz.engine.pair_sketch import PairRoles, negative_relations

TAIL = 32
"""Largest candidates of an anchor that are kept exactly."""
SAME, OTHER = 0, 1
"""Rows of an anchor's histogram: candidates of its own label; of another or an unknown one."""


@dataclass(frozen=True)
class AnchorCandidates:
    """What the anchors of one view see in one view (another one, or their own).

    Attributes
    ----------
    counts : NDArray[np.int32], shape (A, 2, ANCHOR_BINS)
        Candidates by label (`SAME`, `OTHER`) and score; pairs of one sample and the anchor itself are left out.
    sums : NDArray[np.float32], same shape
        Sum of their scores.
    moments : NDArray[np.float64], shape (A, 4, 3)
        By `Relation`: count, sum and sum of squares of the scores.
    below : NDArray[np.float64], shape (P, 4)
        For every positive of every anchor: how many candidates of each `Relation` score below it, ties half.
    top_scores : NDArray[np.float64], shape (A, TAIL)
        The largest candidates exactly, descending (they decide at low temperature); -inf where there are fewer.
    top_same : NDArray[np.bool_], shape (A, TAIL)
        Whether each of them has the anchor's label.
    """

    counts: NDArray[np.int32]
    sums: NDArray[np.float32]
    moments: NDArray[np.float64]
    below: NDArray[np.float64]
    top_scores: NDArray[np.float64]
    top_same: NDArray[np.bool_]


@dataclass(frozen=True)
class AnchorCells:
    """The filled cells of the anchors' histograms, one entry each, ordered by anchor.

    Attributes
    ----------
    anchor, side : NDArray[np.int64]
        Which anchor; `SAME` or `OTHER`.
    counts, scores : NDArray[np.float64]
        Candidates in the cell, and their mean score.
    """

    anchor: NDArray[np.int64]
    side: NDArray[np.int64]
    counts: NDArray[np.float64]
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class AnchorSketch:
    """The anchors of one view.

    Attributes
    ----------
    view : str
    rows : NDArray[np.int64], shape (A,)
        Rows of the view that are anchors.
    population : int
        Usable rows the anchors were drawn from; equal to A where every row is one.
    positives : NDArray[np.float64], shape (P,)
        Scores of the pairs of one sample, anchor by anchor.
    offsets : NDArray[np.int64], shape (A + 1,)
        The positives of anchor a are ``positives[offsets[a]:offsets[a + 1]]``.
    candidates : Mapping[str, AnchorCandidates]
        By the view looked at; the anchor's own view included.
    """

    view: str
    rows: NDArray[np.int64]
    population: int
    positives: NDArray[np.float64]
    offsets: NDArray[np.int64]
    candidates: Mapping[str, AnchorCandidates]
    _cells: dict[tuple[PairRoles, bool], AnchorCells] = field(default_factory=dict, repr=False, compare=False)

    def views_for(self, roles: PairRoles) -> tuple[str, ...]:
        """Return the views whose rows are candidates under these roles."""
        cross = tuple(view for view in self.candidates if view != self.view)
        return cross if roles.negatives == "cross" and cross else tuple(self.candidates)

    def negative_moments(self, roles: PairRoles) -> NDArray[np.float64]:
        """Return count, sum and sum of squares of each anchor's negatives, shape (A, 3)."""
        relations = [int(relation) for relation in negative_relations(roles)]
        return self._sum([self.candidates[view].moments[:, relations].sum(axis=1) for view in self.views_for(roles)])

    def cells(self, roles: PairRoles, *, without_tail: bool = False) -> AnchorCells:
        """Return the filled cells over the candidates of these roles; kept, since most cells are empty.

        With `without_tail` the candidates that `tail` returns are taken out.
        """
        key = (roles, without_tail)
        if key not in self._cells:
            counts, sums = self._histogram(roles)
            if without_tail:
                _remove_tail(counts, sums, *self.tail(roles))
            anchor, side, place = np.nonzero(counts > 0)
            filled = counts[anchor, side, place]
            self._cells[key] = AnchorCells(anchor, side, filled, sums[anchor, side, place] / filled)
        return self._cells[key]

    def _histogram(self, roles: PairRoles) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return counts and sums of scores, both of shape (A, 2, ANCHOR_BINS), over the candidates of these roles."""
        chosen = [self.candidates[view] for view in self.views_for(roles)]
        return (
            self._sum([candidates.counts.astype(np.float64) for candidates in chosen]),
            self._sum([candidates.sums.astype(np.float64) for candidates in chosen]),
        )

    def tail(self, roles: PairRoles) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the largest candidates over the views of these roles: scores (A, TAIL) and whether labels agree."""
        chosen = [self.candidates[view] for view in self.views_for(roles)]
        scores = np.concatenate([candidates.top_scores for candidates in chosen], axis=1)
        same = np.concatenate([candidates.top_same for candidates in chosen], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :TAIL]
        return np.take_along_axis(scores, order, axis=1), np.take_along_axis(same, order, axis=1)

    def positive_rank(self, roles: PairRoles) -> NDArray[np.float64]:
        """Return the share of the anchor's negatives that score below each positive, shape (P,); NaN without any."""
        relations = [int(relation) for relation in negative_relations(roles)]
        below = self._sum([self.candidates[view].below[:, relations].sum(axis=1) for view in self.views_for(roles)])
        total = np.repeat(self.negative_moments(roles)[:, 0], np.diff(self.offsets))
        rank: NDArray[np.float64] = np.divide(below, total, out=np.full(len(below), np.nan), where=total > 0)
        return rank

    def anchor_of_positive(self) -> NDArray[np.int64]:
        """Return the anchor index of each positive, shape (P,)."""
        return np.repeat(np.arange(len(self.rows)), np.diff(self.offsets))

    @staticmethod
    def _sum(parts: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        total = parts[0].copy()
        for part in parts[1:]:
            total += part
        return total


def relative_penalty_share(sketch: AnchorSketch, roles: PairRoles, temperature: float) -> NDArray[np.float64]:
    """Share of each anchor's repulsion that falls on candidates of its own label, shape (A,).

    The repulsion on negative j of anchor i is in proportion to exp(s_ij / temperature) (Wang and Liu 2021, eq. 5:
    the positive is not in the denominator). The largest candidates count exactly, the others at the mean score of
    their cell. NaN for an anchor without negatives.
    """
    scores, same = sketch.tail(roles)
    cells = sketch.cells(roles, without_tail=True)
    n_anchors = len(sketch.rows)
    largest = np.where(np.isfinite(scores[:, 0]), scores[:, 0], 0.0)
    distance = np.minimum(cells.scores - largest[cells.anchor], 0.0)
    mass = cells.counts * np.exp(distance / temperature)
    tail = np.exp((scores - largest[:, None]) / temperature)
    # bincount of nothing has whole numbers, whatever the weights.
    own = np.bincount(cells.anchor, weights=mass * (cells.side == SAME), minlength=n_anchors).astype(np.float64)
    own += (tail * same).sum(axis=1)
    total = np.bincount(cells.anchor, weights=mass, minlength=n_anchors) + tail.sum(axis=1)
    share: NDArray[np.float64] = np.divide(own, total, out=np.full(n_anchors, np.nan), where=total > 0)
    return share


def _remove_tail(
    counts: NDArray[np.float64], sums: NDArray[np.float64], scores: NDArray[np.float64], same: NDArray[np.bool_]
) -> None:
    """Take the candidates that are kept exactly out of the histograms, in place."""
    anchor, place = np.nonzero(np.isfinite(scores))
    score = scores[anchor, place]
    where = (anchor, np.where(same[anchor, place], SAME, OTHER), _anchor_bins(score))
    np.subtract.at(counts, where, 1)
    np.subtract.at(sums, where, score)


def _anchor_bins(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.clip(((scores + 1.0) * (bins.ANCHOR_BINS / 2)).astype(np.int64), 0, bins.ANCHOR_BINS - 1)

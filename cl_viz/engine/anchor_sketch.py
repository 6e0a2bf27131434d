"""`AnchorSketch`: what single rows (anchors) see: their histogram, moments, positives and ranks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.engine import bins
from cl_viz.engine.pair_sketch import PairRoles, negative_relations

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
    """

    counts: NDArray[np.int32]
    sums: NDArray[np.float32]
    moments: NDArray[np.float64]
    below: NDArray[np.float64]


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

    def views_for(self, roles: PairRoles) -> tuple[str, ...]:
        """Return the views whose rows are candidates under these roles."""
        cross = tuple(view for view in self.candidates if view != self.view)
        return cross if roles.negatives == "cross" and cross else tuple(self.candidates)

    def negative_moments(self, roles: PairRoles) -> NDArray[np.float64]:
        """Return count, sum and sum of squares of each anchor's negatives, shape (A, 3)."""
        relations = [int(relation) for relation in negative_relations(roles)]
        return self._sum([self.candidates[view].moments[:, relations].sum(axis=1) for view in self.views_for(roles)])

    def histogram(self, roles: PairRoles) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return counts and sums of scores, both of shape (A, 2, ANCHOR_BINS), over the candidates of these roles."""
        chosen = [self.candidates[view] for view in self.views_for(roles)]
        return (
            self._sum([candidates.counts.astype(np.float64) for candidates in chosen]),
            self._sum([candidates.sums.astype(np.float64) for candidates in chosen]),
        )

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


def anchor_bin_means(counts: NDArray[np.float64], sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean score of each bin of anchors' histograms, the bin's middle where it is empty; same shape."""
    middles = -1.0 + (np.arange(bins.ANCHOR_BINS) + 0.5) * (2.0 / bins.ANCHOR_BINS)
    means: NDArray[np.float64] = np.divide(
        sums, counts, out=np.broadcast_to(middles, counts.shape).copy(), where=counts > 0
    )
    return means


def relative_penalty_share(sketch: AnchorSketch, roles: PairRoles, temperature: float) -> NDArray[np.float64]:
    """Share of each anchor's repulsion that falls on candidates of its own label, shape (A,).

    The repulsion on negative j of anchor i is in proportion to exp(s_ij / temperature) (Wang and Liu 2021, eq. 5:
    the positive is not in the denominator). NaN for an anchor without negatives.
    """
    counts, sums = sketch.histogram(roles)
    exponents = anchor_bin_means(counts, sums) / temperature
    filled = counts > 0
    top = np.where(filled, exponents, -np.inf).max(axis=(1, 2), keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    mass = (counts * np.exp(np.where(filled, exponents - top, -np.inf))).sum(axis=2)
    total = mass.sum(axis=1)
    share: NDArray[np.float64] = np.divide(mass[:, SAME], total, out=np.full(len(total), np.nan), where=total > 0)
    return share

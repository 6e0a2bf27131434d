"""`CandidatePoints`: the candidates of every anchor as weighted points, and sums of exponentials over them.

The largest candidates of an anchor count exactly; the others stand at the mean of their cell, and the variance within
cells, which is known from the exact sum of squares, enters to second order. Scores are kept in 32 bits as distances to
the anchor's largest, so that the points that weigh most are the most exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.engine.anchor_sketch import SAME, AnchorSketch
from cl_viz.engine.pair_sketch import PairRoles, Relation

Values = NDArray[np.float64]
Narrow = NDArray[np.float32]
_PART = 1 << 16
"""Points summed at a time: they stay in the cache from one step to the next."""


@dataclass(frozen=True)
class CandidatePoints:
    """Weighted points, anchor by anchor.

    Attributes
    ----------
    starts : NDArray[np.int64], shape (A + 1,)
        Where each anchor's points begin.
    distance, counts, variance : NDArray[np.float32], one for each point
        Score less the largest of its anchor, never above 0; candidates at the point; mean squared distance of these
        to their mean: 0 for a single one, else the anchor's mean over all its cells of that side.
    own : NDArray[np.bool_]
        Whether the point's candidates have the anchor's label.
    largest : NDArray[np.float64], shape (A,)
        Largest score of each anchor; 0 without points.
    """

    starts: NDArray[np.int64]
    distance: Narrow
    counts: Narrow
    variance: Narrow
    own: NDArray[np.bool_]
    largest: Values

    @classmethod
    def of(cls, sketch: AnchorSketch, roles: PairRoles, *, side: int | None = None) -> CandidatePoints:
        """Make the points of all candidates of these roles, or of one side of them.

        The side `SAME` holds the pairs of one sample too, exactly.
        """
        cells = sketch.cells(roles, without_tail=True)
        tail, same = sketch.tail(roles)
        anchor, place = np.nonzero(np.isfinite(tail))
        owner = np.concatenate([cells.anchor, anchor])
        scores = np.concatenate([cells.scores, tail[anchor, place].astype(np.float64)])
        counts = np.concatenate([cells.counts, np.ones(len(anchor))])
        own = np.concatenate([cells.side == SAME, same[anchor, place]])
        variance = _variance_within_cells(sketch, roles, owner, scores, counts, own)
        if side is not None:
            chosen = own == (side == SAME)
            owner, scores, counts, own, variance = (values[chosen] for values in (owner, scores, counts, own, variance))
        if side == SAME:
            extra = len(sketch.positives)
            owner = np.concatenate([owner, sketch.anchor_of_positive()])
            scores = np.concatenate([scores, sketch.positives])
            counts = np.concatenate([counts, np.ones(extra)])
            own = np.concatenate([own, np.ones(extra, dtype=np.bool_)])
            variance = np.concatenate([variance, np.zeros(extra)])
        return cls._ordered(len(sketch.rows), owner, scores, counts, variance, own)

    @classmethod
    def _ordered(
        cls,
        n_anchors: int,
        owner: NDArray[np.int64],
        scores: Values,
        counts: Values,
        variance: Values,
        own: NDArray[np.bool_],
    ) -> CandidatePoints:
        order = np.argsort(owner, kind="stable")
        owner, scores = owner[order], scores[order]
        starts = np.searchsorted(owner, np.arange(n_anchors + 1)).astype(np.int64)
        largest = np.zeros(n_anchors)
        has = np.flatnonzero(np.diff(starts) > 0)
        if len(has):
            largest[has] = np.maximum.reduceat(scores, starts[:-1][has])
        return cls(
            starts,
            (scores - largest[owner]).astype(np.float32),
            counts[order].astype(np.float32),
            variance[order].astype(np.float32),
            own[order],
            largest,
        )

    def __len__(self) -> int:
        return len(self.distance)

    @cached_property
    def total(self) -> Values:
        """Candidates of each anchor, shape (A,)."""
        return self._sums(lambda part: [self.counts[part]])[0]

    def masses(self, factors: Sequence[float]) -> list[Values]:
        """Return for each factor the sum over candidates of exp(factor * (s - largest)), shape (A,)."""
        return self._sums(lambda part: [self._weights(part, factor) for factor in factors])

    def log_mass(self, factor: float) -> Values:
        """Return log of the sum over candidates of exp(factor * s), shape (A,); -inf without any."""
        with np.errstate(divide="ignore"):
            found: Values = np.log(self.masses([factor])[0]) + factor * self.largest
        return found

    def mass_and_mean(self, factor: float) -> tuple[Values, Values]:
        """Return the mass, and the mean under it of the distance to the largest; 0 without candidates."""

        def parts(part: slice) -> list[Narrow]:
            weight = self._weights(part, factor)
            # The mean of s under exp(factor * s) lies above the cell's mean by factor * variance.
            lifted = self.variance[part] * np.float32(factor)
            lifted += self.distance[part]
            lifted *= weight
            return [weight, lifted]

        total, weighted = self._sums(parts)
        return total, np.divide(weighted, total, out=np.zeros(len(total)), where=total > 0)

    def mass_and_own(self, factor: float) -> tuple[Values, Values]:
        """Return the mass, and what of it lies on candidates of the anchor's label."""

        def parts(part: slice) -> list[Narrow]:
            weight = self._weights(part, factor)
            return [weight, weight * self.own[part]]

        total, own = self._sums(parts)
        return total, own

    def hardest(self, kept: Values) -> CandidatePoints:
        """Return the largest candidates only, so many of each anchor.

        Of the cell that is cut only the upper part stays: of scores spread evenly around the mean.
        """
        order, before = self._descending
        counts = self.counts[order]
        inside = np.clip(kept[self._owner] - before, 0.0, counts)
        cut = (inside > 0) & (inside < counts)
        distance, variance = self.distance[order], self.variance[order]
        left = np.divide(inside, counts, out=np.zeros_like(inside), where=counts > 0)
        lifted = np.where(cut, np.sqrt(3 * variance) * (1 - left), 0.0)
        # The part that stays is narrower by its share.
        return replace(
            self,
            distance=(distance + lifted).astype(np.float32),
            counts=inside.astype(np.float32),
            variance=np.where(cut, variance * left**2, variance).astype(np.float32),
            own=self.own[order],
        )

    def drawn(self, count: int, generator: np.random.Generator) -> CandidatePoints:
        """Return so many candidates of each anchor, drawn without replacement."""
        whole = np.rint(self.counts).astype(np.int64)
        found = np.zeros(len(whole), dtype=np.float32)
        for start, stop in zip(self.starts[:-1], self.starts[1:], strict=True):
            part = whole[start:stop]
            found[start:stop] = generator.multivariate_hypergeometric(
                part, min(count, int(part.sum())), method="marginals"
            )
        return replace(self, counts=found)

    @cached_property
    def _owner(self) -> NDArray[np.int64]:
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    @cached_property
    def _descending(self) -> tuple[NDArray[np.int64], Values]:
        """Order of the points from the largest score down, anchor by anchor, and the candidates before each."""
        order = np.lexsort((-self.distance, self._owner))
        counts = self.counts[order].astype(np.float64)
        before = np.cumsum(counts) - counts
        first = np.concatenate([before, [counts.sum()]])[self.starts[:-1]]
        return order, before - first[self._owner]

    def _weights(self, part: slice, factor: float) -> Narrow:
        """Return count times the mean of exp(factor * (s - largest)) at each point."""
        found = self.distance[part] * np.float32(factor)
        np.exp(found, out=found)
        wider = self.variance[part] * np.float32(0.5 * factor**2)
        wider += np.float32(1)
        found *= wider
        found *= self.counts[part]
        return found

    @cached_property
    def _parts(self) -> list[tuple[slice, NDArray[np.int64], NDArray[np.int64]]]:
        """Anchors in parts of about `_PART` points: the points, the anchors that have any, and where theirs begin."""
        found = []
        has = np.flatnonzero(np.diff(self.starts) > 0)
        begins = self.starts[:-1][has]
        cuts = np.unique(np.searchsorted(begins, np.arange(0, len(self), _PART)))
        for low, high in zip(cuts, [*cuts[1:], len(has)], strict=True):
            first = int(begins[low])
            last = int(begins[high]) if high < len(has) else len(self)
            found.append((slice(first, last), has[low:high], begins[low:high] - first))
        return found

    def _sums(self, values: Callable[[slice], Sequence[Narrow]]) -> list[Values]:
        """Sum values of the points by anchor, part by part; 0 for an anchor without points."""

        def do(part: tuple[slice, NDArray[np.int64], NDArray[np.int64]]) -> list[Values]:
            return [np.add.reduceat(found, part[2], dtype=np.float64) for found in values(part[0])]

        if not self._parts:
            return [np.zeros(len(self.starts) - 1) for _ in values(slice(0, 0))]
        results = list(_threads().map(do, self._parts)) if len(self._parts) > 1 else [do(self._parts[0])]
        totals = [np.zeros(len(self.starts) - 1) for _ in results[0]]
        for (_, anchors, _), sums in zip(self._parts, results, strict=True):
            for total, found in zip(totals, sums, strict=True):
                total[anchors] = found
        return totals


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, torch.get_num_threads()), thread_name_prefix="cl_viz-queries")


def _variance_within_cells(
    sketch: AnchorSketch,
    roles: PairRoles,
    owner: NDArray[np.int64],
    scores: Values,
    counts: Values,
    own: NDArray[np.bool_],
) -> Values:
    """Return what the exact sum of squares leaves over the cells' means, shared evenly by cells of two or more."""
    found = np.zeros(len(scores))
    n_anchors = len(sketch.rows)
    for label, relations in (
        (True, [Relation.SAME_LABEL]),
        (False, [Relation.DIFFERENT_LABEL, Relation.UNKNOWN_LABEL]),
    ):
        here = np.where(own == label, counts, 0.0)
        exact = sum(sketch.candidates[view].moments[:, relations, 2].sum(axis=1) for view in sketch.views_for(roles))
        spread = exact - np.bincount(owner, weights=here * scores**2, minlength=n_anchors)
        shared = np.bincount(owner, weights=np.where(counts > 1, here, 0.0), minlength=n_anchors)
        # Rounding can push it a little below 0; no cell is wider than its bin.
        variance = np.divide(np.maximum(0.0, spread), shared, out=np.zeros(n_anchors), where=shared > 0)
        found += np.where((counts > 1) & (own == label), variance[owner], 0.0)
    return found

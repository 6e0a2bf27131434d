"""`CandidatePoints`: the candidates of every anchor as weighted points, and sums of exponentials over them.

The largest candidates of an anchor count exactly; the others stand at the mean of their cell, and the variance within
cells, which is known from the exact sum of squares, enters to second order. Where exp(factor * s) is flat over several
cells, neighbouring ones are taken together, with the mean and the variance of their candidates: at temperatures of 0.05
and more an eighth of the points says the same. Scores are kept in 32 bits as distances to the anchor's largest, so that
the points that weigh most are the most exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.engine import bins
from cl_viz.engine.anchor_sketch import SAME, AnchorSketch
from cl_viz.engine.pair_sketch import PairRoles, Relation

Values = NDArray[np.float64]
Narrow = NDArray[np.float32]
_WIDTH = 2 / bins.ANCHOR_BINS
_MOST_JOINED = 8
_FLAT = 0.32
"""Largest change of factor * s over cells that are taken together: what third moments add stays near 1e-4."""
_FAR = 14.0
"""What all candidates would add together, if each lay so far below the largest, over their number: 1e-6 of it."""
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
    own, single : NDArray[np.bool_]
        Whether the point's candidates have the anchor's label; whether it is one candidate that is known exactly.
    largest : NDArray[np.float64], shape (A,)
        Largest score of each anchor; 0 without points.
    joined : bool
        Whether neighbouring cells may be taken together.
    width : float
        Of a cell.
    """

    starts: NDArray[np.int64]
    distance: Narrow
    counts: Narrow
    variance: Narrow
    own: NDArray[np.bool_]
    single: NDArray[np.bool_]
    largest: Values
    joined: bool = True
    width: float = _WIDTH
    _levels: dict[int, CandidatePoints] = field(default_factory=dict, repr=False, compare=False)

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
        single = np.arange(len(owner)) >= len(cells.anchor)
        variance = _variance_within_cells(sketch, roles, owner, scores, counts, own)
        if side is not None:
            chosen = own == (side == SAME)
            owner, scores, counts, own, variance = (values[chosen] for values in (owner, scores, counts, own, variance))
        if side == SAME:
            extra = len(sketch.positives)
            owner = np.concatenate([owner, sketch.anchor_of_positive()])
            scores = np.concatenate([scores, sketch.positives])
            counts = np.concatenate([counts, np.ones(extra)])
            own, single = (np.concatenate([values, np.ones(extra, dtype=np.bool_)]) for values in (own, single))
            variance = np.concatenate([variance, np.zeros(extra)])
        return cls._ordered(len(sketch.rows), owner, scores, counts, variance, own, single)

    @classmethod
    def kept(cls, sketch: AnchorSketch, roles: PairRoles) -> CandidatePoints:
        """Return the points of all candidates of these roles, made once for a sketch."""
        if roles not in sketch.points:
            sketch.points[roles] = cls.of(sketch, roles)
        found = sketch.points[roles]
        assert isinstance(found, CandidatePoints)
        return found

    @classmethod
    def _ordered(
        cls,
        n_anchors: int,
        owner: NDArray[np.int64],
        scores: Values,
        counts: Values,
        variance: Values,
        own: NDArray[np.bool_],
        single: NDArray[np.bool_],
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
            single[order],
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
        points = self._for(max(factors))
        return points._sums(lambda part: [points._weights(part, factor) for factor in factors])

    def log_mass(self, factor: float) -> Values:
        """Return log of the sum over candidates of exp(factor * s), shape (A,); -inf without any."""
        with np.errstate(divide="ignore"):
            found: Values = np.log(self.masses([factor])[0]) + factor * self.largest
        return found

    def mass_and_mean(self, factor: float) -> tuple[Values, Values]:
        """Return the mass, and the mean under it of the distance to the largest; 0 without candidates."""
        points = self._for(factor)

        def parts(part: slice) -> list[Narrow]:
            weight = points._weights(part, factor)
            # The mean of s under exp(factor * s) lies above the cell's mean by factor * variance.
            lifted = points.variance[part] * np.float32(factor)
            lifted += points.distance[part]
            lifted *= weight
            return [weight, lifted]

        total, weighted = points._sums(parts)
        return total, np.divide(weighted, total, out=np.zeros(len(total)), where=total > 0)

    def mass_and_own(self, factor: float) -> tuple[Values, Values]:
        """Return the mass, and what of it lies on candidates of the anchor's label."""
        points = self._for(factor)

        def parts(part: slice) -> list[Narrow]:
            weight = points._weights(part, factor)
            return [weight, weight * points.own[part]]

        total, own = points._sums(parts)
        return total, own

    def log_mass_of_hardest(self, factor: float, kept: Values) -> Values:
        """Return log of the sum of exp(factor * s) over so many of the largest candidates of each anchor, shape (A,).

        Of the cell that is cut only the upper part stays: of scores spread evenly around the mean.
        """
        points = self._for(factor)._descending
        stops = points.starts[1:]
        cut = np.minimum(np.searchsorted(points._until, points._first + kept, side="right"), stops)
        mass = points._sums_up_to(cut, factor)
        has = np.flatnonzero(cut < stops)
        cell = cut[has]
        counts = points.counts[cell].astype(np.float64)
        left = np.clip(points._first[has] + kept[has] - (points._until[cell] - counts), 0.0, counts) / counts
        lifted = np.sqrt(3 * points.variance[cell]) * (1 - left)
        # What stays of a cell that is cut is narrower by its share.
        narrower = 1 + 0.5 * factor**2 * points.variance[cell] * left**2
        mass[has] += left * counts * np.exp(factor * (points.distance[cell] + lifted)) * narrower
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(mass) + factor * self.largest)

    def _sums_up_to(self, stops: NDArray[np.int64], factor: float) -> Values:
        """Sum the weights of each anchor's points before its stop, shape (A,)."""
        found = np.zeros(len(self.starts) - 1)

        def do(part: tuple[slice, NDArray[np.int64], NDArray[np.int64]]) -> None:
            points, anchors, begins = part
            # One more, so that a stop may be the end.
            weights = np.append(self._weights(points, factor), np.float32(0))
            ends = stops[anchors] - points.start
            sums = np.add.reduceat(weights, np.stack([begins, ends], axis=1).ravel(), dtype=np.float64)[::2]
            found[anchors] = np.where(ends > begins, sums, 0.0)

        list(_threads().map(do, self._parts))
        return found

    @cached_property
    def _owner(self) -> NDArray[np.int64]:
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    @cached_property
    def _descending(self) -> CandidatePoints:
        """The points from the largest score down, anchor by anchor; cells of both labels are taken together."""
        order = np.lexsort((-self.distance, self._owner))
        ordered = replace(
            self,
            distance=self.distance[order],
            counts=self.counts[order],
            variance=self.variance[order],
            own=self.own[order],
            single=self.single[order],
            joined=False,
            _levels={},
        )
        return ordered._grouped(ordered._cell_begins(self.width), self.width)

    @cached_property
    def _until(self) -> Values:
        """Candidates up to each point, those at the point and of the anchors before included."""
        return np.cumsum(self.counts, dtype=np.float64)

    @cached_property
    def _first(self) -> Values:
        """Candidates of the anchors before each, shape (A,)."""
        found: Values = np.concatenate([[0.0], self._until])[self.starts[:-1]]
        return found

    def _for(self, factor: float) -> CandidatePoints:
        """Return the points that are enough for exp(factor * s)."""
        n_joined = 1
        while self.joined and n_joined < _MOST_JOINED and factor * 2 * n_joined * _WIDTH <= _FLAT:
            n_joined *= 2
        if not self.joined:
            return self
        if n_joined not in self._levels:
            points = self._joined(n_joined) if n_joined > 1 else self
            # The least factor that is asked of this level; below it cells would be joined further.
            least = _FLAT / (2 * n_joined * _WIDTH) if n_joined < _MOST_JOINED else 0.0
            self._levels[n_joined] = points._near(self._far / least) if least else points
        return self._levels[n_joined]

    @cached_property
    def _far(self) -> float:
        """Where factor * distance is below minus this, candidates are nothing beside the largest, and left out."""
        return float(np.log(max(1.0, self.total.max(initial=1.0)))) + _FAR

    def _near(self, limit: float) -> CandidatePoints:
        """Return the points that are no farther from the largest."""
        near = self.distance >= -limit
        starts = np.searchsorted(self._owner[near], np.arange(len(self.starts))).astype(np.int64)
        return replace(
            self,
            starts=starts,
            distance=self.distance[near],
            counts=self.counts[near],
            variance=self.variance[near],
            own=self.own[near],
            single=self.single[near],
            joined=False,
            _levels={},
        )

    def _joined(self, n_joined: int) -> CandidatePoints:
        """Take neighbouring cells of one anchor and label together; they stand one after another."""
        begins = self._cell_begins(n_joined * _WIDTH)
        begins[1:] |= self.own[1:] != self.own[:-1]
        return self._grouped(begins, n_joined * _WIDTH)

    def _cell_begins(self, width: float) -> NDArray[np.bool_]:
        """Return at which points another cell of this width begins, or another anchor; single ones stay alone."""
        owner = self._owner
        place = ((self.distance + self.largest[owner] + 1) / width).astype(np.int64)
        begins = np.ones(len(self), dtype=np.bool_)
        begins[1:] = (np.diff(place) != 0) | (np.diff(owner) != 0) | self.single[:-1]
        return begins | self.single

    def _grouped(self, begins: NDArray[np.bool_], width: float) -> CandidatePoints:
        """Take points that follow each other together; of their labels the first's is kept."""
        first = np.flatnonzero(begins)
        if not len(first):
            return self
        counts, distance = self.counts.astype(np.float64), self.distance.astype(np.float64)
        total = np.add.reduceat(counts, first)
        mean = np.add.reduceat(counts * distance, first) / total
        group = np.cumsum(begins) - 1
        spread = np.add.reduceat(counts * (self.variance + np.square(distance - mean[group])), first) / total
        starts = np.searchsorted(self._owner[first], np.arange(len(self.starts))).astype(np.int64)
        return CandidatePoints(
            starts,
            mean.astype(np.float32),
            total.astype(np.float32),
            spread.astype(np.float32),
            self.own[first],
            self.single[first],
            self.largest,
            joined=False,
            width=width,
        )

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
        cuts = cuts[cuts < len(has)]
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


def relative_penalty_share(sketch: AnchorSketch, roles: PairRoles, temperature: float) -> Values:
    """Share of each anchor's repulsion that falls on candidates of its own label, shape (A,).

    The repulsion on negative j of anchor i is in proportion to exp(s_ij / temperature) (Wang and Liu 2021, eq. 5:
    the positive is not in the denominator). Candidates without a label count as not of the anchor's. NaN for an anchor
    without a label, without negatives, or none of whose negatives has a label.
    """
    total, own = CandidatePoints.kept(sketch, roles).mass_and_own(1 / temperature)
    told = np.isfinite(sketch.label_coverage(roles)) & (total > 0)
    share: Values = np.divide(own, total, out=np.full(len(total), np.nan), where=told)
    return share


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

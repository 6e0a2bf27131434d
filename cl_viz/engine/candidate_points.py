"""`CandidatePoints`: the candidates of every anchor as weighted points, and sums of exponentials over them.

The largest candidates of an anchor count exactly; the others stand at the mean of their cell, and the variance within
cells, which is known from the exact sum of squares, enters to second order. Where exp(factor * s) is flat over several
cells, neighbouring ones are taken together, with the mean and the variance of their candidates: at temperatures of 0.05
and more an eighth of the points says the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.lazily import lazily
from cl_viz.engine.anchor_sketch import SAME, AnchorSketch
from cl_viz.engine.pair_sketch import PairRoles, Relation
from cl_viz.engine.weighted_points import CELL_WIDTH, Narrow, Values, WeightedPoints, bands, threads

_MOST_JOINED = 8
_FLAT = 0.32
"""Largest change of factor * s over cells that are taken together: what third moments add stays near 1e-4."""
_ALL_BELOW = _FLAT / (_MOST_JOINED * CELL_WIDTH)
"""Factor below which every candidate counts."""
_BAND = 64
_FAR = 14.0
"""What all candidates would add together, if each lay so far below the largest, over their number: 1e-6 of it."""


@dataclass(frozen=True)
class CandidatePoints:
    """The candidates of every anchor, as many points as a question needs.

    Attributes
    ----------
    every : WeightedPoints
        The largest candidates one by one, the others cell by cell.
    """

    every: WeightedPoints
    _levels: dict[tuple[int, int], WeightedPoints] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, sketch: AnchorSketch, roles: PairRoles, *, side: int | None = None) -> CandidatePoints:
        """Make the points of all candidates of these roles, or of one side of them.

        The side `SAME` holds the pairs of one sample too, exactly.
        """

        def do(band: slice) -> WeightedPoints:
            return _points(sketch.of_anchors(band), roles, side)

        # So few anchors at a time that what is made of them on the way stays in the cache.
        return cls(WeightedPoints.joined_up(list(threads().map(do, bands(len(sketch.rows), _BAND)))))

    @classmethod
    def kept(cls, sketch: AnchorSketch, roles: PairRoles) -> CandidatePoints:
        """Return the points of all candidates of these roles, made once for a sketch."""
        if roles not in sketch.points:
            sketch.points[roles] = cls.of(sketch, roles)
        found = sketch.points[roles]
        assert isinstance(found, CandidatePoints)
        return found

    @property
    def total(self) -> Values:
        """Candidates of each anchor, shape (A,)."""
        return self.every.total

    @property
    def largest(self) -> Values:
        """Largest score of each anchor, shape (A,); 0 without candidates."""
        return self.every.largest

    def masses(self, factors: Sequence[float]) -> list[Values]:
        """Return for each factor the sum over candidates of exp(factor * (s - largest)), shape (A,)."""
        return [self._mass(factor) for factor in factors]

    def _mass(self, factor: float) -> Values:
        points = self._for(factor)
        return points.sums(lambda part: [points.weights(part, factor)])[0]

    def log_mass(self, factor: float) -> Values:
        """Return log of the sum over candidates of exp(factor * s), shape (A,); -inf without any."""
        with np.errstate(divide="ignore"):
            found: Values = np.log(self.masses([factor])[0]) + factor * self.largest
        return found

    def mass_and_mean(self, factor: float) -> tuple[Values, Values]:
        """Return the mass, and the mean under it of the distance to the largest; 0 without candidates."""
        points = self._for(factor)

        def parts(part: slice) -> list[Narrow]:
            weight = points.weights(part, factor)
            # The mean of s under exp(factor * s) lies above the cell's mean by factor * variance.
            lifted = points.variance[part] * np.float32(factor)
            lifted += points.distance[part]
            lifted *= weight
            return [weight, lifted]

        total, weighted = points.sums(parts)
        return total, np.divide(weighted, total, out=np.zeros(len(total)), where=total > 0)

    def mass_and_own(self, factor: float) -> tuple[Values, Values]:
        """Return the mass, and what of it lies on candidates of the anchor's label."""
        points = self._for(factor)

        def parts(part: slice) -> list[Narrow]:
            weight = points.weights(part, factor)
            return [weight, weight * points.own[part]]

        total, own = points.sums(parts)
        return total, own

    def log_mass_of_hardest(self, factor: float, kept: Values) -> Values:
        """Return log of the sum of exp(factor * s) over so many of the largest candidates of each anchor, shape (A,).

        Of the cell that is cut only the upper part stays: of scores spread evenly around the mean.
        """
        points = self._for(factor).descending
        stops = points.starts[1:]
        cut = np.minimum(np.searchsorted(points.until, points.before + kept, side="right"), stops)
        mass = points.sums_up_to(cut, factor)
        has = np.flatnonzero(cut < stops)
        cell = cut[has]
        counts = points.counts[cell].astype(np.float64)
        left = np.clip(points.before[has] + kept[has] - (points.until[cell] - counts), 0.0, counts) / counts
        lifted = np.sqrt(3 * points.variance[cell]) * (1 - left)
        # What stays of a cell that is cut is narrower by its share.
        narrower = 1 + 0.5 * factor**2 * points.variance[cell] * left**2
        mass[has] += left * counts * np.exp(factor * (points.distance[cell] + lifted)) * narrower
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(mass) + factor * self.largest)

    def _for(self, factor: float) -> WeightedPoints:
        """Return the points that are enough for exp(factor * s)."""
        n_joined = 1
        while n_joined < _MOST_JOINED and factor * 2 * n_joined * CELL_WIDTH <= _FLAT:
            n_joined *= 2
        # From one doubling of the factor to the next the same points are near enough to the largest; at first all are.
        doublings = math.floor(math.log2(factor / _ALL_BELOW)) if factor >= _ALL_BELOW else -1
        level = n_joined, doublings
        if level not in self._levels:
            points = self.every.joined(n_joined) if n_joined > 1 else self.every
            self._levels[level] = points if doublings < 0 else points.near(self._far / (_ALL_BELOW * 2**doublings))
        return self._levels[level]

    @lazily
    def _far(self) -> float:
        """Where factor * distance is below minus this, candidates are nothing beside the largest, and left out."""
        return float(np.log(max(1.0, self.total.max(initial=1.0)))) + _FAR


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


def _points(sketch: AnchorSketch, roles: PairRoles, side: int | None) -> WeightedPoints:
    """Return the points of a few anchors; see `CandidatePoints.of`."""
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
        owner, scores, counts, own, single, variance = (
            values[chosen] for values in (owner, scores, counts, own, single, variance)
        )
    if side == SAME:
        extra = len(sketch.positives)
        owner = np.concatenate([owner, sketch.anchor_of_positive()])
        scores = np.concatenate([scores, sketch.positives])
        counts = np.concatenate([counts, np.ones(extra)])
        own, single = (np.concatenate([values, np.ones(extra, dtype=np.bool_)]) for values in (own, single))
        variance = np.concatenate([variance, np.zeros(extra)])
    return WeightedPoints.ordered(len(sketch.rows), owner, scores, counts, variance, own, single)


def _variance_within_cells(
    sketch: AnchorSketch,
    roles: PairRoles,
    owner: NDArray[np.int64],
    scores: Values,
    counts: Values,
    own: NDArray[np.bool_],
) -> Values:
    """Return what the exact sum of squares leaves over the cells' means, shared evenly by cells of two or more."""
    relations = ([Relation.SAME_LABEL], [Relation.DIFFERENT_LABEL, Relation.UNKNOWN_LABEL])
    seen = [sketch.candidates[view].moments[:, :, 2] for view in sketch.views_for(roles)]
    exact = np.stack([sum(each[:, kinds].sum(axis=1) for each in seen) for kinds in relations], axis=1).ravel()
    # Two sums for each anchor: over cells of its own label, and over the others.
    place, several = 2 * owner + ~own, counts > 1
    spread = exact - np.bincount(place, weights=counts * scores**2, minlength=len(exact))
    shared = np.bincount(place, weights=np.where(several, counts, 0.0), minlength=len(exact))
    # Rounding can push it a little below 0; no cell is wider than its bin.
    variance = np.divide(np.maximum(0.0, spread), shared, out=np.zeros(len(exact)), where=shared > 0)
    return np.where(several, variance[place], 0.0)

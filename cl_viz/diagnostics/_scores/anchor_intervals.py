"""Intervals of means over anchors: how each anchor's number changes when one sample leaves the set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.result import Interval
from cl_viz.diagnostics._temperature.sample_noise import LEAST_SIZE, SAME_SCORE, Leaving, SampleNoise, SubsetScores
from cl_viz.engine.anchor_sketch import AnchorSketch
from cl_viz.engine.candidate_points import CandidatePoints
from cl_viz.engine.pair_sketch import PairRoles
from cl_viz.engine.statistics import Statistics

Values = NDArray[np.float64]
Floats = NDArray[np.floating]
UNIT = (0.0, 1.0)


@dataclass(frozen=True)
class AnchorIntervals:
    """Intervals of means over all anchors of an aligned set."""

    sketches: tuple[AnchorSketch, ...]
    roles: PairRoles
    subset: SubsetScores

    @classmethod
    def of(cls, statistics: Statistics, embedding_set: EmbeddingSet, roles: PairRoles) -> AnchorIntervals | None:
        """Return what intervals are made of; None where rows of views are not samples, one and the same for all."""
        sketches = tuple(statistics.anchors.values())
        rows = sketches[0].rows
        if not embedding_set.aligned or any(not np.array_equal(rows, other.rows) for other in sketches):
            return None
        views = tuple((sketch.view, sketch.views_for(roles)) for sketch in sketches)
        subset = statistics.remember(
            ("subset of samples", roles, len(rows)), lambda: SubsetScores.of(embedding_set, rows, views)
        )
        return cls(sketches, roles, subset)

    def rank(self, whole: list[Values]) -> Interval | None:
        """Return the interval of the mean share of an anchor's negatives below its positives."""
        positives = [self._positives(sketch) for sketch in self.sketches]
        if any(part is None for part in positives):
            return None
        totals = [sketch.negative_moments(self.roles)[self.subset.places, 0] for sketch in self.sketches]

        def without(view: int) -> Floats:
            scores, own, total = self.subset.scores[view], positives[view], totals[view][:, None]
            assert own is not None
            below = [(scores < own[:, k][:, None]) + 0.5 * (scores == own[:, k][:, None]) for k in range(own.shape[1])]
            left = whole[view][self.subset.places][:, None] * total - np.mean(below, axis=0).sum(axis=0)
            return np.asarray(left / (total - len(scores)))

        return self._interval(whole, without)

    def variance(self, whole: list[Values]) -> Interval | None:
        """Return the interval of the mean variance (ddof = 1) of an anchor's negatives."""
        moments = [sketch.negative_moments(self.roles)[self.subset.places] for sketch in self.sketches]

        def without(view: int) -> Floats:
            counted = self._counted(view)
            scores = np.where(counted, self.subset.scores[view], 0).astype(np.float64)
            count, total, squares = (moments[view][:, [k]] for k in range(3))
            count = count - counted.sum(axis=0)
            total = total - scores.sum(axis=0)
            return np.asarray((squares - np.square(scores).sum(axis=0) - total**2 / count) / (count - 1))

        # Of two scores, -1 and 1, it is 2.
        return self._interval(whole, without, limits=(0.0, 2.0))

    def top(self, whole: list[Values], count: int) -> Interval | None:
        """Return the interval of the mean share of the anchor's label among its highest negatives."""
        own_label = self.subset.same
        # Of fewer negatives than are counted none moves up, and the share is of fewer.
        if own_label is None or any(
            sketch.negative_moments(self.roles)[:, 0].min() <= count for sketch in self.sketches
        ):
            return None

        def without(view: int) -> Floats:
            scores, same = (values[self.subset.places] for values in self.sketches[view].tail(self.roles))
            cut = scores[:, count - 1]
            gone = (self.subset.scores[view] >= cut[:, None] - SAME_SCORE).sum(axis=0)
            next_ones = np.concatenate([np.zeros((len(same), 1)), np.cumsum(same[:, count:], axis=1)], axis=1)
            moved_up = np.take_along_axis(next_ones, np.minimum(gone, next_ones.shape[1] - 1), axis=1)
            return np.asarray(whole[view][self.subset.places][:, None] + (moved_up - gone * own_label) / count)

        return self._interval(whole, without, pairs_twice=True)

    def push(self, whole: list[Values], temperature: float) -> Interval | None:
        """Return the interval of the mean share of an anchor's push on its own label."""
        leaving = []
        for view, sketch in enumerate(self.sketches):
            once, twice = CandidatePoints.kept(sketch, self.roles).masses((1 / temperature, 2 / temperature))
            if float(np.mean(np.square(once) / twice)) < LEAST_SIZE:
                return None
            log_sum = np.log(once) + CandidatePoints.kept(sketch, self.roles).largest / temperature
            scores = self.subset.scores[view]
            leaving.append(Leaving(scores, temperature, log_sum[self.subset.places], self.subset.same))

        def without(view: int) -> Floats:
            return leaving[view].own_label(whole[view][self.subset.places])

        return self._interval(whole, without, pairs_twice=True)

    def _positives(self, sketch: AnchorSketch) -> Values | None:
        """Return the positives' scores of the samples that leave, (m, positives); None where numbers are unequal."""
        counts = np.unique(np.diff(sketch.offsets))
        if len(counts) != 1 or not counts[0]:
            return None
        return np.asarray(sketch.positives.reshape(-1, counts[0])[self.subset.places])

    def _counted(self, view: int) -> NDArray[np.bool_]:
        """Return which scores of the subset are negatives, (K, m, m)."""
        counted = np.isfinite(self.subset.scores[view])
        if self.roles.positives == "labels" and self.subset.same is not None:
            counted &= ~self.subset.same
        return np.asarray(counted)

    def _interval(
        self,
        whole: list[Values],
        without: Callable[[int], Floats],
        *,
        limits: tuple[float, float] = UNIT,
        pairs_twice: bool = False,
    ) -> Interval | None:
        noise = SampleNoise(self.subset.places, self.sketches[0].population)
        with np.errstate(divide="ignore", invalid="ignore"):
            return noise.interval(float(np.mean(whole)), tuple(whole), without, limits, pairs_twice=pairs_twice)

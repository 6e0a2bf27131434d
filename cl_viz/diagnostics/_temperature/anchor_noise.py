"""Intervals of means over anchors: how each question's answers change when one sample leaves the set."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from cl_viz.core.result import Interval
from cl_viz.diagnostics._temperature.anchor_questions import Anchors, Values
from cl_viz.diagnostics._temperature.sample_noise import LEAST_SIZE, SAME_SCORE, Leaving, SampleNoise, SubsetScores
from cl_viz.engine.anchor_sketch import AnchorSketch

Floats = NDArray[np.floating]
UNIT = (0.0, 1.0)
POSITIVE = (0.0, math.inf)
LEAST_SIGNAL = 0.2
"""Where positives keep less of their gradient a few samples decide: intervals are then not shown, since they hold the
truth less often, or more, than they say."""


@dataclass(frozen=True)
class AnchorNoise:
    """Intervals at one temperature."""

    anchors: Anchors
    temperature: float
    subset: SubsetScores
    noise: SampleNoise

    @classmethod
    def of(cls, anchors: Anchors, temperature: float, most_anchors: int | None = None) -> AnchorNoise | None:
        """Return what intervals are made of; None where rows of views are not samples, one and the same for all.

        `most_anchors` as in `SampleNoise`.
        """
        subset = subset_of(anchors, anchors.sketches)
        if subset is None:
            return None
        return cls(
            anchors, temperature, subset, SampleNoise(subset.places, anchors.sketches[0].population, most_anchors)
        )

    def leaving(self, temperature: float | None = None) -> tuple[Leaving, ...]:
        """Return what samples take along at a temperature (by default the chosen one), by view; the latest is kept."""
        log_sums, subset = self.anchors.by_view, self.subset

        def make(at: float) -> tuple[Leaving, ...]:
            return tuple(
                Leaving(scores, at, log_sum[subset.places], subset.same)
                for scores, log_sum in zip(subset.scores, log_sums("log_sum", at), strict=True)
            )

        key = ("samples that leave", self.anchors.roles)
        kept = self.anchors.statistics.remember(key, lambda: lru_cache(maxsize=4)(make))
        return kept(self.temperature if temperature is None else temperature)

    def spread(self, temperature: float) -> bool:
        """Whether negatives enough share the push at a temperature, so that no few samples decide."""
        return bool(np.nanmean(self.anchors.sample_size(temperature)) >= LEAST_SIZE)

    def entropy(self, change: Callable[[Floats], Floats], limits: tuple[float, float]) -> Interval | None:
        """Return the interval of the mean of a function of each anchor's entropy."""
        if not self.spread(self.temperature):
            return None
        whole, leaving = self.anchors.by_view("entropy", self.temperature), self.leaving()

        def without(view: int) -> Floats:
            return change(leaving[view].entropy(whole[view][self.subset.places]))

        return self.interval(
            tuple(np.asarray(change(values), dtype=np.float64) for values in whole), without, limits, pairs_twice=True
        )

    def own_label(self, temperature: float | None = None) -> Interval | None:
        """Return the interval of the mean share of the push on the anchor's own label."""
        at = self.temperature if temperature is None else temperature
        if not self.spread(at):
            return None
        whole, leaving = self.anchors.by_view("own_label", at), self.leaving(at)

        def without(view: int) -> Floats:
            return leaving[view].own_label(whole[view][self.subset.places])

        return self.interval(whole, without, UNIT, pairs_twice=True)

    def sample_size(self, temperature: float | None = None) -> Interval | None:
        """Return the interval of the mean of 1 over the sum of squared relative penalties."""
        at = self.temperature if temperature is None else temperature
        if not self.spread(at):
            return None
        once, twice = self.leaving(at), self.leaving(at / 2)
        whole = self.split(self.anchors.sample_size(at))

        def without(view: int) -> Floats:
            return np.asarray(self.own(whole[view]) * once[view].left ** 2 / twice[view].left)

        return self.interval(whole, without, POSITIVE, pairs_twice=True)

    def hardest(self, whole: tuple[Values, ...]) -> Interval | None:
        """Return the interval of the mean share of the push on the hardest negative."""
        if not self.spread(self.temperature):
            return None
        leaving = self.leaving()

        def without(view: int) -> Floats:
            tail = self.anchors.sketches[view].tail(self.anchors.roles)[0][self.subset.places]
            place = np.zeros(self.subset.scores[view].shape[1:], dtype=np.int64)
            for score in -np.sort(-self.subset.scores[view], axis=0):
                place += score >= np.take_along_axis(tail, place, axis=1) - SAME_SCORE
            lower = np.exp((np.take_along_axis(tail, place, axis=1) - tail[:, :1]) / self.temperature)
            return np.asarray(self.own(whole[view]) * lower / leaving[view].left)

        return self.interval(whole, without, UNIT, pairs_twice=True)

    def of_margin(
        self,
        change: Callable[[Floats], Floats],
        limits: tuple[float, float] = (-math.inf, math.inf),
        beside: Values | None = None,
    ) -> Interval | None:
        """Return the interval of the mean over positives of a function of the margin of the negatives over it.

        `beside`, shape (A,), is what each sample does to the mean in another way too, such as by the temperature.
        """
        margins, leaving = self.margins(), self.leaving()
        if margins is None or np.mean([np.exp(-np.logaddexp(0, -part)).mean() for part in margins]) < LEAST_SIGNAL:
            return None
        more = np.zeros(len(margins[0])) if beside is None else beside

        def without(view: int) -> Floats:
            own = margins[view][self.subset.places]
            found = [change(own[:, [k]] + leaving[view].log_left) for k in range(own.shape[1])]
            return np.asarray(np.mean(found, axis=0) + self.own(more))

        whole = tuple(np.asarray(change(part).mean(axis=1) + more, dtype=np.float64) for part in margins)
        return self.interval(whole, without, limits)

    def margins(self) -> list[Values] | None:
        """Margins of each anchor's positives, (A, positives), by view; None where anchors have unequal numbers."""
        n_positives = self.positives_each
        if n_positives is None:
            return None
        found = self.split(self.anchors.margins(self.temperature))
        return [part.reshape(-1, n_positives) for part in found]

    @property
    def positives_each(self) -> int | None:
        """Positives of every anchor; None where their numbers are unequal, or there are none."""
        counts = {int(count) for sketch in self.anchors.sketches for count in np.unique(np.diff(sketch.offsets))}
        return counts.pop() if len(counts) == 1 and counts != {0} else None

    def own(self, values: Values) -> Values:
        """Return the values of the samples that leave as a column, (m, 1)."""
        return np.asarray(values[self.subset.places][:, None])

    def split(self, values: Values) -> tuple[Values, ...]:
        """Return values of all views as one array a view."""
        return tuple(np.split(values, len(self.anchors.sketches)))

    def interval(
        self,
        whole: tuple[Values, ...],
        without: Callable[[int], Floats],
        limits: tuple[float, float],
        *,
        pairs_twice: bool = False,
    ) -> Interval | None:
        """Return the interval of the mean of what anchors have, from what they have without each sample."""
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            return self.noise.interval(float(np.mean(whole)), whole, without, limits, pairs_twice=pairs_twice)


def subset_of(anchors: Anchors, sketches: tuple[AnchorSketch, ...]) -> SubsetScores | None:
    """Return the scores of the samples that leave, among the anchors of some sketches; None as in `AnchorNoise.of`."""
    statistics, embedding_set, rows = anchors.statistics, anchors.inputs.embedding_set, sketches[0].rows
    if not embedding_set.aligned or any(not np.array_equal(rows, other.rows) for other in sketches):
        return None
    views = tuple((sketch.view, sketch.views_for(anchors.roles)) for sketch in sketches)
    return statistics.remember(
        ("subset of samples", anchors.roles, len(rows)), lambda: SubsetScores.of(embedding_set, rows, views)
    )


def smooth_share(whole: Values, without: Floats, spread: float) -> Floats:
    """Return what the share of values above 0 loses when each sample leaves: at a smooth edge of that width.

    Single steps are too rare to count where each sample moves others by little.
    """
    return np.asarray(ndtr(without / spread) - ndtr(whole / spread))

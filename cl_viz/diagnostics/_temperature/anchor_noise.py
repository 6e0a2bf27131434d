"""Intervals of means over anchors: how each question's answers change when one sample leaves the set."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.result import Interval
from cl_viz.diagnostics._temperature.anchor_questions import Anchors, Values
from cl_viz.diagnostics._temperature.sample_noise import Leaving, SampleNoise, SubsetScores

Floats = NDArray[np.floating]
UNIT = (0.0, 1.0)
POSITIVE = (0.0, math.inf)
_LEAST_SIZE, _LEAST_SIGNAL = 4.0, 0.2
"""Where the push rests on fewer negatives (by the sum of squares), or positives keep less of their gradient, a few
samples decide: intervals are then not shown, since they hold the truth less often, or more, than they say."""


@dataclass(frozen=True)
class AnchorNoise:
    """Intervals at one temperature."""

    anchors: Anchors
    temperature: float
    subset: SubsetScores
    noise: SampleNoise

    @classmethod
    def of(cls, anchors: Anchors, temperature: float) -> AnchorNoise | None:
        """Return what intervals are made of; None where rows of views are not samples, one and the same for all."""
        statistics, embedding_set = anchors.statistics, anchors.inputs.embedding_set
        sketches = anchors.sketches
        rows = sketches[0].rows
        if not embedding_set.aligned or any(not np.array_equal(rows, other.rows) for other in sketches):
            return None
        views = tuple((sketch.view, sketch.views_for(anchors.roles)) for sketch in sketches)
        subset = statistics.remember(
            ("subset of samples", anchors.roles), lambda: SubsetScores.of(embedding_set, rows, views)
        )
        return cls(anchors, temperature, subset, SampleNoise(subset.places, sketches[0].population))

    def leaving(self, temperature: float | None = None) -> tuple[Leaving, ...]:
        """Return what samples take along at a temperature (by default the chosen one), by view; the latest is kept."""
        log_sums, subset = self.anchors.by_view, self.subset

        def make(at: float) -> tuple[Leaving, ...]:
            return tuple(
                Leaving(scores, at, log_sum[subset.places], subset.same)
                for scores, log_sum in zip(subset.scores, log_sums("log_sum", at), strict=True)
            )

        key = ("samples that leave", self.anchors.roles)
        kept = self.anchors.statistics.remember(key, lambda: lru_cache(maxsize=2)(make))
        return kept(self.temperature if temperature is None else temperature)

    def _spread(self, temperature: float) -> bool:
        return bool(np.nanmean(self.anchors.sample_size(temperature)) >= _LEAST_SIZE)

    def entropy(self, change: Callable[[Floats], Floats], limits: tuple[float, float]) -> Interval | None:
        """Return the interval of the mean of a function of each anchor's entropy."""
        if not self._spread(self.temperature):
            return None
        whole, leaving = self.anchors.by_view("entropy", self.temperature), self.leaving()

        def without(view: int) -> Floats:
            return change(leaving[view].entropy(whole[view][self.subset.places]))

        return self._interval(
            tuple(np.asarray(change(values), dtype=np.float64) for values in whole), without, limits, pairs_twice=True
        )

    def own_label(self, temperature: float | None = None) -> Interval | None:
        """Return the interval of the mean share of the push on the anchor's own label."""
        at = self.temperature if temperature is None else temperature
        if not self._spread(at):
            return None
        whole, leaving = self.anchors.by_view("own_label", at), self.leaving(at)

        def without(view: int) -> Floats:
            return leaving[view].own_label(whole[view][self.subset.places])

        return self._interval(whole, without, UNIT, pairs_twice=True)

    def of_margin(
        self, change: Callable[[Floats], Floats], limits: tuple[float, float] = (-math.inf, math.inf)
    ) -> Interval | None:
        """Return the interval of the mean over positives of a function of the margin of the negatives over it."""
        margins, leaving = self._margins(), self.leaving()
        if margins is None or np.mean([np.exp(-np.logaddexp(0, -part)).mean() for part in margins]) < _LEAST_SIGNAL:
            return None

        def without(view: int) -> Floats:
            own = margins[view][self.subset.places]
            found = [change(own[:, [k]] + leaving[view].log_left) for k in range(own.shape[1])]
            return np.asarray(np.mean(found, axis=0))

        return self._interval(
            tuple(np.asarray(change(part).mean(axis=1), dtype=np.float64) for part in margins), without, limits
        )

    def _margins(self) -> list[Values] | None:
        """Margins of each anchor's positives, (A, positives), by view; None where anchors have unequal numbers."""
        sketches = self.anchors.sketches
        counts = {int(count) for sketch in sketches for count in np.unique(np.diff(sketch.offsets))}
        if len(counts) != 1 or counts == {0}:
            return None
        (n_positives,) = counts
        found = self._split(self.anchors.margins(self.temperature))
        return [part.reshape(-1, n_positives) for part in found]

    def _split(self, values: Values) -> tuple[Values, ...]:
        return tuple(np.split(values, len(self.anchors.sketches)))

    def _interval(
        self,
        whole: tuple[Values, ...],
        without: Callable[[int], Floats],
        limits: tuple[float, float],
        *,
        pairs_twice: bool = False,
    ) -> Interval | None:
        return self.noise.interval(float(np.mean(whole)), whole, without, limits, pairs_twice=pairs_twice)

"""How much each sample moves a statistic of positive and negative scores: the stuff of intervals.

A pair (i, j) counts as often as i and j are drawn, so a sample's influence is the sum over its pairs. In an aligned
set the rows of all views are one draw, and a pair of views of one sample counts once, not twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.result import Interval, influence_interval
from cl_viz.diagnostics._temperature.fewer_anchors import at_most
from cl_viz.engine.anchor_sketch import OTHER, SAME, AnchorSketch
from cl_viz.engine.pair_sketch import PairRoles
from cl_viz.engine.statistics import Statistics

MOST = 2048
"""Samples of a view whose influence is looked at."""
Scores = NDArray[np.float64]
Measure = Callable[[Scores], Scores]


@dataclass(frozen=True)
class PairInfluence:
    """Influence of samples on means over positive or negative pairs.

    Attributes
    ----------
    statistics : Statistics
        With anchors.
    roles : PairRoles
    aligned : bool
        Whether the views' rows are one draw of samples.
    n_positives, n_negatives : int
        Pairs in the pooled histograms.
    """

    statistics: Statistics
    roles: PairRoles
    aligned: bool
    n_positives: int
    n_negatives: int

    @property
    def sketches(self) -> tuple[AnchorSketch, ...]:
        """The anchors of each view, at most `MOST`: how much samples vary is known from some of them."""
        every = self.statistics.anchors.values()
        return self.statistics.remember(("fewer anchors", MOST), lambda: tuple(at_most(one, MOST) for one in every))

    def positive(self, measure: Measure, mean: float) -> list[Scores]:
        """Return the influence on the mean of `measure(score)` over the positives, one array per view."""
        return [self._of_positives(sketch, measure, mean) for sketch in self.sketches]

    def negative(self, measure: Measure, mean: float) -> list[Scores]:
        """Return the influence on the mean of `measure(score)` over the negatives, one array per view."""
        sides = [OTHER] if self.roles.positives == "labels" else [SAME, OTHER]
        return [self._of_histogram(sketch, measure, mean, sides, self.n_negatives) for sketch in self.sketches]

    def same_label(self, share: float) -> list[Scores]:
        """Return the influence on the share of negatives that have the anchor's label, one array per view."""
        found = []
        for sketch in self.sketches:
            cells = sketch.cells(self.roles)
            values = cells.counts * ((cells.side == SAME) - share)
            total = np.bincount(cells.anchor, weights=values, minlength=len(sketch.rows))
            found.append(sketch.population * total / max(1, self.n_negatives))
        return found

    def interval(
        self, estimate: float, *terms: list[Scores], limits: tuple[float, float] = (-np.inf, np.inf)
    ) -> Interval:
        """Return the interval of a statistic whose influence is the sum of `terms`."""
        by_view = [sum(parts[1:], parts[0]) for parts in zip(*terms, strict=True)]
        populations = [sketch.population for sketch in self.sketches]
        if self.aligned:
            return influence_interval(estimate, sum(by_view[1:], by_view[0]), sizes=populations[:1], limits=limits)
        return influence_interval(estimate, *by_view, sizes=populations, limits=limits)

    def _of_positives(self, sketch: AnchorSketch, measure: Measure, mean: float) -> Scores:
        values = measure(sketch.positives) - mean
        once = 0.5 if self.aligned and len(self.sketches) > 1 else 1.0
        total = once * np.bincount(sketch.anchor_of_positive(), weights=values, minlength=len(sketch.rows))
        found = sketch.population * total / max(1, self.n_positives)
        if self.roles.positives == "labels":
            found = found + self._of_histogram(sketch, measure, mean, [SAME], self.n_positives)
        return found

    def _of_histogram(
        self, sketch: AnchorSketch, measure: Measure, mean: float, sides: list[int], n_pairs: int
    ) -> Scores:
        cells = sketch.cells(self.roles)
        # All cells have one of two sides: most often both are asked for.
        chosen = cells.side == sides[0] if len(sides) == 1 else slice(None)
        values = cells.counts[chosen] * (measure(cells.scores[chosen]) - mean)
        total = np.bincount(cells.anchor[chosen], weights=values, minlength=len(sketch.rows))
        scaled: Scores = sketch.population * total / max(1, n_pairs)
        return scaled

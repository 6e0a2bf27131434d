"""Intervals of what two score distributions say together: overlap, Kolmogorov-Smirnov, Wasserstein, spread.

Each statistic is a function of the distribution functions of positives and negatives. Its derivative says how much one
more pair of a given score would move it, and a sample's influence is the sum of that over its pairs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from cl_viz.core.result import Interval
from cl_viz.diagnostics._dense.scores import gaussian_overlap
from cl_viz.diagnostics._scores.influence import Measure
from cl_viz.engine import bins
from cl_viz.engine import score_histogram as separation

if TYPE_CHECKING:
    from cl_viz.diagnostics._scores.score_measures import ScoreMeasures

Scores = NDArray[np.float64]
_BESIDE = 200
"""Samples that the Kolmogorov-Smirnov distance must leave on its smaller side: with fewer, the largest of noisy
distances is too large by more than an interval would show. With 150 of 300 it holds the truth in 89 % of draws."""
_APART = 5.0
"""Standard errors that a distance must be from what equal distributions have: nearer, chance alone makes a distance,
and an interval around it leaves the truth, no distance, out every time."""
_MOST_BIAS = 0.5
"""Of a standard error: how far empty bins may pull the overlap down for its interval to be shown."""
_COCHRAN, _FEWEST = 50, 200
"""Samples per squared skewness of their influences that a normal approximation needs, twice what Cochran (1977, 2.15)
asks for of a known skewness; and samples from which the skewness itself is known."""


def at_bins(values: Scores) -> Measure:
    """Return the measure that looks a score up in per-bin values."""

    def measure(scores: Scores) -> Scores:
        place = ((scores + 1) * (1 / bins.WIDTH)).astype(np.int64).clip(0, bins.COARSE_BINS - 1)
        near = scores >= 1 - bins.NEAR_ONE
        if near.any():
            place[near] = np.searchsorted(bins.edges(), scores[near], side="right") - 1
        return np.asarray(values[np.minimum(place, len(values) - 1)])

    return measure


def wasserstein(m: ScoreMeasures, value: float) -> Interval | None:
    """Return the interval of the Wasserstein-1 distance: a pair below a score moves the difference there."""
    apart = _difference(m)[:-1]
    slope = _below(np.sign(apart) * np.diff(_middles()))
    return _if_apart(_interval(m, value, slope, -slope, (0.0, 2.0)), value)


def kolmogorov_smirnov(m: ScoreMeasures, value: float) -> Interval | None:
    """Return the interval of the Kolmogorov-Smirnov distance, at the score where it was found."""
    if m.statistics.n_used * min(value, 1 - value) < _BESIDE:
        return None
    apart = _difference(m)
    place = int(np.abs(apart).argmax())
    chosen = np.zeros(len(apart) - 1)
    chosen[min(place, len(chosen) - 1)] = np.sign(apart[place])
    slope = _below(chosen)
    return _if_apart(_interval(m, value, slope, -slope, (0.0, 1.0)), value)


def overlap(m: ScoreMeasures, value: float) -> Interval | None:
    """Return the interval of the overlap over 100 bins; None where chance in the bins pulls it down too far."""
    one, other = (h.masses(separation.OVERLAP_BINS) for h in (m.positives, m.negatives))
    smaller = (one < other) + 0.5 * (one == other)
    wide = np.clip(((_middles() + 1) * (separation.OVERLAP_BINS / 2)).astype(np.int64), 0, len(one) - 1)
    interval = _interval(m, value, smaller[wide], (1 - smaller)[wide], (0.0, 1.0))
    # What chance makes of the smaller of two shares: no more than the mean of the smaller of two normal numbers.
    noise = np.sqrt((one * (1 - one) + other * (1 - other)) / m.statistics.n_used)
    gap = np.divide(np.abs(one - other), noise, out=np.full(len(one), np.inf), where=noise > 0)
    known = np.isfinite(gap)
    density = np.exp(-0.5 * np.square(gap[known])) / np.sqrt(2 * np.pi)
    bias = float((noise[known] * (density - gap[known] * ndtr(-gap[known]))).sum())
    error = 0.0 if interval.influences is None else interval.influences.standard_error
    return interval if bias <= _MOST_BIAS * error else None


def overlap_gaussian(m: ScoreMeasures, value: float) -> Interval | None:
    """Return the interval of the overlap of two normal densities, which moves with two means and two variances."""
    moments = np.array([m.positives.mean, m.positives.variance, m.negatives.mean, m.negatives.variance])
    if not np.isfinite(moments).all() or min(moments[1], moments[3]) <= 0:
        return None
    step = 1e-4 * np.sqrt(moments[[1, 1, 3, 3]]) ** np.array([1, 2, 1, 2])
    ends = [(_gaussian(moments + change), _gaussian(moments - change)) for change in np.diag(step)]
    slope = [(above - below) / (2 * width) for (above, below), width in zip(ends, step, strict=True)]
    sides = (m.influence.positive, m.influence.negative)
    terms = []
    for side, (mean, variance, of_mean, of_variance) in zip(
        sides, ((*moments[:2], *slope[:2]), (*moments[2:], *slope[2:])), strict=True
    ):

        def moved(
            scores: Scores, mean: float = mean, variance: float = variance, a: float = of_mean, b: float = of_variance
        ) -> Scores:
            found: Scores = a * (scores - mean) + b * (np.square(scores - mean) - variance)
            return found

        terms.append(side(moved, 0.0))
    interval = _if_apart(m.influence.interval(value, *terms, limits=(0.0, 1.0)), 1 - value)
    return None if interval is None else if_steady(interval)


def positive_variance(m: ScoreMeasures, value: float) -> Interval | None:
    """Return the interval of the positives' variance; None where a few samples decide it."""
    squares = m.influence.positive(lambda scores: np.square(scores - m.positives.mean), value)
    return if_steady(m.influence.interval(value, squares, limits=(0.0, math.inf)))


def _if_apart(interval: Interval, distance: float) -> Interval | None:
    """Return the interval where positives and negatives are further apart than chance puts equal ones."""
    if interval.influences is None or distance < _APART * interval.influences.standard_error:
        return None
    return interval


def if_steady(interval: Interval) -> Interval | None:
    """Return the interval where its samples are many enough for how skew their influences are."""
    if interval.influences is None:
        return None
    for group, size in zip(interval.influences.groups, interval.influences.sizes, strict=True):
        centred = group.astype(np.float64) - float(group.mean(dtype=np.float64))
        spread = float(np.square(centred).mean())
        if spread <= 0 or size < max(_FEWEST, _COCHRAN * float((centred**3).mean()) ** 2 / spread**3):
            return None
    return interval


def _gaussian(moments: Scores) -> float:
    return gaussian_overlap(moments[0], math.sqrt(moments[1]), moments[2], math.sqrt(moments[3]))


def _middles() -> Scores:
    edges = bins.edges()
    return np.asarray((edges[1:] + edges[:-1]) / 2)


def _difference(m: ScoreMeasures) -> Scores:
    """Return the distribution function of the positives less that of the negatives, at the bins' upper edges."""
    one, other = (np.cumsum(h.counts) / max(1, h.count) for h in (m.positives, m.negatives))
    return np.asarray(one - other)


def _below(at_edges: Scores) -> Scores:
    """Return for each bin the sum over the edges above it, shape (BINS,): a pair counts at every edge above it."""
    return np.append(np.cumsum(at_edges[::-1])[::-1], 0.0)


def _interval(
    m: ScoreMeasures, value: float, positive: Scores, negative: Scores, limits: tuple[float, float]
) -> Interval:
    """Return the interval from what a positive and a negative of each bin move."""
    shares = [h.counts / max(1, h.count) for h in (m.positives, m.negatives)]
    one = m.influence.positive(at_bins(positive), float(positive @ shares[0]))
    other = m.influence.negative(at_bins(negative), float(negative @ shares[1]))
    return m.influence.interval(value, one, other, limits=limits)

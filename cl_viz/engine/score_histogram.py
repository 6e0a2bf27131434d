"""A histogram of scores, and what one says of uniformity, and two (positives, negatives) of separation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cl_viz.engine import bins
from cl_viz.engine.query_arguments import as_temperatures

OVERLAP_BINS = 100
"""Bins over [-1, 1] of the histogram overlap, as published values use them."""


@dataclass(frozen=True)
class ScoreHistogram:
    """Counts and sums of scores in the bins of `cl_viz.engine.bins`, with exact moments.

    Attributes
    ----------
    counts : NDArray[np.int64], shape (BINS,)
    sums : NDArray[np.float64], shape (BINS,)
        Sum of the scores in each bin.
    squares : float
        Sum of squared scores.
    low, high : float
        Smallest and largest score; NaN where empty.
    """

    counts: NDArray[np.int64]
    sums: NDArray[np.float64]
    squares: float
    low: float
    high: float

    @property
    def count(self) -> int:
        """Number of pairs."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """Mean score; NaN where empty."""
        return float(self.sums.sum() / self.count) if self.count else math.nan

    @property
    def variance(self) -> float:
        """Variance with ddof = 1; NaN below two pairs."""
        if self.count < 2:
            return math.nan
        return max(0.0, (self.squares - self.count * self.mean**2) / (self.count - 1))

    def masses(self, n_bins: int) -> NDArray[np.float64]:
        """Return the share of pairs in `n_bins` equal bins over [-1, 1], shape (n_bins,).

        Exact where `n_bins` divides `bins.UNIFORM_BINS`; otherwise a fine bin goes where its mean score lies.
        """
        which = _bins_of(self.bin_means(), n_bins) if bins.UNIFORM_BINS % n_bins else _target_bins(n_bins)
        return np.bincount(which, weights=self.counts, minlength=n_bins) / max(1, self.count)

    def density(self, n_bins: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return edges (n_bins + 1,) and density (n_bins,), which integrates to 1 over [-1, 1]."""
        return np.linspace(-1.0, 1.0, n_bins + 1), self.masses(n_bins) * (n_bins / 2)

    def bin_means(self) -> NDArray[np.float64]:
        """Return the mean score of each bin, its middle where it is empty, shape (BINS,)."""
        return np.divide(self.sums, self.counts, out=_middles().copy(), where=self.counts > 0)

    def log_mean_exp(self, factor: float) -> float:
        """Return log of the mean of exp(factor * s) over the pairs, at least one; each bin stands at its mean score."""
        filled = self.counts > 0
        exponents = factor * self.bin_means()[filled]
        top = exponents.max()
        return float(top + np.log(np.average(np.exp(exponents - top), weights=self.counts[filled])))


@lru_cache(maxsize=16)
def _target_bins(n_bins: int) -> NDArray[np.int64]:
    return _bins_of(_middles(), n_bins)


def _bins_of(scores: NDArray[np.float64], n_bins: int) -> NDArray[np.int64]:
    """Return in which of equal bins over [-1, 1] scores lie."""
    return np.clip(((scores + 1) * (n_bins / 2)).astype(np.int64), 0, n_bins - 1)


@lru_cache(maxsize=1)
def _middles() -> NDArray[np.float64]:
    edges = bins.edges()
    middles: NDArray[np.float64] = (edges[1:] + edges[:-1]) / 2
    return middles


def auc(positives: ScoreHistogram, negatives: ScoreHistogram) -> float:
    """Probability that a positive scores above a negative, ties counted half; NaN where either is empty.

    Pairs in one fine bin are ordered as their means there say, see `_order_within`; `auc_error` bounds what that can
    miss.
    """
    if not positives.count or not negatives.count:
        return math.nan
    shared = np.flatnonzero((positives.counts > 0) & (negatives.counts > 0))
    moved = (positives.counts[shared] / positives.count) * (negatives.counts[shared] / negatives.count)
    found = float((positives.counts / positives.count) @ placement(negatives))
    found += float(moved @ (_order_within(positives, negatives, shared) - 0.5))
    # Shares that are rounded may add up to a little more than 1.
    return min(1.0, max(0.0, found))


def _order_within(
    positives: ScoreHistogram, negatives: ScoreHistogram, shared: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Chance that a positive of a bin scores above a negative of the same bin, shape of `shared`.

    Where both have a density that is linear over the bin, it is 1/2 plus the distance of their means in widths of the
    bin, whatever the slopes. A single score stands where it is; two single ones are compared.
    """
    edges = bins.edges()
    low, width = edges[shared], edges[shared + 1] - edges[shared]
    first, second = (h.sums[shared] / h.counts[shared] for h in (positives, negatives))
    one, two = (np.clip((mean - low) / width, 0.0, 1.0) for mean in (first, second))
    alone, other_alone = positives.counts[shared] == 1, negatives.counts[shared] == 1
    found = 0.5 + one - two
    # Slopes of the densities that have these means; a single score against the others' distribution.
    steep, other_steep = (np.clip(6 * (place - 0.5), -1.0, 1.0) for place in (one, two))
    found = np.where(alone, one + other_steep * (one**2 - one), found)
    found = np.where(other_alone, 1 - two - steep * (two**2 - two), found)
    found = np.where(alone & other_alone, 0.5 + 0.5 * np.sign(first - second), found)
    # So close to 1 that nothing but rounding tells scores apart.
    found[shared == bins.BINS - 1] = 0.5
    return np.asarray(np.clip(found, 0.0, 1.0))


def auc_error(positives: ScoreHistogram, negatives: ScoreHistogram) -> float:
    """Largest possible error of `auc` from binning: half the chance that the two fall into one bin."""
    shared = (positives.counts / max(1, positives.count)) @ (negatives.counts / max(1, negatives.count))
    return float(shared) / 2


def placement(histogram: ScoreHistogram) -> NDArray[np.float64]:
    """Share of pairs below each bin plus half of those in it, shape (BINS,)."""
    # Counts are added before they are divided: whole numbers add up exactly, shares to a little more than 1.
    below: NDArray[np.float64] = (np.cumsum(histogram.counts) - histogram.counts / 2) / max(1, histogram.count)
    return below


def dprime(positives: ScoreHistogram, negatives: ScoreHistogram) -> float:
    """Difference of means over the root of the mean variance (ddof = 1); NaN where both variances are 0."""
    spread = math.sqrt((positives.variance + negatives.variance) / 2)
    return (positives.mean - negatives.mean) / spread if spread > 0 else math.nan


def overlap(positives: ScoreHistogram, negatives: ScoreHistogram, n_bins: int = OVERLAP_BINS) -> float:
    """Shared area of the two histograms over `n_bins` bins, in [0, 1]."""
    return float(np.minimum(positives.masses(n_bins), negatives.masses(n_bins)).sum())


def kolmogorov_smirnov(positives: ScoreHistogram, negatives: ScoreHistogram) -> float:
    """Largest distance of the two distribution functions, at bin edges, in [0, 1]."""
    shares = [np.cumsum(h.counts) / max(1, h.count) for h in (positives, negatives)]
    return float(np.abs(shares[0] - shares[1]).max())


def wasserstein(positives: ScoreHistogram, negatives: ScoreHistogram) -> float:
    """Earth mover's distance (order 1) of the two, each bin at its middle; in score units, [0, 2]."""
    shares = [np.cumsum(h.counts) / max(1, h.count) for h in (positives, negatives)]
    return float(np.abs(shares[0] - shares[1])[:-1] @ np.diff(_middles()))


def uniformity(histograms: Sequence[ScoreHistogram], t: ArrayLike) -> NDArray[np.float64]:
    """Return log of the mean of exp(-t d^2) over pairs within a view (Wang and Isola 2020), mean over views, (T,).

    Parameters
    ----------
    histograms : sequence of ScoreHistogram
        Pairs of distinct rows within each view, labels whatever they are; at least one each.
    t : array_like
        Above 0; the authors use 2.

    Raises
    ------
    InputError
        If `t` is not above 0.
    """
    values = as_temperatures(t, "t", "uniformity")
    each = [[histogram.log_mean_exp(2 * value) - 2 * value for value in values] for histogram in histograms]
    found: NDArray[np.float64] = np.mean(each, axis=0)
    return found

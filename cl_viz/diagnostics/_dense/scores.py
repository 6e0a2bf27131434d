"""Score measures on plain arrays in float64, straight from their definitions.

These are the twins of what `score_distribution` reads from the sketch: small inputs only (they hold every score). The
goldens test these, and a test holds the sketch to them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]


def cosine_scores(first: NDArray[Any], second: NDArray[Any]) -> Scores:
    """Return the cosine of every row of `first` (N, D) with every row of `second` (M, D), shape (N, M)."""
    left, right = (np.asarray(rows, dtype=np.float64) for rows in (first, second))
    left = left / np.linalg.norm(left, axis=1, keepdims=True)
    right = right / np.linalg.norm(right, axis=1, keepdims=True)
    scores: Scores = left @ right.T
    return scores


def auc(positives: Scores, negatives: Scores) -> float:
    """Probability that a positive scores above a negative, ties half: Mann-Whitney U over the number of pairs."""
    from scipy.stats import mannwhitneyu

    # In single precision scipy adds up whole ranks until they are no longer whole.
    found = mannwhitneyu(*(np.asarray(scores, dtype=np.float64) for scores in (positives, negatives)))
    return float(found.statistic / (len(positives) * len(negatives)))


def average_precision(positives: Scores, negatives: Scores) -> float:
    """Mean over positives of the precision at their rank; ties are ranked together."""
    scores = np.concatenate([positives, negatives])
    is_positive = np.concatenate([np.ones(len(positives)), np.zeros(len(negatives))])
    levels, place = np.unique(-scores, return_inverse=True)
    hits = np.bincount(place, weights=is_positive, minlength=len(levels))
    seen = np.bincount(place, minlength=len(levels))
    precision = np.cumsum(hits) / np.cumsum(seen)
    return float((hits * precision).sum() / len(positives))


def dprime(positives: Scores, negatives: Scores) -> float:
    """Difference of means over the root of the mean variance (ddof = 1); NaN where both variances are 0."""
    positives, negatives = (np.asarray(scores, dtype=np.float64) for scores in (positives, negatives))
    spread = math.sqrt((positives.var(ddof=1) + negatives.var(ddof=1)) / 2)
    return float((positives.mean() - negatives.mean()) / spread) if spread > 0 else math.nan


def kolmogorov_smirnov(positives: Scores, negatives: Scores) -> float:
    """Largest distance of the two distribution functions, in [0, 1]."""
    from scipy.stats import ks_2samp

    return float(ks_2samp(positives, negatives, method="asymp").statistic)


def wasserstein(positives: Scores, negatives: Scores) -> float:
    """Earth mover's distance (order 1) of the two, in score units."""
    from scipy.stats import wasserstein_distance

    return float(wasserstein_distance(positives, negatives))


def histogram_overlap(positives: Scores, negatives: Scores, bins: int = 100) -> float:
    """Shared area of two histograms over `bins` equal bins of [-1, 1], in [0, 1]."""
    shares = [np.histogram(np.clip(s, -1, 1), bins=bins, range=(-1, 1))[0] / len(s) for s in (positives, negatives)]
    return float(np.minimum(*shares).sum())


def gaussian_overlap(mean_one: float, deviation_one: float, mean_two: float, deviation_two: float) -> float:
    """Shared area of two normal densities, in [0, 1]; NaN where a deviation is 0."""
    if not (deviation_one > 0 and deviation_two > 0):
        return math.nan
    return NormalDist(mean_one, deviation_one).overlap(NormalDist(mean_two, deviation_two))


@dataclass(frozen=True)
class AnchorStatistics:
    """Statistics of each anchor against a queue of negatives (Zhu et al. 2021), each of shape (N,).

    Attributes
    ----------
    negative_mean, negative_variance : NDArray[np.float64]
        Over the negatives of one anchor; variance with ddof = 1.
    positive : NDArray[np.float64]
        Score of the positive.
    mean_exp_negative, exp_positive : NDArray[np.float64]
        Mean of exp(s / temperature) over the negatives; exp of the positive over temperature.
    """

    negative_mean: Scores
    negative_variance: Scores
    positive: Scores
    mean_exp_negative: Scores
    exp_positive: Scores


def anchor_statistics(
    queries: NDArray[Any], keys: NDArray[Any], queue: NDArray[Any], temperature: float
) -> AnchorStatistics:
    """Compute the per-anchor statistics of queries (N, D) with keys (N, D) against a queue (M, D)."""
    negatives = cosine_scores(queries, queue)
    positive = np.array([cosine_scores(q[None], k[None])[0, 0] for q, k in zip(queries, keys, strict=True)])
    return AnchorStatistics(
        negatives.mean(axis=1),
        negatives.var(axis=1, ddof=1),
        positive,
        np.exp(negatives / temperature).mean(axis=1),
        np.exp(positive / temperature),
    )


def training_curves(positive: Scores, negative_mean: Scores, negative_variance: Scores) -> tuple[float, ...]:
    """Return what Zhu et al. plot of one iteration: negative variance, negative mean, positive mean and variance.

    The negative variance is the mean over anchors of the variance within an anchor, not the variance of the pooled
    negatives; the positive variance has ddof = 0.
    """
    return float(negative_variance.mean()), float(negative_mean.mean()), float(positive.mean()), float(positive.var())


def false_negative_share(labels: NDArray[Any]) -> float:
    """Share of the pairs of different samples that have one label."""
    _, counts = np.unique(labels, return_counts=True)
    n_samples = len(labels)
    return float((counts * (counts - 1)).sum() / (n_samples * (n_samples - 1)))


def false_negative_top_share(scores: Scores, labels: NDArray[Any], top: int = 10) -> float:
    """Share of one label among the `top` most similar others; `scores` is (N, N) and its diagonal is left out."""
    others = scores.copy()
    np.fill_diagonal(others, -np.inf)
    nearest = np.argsort(-others, axis=1, kind="stable")[:, :top]
    return float((labels[nearest] == labels[:, None]).mean())


def false_negative_push(scores: Scores, labels: NDArray[Any], temperature: float) -> Scores:
    """Share of each anchor's repulsion on others of its label, shape (N,); the diagonal of `scores` is left out.

    Repulsion on j is exp(s_ij / temperature) over its sum on all j other than i (Wang and Liu 2021, eq. 5).
    """
    exponents = scores / temperature
    np.fill_diagonal(exponents, -np.inf)
    exponents -= exponents.max(axis=1, keepdims=True)
    weights = np.exp(exponents)
    weights /= weights.sum(axis=1, keepdims=True)
    share: Scores = (weights * (labels[:, None] == labels[None, :])).sum(axis=1)
    return share

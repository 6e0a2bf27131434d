"""Dense float64 definitions of neighbour statistics: hubness and intrinsic dimension."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.diagnostics._dense.geometry import Rows, unit_rows

Counts = NDArray[np.int64]


# -- hubness: how often a row is among the k nearest of others --------------------------------------------------
def occurrences(rows: NDArray[Any], k: int) -> Counts:
    """Return how often each row is among the `k` nearest others by cosine, shape (N,); a row is not its own."""
    unit = unit_rows(rows)
    scores = unit @ unit.T
    np.fill_diagonal(scores, -np.inf)
    nearest = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.bincount(nearest.ravel(), minlength=len(unit)).astype(np.int64)


def skewness(counts: Counts) -> float:
    """Third standardised moment, biased (ddof 0); NaN where all counts are equal."""
    centred = counts - counts.mean()
    spread = float(np.square(centred).mean())
    return float((centred**3).mean()) / spread**1.5 if spread > 0 else math.nan


def robin_hood(counts: Counts) -> float:
    """Share of all occurrences that would have to move for every row to have the same number, in [0, 1)."""
    return float(np.abs(counts - counts.mean()).sum() / (2 * counts.sum()))


def gini(counts: Counts) -> float:
    """Gini coefficient of the occurrences, in [0, 1): mean absolute difference over twice the mean."""
    ordered = np.sort(counts)
    size = len(ordered)
    ranks = 2 * np.arange(1, size + 1) - size - 1
    return float((ranks * ordered).sum() / (size * ordered.sum()))


def antihub_share(counts: Counts) -> float:
    """Share of the rows that are nobody's neighbour."""
    return float((counts == 0).mean())


def hub_occurrence_share(counts: Counts, k: int, size: float = 2.0) -> float:
    """Share of all occurrences that hubs take; a hub occurs at least `size` times `k` times."""
    return float(counts[counts >= size * k].sum() / counts.sum())


def hub_share(counts: Counts, k: int, size: float = 2.0) -> float:
    """Share of the rows that are hubs."""
    return float((counts >= size * k).mean())


# -- intrinsic dimension ----------------------------------------------------------------------------------------
def neighbor_distances(rows: NDArray[Any]) -> Rows:
    """Return each row's Euclidean distances to all others, ascending, shape (N, N - 1), from the differences."""
    from scipy.spatial.distance import cdist

    wide = np.asarray(rows, dtype=np.float64)
    distances = cdist(wide, wide)
    np.fill_diagonal(distances, -1.0)
    ordered: Rows = np.sort(distances, axis=1)[:, 1:]
    return ordered


def two_nn(distances: Rows, discard: float = 0.1) -> float:
    """Intrinsic dimension from the ratio of the two nearest distances (Facco et al. 2017).

    Parameters
    ----------
    distances : NDArray, shape (N, at least 2)
        Ascending; the nearest above 0.
    discard : float
        Share of the largest ratios left out of the fit.

    Returns
    -------
    float
        Slope through the origin of -log(1 - F) on log(r2 / r1), where F = i / N at the i-th ratio; NaN where all
        ratios are 1. The last ratio, at F = 1, is never in the fit.
    """
    ratios = np.sort(distances[:, 1] / distances[:, 0])
    size = len(ratios)
    kept = min(int(size * (1 - discard)), size - 1)
    logs = np.log(ratios[:kept])
    levels = -np.log(1 - np.arange(1, kept + 1) / size)
    squares = float(logs @ logs)
    return float(logs @ levels) / squares if squares > 0 else math.nan


def log_ratios(distances: Rows, k: int) -> Rows:
    """Return each row's mean of log(r_k / r_j), j < k: the reciprocal of its own estimate, shape (N,)."""
    farthest = np.log(distances[:, k - 1])
    found: Rows = farthest - np.log(distances[:, : k - 1]).mean(axis=1)
    return found


def levina_bickel(distances: Rows, k: int = 20) -> float:
    """Maximum-likelihood intrinsic dimension (Levina and Bickel 2005), rows joined by the harmonic mean.

    The harmonic mean of the rows' estimates is that of MacKay and Ghahramani 2005: reciprocals are averaged.
    """
    mean = float(log_ratios(distances, k).mean())
    return 1 / mean if mean > 0 else math.nan


def pca_dimension(eigenvalues: Rows, threshold: float = 0.05) -> float:
    """Count of covariance eigenvalues above `threshold` times the largest (Fukunaga and Olsen 1971)."""
    return float((eigenvalues > threshold * eigenvalues.max()).sum())

"""Dense float64 definitions of alignment, uniformity and isotropy: what the streamed numbers are tested against."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import hyp0f1, logsumexp

Rows = NDArray[np.float64]


def unit_rows(rows: NDArray[Any]) -> Rows:
    """Return rows (N, D) of unit length, in float64."""
    wide = np.asarray(rows, dtype=np.float64)
    unit: Rows = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return unit


def alignment(first: NDArray[Any], second: NDArray[Any], alpha: float = 2.0) -> float:
    """Mean over samples of the distance of their two unit rows to the power `alpha` (Wang and Isola 2020)."""
    return float((np.linalg.norm(unit_rows(first) - unit_rows(second), axis=1) ** alpha).mean())


def uniformity(rows: NDArray[Any], t: float = 2.0) -> float:
    """Log of the mean over pairs i < j of exp(-t d²) of unit rows (Wang and Isola 2020); 0 where all are equal."""
    unit = unit_rows(rows)
    scores = (unit @ unit.T)[np.triu_indices(len(unit), 1)]
    return float(logsumexp(2 * t * (scores - 1)) - math.log(len(scores)))


def uniformity_of_sphere(dim: int, t: float = 2.0) -> float:
    """Uniformity of the uniform distribution on the sphere of R^D: ``-2t + log 0F1(; D/2; t²)``; -2t as D grows.

    The population's value: no distribution on the sphere has a lower one, but few samples can (two opposite points
    have -4t).
    """
    grown = float(hyp0f1(dim / 2, t * t))
    if math.isfinite(grown):
        return -2 * t + math.log(grown)
    # 0F1 overflows from t of about 350 on: log of the series' terms, which are all positive.
    orders = np.arange(int(4 * t + dim + 100), dtype=np.float64)
    from scipy.special import gammaln

    terms = 2 * orders * math.log(t) - gammaln(orders + 1) - gammaln(dim / 2 + orders) + gammaln(dim / 2)
    return -2 * t + float(logsumexp(terms))


def mean_cosine(rows: NDArray[Any]) -> float:
    """Mean cosine of two different rows, ``(|sum z|² - N) / (N (N - 1))``."""
    unit = unit_rows(rows)
    count = len(unit)
    return float((np.square(unit.sum(axis=0)).sum() - count) / (count * (count - 1)))


def mean_cosine_without_mean(rows: NDArray[Any]) -> float:
    """`mean_cosine` of the rows less their mean; NaN where a row is the mean."""
    wide = np.asarray(rows, dtype=np.float64)
    centred = wide - wide.mean(axis=0)
    return mean_cosine(centred) if np.linalg.norm(centred, axis=1).all() else math.nan


def cosine_regularizer(rows: NDArray[Any]) -> float:
    """Return ``(sum of all cosines - N) / N²``: the mean cosine with another denominator."""
    unit = unit_rows(rows)
    count = len(unit)
    return float((np.square(unit.sum(axis=0)).sum() - count) / count**2)


def partition_isotropy(rows: NDArray[Any]) -> float:
    """Return min Z(c) / max Z(c), c over the eigenvectors of X'X and their negatives (Mu and Viswanath 2018).

    Z(c) is the sum over rows of exp(c . x). The sign of an eigenvector is arbitrary and Z(c) is not Z(-c), so both
    count.
    """
    wide = np.asarray(rows, dtype=np.float64)
    along = wide @ np.linalg.eigh(wide.T @ wide)[1]
    sizes = np.concatenate([logsumexp(along, axis=0), logsumexp(-along, axis=0)])
    return math.exp(sizes.min() - sizes.max())


def participation_ratio(rows: NDArray[Any]) -> float:
    """Return (sum of eigenvalues)² over the sum of their squares, of the covariance; NaN without spread."""
    covariance = np.cov(np.asarray(rows, dtype=np.float64), rowvar=False)
    squares = float(np.square(covariance).sum())
    return float(np.trace(covariance)) ** 2 / squares if squares > 0 else math.nan


def isoscore(rows: NDArray[Any]) -> float:
    """IsoScore (Rudman et al. 2022) by its steps; equal to (participation ratio - 1) / (D - 1)."""
    return _isoscore_of(np.linalg.eigvalsh(np.cov(np.asarray(rows, dtype=np.float64), rowvar=False)))


def isoscore_star(rows: NDArray[Any], zeta: float, *, rescale: bool) -> float:
    """IsoScore of the covariance shrunk to the identity, ``(1 - zeta) C + zeta I`` (Rudman and Eickhoff 2024).

    The peer's code leaves the scale as it is, so that the value depends on it; with `rescale` C has trace D first.
    """
    covariance = np.cov(np.asarray(rows, dtype=np.float64), rowvar=False)
    dim = len(covariance)
    if rescale:
        trace = float(np.trace(covariance))
        if trace == 0:
            return math.nan
        covariance = covariance * (dim / trace)
    return _isoscore_of(np.linalg.eigvalsh((1 - zeta) * covariance + zeta * np.eye(dim)))


def _isoscore_of(eigenvalues: NDArray[np.floating[Any]]) -> float:
    dim = len(eigenvalues)
    length = float(np.linalg.norm(eigenvalues))
    if length == 0:
        return math.nan
    scaled = math.sqrt(dim) * eigenvalues / length
    spread = dim - math.sqrt(dim)
    defect = np.linalg.norm(scaled - 1) / math.sqrt(2 * spread)
    share = (dim - defect**2 * spread) ** 2 / dim**2
    return float((dim * share - 1) / (dim - 1))

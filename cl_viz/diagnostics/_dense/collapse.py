"""Measures of collapse on plain arrays in float64, straight from their definitions.

These are the twins of what the diagnostics read from moments: they hold all rows. The goldens test these, and a test
holds the diagnostics to them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.diagnostics._collapse import spectral_ranks as ranks

Values = NDArray[np.float64]


def _double(rows: NDArray[Any]) -> Values:
    return np.asarray(rows, dtype=np.float64)


def _unit(rows: NDArray[Any]) -> Values:
    unit: Values = _double(rows) / np.linalg.norm(_double(rows), axis=1, keepdims=True)
    return unit


def _eigenvalues(rows: NDArray[Any]) -> Values:
    """Return the eigenvalues of the centred covariance (ddof = 1), descending."""
    centred = _double(rows) - _double(rows).mean(axis=0)
    found: Values = np.square(np.linalg.svd(centred, compute_uv=False)) / (len(rows) - 1)
    return found


def covariance_singular_values(rows: NDArray[Any]) -> Values:
    """Singular values of the covariance (ddof = 1) of the unit rows, descending (Jing et al. 2022)."""
    return np.asarray(np.linalg.svd(np.cov(_unit(rows), rowvar=False), compute_uv=False), dtype=np.float64)


def rankme(rows: NDArray[Any], epsilon: float = 1e-7, *, centred: bool = False) -> float:
    """RankMe of rows as they are (Garrido et al. 2023); with `centred` of rows minus their mean."""
    return ranks.rankme(_singular_values(rows, centred), epsilon)


def effective_rank(rows: NDArray[Any], *, centred: bool = False) -> float:
    """Effective rank (Roy and Vetterli 2007) of rows as they are, or minus their mean."""
    return ranks.entropy_rank(_singular_values(rows, centred))


def _singular_values(rows: NDArray[Any], centred: bool) -> Values:
    values = _double(rows) - _double(rows).mean(axis=0) if centred else _double(rows)
    return np.asarray(np.linalg.svd(values, compute_uv=False), dtype=np.float64)


def covariance_entropy_rank(rows: NDArray[Any]) -> float:
    """Exp of the entropy of the eigenvalues of the centred covariance."""
    return ranks.entropy_rank(_eigenvalues(rows))


def stable_rank(rows: NDArray[Any]) -> float:
    """Squared Frobenius over squared spectral norm, of rows as they are."""
    return ranks.over_largest(np.square(_singular_values(rows, False)))


def participation_ratio(rows: NDArray[Any]) -> float:
    """Participation ratio of the eigenvalues of the centred covariance."""
    return ranks.participation_ratio(_eigenvalues(rows))


def nesum(rows: NDArray[Any]) -> float:
    """Sum of the eigenvalues of the centred covariance over the largest."""
    return ranks.over_largest(_eigenvalues(rows))


def numerical_rank(rows: NDArray[Any], tolerance: float | None = None) -> int:
    """Singular values above a tolerance, by default ``max(N, D) * eps`` times the largest, of rows as they are."""
    return int(np.linalg.matrix_rank(_double(rows), tol=tolerance))


def alpha_req(rows: NDArray[Any], first: int = 10, stop: int = 100) -> ranks.PowerLaw:
    """Power law of the eigenvalues of the centred covariance over 0-based places `first` to `stop - 1`."""
    return ranks.power_law(_eigenvalues(rows), first, stop)


def alpha_req_fit(rows: NDArray[Any], first: int = 10, stop: int = 100, until: int = 100) -> float:
    """R² of that power law up to the eigenvalue number `until`."""
    values = _eigenvalues(rows)
    return ranks.power_law_fit(values, ranks.power_law(values, first, stop), first, until)


def std_of_l2_normalized(rows: NDArray[Any], ddof: int = 1) -> float:
    """Mean over dimensions of the standard deviation of the unit rows (Chen and He 2021)."""
    return float(_unit(rows).std(axis=0, ddof=ddof).mean())


def lidar(views: NDArray[Any], delta: float = 1e-4, epsilon: float = 1e-8) -> float:
    """LiDAR of n samples with q views each, shape (n, q, D), as they are (Thilak et al. 2023)."""
    samples = _double(views)
    means = samples.mean(axis=1)
    within = (samples - means[:, None]).reshape(-1, samples.shape[2])
    centred = means - means.mean(axis=0)
    found = ranks.lda_ranks(
        centred.T @ centred / (len(means) - 1),
        within.T @ within / (len(means) * (samples.shape[1] - 1)),
        np.array([delta]),
        epsilon,
    )
    return float(found[0])

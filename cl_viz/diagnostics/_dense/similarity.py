"""Dense float64 definitions of how alike two embeddings of the same samples are; D may differ."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.diagnostics._dense.geometry import Rows, unit_rows


def centred(rows: NDArray[Any]) -> Rows:
    """Return rows less their mean, in float64."""
    wide = np.asarray(rows, dtype=np.float64)
    found: Rows = wide - wide.mean(axis=0)
    return found


def cka_biased(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Linear centred kernel alignment, ``|X'Y|² / (|X'X| |Y'Y|)`` of centred rows (Kornblith et al. 2019)."""
    x, y = centred(first), centred(second)
    scale = np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
    return float(np.linalg.norm(x.T @ y) ** 2 / scale) if scale > 0 else math.nan


def hsic_unbiased(first: Rows, second: Rows) -> float:
    """Unbiased HSIC of two Gram matrices (N, N) (Song et al. 2012); their diagonals do not count."""
    one, two = first.copy(), second.copy()
    np.fill_diagonal(one, 0.0)
    np.fill_diagonal(two, 0.0)
    n = len(one)
    joint = float((one * two).sum())
    sums = float(one.sum() * two.sum()) / ((n - 1) * (n - 2))
    mixed = 2 * float(one.sum(axis=0) @ two.sum(axis=0)) / (n - 2)
    return (joint + sums - mixed) / (n * (n - 3))


def cka_debiased(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Linear CKA from unbiased HSIC (Nguyen et al. 2021): 0 in expectation for unrelated rows, and can be below it."""
    grams = [rows @ rows.T for rows in (centred(first), centred(second))]
    own = [hsic_unbiased(gram, gram) for gram in grams]
    return hsic_unbiased(*grams) / math.sqrt(own[0] * own[1]) if min(own) > 0 else math.nan


def column_space(rows: NDArray[Any], variance: float = 1.0) -> Rows:
    """Return an orthonormal basis of the centred column space, shape (N, R).

    Parameters
    ----------
    rows : NDArray, shape (N, D)
    variance : float
        In (0, 1]: as many leading directions as explain this share of the variance.
    """
    left, sizes, _ = np.linalg.svd(centred(rows), full_matrices=False)
    floor = max(rows.shape) * np.finfo(np.float64).eps
    kept = int((sizes > floor * sizes[0]).sum()) if sizes[0] > 0 else 0
    if variance < 1:
        shares = np.cumsum(np.square(sizes[:kept])) / np.square(sizes[:kept]).sum()
        kept = min(kept, int(np.searchsorted(shares, variance)) + 1)
    basis: Rows = left[:, :kept]
    return basis


def cca_correlations(first: NDArray[Any], second: NDArray[Any], variance: float = 1.0) -> Rows:
    """Canonical correlations, descending: cosines of the principal angles of the centred column spaces.

    With `variance` below 1 these are those of SVCCA (Raghu et al. 2017).
    """
    found = np.linalg.svd(column_space(first, variance).T @ column_space(second, variance), compute_uv=False)
    correlations: Rows = np.minimum(found, 1.0)
    return correlations


def procrustes_similarity(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Nuclear norm of X'Y, X and Y centred and of Frobenius norm 1; in [0, 1].

    The Procrustes disparity is 1 less its square, the squared distance of Williams et al. 2021 is 2 - 2 times it.
    """
    x, y = centred(first), centred(second)
    scale = np.linalg.norm(x) * np.linalg.norm(y)
    return float(np.linalg.svd(x.T @ y, compute_uv=False).sum() / scale) if scale > 0 else math.nan


def procrustes_disparity(first: NDArray[Any], second: NDArray[Any]) -> float:
    """What the best translation, scaling and rotation of one onto the other leaves, as a share; in [0, 1]."""
    return 1 - procrustes_similarity(first, second) ** 2


def nearest_sets(rows: NDArray[Any], k: int) -> NDArray[np.int64]:
    """Return the `k` nearest others of each row by cosine, shape (N, k)."""
    unit = unit_rows(rows)
    scores = unit @ unit.T
    np.fill_diagonal(scores, -np.inf)
    found: NDArray[np.int64] = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return found


def neighbor_overlap(first: NDArray[Any], second: NDArray[Any], k: int) -> Rows:
    """Return the share of its `k` nearest by cosine that each row keeps, shape (N,)."""
    pairs = zip(nearest_sets(first, k), nearest_sets(second, k), strict=True)
    return np.array([len(np.intersect1d(one, two)) / k for one, two in pairs])


def jaccard(overlap: Rows) -> Rows:
    """Return shared over all neighbours, from the share kept: both sets are of one size."""
    found: Rows = overlap / (2 - overlap)
    return found

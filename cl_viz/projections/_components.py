"""Principal components of unit rows, from moments in float64."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.validation import row_blocks

_WIDEST = 4096
"""Columns up to which the scatter matrix is made; wider sets have their components found by random projection."""


class Components(NamedTuple):
    """The leading principal components.

    Attributes
    ----------
    scores : NDArray[np.float64], shape (n, dim)
        Rows along the components, centred; each component points to where its largest weight is positive.
    shares : NDArray[np.float64], shape (dim,)
        Share of the variance that each holds; zeros where there is no variance.
    """

    scores: NDArray[np.float64]
    shares: NDArray[np.float64]


def principal_components(rows: NDArray[np.float32], dim: int, seed: int) -> Components:
    """Return the leading components of rows (n, D), centred and not scaled.

    Parameters
    ----------
    rows : NDArray[np.float32], shape (n, D)
    dim : int
        Components; those beyond D or n are zeros.
    seed : int
        Used only above 4,096 columns.
    """
    mean = np.asarray(np.mean(rows, axis=0, dtype=np.float64))
    axes, variance, total = (_leading if rows.shape[1] <= _WIDEST else _leading_of_wide)(rows, mean, dim, seed)
    scores = np.zeros((len(rows), dim))
    for part in row_blocks(rows):
        scores[part, : axes.shape[1]] = (rows[part].astype(np.float64) - mean) @ axes
    shares = np.zeros(dim)
    if total > 0:
        shares[: len(variance)] = variance / total
    return Components(scores, shares)


def _leading(
    rows: NDArray[np.float32], mean: NDArray[np.float64], dim: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    scatter = np.zeros((rows.shape[1], rows.shape[1]))
    for part in row_blocks(rows):
        centred = rows[part].astype(np.float64) - mean
        scatter += centred.T @ centred
    values, vectors = np.linalg.eigh(scatter)
    return _turned(vectors[:, ::-1][:, :dim]), np.maximum(values[::-1][:dim], 0.0), float(np.trace(scatter))


def _leading_of_wide(
    rows: NDArray[np.float32], mean: NDArray[np.float64], dim: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    from sklearn.decomposition import PCA

    found = PCA(min(dim, len(rows)), svd_solver="randomized", random_state=seed).fit(rows)
    axes = found.components_.T.astype(np.float64)
    variance = found.explained_variance_.astype(np.float64) * (len(rows) - 1)
    total = sum(float(np.square(rows[part].astype(np.float64) - mean).sum()) for part in row_blocks(rows))
    return _turned(axes), variance, total


def _turned(axes: NDArray[np.float64]) -> NDArray[np.float64]:
    largest = np.abs(axes).argmax(axis=0)
    return axes * np.where(axes[largest, np.arange(axes.shape[1])] < 0, -1.0, 1.0)

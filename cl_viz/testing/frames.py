"""Labelled rows around class means that form a known frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.testing.spectra import rotation


def simplex_frame(classes: int, dim: int) -> NDArray[np.float64]:
    """Return unit class means with cosines of -1/(K - 1), shape (classes, dim); ``dim >= classes``."""
    means = np.zeros((classes, dim))
    means[:, :classes] = np.eye(classes) - 1 / classes
    unit: NDArray[np.float64] = means / np.linalg.norm(means, axis=1, keepdims=True)
    return unit


def orthogonal_frame(classes: int, dim: int) -> NDArray[np.float64]:
    """Return unit class means with cosines of 0, shape (classes, dim); ``dim >= classes``."""
    return np.eye(classes, dim)


def around_means(means: NDArray[np.float64], sizes: list[int], spread: float, seed: int = 0) -> EmbeddingSet:
    """Return one view of rows around class means.

    Parameters
    ----------
    means : NDArray, shape (K, D)
    sizes : list of int
        Rows of each class.
    spread : float
        Root mean square distance of rows to their class mean, the same in all directions.
    seed : int

    Returns
    -------
    EmbeddingSet
        Labelled by class; means and noise are rotated together.
    """
    labels = np.repeat(np.arange(len(means)), sizes)
    dim = means.shape[1]
    noise = np.random.default_rng(seed).normal(size=(len(labels), dim)) * spread / np.sqrt(dim)
    return EmbeddingSet.from_arrays((means[labels] + noise) @ rotation(dim, seed), label=labels, name="frame")

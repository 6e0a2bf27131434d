"""Sets whose scores are known: random directions, pairs of one score, clusters, a collapsed set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet


def sphere(n: int, dim: int, seed: int = 0) -> NDArray[np.float64]:
    """Return rows drawn uniformly from the unit sphere, shape (n, dim)."""
    rows = np.random.default_rng(seed).normal(size=(n, dim))
    unit: NDArray[np.float64] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def paired_sphere(n: int, dim: int, score: float, seed: int = 0, classes: int = 0) -> EmbeddingSet:
    """Two views whose positives all score exactly `score`, and whose negatives are random directions.

    Parameters
    ----------
    n, dim : int
    score : float
        Cosine of the two views of every sample, in [-1, 1].
    seed : int
    classes : int
        If positive, labels 0..classes-1 in turn, independent of the embeddings: the expected share of false
        negatives, and of the push on them at any temperature, is that of the labels alone.

    Returns
    -------
    EmbeddingSet
        Views ``view_1`` and ``view_2``. Negatives have mean 0 and variance 1/dim in expectation.
    """
    first = sphere(n, dim, seed)
    other = sphere(n, dim, seed + 1)
    other -= (other * first).sum(axis=1, keepdims=True) * first
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    second = score * first + np.sqrt(1 - score**2) * other
    labels = {"label": np.arange(n) % classes} if classes else {}
    return EmbeddingSet.from_arrays(
        {"view_1": first, "view_2": second},
        metadata=labels,
        roles={"label": "label"} if classes else {},
        name="paired sphere",
    )


def clusters(n: int, dim: int, classes: int, spread: float, seed: int = 0) -> EmbeddingSet:
    """Two views of samples around `classes` random centres.

    Parameters
    ----------
    n, dim, classes : int
    spread : float
        Standard deviation of the noise per sample and view, before normalisation; centres have unit length.
    seed : int

    Returns
    -------
    EmbeddingSet
        Views ``view_1`` and ``view_2``, labelled by centre.
    """
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    centres = sphere(classes, dim, seed)[labels]
    noise = generator.normal(size=(2, n, dim)) * (spread / np.sqrt(dim))
    sample = generator.normal(size=(n, dim)) * (spread / np.sqrt(dim))
    views = {f"view_{index + 1}": centres + sample + noise[index] for index in range(2)}
    return EmbeddingSet.from_arrays(views, name="clusters", label=labels)


def collapsed(n: int, dim: int, spread: float, seed: int = 0) -> EmbeddingSet:
    """Two independent views that are one direction but for noise of standard deviation `spread`: no separation."""
    generator = np.random.default_rng(seed)
    direction = sphere(1, dim, seed)
    views = {f"view_{index + 1}": direction + spread * generator.normal(size=(n, dim)) for index in range(2)}
    return EmbeddingSet.from_arrays(views, name="collapsed")

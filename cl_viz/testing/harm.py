"""Families of runs whose harm is known: a rare class that moved towards another by a planted amount."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.run import Run


def planted_harm(
    harm: float,
    *,
    seeds: int = 3,
    samples: int = 40,
    classes: int = 5,
    rare: int = 1,
    towards: int = 2,
    tightness: float = 0.6,
    seed_spread: float = 0.0,
    seed: int = 0,
) -> list[Run]:
    """Runs in which class `rare` was under-represented, each followed by its balanced twin.

    Parameters
    ----------
    harm : float
        RH of `rare` towards `towards`, in (1 - tightness, 1 + tightness); every other RH between different classes
        is 1, and so is that of `rare` towards itself.
    seeds : int
        Pairs of runs.
    samples : int
        Of each class; even.
    classes, rare, towards : int
    tightness : float
        Mean cosine within a class, self-pairs included, in (0, 1).
    seed_spread : float
        Standard deviation over seeds of the cosine that makes the harm; with it RH holds in expectation only.
    seed : int

    Returns
    -------
    list of Run
        ``rare-0``, ``balanced-0``, ``rare-1``, ...; labels are 0..classes-1. Class means are exact: samples lie in
        opposite pairs around them.
    """
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), samples)
    dim = classes + 8
    runs = []
    for number in range(seeds):
        noise = _opposite_noise(labels, classes, dim, generator)
        sine = (1 - harm + seed_spread * generator.normal()) / tightness
        for kind, overlap in (("rare", sine), ("balanced", 0.0)):
            means = np.eye(classes, dim)
            means[rare, towards] = overlap
            means[rare, rare] = np.sqrt(1 - overlap**2)
            rows = np.sqrt(tightness) * means[labels] + np.sqrt(1 - tightness) * noise
            card = {"seed": number, "family": "planted"}
            if kind == "rare":
                card |= {
                    "under_represented_class": str(rare),
                    "balanced_twin": f"balanced-{number}",
                    "imbalance_ratio": 100,
                }
            embedding_set = EmbeddingSet.from_arrays(rows, label=labels, name=f"{kind}-{number}")
            runs.append(Run.from_set(embedding_set, card=card))
    return runs


def _opposite_noise(
    labels: NDArray[np.int64], classes: int, dim: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Return unit rows orthogonal to the first `classes` axes that come in opposite pairs within each class."""
    half = generator.normal(size=(len(labels) // 2, dim - classes))
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    noise = np.zeros((len(labels), dim))
    noise[0::2, classes:], noise[1::2, classes:] = half, -half
    return noise

"""Harm that is known: a rare class that moved towards another, and groups that are named rightly to a known share."""

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


def planted_groups(
    wrong: tuple[float, ...],
    *,
    scores: tuple[float, ...] = (),
    samples: int = 100,
    classes: int = 4,
    dim: int = 16,
    seed: int = 0,
) -> EmbeddingSet:
    """Two views of samples of which a known share of each group lies among the samples of another class.

    Parameters
    ----------
    wrong : tuple of float
        For each group, the share of its samples that lie at the next class's centre, below one half: whoever names
        labels by place is right for the rest.
    scores : tuple of float
        For each group, the cosine of a sample's two views; 0.9 where not given.
    samples : int
        Of each group; a multiple of `classes`.
    classes, dim, seed : int

    Returns
    -------
    EmbeddingSet
        Labels 0..classes-1, groups "a", "b", ... Alignment of a group is 2 - 2 score.
    """
    generator = np.random.default_rng(seed)
    scores = scores or (0.9,) * len(wrong)
    group = np.repeat(np.arange(len(wrong)), samples)
    label = np.tile(np.arange(classes), len(group) // classes)
    place = label.copy()
    for number, share in enumerate(wrong):
        own = np.flatnonzero(group == number)
        moved = generator.choice(own, round(share * samples), replace=False)
        place[moved] = (label[moved] + 1) % classes
    first = np.eye(classes, dim)[place] + 0.02 * generator.normal(size=(len(place), dim))
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    across = generator.normal(size=first.shape)
    across -= (across * first).sum(axis=1, keepdims=True) * first
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    score = np.array(scores)[group][:, None]
    views = {"view_1": first, "view_2": score * first + np.sqrt(1 - score**2) * across}
    names = np.array([chr(ord("a") + number) for number in group])
    return EmbeddingSet.from_arrays(views, label=label, group=names, name="planted groups")


def _opposite_noise(
    labels: NDArray[np.int64], classes: int, dim: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Return unit rows orthogonal to the first `classes` axes that come in opposite pairs within each class."""
    half = generator.normal(size=(len(labels) // 2, dim - classes))
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    noise = np.zeros((len(labels), dim))
    noise[0::2, classes:], noise[1::2, classes:] = half, -half
    return noise

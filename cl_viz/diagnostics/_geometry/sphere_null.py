"""What random directions have: neighbour statistics of uniform spheres, made once for each N and D."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cl_viz.diagnostics._dense import neighbors as dense

MOST_ROWS = 4096
"""Rows of the hubness null: it hardly depends on N from some hundred rows on."""
_SMALL_ROWS = 2000
_BLOCK = 512


@dataclass(frozen=True)
class HubnessNull:
    """Hubness of a uniform sphere.

    Attributes
    ----------
    n_rows : int
    skewness, antihub_share, hub_occurrence : float
        Means over draws.
    shares : NDArray[np.float64], shape (M,)
        Share of the rows that occur 0, 1, ... times.
    """

    n_rows: int
    skewness: float
    antihub_share: float
    hub_occurrence: float
    shares: NDArray[np.float64]


@lru_cache(maxsize=32)
def hubness_of_sphere(n_rows: int, dim: int, k: int, hub_size: float, seed: int = 0) -> HubnessNull:
    """Return the k-occurrence of rows drawn uniformly from the sphere, averaged over draws where they are few."""
    used = min(n_rows, MOST_ROWS)
    draws = max(1, min(20, _SMALL_ROWS // used))
    found = [_occurrences(used, dim, k, seed + draw) for draw in range(draws)]
    skewness = [dense.skewness(counts) for counts in found]
    together = np.concatenate(found)
    return HubnessNull(
        used,
        float(np.mean(skewness)),
        float(np.mean([dense.antihub_share(counts) for counts in found])),
        float(np.mean([dense.hub_occurrence_share(counts, k, hub_size) for counts in found])),
        np.bincount(together) / len(together),
    )


def _occurrences(n_rows: int, dim: int, k: int, seed: int) -> NDArray[np.int64]:
    rows = _sphere(np.random.default_rng(seed), n_rows, dim)
    counts = np.zeros(n_rows, dtype=np.int64)
    for start in range(0, n_rows, _BLOCK):
        scores = rows[start : start + _BLOCK] @ rows.T
        scores[np.arange(len(scores)), start + np.arange(len(scores))] = -2.0
        nearest = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        counts += np.bincount(nearest.ravel(), minlength=n_rows)
    return counts


@lru_cache(maxsize=32)
def dimension_of_sphere(n_rows: int, dim: int, k: int, discard: float, seed: int = 0) -> tuple[float, float]:
    """Return TwoNN and maximum-likelihood estimates on `n_rows` uniform rows, from the neighbours of 512 of them."""
    generator = np.random.default_rng(seed)
    anchors = _sphere(generator, min(n_rows, _BLOCK), dim)
    best = anchors @ anchors.T
    np.fill_diagonal(best, -2.0)
    best = np.sort(best, axis=1)[:, ::-1][:, :k]
    done = len(anchors)
    while done < n_rows:
        others = _sphere(generator, min(8 * _BLOCK, n_rows - done), dim)
        best = -np.sort(-np.concatenate([best, anchors @ others.T], axis=1), axis=1)[:, :k]
        done += len(others)
    distances = np.sqrt(np.maximum(2 - 2 * best.astype(np.float64), 1e-12))
    return dense.two_nn(distances, discard), dense.levina_bickel(distances, k)


def _sphere(generator: np.random.Generator, n_rows: int, dim: int) -> NDArray[np.float32]:
    rows = generator.standard_normal((n_rows, dim), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows

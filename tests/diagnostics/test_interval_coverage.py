"""Intervals hold what another draw of as many samples gives on average about as often as they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.diagnostics import diagnose

pytestmark = pytest.mark.slow


def drawn(seed: int, n: int, dim: int) -> EmbeddingSet:
    """Draw samples of four classes whose centres are always the same, in two views."""
    centres = np.random.default_rng(0).normal(size=(4, dim))
    generator = np.random.default_rng(seed)
    label, scale = generator.integers(0, 4, n), np.linspace(0.3, 1.5, dim)
    base = centres[label] + generator.normal(size=(n, dim)) * scale
    views = {name: base + 0.4 * generator.normal(size=base.shape) * scale[::-1] for name in ("one", "other")}
    views["other"] += 0.3
    side = 2 * label + (base[:, 0] > centres[label, 0])
    return EmbeddingSet.from_arrays(views, label=label, subclass=side)


def covered(
    name: str, quantities: list[str], draws: int, n: int, dim: int, params: Mapping[str, Any] | None = None
) -> dict[str, float]:
    """Return how often the interval of each quantity holds the mean over all draws."""
    results = [diagnose(name, drawn(seed, n, dim), params=params) for seed in range(1, draws + 1)]
    found = {}
    for quantity in quantities:
        mean = np.mean([result[quantity].value for result in results])
        ends = [result[quantity].interval for result in results]
        assert all(end is not None for end in ends), quantity
        found[quantity] = float(np.mean([end.low <= mean <= end.high for end in ends if end is not None]))
    return found


CASES = [
    # diagnostic, its quantities, draws, N, D, parameters
    (
        "class_separation",
        ["silhouette_cosine", "silhouette_euclidean", "davies_bouldin", "calinski_harabasz"],
        60, 200, 8, {},
    ),
    (
        "neural_collapse",
        ["nc1_pinv", "nc1_quotient", "nc1_cdnv", "nc2_equinorm", "nc2_equiangular", "nc2_etf_error", "of_distance",
         "mean_cosine", "cosines_from_orthogonal", "cosines_from_simplex"],
        60, 240, 8, {},
    ),
    ("classifier_duality", ["nc3_self_duality", "nc3_cosine", "nc2_etf_of_head"], 50, 240, 8, {}),
    ("class_cosines", ["closest", "least_separation"], 60, 200, 8, {}),
    (
        "modality_gap",
        ["gap_norm", "separability_auc", "own_mean", "uniformity_first", "uniformity_second", "uniformity_mean",
         "cross_uniformity"],
        24, 140, 6, {"queries": 10},
    ),
    ("lidar", ["lidar"], 80, 240, 12, {}),
    ("isotropy", ["isoscore", "isoscore_star"], 80, 240, 8, {}),
    ("cluster_agreement", ["nmi", "ami", "ari"], 16, 120, 6, {"starts": 2}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "quantities", "draws", "n", "dim", "params"), CASES, ids=[case[0] for case in CASES])
def test_intervals_cover(
    name: str, quantities: list[str], draws: int, n: int, dim: int, params: Mapping[str, Any]
) -> None:
    shares = covered(name, quantities, draws, n, dim, params)
    # Three standard errors of a share of `draws` below 93 %: small N, and the mean over draws is not quite the truth.
    least = 0.93 - 3 * np.sqrt(0.93 * 0.07 / draws)
    assert min(shares.values()) >= least, shares

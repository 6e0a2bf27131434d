"""Projector against backbone: every number against its definition, and who is which."""

from __future__ import annotations

import numpy as np
import pytest

import cl_viz
from cl_viz.core.run import Run, Snapshot
from cl_viz.diagnostics._dense import collapse as dense
from cl_viz.diagnostics.projector_backbone import _one_sided, roles_of
from cl_viz.testing import clusters, rank_sphere, sphere


def layered(**layers: cl_viz.EmbeddingSet) -> Run:
    return Run("layered", {Snapshot(None, name): made for name, made in layers.items()})


def test_every_number_is_that_of_its_dense_definition() -> None:
    sets = {"projector": clusters(120, 8, 4, 0.4), "backbone": clusters(120, 20, 4, 0.8, seed=1)}
    found = cl_viz.diagnose("projector_backbone", layered(**sets))
    for role, made in sets.items():
        first, second = made.views.values()
        expected = {
            "entropy_rank": dense.covariance_entropy_rank(first),
            "rankme": dense.rankme(first),
            "total_variance": dense.covariance_singular_values(first).sum(),
            "alignment": np.square(_unit(first) - _unit(second)).sum(axis=1).mean(),
            "neighbor_accuracy": _accuracy(first, made.role("label")),
        }
        for name, value in expected.items():
            assert found[f"{name}_{role}"].value == pytest.approx(value, rel=1e-7), name
        # Scores are binned: a bin stands at its mean score.
        assert found[f"uniformity_{role}"].value == pytest.approx(_uniformity(first), abs=1e-5)
        assert found[f"alignment_{role}"].interval is not None
    assert found.level == "good"


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _uniformity(rows: np.ndarray) -> float:
    scores = (_unit(rows) @ _unit(rows).T)[np.triu_indices(len(rows), 1)]
    return float(np.log(np.exp(-2 * (2 - 2 * scores)).mean()))


def _accuracy(rows: np.ndarray, labels: np.ndarray) -> float:
    scores = _unit(rows) @ _unit(rows).T
    np.fill_diagonal(scores, -np.inf)
    near = labels[np.argsort(-scores, axis=1)[:, :20]]
    votes = np.stack([(near == label).sum(axis=1) for label in range(labels.max() + 1)], axis=1)
    return float((votes.argmax(axis=1) == labels).mean())


@pytest.mark.parametrize(
    ("layers", "roles"),
    [
        (("projector", "backbone"), ("projector", "backbone")),
        (("backbone", "projector"), ("projector", "backbone")),
        (("encoder_output", "projection_head"), ("projection_head", "encoder_output")),
        (("z", "h"), ("z", "h")),
        (("z", "hidden", "backbone"), ("z", "backbone")),
        (("backbone", "z"), ("z", "backbone")),
        (("projector", "mlp", "h"), ("projector", "h")),
    ],
)
def test_layers_are_told_by_their_names(layers: tuple[str, ...], roles: tuple[str, str]) -> None:
    assert roles_of(layers) == roles


def test_a_projector_that_is_better_is_remarked_on() -> None:
    label = np.arange(120) % 4
    good = cl_viz.EmbeddingSet.from_arrays(clusters(120, 8, 4, 0.2).views["view_1"], label=label)
    noise = cl_viz.EmbeddingSet.from_arrays(sphere(120, 8), label=label)
    found = cl_viz.diagnose("projector_backbone", layered(projector=good, backbone=noise))
    assert found.level == "watch"
    assert "the projector is better" in found.findings[0].message
    assert cl_viz.diagnose("projector_backbone", layered(projector=noise, backbone=good)).level == "good"


def test_the_test_of_who_is_better_is_exact() -> None:
    assert _one_sided(0, 0) == 1.0
    assert _one_sided(5, 0) == pytest.approx(2**-5)
    assert _one_sided(3, 3) > 0.5


def test_what_is_missing_is_said() -> None:
    rows = cl_viz.EmbeddingSet.from_arrays(sphere(40, 6))
    found = cl_viz.diagnose("projector_backbone", layered(projector=rows, backbone=rows))
    assert found["alignment_projector"].value is None
    assert "second view" in found["alignment_projector"].missing
    assert found["neighbor_accuracy_backbone"].value is None
    assert {"alignment", "neighbor_accuracy"} & set(found.views) == set()
    assert found.level == "unknown"
    alone = cl_viz.diagnose("projector_backbone", rows)
    assert alone.level == "unknown"
    assert "two layers" in alone.findings[0].advice


def test_it_is_asked_for_and_says_how_long_it_takes() -> None:
    rows = cl_viz.EmbeddingSet.from_arrays(rank_sphere(40, 6, 3))
    assert cl_viz.diagnostics.estimate("projector_backbone", layered(projector=rows, backbone=rows)) > 0

"""Neural collapse over training: every step's numbers are those of neural collapse at that step."""

from __future__ import annotations

import numpy as np
import pytest

import cl_viz
from cl_viz.core.run import Run, Snapshot
from cl_viz.testing import around_means, collapsed, orthogonal_frame, sphere


def run_of(*sets: cl_viz.EmbeddingSet) -> Run:
    return Run("trained", {Snapshot(10 * step, None): made for step, made in enumerate(sets)})


def test_every_step_has_the_numbers_of_its_set() -> None:
    sets = [around_means(sphere(4, 10, 3), [20, 30, 40, 50], spread) for spread in (2.0, 1.0, 0.3)]
    found = cl_viz.diagnose("neural_collapse_curves", run_of(*sets), params={"mean": "samples"})
    for name, view in found.views.items():
        expected = [cl_viz.diagnose("neural_collapse", made, params={"mean": "samples"})[name].value for made in sets]
        assert view.series[0].y == pytest.approx(expected, rel=1e-12), name
        assert found[name].value == pytest.approx(expected[-1], rel=1e-12), name
    assert set(found.views) == set(found.quantities)
    assert found.level == "good"


def test_classes_that_become_points_are_found_with_their_step() -> None:
    sets = [around_means(orthogonal_frame(4, 8), [30] * 4, spread) for spread in (1.0, 0.1, 0.01)]
    found = cl_viz.diagnose("neural_collapse_curves", run_of(*sets))
    assert found.level == "watch"
    assert "first at step 10" in found.findings[0].message


def test_a_last_step_without_spread_is_unknown() -> None:
    label = np.arange(40) % 4
    sets = [
        cl_viz.EmbeddingSet.from_arrays(sphere(40, 6), label=label),
        cl_viz.EmbeddingSet.from_arrays(np.ones((40, 6)), label=label),
    ]
    found = cl_viz.diagnose("neural_collapse_curves", run_of(*sets))
    assert found.level == "unknown"
    assert found["within_share"].value is None
    assert len(found.views["within_share"].series[0].y) == 1


def test_a_last_step_that_has_collapsed_to_a_point_is_bad() -> None:
    label = np.arange(60) % 4
    point = cl_viz.EmbeddingSet.from_arrays(collapsed(60, 6, 1e-4).views["view_1"], label=label)
    found = cl_viz.diagnose("neural_collapse_curves", run_of(point, point))
    assert found.level == "bad"
    assert "nearly one point" in found.findings[0].message


def test_steps_without_labels_say_what_to_add() -> None:
    bare = cl_viz.EmbeddingSet.from_arrays(sphere(30, 4))
    found = cl_viz.diagnose("neural_collapse_curves", run_of(bare, bare))
    assert found.level == "unknown"
    assert "label column" in found.findings[0].advice

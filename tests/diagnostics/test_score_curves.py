"""The four curves of Zhu et al. over training steps."""

from __future__ import annotations

import numpy as np
import pytest

import cl_viz
from cl_viz.core.run import Snapshot
from cl_viz.diagnostics._dense import scores as dense
from cl_viz.testing import clusters, collapsed, paired_sphere


def run_of(*sets: cl_viz.EmbeddingSet) -> cl_viz.Run:
    return cl_viz.Run("run", {Snapshot(10 * step, None): item for step, item in enumerate(sets)})


def test_curves_are_the_dense_ones() -> None:
    sets = [clusters(80, 10, 4, spread, seed=1) for spread in (2.0, 1.0, 0.3)]
    found = cl_viz.diagnose("score_curves", run_of(*sets))
    for index, item in enumerate(sets):
        scores = dense.cosine_scores(*item.views.values())
        negatives = [np.delete(row, i) for table in (scores, scores.T) for i, row in enumerate(table)]
        variance = np.mean([row.var(ddof=1) for row in negatives])
        mean = np.mean([row.mean() for row in negatives])
        expected = dense.training_curves(scores.diagonal(), np.array([mean]), np.array([variance]))
        order = ("negative_variance", "negative_mean", "positive_mean", "positive_variance")
        for name, value in zip(order, expected, strict=True):
            assert found.views[name].series[0].y[index] == pytest.approx(value, rel=1e-9), name
    np.testing.assert_array_equal(found.views["positive_mean"].series[0].x, [0, 10, 20])
    assert found.level == "good"


def test_a_run_that_loses_its_gap_is_found() -> None:
    good, half, gone = paired_sphere(60, 16, 0.9), paired_sphere(60, 16, 0.6), collapsed(60, 16, 1e-4)
    assert cl_viz.diagnose("score_curves", run_of(half, good)).level == "good"
    assert cl_viz.diagnose("score_curves", run_of(good, half)).level == "watch"
    assert cl_viz.diagnose("score_curves", run_of(good, gone)).level == "bad"


def test_views_that_do_not_belong_together_are_not_called_collapse() -> None:
    apart = paired_sphere(60, 16, -0.5)
    found = cl_viz.diagnose("score_curves", run_of(apart, apart))
    assert found.level == "bad"
    assert "never score above" in found.findings[0].message
    assert "same sample" in found.findings[0].advice


def test_one_step_is_not_a_curve() -> None:
    found = cl_viz.diagnose("score_curves", run_of(paired_sphere(20, 4, 0.5)))
    assert found.level == "unknown"
    assert "several training steps" in found.findings[0].advice

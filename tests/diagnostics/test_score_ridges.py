"""Ridges: each step's own histogram, at its own place, with overlap and AUC of the first and the last step."""

from __future__ import annotations

import numpy as np
import pytest

import cl_viz
from cl_viz.core.run import Run, Snapshot
from cl_viz.core.view import Lines
from cl_viz.diagnostics.score_ridges import HEIGHT, MOST_RIDGES
from cl_viz.diagnostics.step_similarity import chosen_steps
from cl_viz.testing import paired_sphere


def run_of(*correlations: float, n: int = 80) -> Run:
    sets = {Snapshot(10 * place): paired_sphere(n, 16, value) for place, value in enumerate(correlations)}
    return Run("trained", sets)


def test_ridges_are_the_histograms_of_each_step() -> None:
    run = run_of(0.13, 0.53, 0.87)
    found = cl_viz.diagnose("score_ridges", run, params={"ridge_bins": 20})
    view = found.views["ridges"]
    assert isinstance(view, Lines)
    assert [text for _, text in view.y.ticks] == ["0", "10", "20"]
    positives, negatives = view.series
    assert (positives.meaning, negatives.meaning) == ("positive", "negative")
    for place, step in enumerate(run.steps):
        rows = [array / np.linalg.norm(array, axis=1, keepdims=True) for array in run.get(step).views.values()]
        scores = np.clip(rows[0].astype(np.float64) @ rows[1].T.astype(np.float64), -1, 1)
        different = ~np.eye(80, dtype=bool)
        for series, wanted in ((positives, scores.diagonal()), (negatives, scores[different])):
            counts = np.histogram(wanted, bins=20, range=(-1, 1))[0]
            drawn = series.y.reshape(3, 21)[place]
            assert np.isnan(drawn[-1])
            assert np.nan_to_num(drawn[:-1], nan=place) == pytest.approx(place + HEIGHT * counts / counts.max())
    assert np.nanmin(positives.y) >= 0
    last = cl_viz.diagnose("score_distribution", run.get(20))
    for name in ("overlap", "auc"):
        assert found[f"{name}_last"].value == pytest.approx(last[name].value)
    assert found["auc_first"].value < 0.95 < found["auc_last"].value
    assert found.level == "good"


def test_strangers_at_the_end_are_bad_and_one_step_is_unknown() -> None:
    assert cl_viz.diagnose("score_ridges", run_of(0.9, 0.0)).level == "bad"
    only = cl_viz.diagnose("score_ridges", paired_sphere(40, 8, 0.5))
    assert only.level == "unknown"
    assert "several training steps" in only.findings[0].advice


def test_scores_that_are_ordered_but_all_alike_are_not_called_good() -> None:
    random = np.random.default_rng(0)
    cone = np.ones(16) + 0.01 * random.normal(size=(80, 16))
    alike = cl_viz.EmbeddingSet.from_arrays({"one": cone, "two": cone + 0.001 * random.normal(size=cone.shape)})
    run = Run("collapsed", {Snapshot(0): paired_sphere(80, 16, 0.9), Snapshot(10): alike})
    found = cl_viz.diagnose("score_ridges", run)
    assert found["auc_last"].value > 0.99
    assert found["overlap_last"].value > 0.99
    assert found.level == "watch"
    assert "collapse" in found.findings[0].advice


def test_of_many_steps_a_dozen_is_drawn_with_both_ends() -> None:
    steps = chosen_steps(tuple(range(0, 1000, 7)), MOST_RIDGES)
    assert len(steps) == MOST_RIDGES
    assert (steps[0], steps[-1]) == (0, 994)
    assert chosen_steps((1, 5, 9), 12) == (1, 5, 9)
    run = run_of(*np.linspace(0.2, 0.9, 15), n=20)
    found = cl_viz.diagnose("score_ridges", run)
    view = found.views["ridges"]
    assert isinstance(view, Lines)
    assert len(view.y.ticks) == MOST_RIDGES
    assert any("of 15 recorded" in note for note in found.caveats.notes)

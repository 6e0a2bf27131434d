"""Ranks over training: the numbers of every step, and where they fall."""

from __future__ import annotations

import numpy as np
import pytest

import cl_viz
from cl_viz.core.run import Run, Snapshot
from cl_viz.diagnostics._dense import collapse as dense
from cl_viz.testing import collapsed, rank_sphere, sphere


def run_of(*sets: np.ndarray | cl_viz.EmbeddingSet) -> Run:
    made = [rows if isinstance(rows, cl_viz.EmbeddingSet) else cl_viz.EmbeddingSet.from_arrays(rows) for rows in sets]
    return Run("trained", {Snapshot(10 * step, None): each for step, each in enumerate(made)})


def test_every_step_has_its_own_rank() -> None:
    sets = [rank_sphere(200, 16, rank, noise=0.05, seed=rank) for rank in (3, 8, 16)]
    found = cl_viz.diagnose("rank_curves", run_of(*sets))
    for name, definition in (("covariance_entropy_rank", dense.covariance_entropy_rank), ("rankme", dense.rankme)):
        assert found.views[name].series[0].y == pytest.approx([definition(rows) for rows in sets], rel=1e-6)
        assert found[name].value == pytest.approx(definition(sets[-1]), rel=1e-6)
    assert found.views["total_variance"].series[0].y == pytest.approx(
        [dense.covariance_singular_values(rows).sum() for rows in sets], rel=1e-9
    )
    assert found["rank_kept"].value == 1.0
    assert found.level == "good"


def test_a_rank_that_falls_is_found() -> None:
    found = cl_viz.diagnose("rank_curves", run_of(sphere(300, 16), rank_sphere(300, 16, 2, noise=0.01)))
    assert found.level == "bad"
    assert found["rank_kept"].value == pytest.approx(2 / 16, rel=0.1)
    assert "it was" in found.findings[0].message
    halved = cl_viz.diagnose("rank_curves", run_of(sphere(300, 16), rank_sphere(300, 16, 6, noise=0.01)))
    assert halved.level == "watch"


def test_complete_collapse_is_found_with_its_step() -> None:
    point = cl_viz.EmbeddingSet.from_arrays(collapsed(200, 8, 1e-4).views["view_1"])
    found = cl_viz.diagnose("rank_curves", run_of(sphere(200, 8), point, point))
    told = next(finding for finding in found.findings if finding.quantity == "total_variance")
    assert told.level == "bad"
    assert "after step 0" in told.message
    always = cl_viz.diagnose("rank_curves", run_of(point, point))
    assert "from the first step on" in next(f for f in always.findings if f.quantity == "total_variance").message


def test_one_step_says_what_to_add() -> None:
    found = cl_viz.diagnose("rank_curves", cl_viz.EmbeddingSet.from_arrays(sphere(20, 4)))
    assert found.level == "unknown"
    assert "several training steps" in found.findings[0].advice

"""Groups over training: the group table's numbers step by step, and a group that is given up is found."""

from __future__ import annotations

import numpy as np
import pytest

import cl_viz
from cl_viz.core.run import Run, Snapshot
from cl_viz.core.view import Lines
from cl_viz.diagnostics.group_curves import MOST_CURVES

N, DIM = 240, 12


def a_step(lost: int | None, seed: int, classes: int = 4, **columns: np.ndarray) -> cl_viz.EmbeddingSet:
    """Classes that stand apart; the samples of the lost one lie anywhere."""
    generator = np.random.default_rng(seed)
    label = np.arange(N) % classes
    centres = 4 * np.eye(classes, DIM)[label]
    if lost is not None:
        centres[label == lost] = 4 * generator.normal(size=((label == lost).sum(), DIM))
    views = {name: centres + generator.normal(size=centres.shape) * 0.3 for name in ("a", "b")}
    return cl_viz.EmbeddingSet.from_arrays(views, metadata={"label": label, **columns}, roles={"label": "label"})


def run_of(*sets: cl_viz.EmbeddingSet) -> Run:
    return Run("trained", {Snapshot(100 * place): each for place, each in enumerate(sets)})


def test_every_step_has_the_group_tables_numbers() -> None:
    sets = [a_step(2, 0), a_step(None, 1)]
    found = cl_viz.diagnose("group_curves", run_of(*sets))
    for step, each in enumerate(sets):
        table = cl_viz.diagnose("group_table", each).views["table"]
        for view, column in (("accuracy", "Right, neighbours"), ("alignment", "Alignment")):
            lines = found.views[view]
            assert isinstance(lines, Lines)
            wanted = dict(zip(table.columns["Group"], table.columns[column], strict=True))
            assert {series.name: series.y[step] for series in lines.series} == pytest.approx(wanted)
    single = cl_viz.diagnose("group_table", sets[-1])
    assert found["gap_last"].value == pytest.approx(single["gap_neighbors"].value)
    assert found["worst_last"].value == pytest.approx(single["worst_neighbors"].value)
    assert found.level == "good"


def test_a_group_that_is_given_up_is_found() -> None:
    found = cl_viz.diagnose("group_curves", run_of(a_step(None, 0), a_step(1, 1)))
    assert found.level == "bad"
    assert "where 1 is lowest" in found.findings[0].message
    assert found["largest_loss"].value > 0.4
    assert found.views["accuracy"].series[0].name == "1"


def test_without_labels_alignment_by_group_is_left() -> None:
    group = np.array(["<b>a</b>", "b"])[np.arange(N) % 2]
    sets = [a_step(None, seed, group=group).with_roles(label=None, group="group") for seed in (0, 1)]
    found = cl_viz.diagnose("group_curves", run_of(*sets))
    assert found.level == "unknown"
    assert list(found.views) == ["alignment"]
    assert found["gap_last"].value is None


def test_of_many_groups_the_lowest_and_the_highest_are_drawn() -> None:
    found = cl_viz.diagnose("group_curves", run_of(a_step(3, 0, 12), a_step(3, 1, 12)), params={"least": 10})
    lines = found.views["accuracy"]
    assert isinstance(lines, Lines)
    assert len(lines.series) == MOST_CURVES
    assert lines.series[0].name == "3"
    assert "8 of 12 groups" in lines.title

"""The order in which findings of several diagnostics are told."""

from __future__ import annotations

import cl_viz
from cl_viz.core.result import LEVELS, Finding
from cl_viz.diagnostics import DIAGNOSTICS, causes_first


def finding(diagnostic: str, level: str = "bad") -> Finding:
    return Finding(diagnostic, level, f"{diagnostic} is {level}.")  # type: ignore[arg-type]


def test_what_explains_others_comes_before_what_comes_of_it_and_training_last() -> None:
    told = ("rank_curves", "class_separation", "isotropy", "dimension_ranks")
    found = [finding.diagnostic for finding in causes_first(map(finding, told))]
    assert found == ["dimension_ranks", "isotropy", "class_separation", "rank_curves"]


def test_the_level_goes_before_everything() -> None:
    found = causes_first([finding("dimension_ranks", "good"), finding("rank_curves"), finding("spectrum", "watch")])
    assert [entry.level for entry in found] == ["bad", "watch", "good"]


def test_what_is_equal_keeps_its_order() -> None:
    told = [finding("isotropy"), finding("alignment_uniformity"), finding("isotropy", "bad")]
    assert causes_first(told) == told


def test_a_collapsed_run_is_told_that_it_collapsed_before_anything_else() -> None:
    run = cl_viz.sample_runs(["mnist-complete-collapse"])[0]
    asked = ("alignment_uniformity", "class_separation", "dimension_ranks", "isotropy", "neighbor_accuracy")
    found = causes_first(entry for name in asked for entry in cl_viz.diagnose(name, run).findings)
    assert found[0].diagnostic == "dimension_ranks"
    assert [LEVELS.index(entry.level) for entry in found] == sorted(LEVELS.index(entry.level) for entry in found)


def test_every_diagnostic_of_one_set_can_be_placed() -> None:
    assert {spec.tells for spec in DIAGNOSTICS.values()} == {"cause", "state", "outcome"}

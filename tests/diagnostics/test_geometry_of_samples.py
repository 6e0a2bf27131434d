"""What was trained into the sample runs is found by geometry, and not in the healthy run."""

from __future__ import annotations

import pytest

import cl_viz
from cl_viz.core.run import Run
from cl_viz.encoders import sample_runs

SETS = ("alignment_uniformity", "alignment_uniformity_path", "isotropy", "hubness", "intrinsic_dimension")


@pytest.fixture(scope="module")
def runs() -> dict[str, Run]:
    names = ("mnist-healthy", "mnist-complete-collapse", "mnist-vicreg", "mnist-balanced-seed-1", "python-docstrings")
    return {run.name: run for run in sample_runs(names)}


@pytest.mark.parametrize("name", SETS)
def test_the_healthy_run_is_good(name: str, runs: dict[str, Run]) -> None:
    found = cl_viz.diagnose(name, runs["mnist-healthy"])
    assert {finding.level for finding in found.findings} == {"good"}


@pytest.mark.parametrize("name", ["alignment_uniformity", "alignment_uniformity_path", "isotropy"])
def test_complete_collapse_is_bad(name: str, runs: dict[str, Run]) -> None:
    assert cl_viz.diagnose(name, runs["mnist-complete-collapse"]).level == "bad"


def test_a_cone_is_found_where_rows_were_never_normalised(runs: dict[str, Run]) -> None:
    found = cl_viz.diagnose("isotropy", runs["mnist-vicreg"])
    assert (found.findings[0].level, found.findings[0].quantity) == ("watch", "mean_cosine")
    assert abs(found["mean_cosine_centred"].value or 1.0) < 0.01


def test_repeated_docstrings_are_told(runs: dict[str, Run]) -> None:
    found = cl_viz.diagnose("intrinsic_dimension", runs["python-docstrings"])
    assert any("repeat another" in finding.message for finding in found.findings)


def test_two_seeds_are_more_alike_than_two_losses(runs: dict[str, Run]) -> None:
    values = [
        cl_viz.diagnose("run_similarity", runs[name], others=[runs["mnist-healthy"]])
        for name in ("mnist-balanced-seed-1", "mnist-vicreg", "mnist-complete-collapse")
    ]
    for quantity in ("cka_debiased", "cca_squared", "procrustes_similarity", "neighbor_overlap"):
        ordered = [value[quantity].value for value in values]
        assert ordered == sorted(ordered, reverse=True), quantity
    refused = cl_viz.diagnose("run_similarity", runs["python-docstrings"], others=[runs["mnist-healthy"]])
    assert refused.level == "unknown"
    assert "2,096" in refused.findings[0].message

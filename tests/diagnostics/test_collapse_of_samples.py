"""Collapse is found in the bundled runs where it was trained in, and not in the healthy one."""

from __future__ import annotations

import pytest

import cl_viz
from cl_viz.core.result import Result
from cl_viz.encoders import open_run, sample_folder


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> object:
    """Return a diagnostic's result on the last projector of a bundled run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CL_VIZ_CACHE", str(tmp_path_factory.mktemp("cache")))
        runs: dict[str, cl_viz.Run] = {}

        def get(diagnostic: str, name: str) -> Result:
            if name not in runs:
                runs[name] = open_run(sample_folder() / "runs" / name)
            return cl_viz.diagnose(diagnostic, runs[name])

        yield get


def levels(result: Result) -> dict[str, str]:
    return {finding.quantity: finding.level for finding in result.findings}


def test_the_healthy_run_has_collapsed_in_no_way(found) -> None:
    for diagnostic in ("spectrum", "dimension_ranks", "lidar", "neural_collapse", "rank_curves", "classifier_duality"):
        assert found(diagnostic, "mnist-healthy").level == "good", diagnostic
    # 32 dimensions are too few for the authors' range.
    assert found("alpha_req", "mnist-healthy").level == "unknown"


def test_complete_collapse_is_found(found) -> None:
    result = found("spectrum", "mnist-complete-collapse")
    assert levels(result)["total_variance"] == "bad"
    assert result["total_variance"].value < 1e-4
    assert found("dimension_ranks", "mnist-complete-collapse")["rankme"].value < 1.1
    assert found("rank_curves", "mnist-complete-collapse").level == "bad"
    assert found("neural_collapse", "mnist-complete-collapse").level == "bad"


def test_dimensional_collapse_is_found_and_told_from_complete_collapse(found) -> None:
    result = found("spectrum", "mnist-dimensional-collapse")
    assert levels(result) == {"before_cliff": "bad", "total_variance": "good"}
    assert 3 <= result["before_cliff"].value <= 8
    assert found("dimension_ranks", "mnist-dimensional-collapse").level == "watch"
    assert found("lidar", "mnist-dimensional-collapse")["lidar"].value < 8


def test_supervision_on_two_classes_leaves_one_direction(found) -> None:
    result = found("spectrum", "mnist-supervised-parity")
    assert result["before_cliff"].value == 1
    assert found("neural_collapse", "mnist-supervised-parity")["nc1_quotient"].value < 0.2
    assert found("neural_collapse", "mnist-healthy")["nc1_quotient"].value > 1

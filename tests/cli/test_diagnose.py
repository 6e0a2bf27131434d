"""`cl-viz diagnose`: one diagnostic with its parameters; `cl-viz plan`: what a pass would take."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cl_viz._cli.options import FINE, UNUSABLE
from cl_viz.cli import main


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    rows = np.random.default_rng(0).normal(size=(40, 5))
    path = tmp_path / "dump.npz"
    np.savez(path, view_1=rows, view_2=rows + 0.1, label=np.arange(40) % 4)
    return path


def test_it_shows_findings_numbers_and_what_they_rest_on(dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", "score_distribution", str(dump), "-p", "temperature=0.3"]) == FINE
    shown = capsys.readouterr().out
    assert "AUC, pooled" in shown
    assert "N = 40 samples" in shown
    assert "temperature 0.3" in shown


def test_it_writes_json_with_the_parameters_given(dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", "score_distribution", str(dump), "-p", "bins=50", "--json", "-"]) == FINE
    document = json.loads(capsys.readouterr().out)
    assert {entry["diagnostic"] for entry in document["runs"][0]["findings"]} == {"score_distribution"}


def test_list_names_every_diagnostic(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", "list"]) == FINE
    assert "score_distribution" in capsys.readouterr().out.replace("\n", "")


@pytest.mark.parametrize("given", [["-p", "bins"], ["-p", "nonsense=1"], ["-p", "bins=many"], ["-p", "bins=-4"]])
def test_a_parameter_that_cannot_be_used_says_what_is_allowed(
    dump: Path, given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diagnose", "score_distribution", str(dump), *given]) == UNUSABLE
    assert "Allowed" in capsys.readouterr().err


def test_a_path_in_the_place_of_the_name_is_told_from_a_misspelt_name(
    dump: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (str(dump), "sample:mnist-healthy"):
        assert main(["diagnose", path]) == UNUSABLE
        said = capsys.readouterr().err
        assert "is no diagnostic but something to look at" in " ".join(said.replace("│", " ").split())
        assert "NAME, then PATH" in said
    assert main(["diagnose", "hubnes", str(dump)]) == UNUSABLE
    assert "hubness" in capsys.readouterr().err


def test_without_a_path_it_says_what_a_path_may_be(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", "score_distribution"]) == UNUSABLE
    assert "run folder" in capsys.readouterr().err


def test_plan_says_how_many_scores_and_how_long(dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(dump), "--neighbors", "3"]) == FINE
    shown = capsys.readouterr().out.replace("\n", " ")
    # 80 rows: half the square, and every row an anchor; neighbours are found among the same scores.
    assert f"{80 * 80 // 2 + 80 * 80:,} scores" in shown
    assert "MB on" in shown

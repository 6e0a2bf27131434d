"""Runs trained with other seeds: they are trained and checked, and the page tells what was missed."""

from __future__ import annotations

from pathlib import Path

import cl_viz
from sample_models import fresh_seeds
from sample_models.findings import EXPECTED
from sample_models.train import provide_data


def test_a_recipe_is_trained_with_another_seed_and_checked(tmp_path: Path) -> None:
    provide_data(tmp_path)
    found = fresh_seeds.retrain("mnist-healthy", 11, tmp_path, fast=True)
    assert found["data_quality"] == "good"
    run = cl_viz.open_run(tmp_path / "runs" / "mnist-healthy-seed-11")
    assert run.card["seed"] == 11
    assert fresh_seeds.page({("mnist-healthy", 11): found}).count("| mnist-healthy | 11 | nothing | none |") == 1


def test_what_is_missed_is_named() -> None:
    name = "mnist-complete-collapse"
    levels = dict(EXPECTED[name])
    assert f"| {name} | 3 |" in fresh_seeds.page({(name, 3): levels})
    assert "| none |" in fresh_seeds.page({(name, 3): levels})
    levels["spectrum"] = "watch"
    (line,) = [line for line in fresh_seeds.page({(name, 3): levels}).splitlines() if line.startswith(f"| {name}")]
    assert line.split(" | ")[3] == "spectrum"


def test_no_bundled_run_has_these_seeds() -> None:
    bundled = {run.card["seed"] for run in cl_viz.sample_runs(cl_viz.sample_run_names()) if "seed" in run.card}
    assert not bundled & set(fresh_seeds.SEEDS)

"""What can be asked about: paths, arrays and tables as well as sets and runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError
from cl_viz.core.run import Run
from cl_viz.diagnostics import DIAGNOSTICS, estimate

ROWS = np.random.default_rng(0).normal(size=(40, 6))
OTHER = ROWS + 0.1 * np.random.default_rng(1).normal(size=ROWS.shape)
LABELS = np.arange(40) % 4


@pytest.fixture
def path(tmp_path: Path) -> Path:
    np.savez(tmp_path / "dump.npz", view_1=ROWS, view_2=OTHER, label=LABELS)
    return tmp_path / "dump.npz"


def test_a_diagnosis_is_the_same_of_whatever_holds_the_embeddings(path: Path) -> None:
    loaded = cl_viz.load(path)
    wanted = cl_viz.diagnose("alignment_uniformity", loaded)["alignment"].value
    for target in (path, str(path), Run.from_set(loaded), (ROWS, OTHER), (torch.tensor(ROWS), torch.tensor(OTHER)),
                   {"view_1": ROWS, "view_2": OTHER}, pd.DataFrame({"a": list(ROWS), "b": list(OTHER)})):  # fmt: skip
        assert cl_viz.diagnose("alignment_uniformity", target)["alignment"].value == wanted
        assert estimate("alignment_uniformity", target) == 0
    assert cl_viz.scan((ROWS, OTHER)).pairs.counts.sum() == cl_viz.scan(path).pairs.counts.sum()
    assert cl_viz.scan(Run.from_set(loaded)).n_used == 40
    assert cl_viz.find_pairs((ROWS, OTHER), m=3).count == cl_viz.find_pairs(path, m=3).count == 40 * 39
    assert cl_viz.estimate_pairs(ROWS).scores == cl_viz.estimate_pairs(EmbeddingSet.from_arrays(ROWS)).scores
    assert cl_viz.plan(ROWS).scores == cl_viz.plan(EmbeddingSet.from_arrays(ROWS)).scores
    assert list(cl_viz.sample_quantities(ROWS, ["norm"])) == ["norm"]
    drawn = [cl_viz.project(target, "pca").coordinates for target in (ROWS, EmbeddingSet.from_arrays(ROWS))]
    np.testing.assert_array_equal(*drawn)


def test_a_checkup_takes_roles_beside_what_has_none(path: Path) -> None:
    assert cl_viz.check((ROWS, OTHER), label=LABELS).table().equals(cl_viz.check(path).table().assign(run="embeddings"))
    assert cl_viz.check(path, label="label")[0].run == "dump"
    with pytest.raises(InputError, match=r"unknown argument 'labels'.*did you mean 'label'"):
        cl_viz.check(ROWS, labels=LABELS)
    with pytest.raises(InputError, match=r"unknown argument 'temperature'.*cl_viz.diagnose takes parameters"):
        cl_viz.check(ROWS, temperature=0.2)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="with_roles"):
        cl_viz.check(cl_viz.load(path), label=LABELS)


def test_parameters_are_given_by_name_or_as_a_mapping(path: Path) -> None:
    asked = cl_viz.diagnose("hardness", path, temperature=0.5)
    assert asked.quantities == cl_viz.diagnose("hardness", path, params={"temperature": 0.5}).quantities
    assert asked.quantities != cl_viz.diagnose("hardness", path).quantities
    with pytest.raises(InputError, match=r"unknown parameter 'temprature'.*did you mean 'temperature'"):
        cl_viz.diagnose("hardness", path, temprature=0.5)


def test_no_parameter_is_called_as_an_argument_of_diagnose() -> None:
    own = {"name", "target", "others", "step", "layer", "params", "scanner", "progress"}
    assert not [
        (name, entry.name)
        for name, spec in DIAGNOSTICS.items()
        for entry in spec.params.describe()
        if entry.name in own
    ]


def test_runs_are_compared_by_the_names_they_are_given(path: Path) -> None:
    table = cl_viz.compare_runs({"before": path, "after": (ROWS, OTHER)}, diagnostics=["alignment_uniformity"])
    assert table.runs == ("before", "after")
    assert table["alignment_uniformity.alignment"].differences["after"].value == 0
    listed = cl_viz.compare_runs([path, (ROWS, OTHER)], diagnostics=["alignment_uniformity"])
    assert listed.runs == ("dump", "embeddings")
    with pytest.raises(InputError, match=r"same name.*compare_runs\(\{name: run"):
        cl_viz.compare_runs([ROWS, OTHER])


@pytest.mark.parametrize("one", [ROWS, EmbeddingSet.from_arrays(ROWS), "dump.npz"], ids=["array", "set", "path"])
def test_one_run_alone_is_not_compared(one: Any) -> None:
    with pytest.raises(InputError, match=r"got one .*compare_runs\(\[first, second\]\)"):
        cl_viz.compare_runs(one)


def test_a_report_takes_one_target_or_a_list_of_them(path: Path, tmp_path: Path) -> None:
    one = pd.read_parquet(cl_viz.report((ROWS, OTHER), tmp_path / "one.parquet"))
    assert set(one["run"]) == {"embeddings"}
    both = pd.read_parquet(cl_viz.report([path, cl_viz.load(ROWS, name="mine")], tmp_path / "both.parquet"))
    assert set(both["run"]) == {"dump", "mine"}


def test_sample_runs_are_opened_by_one_name_too() -> None:
    (run,) = cl_viz.sample_runs("mnist-healthy")
    assert run.name == "mnist-healthy"
    assert cl_viz.open_run(run) is run


def test_a_name_that_cl_viz_has_not_is_told_the_nearest() -> None:
    with pytest.raises(AttributeError, match="did you mean 'check'"):
        cl_viz.chek  # noqa: B018

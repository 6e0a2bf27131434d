"""`cl-viz project`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import cl_viz
from cl_viz.cli import main
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.projections import PROJECTIONS


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".npz"])
def test_a_map_is_written_with_its_error(
    suffix: str, labelled_dump: Path, labelled_set: EmbeddingSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / f"map{suffix}"
    arguments = ["--method", "pca", "--dim", "3", "-p", "whiten=true", "--view", "view_2", "-o", str(out)]
    assert main(["project", str(labelled_dump), *arguments]) == 0
    said = capsys.readouterr().out
    made = cl_viz.project(labelled_set, "pca", dim=3, params={"whiten": True}, view="view_2")
    assert "pca of view_2, N = 120, seed 0" in said
    assert f"trustworthiness {made.trustworthiness}, neighbour recall {made.neighbor_recall}" in said
    if suffix == ".npz":
        with np.load(out, allow_pickle=False) as stored:
            coordinates, error, facts = stored["coordinates"], stored["error"], json.loads(str(stored["facts"]))
    else:
        table = pd.read_parquet(out) if suffix == ".parquet" else pd.read_csv(out)
        assert list(table.columns) == ["row", "x", "y", "z", "error", "label"]
        np.testing.assert_array_equal(table["label"], np.asarray(labelled_set.role("label")))
        coordinates, error = table[["x", "y", "z"]].to_numpy(), table["error"].to_numpy()
        facts = json.loads(pq.read_schema(out).metadata[b"cl_viz_map"]) if suffix == ".parquet" else None
    np.testing.assert_allclose(coordinates, made.coordinates, rtol=1e-6)
    np.testing.assert_allclose(error, made.error, rtol=1e-6)
    if facts is not None:
        assert facts["trustworthiness"] == {
            "value": made.trustworthiness.value, "n": 120, "population": 120, "k": 15, "interval": None,
        }  # fmt: skip
        assert facts["params"] == {"whiten": True}


def test_columns_of_the_maps_own_names_and_of_mixed_entries_are_kept(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    rows[5] = 0
    mixed = np.array(["a", 1, None, "<b>", 2.5, "=1+1"] * 2, dtype=object)
    dump = tmp_path / "dump.parquet"
    cl_viz.save(EmbeddingSet.from_arrays(rows, metadata={"x": np.arange(12), "mixed": mixed.astype(str)}), dump)
    out = tmp_path / "map.parquet"
    assert main(["project", str(dump), "-m", "pca", "-o", str(out)]) == 0
    table = pd.read_parquet(out)
    assert table["metadata x"].tolist() == list(range(12))
    assert table["mixed"][3] == "<b>"
    assert table["x"].isna().tolist() == [row == 5 for row in range(12)]


def test_the_list_names_every_method_and_parameter(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["project", "--list"]) == 0
    said = capsys.readouterr().out
    for name, spec in PROJECTIONS.items():
        assert name in said
        assert all(info.name in said for info in spec.params.describe())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "no path was given"),
        (["absent.npz"], "there is no such file"),
        (["DUMP", "-o", "map.png"], ".parquet, .csv, .npz"),
        (["DUMP", "-m", "mds"], "pacmap, pca, tsne, umap"),
        (["DUMP", "-m", "pca", "-p", "perplexity=3"], "whiten=bool"),
        (["DUMP", "-m", "tsne", "--dim", "3"], "dim = 3"),
        (["DUMP", "-m", "pca", "-o", "/nowhere/map.csv"], "there is no such folder"),
    ],
)
def test_what_cannot_be_done_is_told(
    arguments: list[str], expected: str, labelled_dump: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["project", *[str(labelled_dump) if part == "DUMP" else part for part in arguments]]) == 2
    assert expected in capsys.readouterr().err

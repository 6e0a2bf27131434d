"""`cl-viz pairs`: the list is what `find_pairs` finds, in three formats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cl_viz
from cl_viz.cli import main
from cl_viz.core.embedding_set import EmbeddingSet


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_the_list_is_what_python_finds(
    suffix: str, labelled_dump: Path, labelled_set: EmbeddingSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / f"pairs.{suffix}"
    asked = ["--question", "classes", "--classes", "1", "3", "--low", "-0.2", "-m", "7"]
    assert main(["pairs", str(labelled_dump), *asked, "-o", str(out)]) == 0
    found = cl_viz.find_pairs(labelled_set, "classes", classes=("1", "3"), low=-0.2, m=7)
    assert f"7 of {found.count:,} negatives between 1 and 3" in capsys.readouterr().out
    if suffix == "csv":
        again = pd.read_csv(out)
    else:
        again = pd.read_parquet(out) if suffix == "parquet" else pd.read_json(out, lines=True)
    assert again["row"].tolist() == found.first.tolist()
    assert again["other_row"].tolist() == found.second.tolist()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_cannot_be_written_or_asked_says_so(
    labelled_dump: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pairs", str(labelled_dump), "-o", str(tmp_path / "pairs.xls")]) == 2
    assert ".csv, .parquet, .jsonl" in capsys.readouterr().err
    assert main(["pairs", str(labelled_dump), "-o", str(tmp_path / "no folder" / "pairs.csv")]) == 2
    assert "there is no such folder" in capsys.readouterr().err
    assert main(["pairs", str(labelled_dump), "--question", "interval", "-o", str(tmp_path / "pairs.csv")]) == 2
    assert "--low" in capsys.readouterr().err
    assert not (tmp_path / "pairs.csv").exists()


def test_views_of_unequal_length_are_linked_by_a_file_of_pairs(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(20, 4))
    np.savez(tmp_path / "search.npz", query=rows, document=rows[:10])
    links = pd.DataFrame({"query": np.arange(20), "document": np.arange(20) % 10})
    links.to_csv(tmp_path / "relevant.csv", index=False)
    asked = ["pairs", str(tmp_path / "search.npz"), "--question", "weakest-positives", "-o", str(tmp_path / "out.csv")]
    assert main([*asked, "--pairs", str(tmp_path / "relevant.csv")]) == 0
    found = pd.read_csv(tmp_path / "out.csv")
    assert len(found) == 20
    assert (found["row"] % 10 == found["other_row"]).all()

"""Reports as files: the format follows the name, and nothing half-written stays."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

import cl_viz
from cl_viz.core.errors import InputError
from cl_viz.core.result import Result
from cl_viz.reporting import markdown_text, quantities_table, write_report
from tests.reporting.conftest import HOSTILE

Found = list[tuple[cl_viz.EmbeddingSet, Sequence[Result]]]


@pytest.mark.parametrize("name", ["a.html", "a.HTM", "a.json", "a.parquet", "a.md"])
def test_the_suffix_chooses_the_format(found: Found, tmp_path: Path, name: str) -> None:
    path = write_report(found, tmp_path / name)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    start = path.read_bytes()[:20]
    expected = {
        "html": b"<!doctype html>",
        "htm": b"<!doctype html>",
        "json": b"{",
        "parquet": b"PAR1",
        "md": b"# What",
    }
    assert start.startswith(expected[name.split(".")[1].lower()])


def test_what_cannot_be_written_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    def fail(done: float, message: str) -> None:
        raise AssertionError

    with pytest.raises(InputError, match="pdf"):
        cl_viz.report(cl_viz.sample_runs(["mnist-healthy"]), tmp_path / "a.pdf", progress=fail)
    for path, what in ((tmp_path / "absent" / "a.html", "no such folder"), (tmp_path, "is a folder")):
        with pytest.raises(InputError, match=what):
            cl_viz.report(cl_viz.sample_runs(["mnist-healthy"]), path, format="html", progress=fail)
    twins = [run.renamed("one") for run in cl_viz.sample_runs(["mnist-healthy", "mnist-vicreg"])]
    with pytest.raises(InputError, match="same name"):
        cl_viz.report(twins, tmp_path / "a.html", progress=fail)


def test_a_report_from_python_checks_every_run(tmp_path: Path) -> None:
    seen: list[float] = []
    runs = cl_viz.sample_runs(["mnist-healthy", "mnist-complete-collapse"])
    sets = [run.get().select(rows=range(60)) for run in runs]
    named = [cl_viz.EmbeddingSet.from_arrays(dict(found.views), name=f"set {i}") for i, found in enumerate(sets)]
    path = cl_viz.report(named, tmp_path / "a.json", progress=lambda done, message: seen.append(done))
    assert [run["name"] for run in json.loads(path.read_text())["runs"]] == ["set 0", "set 1"]
    assert seen == sorted(seen)


def test_the_table_has_a_row_for_every_quantity(found: Found, tmp_path: Path) -> None:
    table = pd.read_parquet(write_report(found, tmp_path / "a.parquet"))
    assert len(table) == sum(len(result.quantities) for _, results in found for result in results)
    first = found[0][1][0]
    row = table[(table["run"] == "tight") & (table["quantity"] == "auc")].iloc[0]
    assert row["value"] == first["auc"].value
    assert row["low"] <= row["value"] <= row["high"]
    assert row["n"] == first["auc"].n
    pd.testing.assert_frame_equal(quantities_table([results for _, results in found]), table)


def test_markdown_has_every_finding_and_leaves_names_as_they_are(found: Found) -> None:
    text = markdown_text([results for _, results in found])
    assert sum(line.startswith("- **") for line in text.splitlines()) == sum(
        len(result.findings) for _, results in found for result in results
    )
    rendered = pytest.importorskip("markdown_it").MarkdownIt("commonmark").render(text)
    assert "<img" not in rendered
    assert HOSTILE.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in rendered.replace("&quot;", '"')

"""The docs say what the code says: generated pages are fresh, links lead somewhere, the README's Python runs."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import cl_viz
from cl_viz.diagnostics import DIAGNOSTICS, SAMPLE_QUANTITIES
from cl_viz.encoders import ENCODERS
from cl_viz.engine.queries import AnchorQueries
from cl_viz.formats import FORMATS
from cl_viz.losses import losses
from cl_viz.projections import PROJECTIONS, reading
from cl_viz.reporting.formulas import mathml
from docs import generate

CHECKOUT = Path(__file__).parents[2]
WRITTEN = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]


def test_generated_pages_are_up_to_date() -> None:
    assert generate.out_of_date() == [], "run `make docs`"


def test_a_page_that_differs_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "DOCS", tmp_path)
    assert set(generate.out_of_date()) == set(generate.pages())
    generate.write()
    assert generate.out_of_date() == []
    (tmp_path / "formats.md").write_text("old")
    (tmp_path / "diagnostics" / "gone.md").write_text("a diagnostic that was removed")
    assert generate.out_of_date() == ["diagnostics/gone.md", "formats.md"]
    generate.write()
    assert generate.out_of_date() == []
    assert not (tmp_path / "diagnostics" / "gone.md").exists()


@pytest.mark.parametrize("name", list(DIAGNOSTICS))
def test_every_diagnostic_has_a_page_with_every_quantity(name: str) -> None:
    page = (CHECKOUT / "docs" / "diagnostics" / f"{name}.md").read_text(encoding="utf-8")
    spec = DIAGNOSTICS[name]
    for part in (spec.title, spec.question, spec.definition, spec.formula, spec.reading, spec.traps):
        assert part in page
    for quantity in spec.quantities:
        assert f"`{name}.{quantity.name}`" in page
    for source in spec.sources:
        assert source.citation in page


@pytest.mark.parametrize("name", list(losses()))
def test_every_loss_has_a_page(name: str) -> None:
    page = (CHECKOUT / "docs" / "losses" / f"{name}.md").read_text(encoding="utf-8")
    loss = losses()[name]
    for part in (loss.label, loss.formula, loss.traps, loss.peer, *(source.citation for source in loss.sources)):
        assert part in page


@pytest.mark.parametrize("name", list(losses()))
def test_the_python_on_the_page_of_a_loss_runs(name: str) -> None:
    page = (CHECKOUT / "docs" / "losses" / f"{name}.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    rows = torch.randn(3, 12, 8, generator=torch.Generator().manual_seed(0))
    given = list(rows[: 3 if "three_views" in losses()[name].needs else 2])
    known: dict[str, Any] = {
        "views": given, "labels": torch.arange(12) % 3, "queue": rows[2], "prototypes": rows[1, :3],
    }  # fmt: skip
    exec(block, known)
    assert torch.isfinite(known["value"])


@pytest.mark.parametrize(
    "formula",
    [spec.formula for spec in [*DIAGNOSTICS.values(), *losses().values()]],
    ids=[*DIAGNOSTICS, *losses()],
)
def test_every_formula_is_made_of_known_commands(formula: str) -> None:
    # A command that is not known stands in the output as it was written.
    assert "\\" not in mathml(formula)


@pytest.mark.parametrize(
    ("page", "entries"),
    [
        ("formats.md", [spec.description for spec in FORMATS.values()]),
        (
            "projections.md",
            [spec.description for spec in PROJECTIONS.values()]
            + [spec.definition for spec in SAMPLE_QUANTITIES.values()]
            + [reading.KEPT, reading.TRAPS],
        ),
        ("encoders.md", [spec.description for spec in ENCODERS.values()]),
        ("losses/README.md", [f"`{name}`" for name in losses()]),
    ],
)
def test_every_entry_is_on_its_page(page: str, entries: list[str]) -> None:
    text = (CHECKOUT / "docs" / page).read_text(encoding="utf-8")
    assert entries
    assert [entry for entry in entries if entry not in text] == []


def test_the_readme_names_every_suffix_that_is_read() -> None:
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    assert [spec.name for spec in FORMATS.values() if spec.suffixes and spec.suffixes[0] not in readme] == []


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_links_inside_the_docs_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8"))
    local = [target for target in targets if not target.startswith(("http:", "https:"))]
    assert [target for target in local if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("path", WRITTEN[:2], ids=lambda path: path.name)
def test_files_named_in_the_text_exist(path: Path) -> None:
    named = re.findall(r"`((?:cl_viz|tests|docs|notebooks|pages)/[\w./]+)`", path.read_text(encoding="utf-8"))
    assert named
    assert [name for name in named if not (CHECKOUT / name).exists()] == []


def test_the_python_of_the_readme_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (CHECKOUT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 2
    for block in blocks:
        done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout


def test_the_page_on_questions_names_them_all_and_its_python_runs() -> None:
    page = (CHECKOUT / "docs" / "queries.md").read_text(encoding="utf-8")
    questions = [name for name, value in vars(AnchorQueries).items() if name[0] != "_" and inspect.isfunction(value)]
    assert len(questions) >= 15
    assert [name for name in questions if f"`{name}" not in page] == []
    known: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(block, known)
    assert known["loss"].shape == (3, 1000)
    assert known["means"].mean.shape == (3,)


def test_the_python_of_the_walk_through_a_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = (CHECKOUT / "docs" / "notebook.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) >= 7
    known: dict[str, Any] = {}
    for block in blocks:
        exec(block, known)
    assert known["checkup"]["score_distribution"] is known["result"]
    assert known["colder"]["false_negative_push"].value != known["result"]["false_negative_push"].value
    assert "isotropy.mean_cosine" in set(known["changed"]["key"])
    assert len(known["everything"]) == len(pd.read_csv(tmp_path / "checkup.csv")) > len(known["numbers"]) > 5
    assert len(known["pairs"]) == 20
    assert known["norms"].shape == (180,)
    for name in ("scores.html", "report.html"):
        assert not re.search(r'<(script|link)[^>]*(src|href)="http', (tmp_path / name).read_text(encoding="utf-8"))
    assert cl_viz.load(tmp_path / "mine.parquet").n == 180


def test_the_python_on_queries_and_documents_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = np.random.default_rng(0).normal(size=(30, 8))
    # Two queries a document: the document itself, and noise.
    queries = np.concatenate([rows, np.random.default_rng(1).normal(size=(30, 8))])
    pd.DataFrame({"document_id": [f"d{i}" for i in range(30)], "embedding": list(rows)}).to_parquet(
        tmp_path / "documents.parquet"
    )
    pd.DataFrame({"embedding": list(queries), "relevant_document": [f"d{i % 30}" for i in range(60)]}).to_parquet(
        tmp_path / "queries.parquet"
    )
    monkeypatch.chdir(tmp_path)
    page = (CHECKOUT / "docs" / "retrieval.md").read_text(encoding="utf-8")
    known: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(block, known)
    assert "60 queries" in capsys.readouterr().out
    recall = known["cl_viz"].diagnose("cross_view_retrieval", known["search"])["recall_at_1_there"]
    noise = queries[30:] @ (rows / np.linalg.norm(rows, axis=1, keepdims=True)).T
    assert recall.value == pytest.approx((30 + np.sum(noise.argmax(axis=1) == np.arange(30))) / 60)
    assert known["weakest"].count == 60


def test_the_commands_of_the_readme_exist(capsys: pytest.CaptureFixture[str]) -> None:
    from cl_viz.cli import main

    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    used = {tuple(line.split()[:2]) for line in readme.splitlines() if line.startswith("cl-viz ")}
    assert len(used) >= 4
    for _, command in used:
        assert main([command, "--help"]) == 0
    options = set(re.findall(r"^cl-viz check .*?(--[\w-]+)", readme, re.MULTILINE))
    capsys.readouterr()
    main(["check", "--help"])
    shown = capsys.readouterr().out
    assert [option for option in options if option not in shown] == []


def test_the_makefile_has_the_targets_that_the_docs_name() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in WRITTEN[:2])
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"\bmake (app|test|lint|format|docs|clean)\b", text))
    assert {"app", "test"} <= named
    assert [target for target in named if f"\n{target}:" not in makefile] == []

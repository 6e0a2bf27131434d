"""`cl-viz compare`: two or more runs, with the numbers of `cl_viz.compare_runs`."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import cl_viz
from cl_viz._cli.comparing import show_runs
from cl_viz.cli import main
from cl_viz.core.result import Interval, Quantity
from cl_viz.diagnostics import Pairing, RunTable
from cl_viz.diagnostics._comparing import comparing
from cl_viz.diagnostics._comparing.differences import Difference
from cl_viz.diagnostics._comparing.run_table import QuantityRow

QUICK = ("alignment_uniformity", "label_retrieval", "neural_collapse")


@pytest.fixture(autouse=True)
def _few_diagnostics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "compared_diagnostics", lambda: QUICK)


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Three dumps of the same samples, each with more noise, and one of other samples."""
    folder = tmp_path_factory.mktemp("runs")
    generator = np.random.default_rng(0)
    label = np.arange(90) % 3
    content = 3 * np.eye(3, 8)[label] + generator.normal(size=(90, 8))
    paths = []
    for name, spread, count in (("first", 0.2, 90), ("second", 0.3, 90), ("third", 0.8, 90), ("other", 0.3, 70)):
        paths.append(str(folder / f"{name}.npz"))
        rows = {f"view_{n}": (content + spread * generator.normal(size=content.shape))[:count] for n in (1, 2)}
        np.savez(paths[-1], allow_pickle=False, label=label[:count], **rows)
    return paths


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    return dict(json.loads(capsys.readouterr().out))


def test_several_runs_have_the_numbers_of_the_library(dumps: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *dumps, "--format", "json"]) == 0
    found = printed(capsys)
    table = cl_viz.compare_runs([cl_viz.open_run(path) for path in dumps])
    assert (found["reference"], found["runs"]) == ("first", ["first", "second", "third", "other"])
    assert (found["judged"], found["beyond_noise"], found["holding"]) == (
        table.judged, table.beyond_noise, table.holding,
    )  # fmt: skip
    assert found["resamples"] is None
    pairings = found["pairings"]
    assert isinstance(pairings, dict)
    assert pairings["second"]["same"]
    assert "70 in view_1" in pairings["other"]["reason"]
    quantities = found["quantities"]
    assert isinstance(quantities, dict)
    entry = quantities["alignment_uniformity.alignment"]
    expected = table["alignment_uniformity.alignment"].differences["third"]
    assert entry["differences"]["third"]["value"] == expected.value
    assert entry["differences"]["third"]["holds"] is True
    assert entry["differences"]["third"]["direction"] == "worse"
    assert entry["differences"]["other"]["noise"] == "unpaired"
    assert quantities["label_retrieval.map_at_r"]["differences"]["second"]["interval"] is None


def test_the_baseline_is_a_path_a_name_or_one_more_path(dumps: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for baseline in (dumps[1], "second"):
        assert main(["compare", *dumps[:2], "--baseline", baseline, "--format", "json"]) == 0
        assert printed(capsys)["reference"] == "second"
    assert main(["compare", dumps[0], "--baseline", dumps[1]]) == 0
    shown = capsys.readouterr().out
    assert f"Against{dumps[1]},first:changes" in "".join(shown.split())
    said = " ".join(shown.split())
    assert "judged numbers differ from those of second beyond noise" in said
    assert "differences from second are beyond noise" in said
    assert "first: paired, same samples by label." in said
    assert "differences are judged; resamples judge more. Draw them with --resamples 200." in said


def test_roles_are_chosen_as_for_a_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generator = np.random.default_rng(2)
    mode = np.arange(60) % 3
    paths = [str(tmp_path / f"{name}.npz") for name in ("old", "new")]
    for path in paths:
        np.savez(path, rows=3 * np.eye(3, 8)[mode] + generator.normal(size=(60, 8)), mode=mode)
    said = []
    for chosen in ([], ["--label", "mode"]):
        assert main(["compare", *paths, *chosen, "--format", "json"]) == 0
        quantities = printed(capsys)["quantities"]
        assert isinstance(quantities, dict)
        said.append("label_retrieval.map_at_r" in quantities)
    assert said == [False, True]
    assert main(["compare", *paths, "--label", "colour"]) == 2
    assert "colour" in capsys.readouterr().err


def test_resamples_judge_more_and_say_their_seed(dumps: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *dumps[:2], "--resamples", "20", "--seed", "3"]) == 0
    assert "20 resamples, seed 3, of 90 different samples" in " ".join(capsys.readouterr().out.split())
    assert main(["compare", *dumps[:2], "--resamples", "2"]) == 2
    assert "20 or more" in capsys.readouterr().err


def test_exit_codes(dumps: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", dumps[0], dumps[2], "--fail-on", "worse"]) == 1
    twin = tmp_path / "twin.npz"
    twin.write_bytes(Path(dumps[0]).read_bytes())
    assert main(["compare", dumps[0], str(twin), "--fail-on", "different"]) == 0
    assert main(["compare", dumps[0]]) == 2
    assert "two runs or more" in capsys.readouterr().err
    assert main(["compare", dumps[0], dumps[1], str(tmp_path / "absent.npz")]) == 2
    shown = capsys.readouterr()
    assert "absent.npz" in shown.err
    assert f"Against{dumps[0]},second:changes" in "".join(shown.out.split()), "the others are compared all the same"
    assert main(["compare", dumps[0], dumps[1], "--baseline", "nobody"]) == 2


def test_runs_of_one_name_are_told_apart_by_their_paths(
    dumps: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    twin = tmp_path / "first.npz"
    twin.write_bytes(Path(dumps[0]).read_bytes())
    assert main(["compare", dumps[0], str(twin)]) == 0
    shown = capsys.readouterr().out
    assert "nothing changed beyond noise" in shown
    assert f"first ({twin})" in shown


def test_quantities_of_one_label_are_told_apart_and_several_runs_have_a_column() -> None:
    counts = {"a": 1200, "b": 1200, "c": 700}

    def row(diagnostic: str, title: str, label: str) -> QuantityRow:
        found = {run: Quantity("q", label, place / 3, n=n) for place, (run, n) in enumerate(counts.items())}
        moved = {run: Difference(0.5, Interval(0.1, 0.9), "paired") for run in ("b", "c")}
        return QuantityRow(diagnostic, "q", label, title, "", "higher", found, moved)

    same = Pairing(True, "")
    rows = (row("one", "One", "Rank"), row("two", "Two", "Rank"), row("two", "Two", "Gap"))
    for runs in (("b",), ("b", "c")):
        kept = tuple(replace(entry, differences={run: entry.differences[run] for run in runs}) for entry in rows)
        console = Console(width=200, record=True, file=io.StringIO())
        show_runs(console, RunTable("a", ("a", *runs), kept, dict.fromkeys(runs, same)), "a.npz")
        shown = console.export_text()
        assert all(label in shown for label in ("Rank (One)", "Rank (Two)", "Gap "))
        assert "Gap (" not in shown
        assert ("Run" in shown) == (len(runs) > 1)
        assert "1,200 " in shown
        assert ("1,200, 700" in shown) == ("c" in runs)
        assert "Noise: half the width of the 95 % interval" in shown

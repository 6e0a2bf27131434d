"""`cl-viz check`: tables, JSON, exit codes, and what happens to bad input."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

import cl_viz
from cl_viz._cli import checking
from cl_viz._cli.opening import Choices
from cl_viz.cli import main
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.run import Run
from cl_viz.diagnostics import DIAGNOSTICS


def _strict(text: str) -> dict:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.fixture
def collapsed_dump(tmp_path: Path) -> Path:
    generator = np.random.default_rng(3)
    nearly_one_point = np.ones((80, 8)) + 1e-3 * generator.normal(size=(2, 80, 8))
    path = tmp_path / "collapsed.npz"
    np.savez(path, view_1=nearly_one_point[0], view_2=nearly_one_point[1])
    return path


@pytest.fixture
def healthy_dump(tmp_path: Path) -> Path:
    generator = np.random.default_rng(4)
    first = generator.normal(size=(300, 16))
    second = first + 0.3 * generator.normal(size=first.shape)
    path = tmp_path / "healthy.npz"
    np.savez(path, view_1=first, view_2=second, label=generator.integers(0, 5, 300))
    return path


def test_findings_are_shown_worst_first(labelled_dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(labelled_dump)]) == 0
    shown = capsys.readouterr().out
    levels = [line.split("│")[1].strip() for line in shown.splitlines() if line.startswith("│")]
    levels = [level for level in levels if level]
    order = ["bad", "watch", "unknown", "good"]
    assert len(levels) >= 3
    assert levels == sorted(levels, key=order.index)
    assert "N = 120, D = 12, views view_1, view_2" in shown
    left_out = shown[shown.index("Left out because slow") :]
    assert "cl-viz diagnose NAME PATH" in left_out
    assert "linear_probe" in left_out
    # It looks at training steps, and there are none.
    assert "group_curves" not in left_out


def test_json_has_the_promised_form(
    labelled_dump: Path, labelled_set: EmbeddingSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.json"
    assert main(["check", str(labelled_dump), "--json", str(out)]) == 0
    document = _strict(out.read_text(encoding="utf-8"))
    assert list(document) == ["runs"]
    (run,) = document["runs"]
    assert list(run) == ["name", "n", "dim", "views", "quantities", "findings", "params", "caveats"]
    assert (run["name"], run["n"], run["dim"], run["views"]) == ("labelled", 120, 12, ["view_1", "view_2"])
    entry = run["quantities"]["score_distribution.auc"]
    expected = cl_viz.diagnose("score_distribution", labelled_set)["auc"]
    assert entry["value"] == pytest.approx(expected.value)
    assert entry["n"] == expected.n
    assert expected.interval is not None
    assert entry["interval"]["low"] == pytest.approx(expected.interval.low)
    assert run["findings"]
    for finding in run["findings"]:
        assert list(finding) == ["diagnostic", "level", "message", "advice", "quantity", "source"]
        assert finding["diagnostic"] in DIAGNOSTICS
    assert not list(tmp_path.glob("*.part"))
    assert str(out) not in capsys.readouterr().err


class _TwoLayers(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.projector = torch.nn.Linear(8, 4)

    def forward(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"projector": self.projector(rows), "backbone": rows}


def test_json_says_what_the_numbers_depend_on(
    labelled_set: EmbeddingSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    probe = {name: torch.tensor(rows[:, :8]) for name, rows in labelled_set.views.items()}
    with cl_viz.Recorder(tmp_path / "run", probe, every=10, label=labelled_set.role("label")) as recorder:
        for step in (0, 10):
            recorder.step(_TwoLayers(), step)
    run = cl_viz.open_run(tmp_path / "run")
    assert main(["check", str(tmp_path / "run"), "--layer", "backbone", "--json", "-"]) == 0
    (entry,) = _strict(capsys.readouterr().out)["runs"]
    results = {result.diagnostic: result for result in cl_viz.check(run, layer="backbone")}
    assert entry["params"].keys() == entry["caveats"].keys() == results.keys()
    for name, result in results.items():
        caveats = entry["caveats"][name]
        assert list(caveats) == [
            "n_used", "n_excluded", "layer", "step", "seed", "normalised", "centred", "notes",
        ]  # fmt: skip
        assert {**caveats, "notes": tuple(caveats["notes"])} == {key: getattr(result.caveats, key) for key in caveats}
        assert entry["params"][name].keys() == result.params.keys()
    assert entry["params"]["score_distribution"]
    of_one_set = [name for name, spec in DIAGNOSTICS.items() if spec.quick and spec.needs in ("set", "steps")]
    assert {(entry["caveats"][name]["layer"], entry["caveats"][name]["step"]) for name in of_one_set} == {
        ("backbone", run.steps[-1])
    }


def test_json_on_standard_output_is_nothing_but_json(labelled_dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(labelled_dump), "--json", "-"]) == 0
    assert _strict(capsys.readouterr().out)["runs"][0]["name"] == "labelled"


def test_numbers_that_json_cannot_say_become_null(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "same.npy"
    np.save(path, np.ones((20, 4)))
    assert main(["check", str(path), "--json", "-"]) == 0
    for name, entry in _strict(capsys.readouterr().out)["runs"][0]["quantities"].items():
        assert entry["value"] is None or math.isfinite(entry["value"]), name


def test_fail_on_decides_the_exit_code(
    collapsed_dump: Path, healthy_dump: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(collapsed_dump)]) == 0
    assert main(["check", str(collapsed_dump), "--fail-on", "bad"]) == 1
    assert main(["check", str(collapsed_dump), "--fail-on", "watch"]) == 1
    assert main(["check", str(healthy_dump), "--fail-on", "bad"]) == 0
    assert main(["check", str(healthy_dump), str(collapsed_dump), "--fail-on", "bad"]) == 1
    capsys.readouterr()


def test_one_unusable_path_leaves_the_others_alive(
    labelled_dump: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken [bold].npy"
    broken.write_bytes(b"\x93NUMPY\x01\x00")
    assert main(["check", str(broken), str(labelled_dump), "--json", "-"]) == 2
    captured = capsys.readouterr()
    assert [run["name"] for run in _strict(captured.out)["runs"]] == ["labelled"]
    assert "broken [bold].npy" in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.parametrize("error", [ZeroDivisionError("one over nothing"), MemoryError()])
def test_a_mistake_on_one_path_leaves_the_others_alive(
    error: Exception,
    labelled_dump: Path,
    healthy_dump: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    open_target = checking.open_target

    def fail(target: str, choices: Choices) -> Run:
        if target == str(labelled_dump):
            raise error
        return open_target(target, choices)

    monkeypatch.setattr(checking, "open_target", fail)
    assert main(["check", str(labelled_dump), "absent.npy", str(healthy_dump), "--json", "-"]) == 3
    captured = capsys.readouterr()
    assert [run["name"] for run in _strict(captured.out)["runs"]] == ["healthy"]
    assert type(error).__name__ in captured.err
    assert str(labelled_dump) in captured.err
    assert "report" in captured.err
    assert "no such file or folder" in captured.err
    assert "Traceback" not in captured.err


def test_a_single_checkpoint_is_checked_as_a_run(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = checkout / "sample_models" / "runs" / "mnist-healthy" / "step_000300.safetensors"
    assert main(["check", str(checkpoint), "--layer", "backbone"]) == 0
    assert "step 300, layer backbone" in capsys.readouterr().out


def test_views_of_a_run_taken_the_other_way_round_keep_their_pairs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = np.random.default_rng(6)
    pairs = np.stack([np.arange(60) // 2, np.arange(60)[::-1]], axis=1)
    image = generator.normal(size=(30, 8))
    caption = np.empty((60, 8))
    caption[pairs[:, 1]] = image[pairs[:, 0]] + 0.1 * generator.normal(size=(60, 8))
    np.savez(tmp_path / "dump.npz", image=image, caption=caption, pairs=pairs)
    folder = tmp_path / "runs" / "captions"
    folder.mkdir(parents=True)
    (folder / "card.json").write_text(json.dumps({"name": "captions", "dump": "dump.npz"}))
    areas = []
    for order in (["image", "caption"], ["caption", "image"]):
        assert main(["check", str(folder), "--view", order[0], "--view", order[1], "--json", "-"]) == 0
        (run,) = _strict(capsys.readouterr().out)["runs"]
        assert run["views"] == order
        areas.append(run["quantities"]["score_distribution.auc"]["value"])
    assert areas[0] == pytest.approx(areas[1], abs=0.02)
    assert areas[0] > 0.95


def test_roles_and_views_can_be_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generator = np.random.default_rng(5)
    path = tmp_path / "wärme dump.npz"
    arrays = {name: generator.normal(size=(40, 6)) for name in ("early", "late", "other")}
    np.savez(path, **arrays, kind=np.repeat([0, 1], 20))
    chosen = ["--view", "late", "--view", "early", "--label", "kind"]
    assert main(["check", str(path), *chosen, "--json", "-"]) == 0
    (run,) = _strict(capsys.readouterr().out)["runs"]
    assert run["views"] == ["late", "early"]
    assert run["quantities"]["score_distribution.false_negative_share"]["value"] is not None
    assert main(["check", str(path), "--label", "absent"]) == 2
    assert "absent" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["check", "nowhere.npy"], "no such file or folder"),
        (["check", "sample:nobody"], "nobody"),
        (["check"], "Missing argument"),
        (["check", "x.npy", "--fail-on", "good"], "good"),
    ],
)
def test_what_cannot_be_used_exits_with_2(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert expected in captured.err
    assert "Traceback" not in captured.err


def test_a_device_that_is_absent_is_unusable_input(labelled_dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(labelled_dump), "--device", "cuda:99"]) == 2
    assert "cuda:99" in capsys.readouterr().err


def test_json_into_a_missing_folder_is_unusable_input(
    labelled_dump: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for option in ("--json", "--junit"):
        assert main(["check", str(labelled_dump), option, str(tmp_path / "absent" / "out")]) == 2
        told = capsys.readouterr()
        assert "there is no such folder" in told.err
        assert not told.out, "told before the work"
    assert main(["check", str(labelled_dump), "--json", str(tmp_path)]) == 2
    assert "this is a folder" in capsys.readouterr().err


def test_a_baseline_that_is_none_is_told_before_the_work(
    labelled_dump: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(labelled_dump), "--baseline", str(labelled_dump)]) == 2
    told = capsys.readouterr()
    assert "no result of an earlier check" in told.err
    assert not told.out


def test_mistyped_paths_and_steps_of_a_dump_are_told(labelled_dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(labelled_dump.with_name(f"{labelled_dump.stem}s.npz"))]) == 2
    assert f"did you mean '{labelled_dump.name}'?" in " ".join(capsys.readouterr().err.split())
    for option in (["--step", "3"], ["--layer", "backbone"]):
        assert main(["check", str(labelled_dump), *option]) == 2
        assert "without steps or layers" in capsys.readouterr().err


def test_markup_in_names_is_shown_as_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "[red]run[ red].npy"
    np.save(path, np.random.default_rng(1).normal(size=(30, 5)))
    assert main(["check", str(path)]) == 0
    assert "[red]run[ red]" in capsys.readouterr().out


def test_a_sample_run_is_checked_at_its_last_step(capsys: pytest.CaptureFixture[str]) -> None:
    from cl_viz.encoders import sample_run_names, sample_runs

    name = sample_run_names()[0]
    run = sample_runs([name])[0]
    assert main(["check", f"sample:{name}"]) == 0
    assert f"step {run.steps[-1]:,}" in capsys.readouterr().out.replace("\n", " ")
    assert main(["check", f"sample:{name}", "--step", "123456789"]) == 2
    assert "123456789" in capsys.readouterr().err


def test_a_run_of_several_steps_is_checked_at_its_last_or_the_one_asked_for(
    labelled_set: EmbeddingSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "course"
    folder.mkdir()
    for step in (1000, 2000):
        np.savez(folder / f"step-{step}.npz", **labelled_set.views, digit=labelled_set.role("label"))
    for asked, step in (([], "2,000"), (["--step", "1000"], "1,000")):
        assert main(["check", str(folder), *asked, "--label", "digit"]) == 0
        assert f"step {step}" in capsys.readouterr().out.replace("\n", " ")


def test_a_baseline_fails_the_check_that_got_worse(
    healthy_dump: Path, collapsed_dump: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "now.npz"
    shutil.copy(healthy_dump, run)
    baseline, junit = tmp_path / "baseline.json", tmp_path / "junit.xml"
    assert main(["check", str(run), "--json", str(baseline)]) == 0
    assert main(["check", str(run), "--baseline", str(baseline)]) == 0
    assert "nothing changed beyond noise" in capsys.readouterr().err.replace("\n", " ")
    shutil.copy(collapsed_dump, run)
    assert main(["check", str(run), "--baseline", str(baseline), "--junit", str(junit), "--github"]) == 1
    shown = capsys.readouterr()
    assert "worse" in shown.err
    assert "::error title=now%3A score_distribution." in shown.out
    assert ElementTree.parse(junit).findall(".//failure[@type='worse']")
    (tmp_path / "broken.json").write_text("{}")
    assert main(["check", str(run), "--baseline", str(tmp_path / "broken.json")]) == 2


def test_report_writes_what_its_name_says_and_compare_says_what_changed(
    healthy_dump: Path, collapsed_dump: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, twin = tmp_path / "out.html", tmp_path / "twin" / healthy_dump.name
    assert main(["report", str(healthy_dump), "-o", str(twin.parent / "out.html")]) == 2
    assert "there is no such folder" in capsys.readouterr().err
    twin.parent.mkdir()
    shutil.copy(collapsed_dump, twin)
    assert main(["report", str(healthy_dump), str(twin), "-o", str(out)]) == 0
    assert "2 runs" in capsys.readouterr().out
    text = out.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert all(f"{path.stem} ({path})</h2>" in text for path in (healthy_dump, twin)), "runs of one name are told apart"
    assert main(["report", str(healthy_dump), "-o", str(tmp_path / "out.pdf")]) == 2
    assert "html, json" in capsys.readouterr().err
    some = tmp_path / "some.json"
    assert main(["report", str(collapsed_dump), "--view", "view_2", "-o", str(some)]) == 0
    assert json.loads(some.read_text(encoding="utf-8"))["runs"][0]["views"] == ["view_2"]
    assert main(["report", str(healthy_dump), "--label", "colour", "-o", str(some)]) == 2
    assert "colour" in capsys.readouterr().err
    assert main(["compare", str(healthy_dump), str(collapsed_dump)]) == 0
    assert "changes beyond noise" in " ".join(capsys.readouterr().out.split())

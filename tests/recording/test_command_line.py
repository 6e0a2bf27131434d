"""The command line on a recorded folder."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

import cl_viz
from cl_viz.cli import application, main
from tests.recording.conftest import Inputs


def test_a_recorded_folder_is_checked_described_and_converted(inputs: Inputs, tmp_path: Path) -> None:
    with cl_viz.Recorder(tmp_path / "run", (inputs.first, inputs.second), every=5, label=inputs.label) as recorder:
        for step in (0, 5):
            recorder.step(lambda batch, view: {"projector": batch[:, :4], "backbone": batch}, step)
    runner, path = CliRunner(), str(tmp_path / "run")
    told = runner.invoke(application, ["info", path])
    assert told.exit_code == 0, told.output
    assert "projector" in told.output
    checked = runner.invoke(application, ["diagnose", "score_ridges", path])
    assert checked.exit_code == 0, checked.output
    assert "at step 5" in " ".join(checked.output.split())
    target = tmp_path / "first.npz"
    written = runner.invoke(application, ["convert", path, str(target), "--step", "0", "--layer", "backbone"])
    assert written.exit_code == 0, written.output
    assert cl_viz.load(target).dim == 8


def test_check_runs_on_a_recorded_folder_and_names_a_missing_one(inputs: Inputs, tmp_path: Path) -> None:
    recorder = cl_viz.Recorder(tmp_path / "run", inputs.first, every=1)
    for step in range(2):
        recorder.step(lambda batch, view: batch, step)
    runner = CliRunner()
    checked = runner.invoke(application, ["check", str(tmp_path / "run")])
    assert checked.exit_code == 0, checked.output
    assert main(["check", str(tmp_path / "gone")]) == 2
    empty = tmp_path / "empty"
    cl_viz.Recorder(empty, inputs.first)
    early = runner.invoke(application, ["check", str(empty)])
    assert early.exit_code == 2

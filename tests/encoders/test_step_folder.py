"""A folder of dumps per training step opens as a run, and what it holds is told while it grows."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import cl_viz
from cl_viz.cli import application
from cl_viz.core.errors import FormatError
from cl_viz.core.run import Snapshot
from cl_viz.encoders._growing import growth, holds_other_steps
from cl_viz.encoders._projector_log import CONFIG
from cl_viz.encoders._recorded import QUIET_SECONDS
from cl_viz.encoders._step_folder import is_step_folder

PROJECTOR_LOG = Path(__file__).parent / "tensorboard_log"


def write(path: Path, seed: int = 0, rows: int = 12) -> Path:
    path.parent.mkdir(exist_ok=True)
    generator = np.random.default_rng(seed)
    np.savez(path, **{view: generator.normal(size=(rows, 4)).astype(np.float32) for view in ("view_1", "view_2")})
    return path


def age(folder: Path, seconds: float) -> None:
    """Make every file of a folder as old as asked."""
    then = time.time() - seconds
    for path in folder.rglob("*"):
        os.utime(path, (then, then))


def test_a_dump_per_step_is_a_step_and_labels_are_shared(tmp_path: Path) -> None:
    folder = tmp_path / "course"
    for step in (100, 5, 20):
        write(folder / f"step-{step}.npz", seed=step)
    np.save(folder / "labels.npy", np.arange(12) % 3)
    (folder / "notes.txt").write_text("any")
    (folder / "step-200.npz").touch()  # only begun
    run = cl_viz.open_run(folder)
    assert (run.name, run.steps, run.layers) == ("course", (5, 20, 100), (None,))
    shown = run.get(20)
    assert shown.view_names == ("view_1", "view_2")
    assert list(shown.role("label")) == list(np.arange(12) % 3)
    with np.load(folder / "step-20.npz") as stored:
        assert np.array_equal(shown.views["view_2"], stored["view_2"])
    answer = CliRunner().invoke(application, ["info", str(folder)])
    assert answer.exit_code == 0
    assert "steps: 5, 20, 100" in answer.output


def test_what_stands_before_the_step_is_the_layer(tmp_path: Path) -> None:
    for name in ("backbone_epoch_1", "backbone_epoch_2", "projector_epoch_1", "epoch=2"):
        write(tmp_path / f"{name}.npz")
    run = cl_viz.open_run(tmp_path)
    assert set(run.snapshots) == {
        Snapshot(1, "backbone"), Snapshot(2, "backbone"), Snapshot(1, "projector"), Snapshot(2, "embedding"),
    }  # fmt: skip
    write(tmp_path / "backbone-epoch-01.npz")
    with pytest.raises(FormatError, match="of one step"):
        cl_viz.open_run(tmp_path)


def test_other_folders_are_what_they_were(tmp_path: Path) -> None:
    for number in range(2):
        write(tmp_path / "shards" / f"part-{number}.npz")
    assert not is_step_folder(tmp_path / "shards")
    assert cl_viz.open_run(tmp_path / "shards").get().n == 24
    write(tmp_path / "mixed" / "step-1.npz")
    write(tmp_path / "mixed" / "final.npz")
    assert not is_step_folder(tmp_path / "mixed")
    assert growth(tmp_path / "shards") is None
    assert growth(tmp_path / "nowhere") is None


def test_a_new_step_is_noticed_once_it_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "course"
    write(folder / "step-1.npz")
    run = cl_viz.open_run(folder)
    found = growth(folder)
    assert found is not None
    assert found.goes_on
    assert not found.settled, "it was written to a moment ago"
    age(folder, 5.0)
    found = growth(folder)
    assert found is not None
    assert found.settled
    assert not holds_other_steps(folder, run.snapshots, run.card)
    write(folder / "step-2.npz")
    assert holds_other_steps(folder, run.snapshots, run.card)
    write(folder / "step_2.npz")
    assert not holds_other_steps(folder, run.snapshots, run.card), "unreadable is not new"
    assert growth(folder) is None
    (folder / "step_2.npz").unlink()
    age(folder, QUIET_SECONDS + 60)
    found = growth(folder)
    assert found is not None
    assert not found.goes_on


def test_a_projector_log_and_a_folder_of_checkpoints_grow(tmp_path: Path) -> None:
    log = Path(shutil.copytree(PROJECTOR_LOG, tmp_path / "log"))
    run = cl_viz.open_run(log)
    age(log, 2.0)
    found = growth(log)
    assert found is not None
    assert found.goes_on
    assert not holds_other_steps(log, run.snapshots, run.card)
    config = log / CONFIG
    shutil.copytree(log / "00010", log / "00300")
    config.write_text(config.read_text() + config.read_text().replace("200", "300").replace("00010", "00300"))
    assert holds_other_steps(log, run.snapshots, run.card)
    samples = cl_viz.encoders.sample_folder() / "runs" / "mnist-healthy"
    trained = cl_viz.open_run(samples)
    assert growth(samples) is not None
    assert not holds_other_steps(samples, trained.snapshots, trained.card)
    assert holds_other_steps(samples, trained.snapshots[:-1], trained.card)

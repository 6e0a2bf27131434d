"""`cl-viz convert` and `cl-viz info`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cl_viz
from cl_viz.cli import main
from cl_viz.core.embedding_set import EmbeddingSet


def test_convert_keeps_views_and_labels(
    labelled_dump: Path, labelled_set: EmbeddingSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.safetensors"
    assert main(["convert", str(labelled_dump), str(out)]) == 0
    assert "N = 120, D = 12" in capsys.readouterr().out
    again = cl_viz.load(out)
    assert again.view_names == labelled_set.view_names
    for view, array in labelled_set.views.items():
        np.testing.assert_array_equal(again.views[view], array)
    np.testing.assert_array_equal(again.role("label"), labelled_set.role("label"))


def test_convert_never_replaces_a_file_unasked(
    labelled_dump: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.npz"
    out.write_text("precious")
    assert main(["convert", str(labelled_dump), str(out)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert out.read_text() == "precious"
    assert main(["convert", str(labelled_dump), str(out), "--overwrite"]) == 0
    assert cl_viz.load(out).n == 120


def test_convert_tells_a_missing_source_or_a_folder_before_it_speaks_of_replacing(
    labelled_dump: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", str(tmp_path / "out.csv"), str(labelled_dump)]) == 2
    told = capsys.readouterr().err
    assert "no such file" in told
    assert "--overwrite" not in told
    assert main(["convert", str(labelled_dump), str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "this is a folder" in told
    assert "--overwrite" not in told


def test_convert_to_an_unknown_suffix_names_those_that_work(
    labelled_dump: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", str(labelled_dump), str(tmp_path / "out.xyz")]) == 2
    assert ".npz" in capsys.readouterr().err


def test_convert_writes_a_snapshot_of_a_sample_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from cl_viz.encoders import sample_run_names, sample_runs

    run = sample_runs([sample_run_names()[0]])[0]
    step, layer = run.steps[0], run.layers[-1]
    out = tmp_path / "snapshot.npz"
    assert main(["convert", f"sample:{run.name}", str(out), "--step", str(step), "--layer", str(layer)]) == 0
    view = run.get(step, layer).view_names[0]
    np.testing.assert_array_equal(cl_viz.load(out).views[view], run.get(step, layer).views[view])
    capsys.readouterr()


def test_info_of_a_dump_shows_arrays_columns_and_guesses(
    labelled_dump: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["info", str(labelled_dump)]) == 0
    shown = capsys.readouterr().out
    for word in ("format npz", "view_1", "120 x 12", "float32", "label", "Distinct"):
        assert word in shown


def test_info_of_a_sample_run_shows_card_steps_and_layers(capsys: pytest.CaptureFixture[str]) -> None:
    from cl_viz.encoders import sample_run_names, sample_runs

    run = sample_runs([sample_run_names()[0]])[0]
    assert main(["info", f"sample:{run.name}"]) == 0
    shown = capsys.readouterr().out
    assert f"{run.steps[-1]:,}" in shown
    assert str(run.layers[0]) in shown
    assert "loss" in shown


def test_info_of_a_single_checkpoint_shows_a_run_with_one_step(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = checkout / "sample_models" / "runs" / "mnist-healthy" / "step_000300.safetensors"
    assert main(["info", str(checkpoint)]) == 0
    shown = capsys.readouterr().out
    assert "a run" in shown
    assert "steps: 300\n" in shown
    assert "layers: projector, backbone" in shown


def test_info_says_why_views_that_nothing_links_cannot_be_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "loose.npz"
    generator = np.random.default_rng(2)
    np.savez(path, image=generator.normal(size=(20, 4)), caption=generator.normal(size=(30, 4)))
    assert main(["info", str(path)]) == 0
    assert "cannot be opened: " in (shown := capsys.readouterr().out)
    assert shown.index("cannot be opened") < shown.index("Shape")
    assert "a dump" not in shown
    assert "pairs=FILE" in shown


def test_info_of_a_dump_is_given_without_torch(labelled_dump: Path) -> None:
    info = f"import sys; from cl_viz.cli import main; main(['info', {str(labelled_dump)!r}])"
    code = f"{info}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_what_is_not_there_is_told_before_anything_heavy_is_imported() -> None:
    code = (
        "import sys; from cl_viz.cli import main\n"
        "print([main([name, 'nothere.npz']) for name in ('check', 'report', 'info')], 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[2, 2, 2] False"


def test_info_of_a_missing_or_damaged_file_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = tmp_path / "damaged.npz"
    damaged.write_bytes(b"PK\x03\x04 nothing")
    assert main(["info", str(tmp_path / "absent.npy")]) == 2
    assert main(["info", str(damaged)]) == 2
    assert "damaged.npz" in capsys.readouterr().err

"""`cl-viz encode`: a run folder comes out; what cannot be done is said with what to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cl_viz
from cl_viz.cli import main
from cl_viz.core.encoder import EncoderSpec, ImageInput, Recognised
from cl_viz.encoders import ENCODERS, sample_folder
from cl_viz.encoders.tiny import build

CHECKPOINT = str(sample_folder() / "runs" / "mnist-colour-shortcut" / "step_000300.safetensors")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    for index in range(8):
        folder = tmp_path / "pictures" / "ab"[index % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 255, (32, 32, 3)).astype(np.uint8)).save(folder / f"{index}.png")
    (tmp_path / "pictures" / "a" / "9.png").write_text("broken")
    return tmp_path / "pictures"


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Path]:
    """A checkpoint that is a program."""
    path = tmp_path / "model.onnx"
    path.write_bytes(b"program")
    known = Recognised("program", "a program", ("image",), ("projector",), 7, ("head.weight",), ("guessed",),
                       ImageInput((28, 28), 3, (28, 28)))  # fmt: skip
    spec = EncoderSpec("a_program", "A program", lambda p: known if p == path else None,
                       lambda p: build(Path(CHECKPOINT)), "Runs.", runs_code=True)  # fmt: skip
    ENCODERS._entries["a_program"] = spec
    yield path
    del ENCODERS._entries["a_program"]


def test_encode_writes_a_run_that_opens(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert main(["encode", CHECKPOINT, str(pictures), "-o", str(out), "--layer", "all", "--batch-size", "3"]) == 0
    shown = capsys.readouterr()
    assert "N = 8, D = 32, views view_1, view_2, layers projector, backbone, 1 row skipped" in shown.out
    assert "recognised: three convolutions and a projector" in shown.err
    assert "view_1: image, augmented" in shown.err
    assert cl_viz.open_run(out).get(layer="backbone").n == 8
    assert main(["info", str(out)]) == 0
    shown = capsys.readouterr()
    assert "Tiny digit encoder" in shown.out


def test_encode_refuses_another_seed_in_the_same_folder(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["encode", CHECKPOINT, str(pictures), "-o", str(tmp_path / "run")]
    assert main(arguments) == 0
    assert main([*arguments, "--seed", "5"]) == 2
    assert "the seed (0, not 5)" in capsys.readouterr().err


def test_how_images_are_prepared_can_be_told(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = ["encode", CHECKPOINT, str(pictures), "--view", "plain", "-o"]
    assert main([*told, str(tmp_path / "plain")]) == 0
    assert main([*told, str(tmp_path / "other"), "--pixels", "halves", "--size", "28"]) == 0
    assert "Told for this encoding: images of 28 pixels, mean (0.5, 0.5, 0.5)" in capsys.readouterr().err
    plain, other = (cl_viz.open_run(tmp_path / name).get().views["view_1"] for name in ("plain", "other"))
    assert not np.allclose(plain, other)
    assert main([*told, str(tmp_path / "third"), "--pixels", "mine"]) == 2
    assert "cifar10_of_images" in capsys.readouterr().err


def test_encode_needs_a_folder_and_says_what_is_missing(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["encode", CHECKPOINT, str(pictures)]) == 2
    assert main(["encode", CHECKPOINT, str(tmp_path / "absent"), "-o", str(tmp_path / "run")]) == 2
    assert "no such file or folder" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_program_is_run_only_with_trust_and_the_risk_is_said(
    program: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["encode", str(program), str(pictures), "-o", str(tmp_path / "run"), "--view", "plain"]
    assert main(arguments) == 2
    assert "--trust" in capsys.readouterr().err
    assert main([*arguments, "--trust"]) == 0
    shown = capsys.readouterr()
    assert "can read, change and send your files" in shown.err
    assert "views view_1" in shown.out


def test_other_commands_say_that_a_checkpoint_needs_data(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(program)]) == 2
    assert "cl-viz encode CHECKPOINT DATA" in capsys.readouterr().err
    assert main(["info", str(program)]) == 0
    shown = capsys.readouterr().out
    assert "recognised: a program (program), 7 parameters" in shown
    assert "not used: 1 key: head.weight" in shown
    assert "note: guessed" in shown


def test_data_in_the_place_of_the_checkpoint_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encode", "sample:digits", "weights.pt", "-o", str(tmp_path / "out")]) == 2
    assert "CHECKPOINT, then DATA" in capsys.readouterr().err

"""A projector's log folder, as torch.utils.tensorboard writes it (tests/encoders/tensorboard_log), opens as a run."""

from __future__ import annotations

import base64
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import cl_viz
from cl_viz.cli import application
from cl_viz.core.errors import FormatError
from cl_viz.encoders._projector_log import CONFIG, is_projector_log

WRITTEN = Path(__file__).parent / "tensorboard_log"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return Path(shutil.copytree(WRITTEN, tmp_path / "log"))


def test_tags_are_layers_and_global_steps_are_steps() -> None:
    run = cl_viz.open_run(WRITTEN)
    assert is_projector_log(WRITTEN)
    assert run.steps == (0, 10, 200)
    assert run.layers == ("projector", "back bone/x")
    for step in run.steps:
        shown = run.get(step, "projector")
        stored = np.loadtxt(WRITTEN / f"{step:05d}" / "projector" / "tensors.tsv", delimiter="\t")
        assert (shown.n, shown.dim) == (6, 5)
        assert np.allclose(shown.views[shown.view_names[0]], stored)
        assert list(shown.role("label")) == ["a", "b <i>", "c", "a", "b <i>", "c"]
    other = run.get(10, "back bone/x")
    assert other.dim == 3
    assert list(other.columns()["kind"]) == ["a", "b", "c", "a", "b", "c"]
    assert list(other.columns()["n"]) == [1, 2, 3, 4, 5, 6]


def test_the_sprite_is_cut_into_one_picture_a_row() -> None:
    pictures = cl_viz.open_run(WRITTEN).get(0, "projector").role("image")
    sprite = np.asarray(Image.open(WRITTEN / "00000" / "projector" / "sprite.png").convert("RGB"))
    for row in range(6):
        prefix, content = str(pictures[row]).split(",", 1)
        assert prefix == "data:image/png;base64"
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))
        down, across = divmod(row, 3)
        assert np.array_equal(shown, sprite[4 * down : 4 * down + 4, 4 * across : 4 * across + 4])


def test_questions_over_training_are_answered() -> None:
    found = cl_viz.diagnose("rank_curves", cl_viz.open_run(WRITTEN))
    assert len(found.views["rankme"].series[0].x) == 3


def test_the_command_line_opens_it(log: Path) -> None:
    runner = CliRunner()
    for command in (["info", str(log)], ["diagnose", "rank_curves", str(log)]):
        answer = runner.invoke(application, command)
        assert answer.exit_code == 0, answer.output
    assert "200" in answer.output


def test_metadata_elsewhere_and_escaped_names(log: Path) -> None:
    (log / "names.tsv").write_text("x\nx\ny\ny\nz\nz\n")
    (log / CONFIG).write_text(
        '# a comment\nembeddings { tensor_name: "na\\303\\257ve\\"\\n" tensor_path: \'00000/projector/tensors.tsv\'\n'
        ' tensor_shape: 6, tensor_shape: 5; metadata_path: "names.tsv" }'
    )
    (log / "00000" / "projector" / "metadata.tsv").unlink()
    run = cl_viz.open_run(log)
    assert run.layers == ('naïve"\n',)
    assert run.steps == (None,)
    assert list(run.get().role("label")) == ["x", "x", "y", "y", "z", "z"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("", "lists no embeddings"),
        ("embeddings {", "no text of the projector"),
        ("embeddings { } }", "no text of the projector"),
        ('embeddings { tensor_name: "a }', "no text of the projector"),
        ("embeddings: 3", "is no embedding"),
        ("{" * 100, "no text of the projector"),
        ("a {" * 100 + "}" * 100, "no text of the projector"),
        ('embeddings { tensor_name: "t" tensor_path: "../../secret.tsv" }', "leaves the folder"),
        ('embeddings { tensor_name: "t" tensor_path: "/etc/passwd" }', "leaves the folder"),
        ('embeddings { tensor_name: "t" tensor_path: "gone.tsv" }', "missing: gone.tsv"),
        ('model_checkpoint_path: "model.ckpt-7"\nembeddings { tensor_name: "emb/w" }', "which only TensorFlow reads"),
        ('embeddings { tensor_name: "\\xff" tensor_path: "a" }', "no text of the projector"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_explained(config: str, said: str, log: Path) -> None:
    (log / CONFIG).write_text(config)
    with pytest.raises(FormatError) as caught:
        cl_viz.open_run(log)
    assert said in str(caught.value)


def test_a_tensorflow_checkpoint_says_what_to_do(log: Path) -> None:
    (log / CONFIG).write_text('model_checkpoint_path: "model.ckpt-7"\nembeddings { tensor_name: "emb/w" }')
    with pytest.raises(FormatError) as caught:
        cl_viz.open_run(log)
    assert "model.ckpt-7" in str(caught.value)
    assert "tf.train.load_checkpoint" in str(caught.value)


@pytest.mark.parametrize("content", [b"no picture", b""])
def test_a_sprite_that_is_no_picture_is_explained(content: bytes, log: Path) -> None:
    (log / "00000" / "projector" / "sprite.png").write_bytes(content)
    with pytest.raises(FormatError, match="sprite cannot be read"):
        cl_viz.open_run(log).get(0, "projector")


def test_a_sprite_of_another_size_is_explained(log: Path) -> None:
    Image.new("RGB", (8, 8)).save(log / "00000" / "projector" / "sprite.png")
    with pytest.raises(FormatError, match="12 across"):
        cl_viz.open_run(log).get(0, "projector")
    Image.new("RGB", (12, 4)).save(log / "00000" / "projector" / "sprite.png")
    with pytest.raises(FormatError, match="rows of pixels"):
        cl_viz.open_run(log).get(0, "projector")

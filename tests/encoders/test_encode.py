"""`cl_viz.encode`: views, layers, skipped rows, the run that comes out, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cl_viz
from cl_viz.core.encoder import EncoderSpec, ImageInput, Recognised
from cl_viz.core.errors import Cancelled, DeviceError, FormatError, InputError
from cl_viz.encoders import ENCODERS
from cl_viz.encoders._augmenting import SETTINGS, augmented, generator_of
from cl_viz.encoders._data import open_data
from cl_viz.encoders._encoding import Encoding
from cl_viz.encoders._encoding_views import plan_views
from cl_viz.encoders._image_preparing import prepare
from cl_viz.encoders._told_pixels import told
from cl_viz.encoders.tiny import build

COLOUR = ImageInput((28, 28), 3, (28, 28), mean=(0.0,) * 3, std=(1.0,) * 3)


class Noisy:
    """An encoder of texts: their length, and with dropout noise of torch's own generator."""

    layers = ("length",)
    _active = False
    batches: list[list[str]] = []  # noqa: RUF012 - one encoder a test

    def encode(self, batch: Sequence[str], view: str) -> dict[str, Any]:
        import torch

        self.batches.append(list(batch))
        rows = np.array([[len(text), hash_of(text), 1.0] for text in batch], dtype=np.float32)
        return {"length": rows + torch.rand(rows.shape).numpy() if self._active else rows}

    def dropout(self, active: bool) -> None:
        self._active = active


def hash_of(text: str) -> float:
    return float(sum(text.encode()) % 97)


@pytest.fixture
def noisy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint of a family of one test."""
    path = tmp_path / "noisy.ckpt"
    path.write_text("weights")
    monkeypatch.setattr(Noisy, "batches", [])
    known = Recognised("noisy", "noise", ("text",), ("length",))
    spec = EncoderSpec("noisy", "Noise", lambda p: known if p.suffix == ".ckpt" else None, lambda p: Noisy(), "Noise.")
    monkeypatch.setitem(ENCODERS._entries, "noisy", spec)
    return path


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "texts.csv"
    rows = [f"{'word ' * (1 + 7 * row % 13)}{row},{'ab'[row % 2]}" for row in range(70)]
    path.write_text("\n".join(["text,label", *rows]))
    return path


def test_a_folder_gives_two_random_views_with_labels_and_lists_what_it_skips(
    colour_checkpoint: Path, pets: Path, tmp_path: Path
) -> None:
    found = cl_viz.encode(colour_checkpoint, pets, out=tmp_path / "run", batch_size=5)
    assert found.view_names == ("view_1", "view_2")
    assert (found.n, found.dim) == (12, 32)
    assert found.codes("label")[1] == ("cat", "dog")
    assert list(found.role("image"))[:2] == ["cat/0.png", "cat/1.png"]
    assert 12 not in found.columns()["row"]
    card = json.loads((tmp_path / "run" / "card.json").read_text())
    assert card["skipped"][0][:2] == [12, "dog/broken.png"]
    assert "cannot be read as an image" in card["skipped"][0][2]
    assert card["augmentation"]["crop_area"] == [0.08, 1.0]
    assert card["seed"] == 0
    opened = cl_viz.open_run(tmp_path / "run")
    np.testing.assert_array_equal(opened.get().views["view_2"], found.views["view_2"])


def test_plain_is_the_checkpoint_on_prepared_pictures(colour_checkpoint: Path, pets: Path) -> None:
    run = cl_viz.encode(colour_checkpoint, pets, views="plain", layer="all")
    assert run.layers == ("projector", "backbone")
    with Image.open(pets / "cat" / "3.png") as picture:
        batch = prepare(picture, COLOUR)[None]
    for layer, wanted in build(colour_checkpoint).encode(batch, "image").items():
        np.testing.assert_allclose(run.get(layer=layer).views["view_1"][3], wanted[0], rtol=1e-4, atol=1e-5)


def test_pixels_and_size_are_as_told(colour_checkpoint: Path, pets: Path, tmp_path: Path) -> None:
    mean, deviation = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    run = cl_viz.encode(
        colour_checkpoint, pets, views="plain", layer="all", pixels=(mean, deviation), size=28, out=tmp_path / "run"
    )
    assert isinstance(run, cl_viz.Run)
    wanted = replace(COLOUR, resize=28, mean=mean, std=deviation)
    with Image.open(pets / "cat" / "3.png") as picture:
        batch = prepare(picture, wanted)[None]
    rows = build(colour_checkpoint).encode(batch, "image")["backbone"]
    np.testing.assert_allclose(run.get(layer="backbone").views["view_1"][3], rows[0], rtol=1e-4, atol=1e-5)
    assert run.card["preprocessing"]["mean"] == list(mean)
    assert "images of 28 pixels, mean (0.1, 0.2, 0.3) and deviation (0.5, 0.6, 0.7)" in run.card["notes"][-1]
    with pytest.raises(InputError, match="preprocessing"):
        cl_viz.encode(colour_checkpoint, pets, views="plain", layer="all", out=tmp_path / "run")


def test_named_pixels_fit_grey_images_and_none_fit_texts(noisy: Path, texts: Path) -> None:
    known = Recognised("grey", "a grey network", ("image",), ("backbone",), image=replace(COLOUR, channels=1))
    grey = told(known, "halves", None).image
    assert grey is not None
    assert (grey.mean, grey.std) == ((0.5,), (0.5,))
    with pytest.raises(InputError, match="takes no images"):
        cl_viz.encode(noisy, texts, pixels="imagenet")


def test_random_views_depend_on_the_seed_and_the_picture_alone(
    colour_checkpoint: Path, pets: Path, tmp_path: Path
) -> None:
    whole = cl_viz.encode(colour_checkpoint, pets, batch_size=4)
    other = cl_viz.encode(colour_checkpoint, pets, batch_size=7, seed=1)
    assert np.abs(whole.views["view_1"] - other.views["view_1"]).max() > 1e-3
    assert np.abs(whole.views["view_1"] - whole.views["view_2"]).max() > 1e-3
    (pets / "cat" / "0.png").unlink()
    fewer = cl_viz.encode(colour_checkpoint, pets, batch_size=3)
    np.testing.assert_allclose(fewer.views["view_2"], whole.views["view_2"][1:], rtol=1e-4, atol=1e-5)


def test_an_image_and_its_caption_are_two_views(two_tower_checkpoint: Path) -> None:
    found = cl_viz.encode(two_tower_checkpoint, "sample:digits")
    assert found.view_names == ("image", "text")
    encoder, data = build(two_tower_checkpoint), open_data("sample:digits")
    wanted = encoder.encode([str(data.inputs["caption"].read(5))], "text")["projector"]
    np.testing.assert_allclose(found.views["text"][5], wanted[0], atol=1e-5)
    assert str(found.role("image")[0]).startswith("data:image/png;base64,")


def test_texts_keep_their_order_though_batches_are_of_like_length(noisy: Path, texts: Path) -> None:
    found = cl_viz.encode(noisy, texts, batch_size=8)
    column = found.role("text")
    assert column is not None
    np.testing.assert_array_equal(found.views["view_1"][:, 0], [len(text) for text in column])
    np.testing.assert_array_equal(found.views["view_1"][:, 1], [hash_of(text) for text in column])
    lengths = [[len(text) for text in batch] for batch in Noisy.batches]
    assert max(max(batch) - min(batch) for batch in lengths) < 15


def test_two_passes_with_dropout_differ_and_come_again(noisy: Path, texts: Path) -> None:
    first = cl_viz.encode(noisy, texts, views="dropout", batch_size=8)
    again = cl_viz.encode(noisy, texts, views="dropout", batch_size=8)
    assert first.view_names == ("view_1", "view_2")
    assert np.abs(first.views["view_1"] - first.views["view_2"]).max() > 0.1
    np.testing.assert_array_equal(first.views["view_2"], again.views["view_2"])


def test_columns_become_views_by_name(noisy: Path, tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("question,answer\nwho,me\nwhere,here\nwhen,now")
    guessed = cl_viz.encode(noisy, tmp_path / "pairs.csv")
    assert guessed.view_names == ("question", "answer")
    named = cl_viz.encode(noisy, tmp_path / "pairs.csv", views={"a": "answer", "q": "question"})
    np.testing.assert_array_equal(named.views["q"], guessed.views["question"])
    one = cl_viz.encode(noisy, tmp_path / "pairs.csv", views="answer")
    np.testing.assert_array_equal(one.views["view_1"], guessed.views["answer"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layer": "nose"}, "no layer 'nose'.*projector, backbone, all"),
        ({"views": "dropout"}, "'dropout' are for texts, and the checkpoint embeds none"),
        ({"views": "elbow"}, "no column 'elbow'.*image"),
        ({"views": []}, "no view"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"size": 0}, "size is 0.*1 to 4,096 pixels"),
        ({"pixels": "caltech"}, "no pixels are called 'caltech'.*imagenet"),
        ({"pixels": (0.5, 0.5)}, "3 finite numbers each"),
        ({"pixels": ((0.5,) * 3, (0.0,) * 3)}, "deviations above 0"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(
    colour_checkpoint: Path, pets: Path, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        cl_viz.encode(colour_checkpoint, pets, **arguments)


def test_a_device_that_is_not_here_is_refused(colour_checkpoint: Path, pets: Path) -> None:
    with pytest.raises(DeviceError, match=r"auto.*cpu"):
        cl_viz.encode(colour_checkpoint, pets, device="cuda:77")


def test_data_of_another_kind_is_refused(colour_checkpoint: Path, texts: Path) -> None:
    with pytest.raises(InputError, match="the checkpoint embeds images, the table has none"):
        cl_viz.encode(colour_checkpoint, texts)


def test_a_checkpoint_and_a_folder_that_is_not_done_are_no_embeddings(
    colour_checkpoint: Path, pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Recognised("other", "ResNet", ("image",), ("out",))
    spec = EncoderSpec("other", "Other", lambda p: known if p.name == "other.pt" else None, lambda p: Noisy(), "Other.")
    monkeypatch.setitem(ENCODERS._entries, "other", spec)
    (tmp_path / "other.pt").write_bytes(b"weights")
    with pytest.raises(FormatError, match="has no embeddings yet"):
        cl_viz.open_run(tmp_path / "other.pt")

    def stop(fraction: float, message: str) -> None:
        raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        cl_viz.encode(colour_checkpoint, pets, out=tmp_path / "run", batch_size=5, progress=stop)
    with pytest.raises(FormatError, match="has not ended: 5 rows are done"):
        cl_viz.open_run(tmp_path / "run")


def test_the_estimate_is_measured_and_progress_says_pace_and_time_left(noisy: Path, texts: Path) -> None:
    encoding = Encoding(noisy, texts, batch_size=8)
    assert 0 < encoding.estimate() < 60
    said: list[tuple[float, str]] = []
    encoding.run(progress=lambda fraction, message: said.append((fraction, message)))
    assert said[-1][0] == 1.0
    assert said[-1][1].startswith("70 of 70 rows, ")
    assert "rows a second" in said[-1][1]


def test_a_checkpoint_that_does_not_take_the_data_says_so(
    noisy: Path, texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(Noisy, "encode", fail)
    with pytest.raises(FormatError, match=r"does not take this data.*mat1"):
        cl_viz.encode(noisy, texts)


# -- pictures ------------------------------------------------------------------------------------------------------


def test_random_views_follow_the_papers_settings() -> None:
    generator = np.random.default_rng(0)
    picture = Image.fromarray(generator.integers(0, 255, (96, 128, 3)).astype(np.uint8))
    wanted = ImageInput((64, 48))
    views = [np.asarray(augmented(picture, wanted, generator_of(0, str(n), 0))) for n in range(300)]
    assert {view.shape for view in views} == {(64, 48, 3)}
    grey = np.mean([(view == view[:, :, :1]).all() for view in views])
    assert abs(grey - SETTINGS["grey"]) < 0.08
    again = np.asarray(augmented(picture, wanted, generator_of(0, "7", 0)))
    np.testing.assert_array_equal(views[7], again)
    assert generator_of(0, "7", 1).random() != generator_of(0, "7", 0).random()


def test_a_random_crop_of_a_thin_picture_is_not_empty() -> None:
    thin = Image.new("L", (400, 2), 7)
    view = augmented(thin, ImageInput((28, 28), 1, mean=(0.0,), std=(1.0,)), generator_of(3, "x", 0))
    assert view.size == (28, 28)
    assert view.mode == "L"


@pytest.mark.parametrize(
    ("resize", "size", "expected"),
    [
        (None, (20, 30), (20, 30)),
        ((40, 60), (40, 60), (40, 60)),
        (32, (28, 28), (28, 28)),
        (None, (300, 300), (300, 300)),
    ],
)
def test_pictures_are_resized_cropped_and_normalised(resize: Any, size: tuple[int, int], expected: Any) -> None:
    picture = Image.fromarray(np.full((100, 200, 3), 255, dtype=np.uint8))
    found = prepare(picture, ImageInput(size, 3, resize, mean=(0.5,) * 3, std=(0.5,) * 3))
    assert found.shape == (3, *expected)
    assert found[:, expected[0] // 2, expected[1] // 2] == pytest.approx(1.0)


def test_what_is_smaller_than_the_crop_stands_on_black() -> None:
    picture = Image.new("L", (2, 2), 255)
    found = prepare(picture, ImageInput((4, 4), 1, mean=(0.0,), std=(1.0,)))
    assert found.sum() == 4
    np.testing.assert_array_equal(found[0, 1:3, 1:3], 1)


def test_pairs_are_taken_before_two_towers_and_two_towers_before_random_views() -> None:
    data = open_data("sample:digits")
    both = Recognised("x", "x", ("image", "text"), ("out",), image=COLOUR)
    assert [view.name for view in plan_views(data, both)] == ["image", "text"]
    assert [view.change for view in plan_views(data, both, "augmented")] == ["augmented"] * 2
    assert [view.change for view in plan_views(data, Recognised("x", "x", ("text",), ("out",)))] == ["plain"]

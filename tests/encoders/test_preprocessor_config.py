"""What preprocessor_config.json asks for is what the library's own image processors do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cl_viz.core.errors import FormatError
from cl_viz.core.normalisation import HALVES, IMAGENET
from cl_viz.encoders._image_preparing import prepare
from cl_viz.encoders._preprocessor_config import image_input


def _picture(width: int = 61, height: int = 47) -> Image.Image:
    random = np.random.default_rng(0)
    return Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))


def _save(folder: Path, **said: Any) -> Path:
    (folder / "preprocessor_config.json").write_text(json.dumps(said))
    return folder


@pytest.mark.parametrize(
    ("module", "name", "options"),
    [
        ("vit", "ViTImageProcessorPil", {"size": {"height": 32, "width": 32}}),
        ("clip", "CLIPImageProcessorPil", {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}),
        ("convnext", "ConvNextImageProcessorPil", {"size": {"shortest_edge": 32}, "crop_pct": 0.875}),
        ("convnext", "ConvNextImageProcessorPil", {"size": {"shortest_edge": 384}}),
        ("siglip", "SiglipImageProcessorPil", {"size": {"height": 32, "width": 32}}),
        ("bit", "BitImageProcessorPil", {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}}),
        ("vit", "ViTImageProcessorPil", {"size": {"height": 32, "width": 32}, "do_rescale": False}),
        ("vit", "ViTImageProcessorPil", {"size": {"height": 32, "width": 32}, "do_normalize": False}),
        ("vit", "ViTImageProcessorPil", {"size": {"height": 32, "width": 32}, "resample": 3}),
    ],
)
def test_pictures_enter_as_the_library_prepares_them(
    module: str, name: str, options: dict[str, Any], tmp_path: Path
) -> None:
    pytest.importorskip("transformers")
    import importlib

    place = importlib.import_module(f"transformers.models.{module}.image_processing_pil_{module}")
    processor = getattr(place, name)(**options)
    processor.save_pretrained(tmp_path)
    side = 384 if options["size"].get("shortest_edge") == 384 else 32
    wanted, notes = image_input(tmp_path, side, 3, IMAGENET)
    assert notes == ()
    assert wanted.size == (side, side)
    own = np.asarray(processor(_picture(), return_tensors="np")["pixel_values"][0])
    scale = np.abs(own).max()
    np.testing.assert_allclose(prepare(_picture(), wanted) / scale, own / scale, atol=1e-5)


def test_without_a_file_the_usual_is_taken_and_noted(tmp_path: Path) -> None:
    wanted, notes = image_input(tmp_path, 32, 1, HALVES)
    assert (wanted.size, wanted.resize, wanted.channels) == ((32, 32), (32, 32), 1)
    assert (wanted.mean, wanted.std) == ((0.5,), (0.5,))
    assert len(notes) == 1
    assert "no preprocessor_config.json" in notes[0]


def test_a_size_that_the_network_was_not_made_for_is_noted(tmp_path: Path) -> None:
    wanted, notes = image_input(_save(tmp_path, size=64, image_mean=0.5, image_std=[0.25]), 32, 3, IMAGENET)
    assert wanted.size == (64, 64)
    assert (wanted.mean, wanted.std) == ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    assert "made for 32 x 32" in notes[0]


@pytest.mark.parametrize(
    "said",
    [
        {"size": {"height": 10**6, "width": 10**6}}, {"size": {"shortest_edge": 0}}, {"size": "big"}, {"size": []},
        {"image_mean": [0.5, 0.5]}, {"rescale_factor": 0}, {"image_std": {"red": 1}}, {"resample": "best"},
        {"image_std": [0.5, 0.0, 0.5]}, {"image_mean": float("nan")}, {"size": float("inf")},
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_followed_is_refused(said: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(FormatError):
        image_input(_save(tmp_path, **said), 32, 3, IMAGENET)


@pytest.mark.parametrize(("side", "channels"), [(0, 3), (10**9, 3), ("32", 3), (32, 4), (32, None)])
def test_a_network_of_no_usable_images_is_refused(side: Any, channels: Any, tmp_path: Path) -> None:
    with pytest.raises(FormatError):
        image_input(tmp_path, side, channels, IMAGENET)

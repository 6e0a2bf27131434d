"""Small checkpoints and data that several tests of encoders run on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cl_viz.encoders.tiny import TinyArchitecture, TinyNetwork, write_checkpoint


def _checkpoint(folder: Path, architecture: TinyArchitecture) -> Path:
    torch.manual_seed(0)
    path = folder / "net.safetensors"
    write_checkpoint(path, TinyNetwork(architecture))
    return path


@pytest.fixture(scope="session")
def colour_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder of colour images with random weights."""
    return _checkpoint(tmp_path_factory.mktemp("colour"), TinyArchitecture(channels=3))


@pytest.fixture(scope="session")
def two_tower_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder of grey images and of texts with random weights."""
    return _checkpoint(tmp_path_factory.mktemp("towers"), TinyArchitecture(words=31))


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Twelve pictures of odd sizes in two class folders, and one file that is none."""
    generator = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for index in range(6):
            pixels = generator.integers(0, 255, (30 + index, 50 - 3 * index, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pets" / name / f"{index}.png")
    (tmp_path / "pets" / "dog" / "broken.png").write_text("no picture")
    return tmp_path / "pets"

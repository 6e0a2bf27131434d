"""Fixtures of the tests of the formats."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.formats import FORMATS
from tests.formats.format_samples import make_set


@pytest.fixture
def small_set() -> EmbeddingSet:
    return make_set()


@pytest.fixture
def write_format(tmp_path: Path) -> Callable[[str], Path]:
    """Write a small set in the named format and return the path."""

    def write(name: str) -> Path:
        if name == "shards":
            folder = tmp_path / "shards é"
            folder.mkdir()
            for shard in range(2):
                cl_viz.save(make_set(), folder / f"part-{shard}.npz")
            return folder
        path = tmp_path / f"dump é of {name}{FORMATS[name].suffixes[0]}"
        plain = name == "npy"
        cl_viz.save(make_set(views=1 if plain else 2, columns=not plain), path)
        return path

    return write

"""A device with too little memory: smaller tiles give the same, and where none fit the error says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

import cl_viz
from cl_viz.core.errors import DeviceError
from cl_viz.engine import compiled, tile_sizes
from cl_viz.engine.nearest import nearest
from cl_viz.testing import clusters

EmbeddingSet = cl_viz.EmbeddingSet
PATHS: dict[str, Callable[[EmbeddingSet], Any]] = {
    "pairs": lambda given: cl_viz.scan(given, "cpu", anchors=0, cache=False).pairs.counts.sum(axis=2),
    "anchors": lambda given: {
        view: sketch.candidates["view_2"].counts.sum(axis=2)
        for view, sketch in cl_viz.scan(given, "cpu", anchors=200, cache=False).anchors.items()
    },
    "neighbours of a pass": lambda given: {
        block: near.indices
        for block, near in cl_viz.scan(given, "cpu", anchors=0, neighbors=3, cache=False).neighbors.items()
    },
    "neighbours": lambda given: {block: near.indices for block, near in nearest(given, 3, "cpu").items()},
    "rows": lambda given: {
        view: np.round(found.log_sum_exp, 9) for view, found in cl_viz.scan_rows(given, [0.1], device="cpu").items()
    },
    "found pairs": lambda given: cl_viz.find_pairs(given, "hardest-negatives", device="cpu", m=9).score,
    "found pairs by neighbours": lambda given: (
        cl_viz.find_pairs(EmbeddingSet.from_arrays(dict(given.views)), "false-negatives", device="cpu", m=9).score
    ),
}
_product = torch.Tensor.__matmul__


class Memory:
    """Room for so many scores: a product that makes more fails as it does on a GPU."""

    def __init__(self) -> None:
        self.room = 10**9
        self.failures = 0
        self.error: Callable[[], RuntimeError] = lambda: torch.OutOfMemoryError("CUDA out of memory.")

    def product(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        if left.shape[0] * right.shape[-1] > self.room:
            self.failures += 1
            raise self.error()
        return _product(left, right)


@pytest.fixture(scope="module")
def given() -> EmbeddingSet:
    return clusters(330, 8, 4, 0.5)


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Memory]:
    found = Memory()
    monkeypatch.setattr(torch.Tensor, "__matmul__", lambda left, right: found.product(left, right))
    before = compiled.enable(False)
    yield found
    compiled.enable(before)


def equal(first: Any, second: Any) -> bool:
    if isinstance(first, dict):
        return list(first) == list(second) and all(equal(first[key], second[key]) for key in first)
    return np.array_equal(first, second)


@pytest.mark.parametrize("path", list(PATHS))
def test_smaller_tiles_give_the_same(path: str, given: EmbeddingSet, memory: Memory) -> None:
    expected = PATHS[path](given)
    memory.room = 128 * 128
    assert equal(PATHS[path](given), expected)
    assert memory.failures > 0


@pytest.mark.parametrize("path", list(PATHS))
def test_where_no_tile_fits_the_error_says_what_to_do(path: str, given: EmbeddingSet, memory: Memory) -> None:
    memory.room = 32 * 32
    with pytest.raises(DeviceError, match="too little free memory, even for tiles of 64 rows") as caught:
        PATHS[path](given)
    assert "device='cpu'" in caught.value.remedy
    assert memory.failures >= 3
    assert tile_sizes.fitted(512) == 512


@pytest.mark.parametrize("words", ["MPS backend out of memory (20 GB)", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED"])
def test_devices_that_say_it_in_words_are_understood(words: str, given: EmbeddingSet, memory: Memory) -> None:
    expected = PATHS["pairs"](given)
    memory.room, memory.error = 128 * 128, lambda: RuntimeError(words)
    assert equal(PATHS["pairs"](given), expected)
    assert memory.failures > 0


def test_another_error_is_not_taken_for_it(given: EmbeddingSet, memory: Memory) -> None:
    memory.room, memory.error = 128 * 128, lambda: RuntimeError("the device is gone")
    with pytest.raises(RuntimeError, match="the device is gone"):
        PATHS["pairs"](given)
    assert memory.failures <= 2

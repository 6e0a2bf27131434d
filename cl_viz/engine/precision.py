"""The type of the scores, and full precision for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError

Precision = Literal["auto", "float32", "float64"]
FLOAT64_ROWS = 8192
"""Up to so many rows, over all views, ``"auto"`` is float64."""


def score_type(embedding_set: EmbeddingSet, device: torch.device, precision: str) -> torch.dtype:
    """Return the type of the scores.

    Raises
    ------
    InputError
        If the precision is not one of those known.
    """
    return type_for(sum(embedding_set.sizes), precision, has_float64=device.type != "mps")


def type_for(rows: int, precision: str, *, has_float64: bool = True) -> torch.dtype:
    """Return the type of the scores of so many rows; raises as `score_type`."""
    if precision == "auto":
        precision = "float64" if rows <= FLOAT64_ROWS and has_float64 else "float32"
    known = {"float32": torch.float32, "float64": torch.float64}
    if precision not in known:
        raise InputError(f"precision = {precision!r}", where="scan", allowed="auto, float32, float64")
    return known[precision]


@contextmanager
def full_float32() -> Iterator[None]:
    """Keep products in full float32 on CUDA: TF32's 10-bit mantissa would move scores between bins."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)

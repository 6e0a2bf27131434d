"""Statistics compared field by field, and the dense sums they are held to, with numpy alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np


def assert_same(first: Any, second: Any) -> None:
    """Assert that two statistics, or parts of them, are equal in every field, types included."""
    assert type(first) is type(second) or isinstance(first, Mapping)
    if isinstance(first, np.ndarray):
        assert first.dtype == second.dtype
        np.testing.assert_array_equal(first, second)
    elif dataclasses.is_dataclass(first):
        for entry in dataclasses.fields(first):
            if not entry.name.startswith("_"):
                assert_same(getattr(first, entry.name), getattr(second, entry.name))
    elif isinstance(first, Mapping):
        assert list(first) == list(second)
        for key in first:
            assert_same(first[key], second[key])
    else:
        assert first == second


def logsumexp(values: np.ndarray, axis: int | None = None, keepdims: bool = False) -> Any:
    """Return the log of the sum of exponentials."""
    flat = values.ravel() if axis is None else values
    return np.logaddexp.reduce(flat, axis=0 if axis is None else axis, keepdims=keepdims)


def entr(values: np.ndarray) -> np.ndarray:
    """Return ``-p log p`` of each entry, 0 at 0."""
    safe = np.where(values > 0, values, 1.0)
    return -safe * np.log(safe)

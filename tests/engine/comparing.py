"""Statistics compared field by field, and the dense sums they are held to, with numpy alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np


def assert_same(first: Any, second: Any, rtol: float = 0.0) -> None:
    """Assert that two statistics, or parts of them, are equal in every field, types included.

    With `rtol`, sums may be added up in another order: floating-point numbers are as near as that.
    """
    assert type(first) is type(second) or isinstance(first, Mapping)
    if isinstance(first, np.ndarray):
        assert first.dtype == second.dtype
        if rtol and first.dtype.kind == "f":
            np.testing.assert_allclose(first, second, rtol=rtol, atol=rtol)
        else:
            np.testing.assert_array_equal(first, second)
    elif dataclasses.is_dataclass(first):
        for entry in dataclasses.fields(first):
            if not entry.name.startswith("_"):
                assert_same(getattr(first, entry.name), getattr(second, entry.name), rtol)
    elif isinstance(first, Mapping):
        assert list(first) == list(second)
        for key in first:
            assert_same(first[key], second[key], rtol)
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


def exact_expectation(margins: np.ndarray, n_drawn: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what all draws of so many columns give: means of log(1 + X) and X / (1 + X), X the sum of exp(margin).

    And the variance of X / (1 + X).

    The Laplace transform of X at t is the coefficient of z**n in a product over columns, here of a binomial law that is
    then conditioned on its number; the integrals over log t are finely spaced sums.
    """
    count = margins.shape[1]
    share, step = n_drawn / count, 0.3
    log_t = np.arange(-logsumexp(margins, axis=1).max() - 16, 4, step)
    missed = np.exp(-np.exp(np.minimum(margins[:, None] + log_t[:, None], 50.0)))
    ways = np.zeros((*missed.shape[:2], n_drawn + 1))
    ways[..., 0] = 1
    binomial = np.zeros(n_drawn + 1)
    binomial[0] = 1
    for column in range(count):
        ways[..., 1:] = ways[..., 1:] * (1 - share) + ways[..., :-1] * share * missed[..., column, None]
        binomial[1:] = binomial[1:] * (1 - share) + binomial[:-1] * share
        ways[..., 0] *= 1 - share
        binomial[0] *= 1 - share
    weighted = step * (1 - ways[..., -1] / binomial[-1]) * np.exp(-np.exp(log_t))
    mean = (weighted * np.exp(log_t)).sum(axis=1)
    square = (weighted * np.exp(log_t) * (2 - np.exp(log_t))).sum(axis=1)
    return weighted.sum(axis=1), mean, np.maximum(0.0, square - mean**2)

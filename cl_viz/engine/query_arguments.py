"""Arguments of questions to a sketch: one number or an array of them, checked."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cl_viz.core.errors import InputError

Values = NDArray[np.float64]


def at_each(parameter: ArrayLike, where: str, ask: Callable[[float], Values]) -> Values:
    """Return the answer at a number; at an array of them, the answers along a second axis."""
    values = numbers(parameter)
    if not values.ndim:
        return ask(float(values))
    if values.ndim != 1 or not len(values):
        raise InputError(f"an array of shape {values.shape}", where=where, allowed="a number, or one axis of numbers")
    return np.stack([ask(value) for value in values.tolist()], axis=1)


def numbers(values: ArrayLike) -> Values:
    """Return numbers, or one, in double precision."""
    return np.asarray(values, dtype=np.float64)


def whole(number: float) -> int:
    """Return a number of negatives in a batch."""
    if not number >= 1 or number != int(number):
        raise InputError(f"n_negatives = {number:g}", where="batch_loss", allowed="whole numbers, 1 or more")
    return int(number)


def check_reweighting(concentration: float, prior: float) -> None:
    """Refuse a concentration or a class prior out of range."""
    if not concentration >= 0 or not 0 <= prior < 1:
        raise InputError(
            f"concentration = {concentration!r}, prior = {prior!r}",
            where="reweighted_loss",
            allowed="concentration >= 0, prior in [0, 1)",
        )


def as_scores(scores: ArrayLike) -> Values:
    """Return scores, shape (S,)."""
    values = np.atleast_1d(numbers(scores))
    if values.ndim != 1 or not (np.abs(values) <= 1).all():
        raise InputError(f"scores = {scores!r}", where="queries", allowed="one or more cosines, -1 to 1")
    return values


def as_temperatures(temperatures: ArrayLike) -> Values:
    """Return temperatures, shape (T,)."""
    values = np.atleast_1d(np.asarray(temperatures, dtype=np.float64))
    if values.ndim != 1 or not len(values) or not (np.isfinite(values) & (values > 0)).all():
        raise InputError(f"temperatures = {temperatures!r}", where="queries", allowed="one or more numbers above 0")
    return values

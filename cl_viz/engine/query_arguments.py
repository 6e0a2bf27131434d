"""Arguments of questions to a sketch: one number or an array of them, checked; each raises `InputError`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cl_viz.core.errors import InputError

Values = NDArray[np.float64]
_ONE_OR_SEVERAL = "a number, or one axis of numbers"


def at_each(parameter: ArrayLike, name: str, where: str, ask: Callable[[float], Values]) -> Values:
    """Return the answer at a number; at an array of them, the answers along a second axis."""
    values = numbers(parameter, name, where)
    if not values.ndim:
        return ask(float(values))
    return np.stack([ask(value) for value in values.tolist()], axis=1)


def numbers(values: ArrayLike, name: str, where: str, allowed: str = _ONE_OR_SEVERAL) -> Values:
    """Return one number, or one axis of at least one, in double precision."""
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} = {values!r}", where=where, allowed=allowed) from None
    if found.ndim > 1 or not found.size:
        raise InputError(f"{name} of shape {found.shape}", where=where, allowed=allowed)
    return found


def whole(number: float, where: str) -> int:
    """Return a number of negatives in a batch."""
    if not (np.isfinite(number) and number >= 1 and number == int(number)):
        raise InputError(f"n_negatives = {number:g}", where=where, allowed="whole numbers, 1 or more")
    return int(number)


def as_reweighting(concentration: ArrayLike, prior: ArrayLike, where: str) -> tuple[Values, Values]:
    """Return concentrations and class priors that go along with each other, both in range."""
    betas, priors = numbers(concentration, "concentration", where), numbers(prior, "prior", where)
    if not (np.isfinite(betas) & (betas >= 0)).all():
        raise InputError(f"concentration = {concentration!r}", where=where, allowed="0 or more, finite")
    if not ((priors >= 0) & (priors < 1)).all():
        raise InputError(f"prior = {prior!r}", where=where, allowed="0 or more, below 1")
    if betas.ndim and priors.ndim and len(betas) != len(priors):
        raise InputError(
            f"{len(betas)} concentrations and {len(priors)} priors", where=where, allowed="as many of both, or one"
        )
    together = np.broadcast_arrays(betas, priors)
    return together[0], together[1]


def as_scores(scores: ArrayLike, where: str) -> Values:
    """Return scores, shape (S,)."""
    allowed = "one or more cosines, -1 to 1"
    values = np.atleast_1d(numbers(scores, "scores", where, allowed))
    # Cosines of double precision may lie a rounding error outside.
    if not (np.abs(values) <= 1 + 1e-9).all():
        raise InputError(f"scores = {scores!r}", where=where, allowed=allowed)
    return values


def as_temperatures(temperatures: ArrayLike, name: str = "temperatures", where: str = "queries") -> Values:
    """Return temperatures, or what else is above 0, shape (T,)."""
    allowed = "one or more numbers above 0"
    values = np.atleast_1d(numbers(temperatures, name, where, allowed))
    if not (np.isfinite(values) & (values > 0)).all():
        raise InputError(f"{name} = {temperatures!r}", where=where, allowed=allowed)
    return values

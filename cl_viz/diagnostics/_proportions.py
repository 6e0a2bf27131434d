"""Proportions and their intervals."""

from __future__ import annotations

from typing import cast

from scipy.stats import binomtest

from cl_viz.core.result import Interval


def wilson(successes: int, trials: int, level: float = 0.95) -> Interval:
    """Return the Wilson score interval of a proportion of independent samples.

    Parameters
    ----------
    successes, trials : int
        ``0 <= successes <= trials``, at least one trial.
    level : float
        Confidence, in (0, 1).

    Returns
    -------
    Interval
        Within [0, 1].

    Notes
    -----
    Source: Wilson 1927, Probable Inference, the Law of Succession, and Statistical Inference.
    """
    found = binomtest(successes, trials).proportion_ci(level, method="wilson")
    return Interval(cast(float, found.low), cast(float, found.high), level, f"Wilson over {trials:,} samples")

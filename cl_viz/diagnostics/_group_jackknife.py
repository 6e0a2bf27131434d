"""Intervals of statistics of neighbours, clusters and classes: samples are left out group by group."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from cl_viz.core.influences import Influences
from cl_viz.core.result import Interval

GROUPS = 20
SEED = 0
"""Of the groups."""


def left_out_groups(n_samples: int, *, within: NDArray[np.int64] | None = None) -> NDArray[np.int64] | None:
    """Return the group of each sample, 0 to 19, shape (n_samples,); None below five samples a group.

    Parameters
    ----------
    n_samples : int
    within : NDArray[np.int64], shape (n_samples,), optional
        Class of each sample: groups then take alike of every class, so that leaving one out never empties a class.
    """
    if n_samples < 5 * GROUPS:
        return None
    order = np.random.default_rng(SEED).permutation(n_samples)
    if within is None:
        return order % GROUPS
    order = order[np.argsort(within[order], kind="stable")]
    group = np.empty(n_samples, dtype=np.int64)
    group[order] = np.arange(n_samples) % GROUPS
    return group


def interval_of_left_out(
    estimate: float, values: NDArray[np.float64], n_samples: int, limits: tuple[float, float] = (-math.inf, math.inf)
) -> Interval | None:
    """Return the interval of a statistic from its `values` without each group; None where one is not defined."""
    if not np.isfinite(values).all():
        return None
    error = math.sqrt((GROUPS - 1) / GROUPS * float(np.square(values - values.mean()).sum()))
    width = float(stdtrit(GROUPS - 1, 0.975)) * error
    low, high = max(limits[0], estimate - width), min(limits[1], estimate + width)
    method = f"jackknife over {GROUPS} groups of {n_samples:,} samples, drawn with seed {SEED}"
    # What a group contributes: the statistic's loss without it, as many times as there are others.
    kept = Influences.keep([(GROUPS - 1) * (values.mean() - values)], [GROUPS])
    return Interval(low, high, 0.95, method, kept).with_width


def group_jackknife(
    estimate: float,
    without: Callable[[NDArray[np.bool_]], float],
    n_samples: int,
    *,
    limits: tuple[float, float] = (-math.inf, math.inf),
) -> Interval | None:
    """Return the interval of a statistic from its values without each of 20 random groups of samples.

    Parameters
    ----------
    estimate : float
        The statistic on all samples.
    without : callable
        Given which samples are kept, shape (n_samples,), returns the statistic on them.
    n_samples : int
    limits : tuple of float
        Range of the quantity.

    Returns
    -------
    Interval or None
        None below five samples a group, or where a group's statistic is not defined.

    Notes
    -----
    A sample that is left out is nobody's neighbour either, so the interval holds both ways in which it counts. Source:
    Efron 1982, The Jackknife, the Bootstrap and Other Resampling Plans, chapter 2; Student's t with 19 degrees.
    """
    group = left_out_groups(n_samples)
    if group is None:
        return None
    values = np.array([without(group != place) for place in range(GROUPS)])
    return interval_of_left_out(estimate, values, n_samples, limits)

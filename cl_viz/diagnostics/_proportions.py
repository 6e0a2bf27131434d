"""Proportions and their intervals."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.influences import Influences
from cl_viz.core.result import Interval


def wilson(successes: float, trials: int, level: float = 0.95) -> Interval:
    """Return the Wilson score interval of a proportion of independent samples.

    Parameters
    ----------
    successes, trials : float, int
        ``0 <= successes <= trials``, at least one trial; of tied results the expected number of successes.
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
    return Interval(*_wilson_ends(successes / trials, trials, level), level, f"Wilson over {trials:,} samples")


def _wilson_ends(share: float, trials: float, level: float) -> tuple[float, float]:
    """Return the ends of the interval of a share of so many independent trials; exactly 0 or 1 where the share is."""
    z = NormalDist().inv_cdf(0.5 + level / 2)
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    width = z / (1 + z**2 / trials) * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    return max(0.0, centre - width) if share > 0 else 0.0, min(1.0, centre + width) if share < 1 else 1.0


def share_of_hits(hits: NDArray[np.bool_] | NDArray[np.float64], level: float = 0.95) -> Interval:
    """Return the Wilson interval of the share of hits, with what each sample contributes to it.

    Parameters
    ----------
    hits : NDArray, shape (n,)
        Whether, or of tied results how likely, each sample is one. In the order of the samples, so that runs on the
        same samples can be compared one by one.
    level : float
    """
    found = wilson(float(hits.sum()), len(hits), level)
    share = float(hits.mean())
    # At an end of the range no sample differs from another, and their spread says nothing.
    return found if share in (0.0, 1.0) else replace(found, influences=Influences.keep([hits - share], [len(hits)]))


def share_over_views(hits: NDArray[np.bool_], level: float = 0.95) -> Interval:
    """Return the interval of the share of hits, mean over views of the same samples.

    Parameters
    ----------
    hits : NDArray[np.bool_], shape (n, V)
    level : float

    Returns
    -------
    Interval
        Wilson's, at as many independent trials as would vary as much: hits of one sample in two views go together.

    Notes
    -----
    Source: Korn and Graubard 1998, Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data.
    """
    by_sample = hits.mean(axis=1)
    share, n = float(by_sample.mean()), len(hits)
    if hits.shape[1] == 1 or share in (0.0, 1.0):
        return share_of_hits(hits[:, 0], level)
    spread = float(by_sample.var(ddof=1))
    trials = n * min(float(hits.shape[1]), share * (1 - share) / spread) if spread > 0 else float(n)
    kept = Influences.keep([by_sample - share], [n])
    return Interval(
        *_wilson_ends(share, trials, level),
        level,
        f"Wilson over {n:,} samples in {hits.shape[1]} views",
        kept,
    )


def mean_of_proportions(successes: NDArray[np.int64], trials: NDArray[np.int64], level: float = 0.95) -> Interval:
    """Return the interval of the plain mean of proportions of independent groups, such as balanced accuracy.

    Parameters
    ----------
    successes, trials : NDArray[np.int64], shape (G,)
        Of each group; groups without trials are left out.
    level : float

    Returns
    -------
    Interval
        Within [0, 1]; of width above 0 even where every trial succeeds.

    Notes
    -----
    Square-and-add from the groups' Wilson intervals. Sources: Newcombe 1998, Interval estimation for the difference
    between independent proportions; Zou and Donner 2008, Construction of confidence limits about effect measures.
    """
    kept = trials > 0
    estimates = successes[kept] / trials[kept]
    ends = [wilson(int(s), int(t), level) for s, t in zip(successes[kept], trials[kept], strict=True)]
    below = float(np.sqrt(np.sum([(p - end.low) ** 2 for p, end in zip(estimates, ends, strict=True)])))
    above = float(np.sqrt(np.sum([(end.high - p) ** 2 for p, end in zip(estimates, ends, strict=True)])))
    centre, count = float(estimates.mean()), len(estimates)
    method = f"square-and-add of Wilson intervals over {count:,} groups of {int(trials.sum()):,} samples"
    return Interval(max(0.0, centre - below / count), min(1.0, centre + above / count), level, method)


def worst_and_gap(
    successes: NDArray[np.int64], trials: NDArray[np.int64], level: float = 0.95
) -> tuple[Interval, Interval]:
    """Return intervals of the smallest proportion of several groups, and of the largest minus the smallest.

    The group that looks worst was picked for that, so that its own interval is too narrow: all groups' intervals are
    taken at the same time (Bonferroni), and whichever group is the worst, the interval holds it.

    Parameters
    ----------
    successes, trials : NDArray[np.int64], shape (G,)
        Of each group; every group has trials.
    level : float
    """
    each = 1 - (1 - level) / len(trials)
    ends = [wilson(int(s), int(t), each) for s, t in zip(successes, trials, strict=True)]
    lows, highs = np.array([end.low for end in ends]), np.array([end.high for end in ends])
    method = f"simultaneous Wilson intervals over {len(trials):,} groups of {int(trials.sum()):,} samples"
    worst = Interval(float(lows.min()), float(highs.min()), level, method)
    # Between the groups of two shares that stand apart for sure lies at least the space between their intervals.
    gap = Interval(max(0.0, float(lows.max() - highs.min())), float(highs.max() - lows.min()), level, method)
    return worst, gap

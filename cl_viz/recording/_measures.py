"""What is measured at each snapshot: the diagnostics' own definitions on a few hundred samples of the first layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.result import format_number
from cl_viz.diagnostics._dense import collapse, geometry, scores
from cl_viz.diagnostics._thresholds import collapse as _thresholds

MEASURES = {
    "alignment": "Mean squared distance of the first two views",
    "uniformity": "Log of the mean of exp(-2 d²), first view",
    "covariance_entropy_rank": "Exp of the entropy of the covariance's eigenvalue shares, first view",
    "total_variance": "Sum of the variances of the unit rows, first view",
    "standard_deviation": "Mean over dimensions of the standard deviation of the unit rows, first view",
    "positive_mean": "Mean score of the first two views of a sample",
    "negative_mean": "Mean score of different samples, across the first two views, or within the only one",
}
"""Name -> definition; each is the quantity of its name of a diagnostic."""


def measure(views: Sequence[NDArray[np.float32]], most_rows: int) -> dict[str, float]:
    """Measure one layer.

    Parameters
    ----------
    views : sequence of NDArray, each of shape (N, D)
    most_rows : int
        Rows that are used: the first ones, leaving out those that are zero or not finite.

    Returns
    -------
    dict
        Every name of `MEASURES`; NaN where it needs a second view, or rows that can be used.
    """
    found = dict.fromkeys(MEASURES, math.nan)
    norms = np.stack([np.linalg.norm(view[:most_rows], axis=1) for view in views[:2]])
    usable = (np.isfinite(norms) & (norms > 0)).all(axis=0)
    if usable.sum() < 3:
        return found
    first = views[0][:most_rows][usable]
    cosines = geometry.mean_cosine(first)
    found |= {
        "uniformity": geometry.uniformity(first),
        "covariance_entropy_rank": collapse.covariance_entropy_rank(first),
        # The variances of unit rows (ddof = 1) sum to 1 less the mean cosine of two different rows.
        "total_variance": max(0.0, 1.0 - cosines),
        "standard_deviation": collapse.std_of_l2_normalized(first),
        "negative_mean": cosines,
    }
    if len(views) > 1:
        second = views[1][:most_rows][usable]
        across = scores.cosine_scores(first, second)
        found |= {
            "alignment": geometry.alignment(first, second),
            "positive_mean": float(across.diagonal().mean()),
            "negative_mean": float(across[~np.eye(len(across), dtype=bool)].mean()),
        }
    return found


def collapse_reason(history: Mapping[int, Mapping[str, float]], patience: int) -> str:
    """Say what kind of collapse the last snapshots show; empty where they show none.

    The limits are those of the diagnostics `rank_curves` and `dimension_ranks`. An untrained encoder often maps
    everything close to one point, so a total variance is held against a run only where it was larger before.

    Parameters
    ----------
    history : Mapping[int, Mapping[str, float]]
        What was measured, by step.
    patience : int
        Snapshots in a row that must show it.
    """
    steps = sorted(history)
    if len(steps) <= patience:
        return ""
    variance = np.array([history[step].get("total_variance", math.nan) for step in steps])
    rank = np.array([history[step].get("covariance_entropy_rank", math.nan) for step in steps])
    latest = range(len(steps) - patience, len(steps))
    last = f"at step {steps[-1]:,}"
    if all(not math.isfinite(variance[place]) for place in latest):
        return f"{last} embeddings are zero or not finite, and were at the {patience} latest snapshots"
    if all(
        _thresholds.TOTAL_VARIANCE.level(variance[place]) == "bad"
        and variance[place] < np.fmax.reduce(variance[:place])
        for place in latest
    ):
        return (
            f"complete collapse: total variance {format_number(variance[-1])} {last}, below "
            f"{_thresholds.TOTAL_VARIANCE.bad:g} at the {patience} latest snapshots"
        )
    if all(_rank_is_lost(rank, place) for place in latest):
        return (
            f"dimensional collapse: covariance entropy rank {format_number(rank[-1])} {last}, it was "
            f"{format_number(float(np.nanmax(rank)))}; below {_thresholds.RANK_KEPT.bad:.0%} of that at the {patience} "
            "latest snapshots"
        )
    return ""


def _rank_is_lost(rank: NDArray[np.float64], place: int) -> bool:
    best = float(np.nanmax(rank[: place + 1], initial=0.0))
    return best > 0 and _thresholds.RANK_KEPT.level(float(rank[place]) / best) == "bad"

"""Which points lie inside an outline that was drawn, and outlines with fewer corners."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.errors import InputError

MOST_CORNERS = 60
"""Corners that an outline keeps: a hand draws no finer, and an address of the page holds them."""


def inside(outlines: Sequence[NDArray[np.floating]], points: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return which points lie inside any of some outlines.

    Parameters
    ----------
    outlines : sequence of NDArray, each of shape (K, 2)
        Corners in order, K >= 3; the last is joined to the first. Where an outline crosses itself, a point is inside
        if a ray from it crosses the outline an odd number of times.
    points : NDArray of shape (N, 2)
        Points that are not finite are outside.

    Returns
    -------
    NDArray[np.bool_], shape (N,)

    Raises
    ------
    InputError
        If an outline has fewer than three corners, or one that is not finite.
    """
    found = np.zeros(len(points), dtype=bool)
    for outline in outlines:
        corners = np.asarray(outline, dtype=np.float64)
        if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3 or not np.isfinite(corners).all():
            raise InputError(
                f"an outline of shape {corners.shape}", where="inside", allowed="three or more finite corners (x, y)"
            )
        (left, low), (right, high) = corners.min(axis=0), corners.max(axis=0)
        x, y = points[:, 0], points[:, 1]
        near = np.flatnonzero((x >= left) & (x <= right) & (y >= low) & (y <= high))
        found[near[_inside_one(corners, points[near].astype(np.float64))]] = True
    return found


def _inside_one(corners: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Even-odd rule by slabs: between two neighbouring heights of corners only the edges that span them can cross.

    A point meets the few edges of its own slab, so that a million points take a fraction of a second.
    """
    heights = np.unique(corners[:, 1])
    start, end = corners, np.roll(corners, -1, axis=0)
    low, high = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
    slab = np.searchsorted(heights, points[:, 1], side="right") - 1
    order = np.argsort(slab, kind="stable")
    bounds = np.searchsorted(slab[order], np.arange(len(heights)))
    found = np.zeros(len(points), dtype=bool)
    for number in range(len(heights) - 1):
        rows = order[bounds[number] : bounds[number + 1]]
        if not len(rows):
            continue
        x, y = points[rows].T
        odd = np.zeros(len(rows), dtype=bool)
        for edge in np.flatnonzero((low <= heights[number]) & (high > heights[number])):
            slope = (end[edge, 0] - start[edge, 0]) / (end[edge, 1] - start[edge, 1])
            odd ^= x < start[edge, 0] + slope * (y - start[edge, 1])
        found[rows] = odd
    return found


def thinned(outline: NDArray[np.floating], corners: int = MOST_CORNERS) -> NDArray[np.float64]:
    """Return an outline with at most so many corners: those that change its area least are dropped first.

    The rule is that of Visvalingam and Whyatt (1993, "Line generalisation by repeated elimination of points").
    """
    kept = np.asarray(outline, dtype=np.float64)
    while len(kept) > max(3, corners):
        before, after = np.roll(kept, 1, axis=0) - kept, np.roll(kept, -1, axis=0) - kept
        area = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0])
        kept = np.delete(kept, int(np.argmin(area)), axis=0)
    return kept

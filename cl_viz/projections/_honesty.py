"""What a map keeps: trustworthiness, neighbour recall, and each point's error, from exact neighbours in both spaces."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.projections._inputs import Near
from cl_viz.projections._projection import Kept

NEIGHBORS = 15
"""Neighbours of each row that are compared; fewer where the set has fewer than 31 rows."""
SAMPLE = 2000
"""Rows that are drawn, each to be compared with all rows."""
_WIDE_ROWS = 8192
"""Up to so many rows ranks are taken from scores in float64, as the engine's are."""
_EQUAL = 1e-6
"""Cosines this close are equal: a few steps of float32."""
_BLOCK_NUMBERS = 1 << 24
_TREE_ROWS = 1 << 16
_NORMAL_95 = 1.959964


class Honesty(NamedTuple):
    """What a map keeps.

    Attributes
    ----------
    trustworthiness, neighbor_recall : Kept
    error : NDArray[np.float32], shape (n,)
        1 less the share of each row's nearest that the map keeps; NaN where it is not defined or was not asked for.
    notes : tuple of str
    """

    trustworthiness: Kept
    neighbor_recall: Kept
    error: NDArray[np.float32]
    notes: tuple[str, ...]


def compared(size: int) -> int:
    """Return how many neighbours of each of `size` rows are compared; 0 where the shares are not defined."""
    return min(NEIGHBORS, (size - 1) // 2)


def honesty(
    rows: NDArray[np.float32],
    coordinates: NDArray[np.floating],
    near: Near | None,
    seed: int,
    *,
    sample: int = SAMPLE,
    progress: ProgressCallback = silent,
) -> Honesty:
    """Compare the neighbours of a map with the exact ones by cosine.

    Parameters
    ----------
    rows : NDArray[np.float32], shape (n, D)
        Unit rows.
    coordinates : NDArray, shape (n, dim)
    near : Near or None
        Exact neighbours of `rows`, one more than `NEIGHBORS` where there are so many, so that ties are seen. Without
        them the neighbour recall and the errors are those of the rows that are drawn.
    seed : int
        Of the rows that are drawn, each to be compared with all rows.
    sample : int
        How many are drawn.
    progress : callable
    """
    size = len(rows)
    k = compared(size)
    if k < 1 or not np.ptp(coordinates, axis=0).any():
        why = "all points of the map coincide" if size > 2 else "fewer than three rows"
        undefined = Kept(None, 0, size, max(k, 1))
        return Honesty(
            undefined, undefined, np.full(size, np.nan, np.float32), (f"what is kept is not defined: {why}",)
        )
    progress(0.0, "neighbours in the map")
    chosen = np.sort(np.random.default_rng(seed).choice(size, min(sample, size), replace=False))
    every = near is not None
    in_map = nearest_points(coordinates, k, None if every else chosen, progress)
    excess, among = _ranked(rows, in_map[chosen] if every else in_map, chosen, progress)
    worst = k * (2 * size - 3 * k - 1) / 2
    error = np.full(size, np.nan, np.float32)
    if near is None:
        error[chosen] = 1.0 - among
        recall = _mean(among, size, k)
    else:
        kept = _kept(rows, in_map, near, k)
        error[:] = 1.0 - kept
        recall = _mean(kept, size, k)
    return Honesty(_mean(1.0 - excess / worst, size, k), recall, error, ())


def _mean(shares: NDArray[np.float64], population: int, k: int) -> Kept:
    """Return a mean over rows; of a draw without replacement with its 95 % interval."""
    n, mean = len(shares), float(shares.mean())
    if n == population:
        return Kept(mean, n, population, k)
    half = _NORMAL_95 * float(shares.std(ddof=1)) * np.sqrt((1 - n / population) / n)
    return Kept(mean, n, population, k, (max(0.0, mean - float(half)), min(1.0, mean + float(half))))


def nearest_points(
    coordinates: NDArray[np.floating],
    k: int,
    chosen: NDArray[np.int64] | None = None,
    progress: ProgressCallback = silent,
) -> NDArray[np.int64]:
    """Return the `k` nearest other points by Euclidean distance, of every point or of those chosen, shape (n, k)."""
    from scipy.spatial import cKDTree

    points = np.asarray(coordinates, dtype=np.float64)
    wanted = np.arange(len(points)) if chosen is None else chosen
    tree = cKDTree(points)
    nearest = np.empty((len(wanted), k), dtype=np.int64)
    for start in range(0, len(wanted), _TREE_ROWS):
        progress(0.3 * start / len(wanted), "neighbours in the map")
        some = wanted[start : start + _TREE_ROWS]
        found = np.asarray(tree.query(points[some], k=k + 1)[1], dtype=np.int64)
        # Among points that coincide a point need not be its own first.
        itself = found == some[:, None]
        itself[~itself.any(axis=1), -1] = True
        nearest[start : start + len(some)] = found[~itself].reshape(len(some), k)
    return nearest


def _kept(rows: NDArray[np.float32], in_map: NDArray[np.int64], near: Near, k: int) -> NDArray[np.float64]:
    """Return the share of each row's neighbours in the map that are among its nearest by cosine; ties count."""
    exact = near.indices[:, :k]
    same = np.zeros(in_map.shape, dtype=np.bool_)
    for column in range(k):
        same |= in_map == exact[:, column, None]
    if near.scores.shape[1] > k:
        # Where the next neighbour scores as high as the last one, which of them is listed is an accident.
        tied = np.flatnonzero(near.scores[:, k - 1] - near.scores[:, k] <= _EQUAL)
        block = max(1, _BLOCK_NUMBERS // (k * rows.shape[1]))
        for start in range(0, len(tied), block):
            some = tied[start : start + block]
            scores = np.einsum("nd,nkd->nk", rows[some], rows[in_map[some]])
            same[some] |= scores >= near.scores[some, k - 1, None] - _EQUAL
    share: NDArray[np.float64] = same.mean(axis=1)
    return share


def _ranked(
    rows: NDArray[np.float32], in_map: NDArray[np.int64], chosen: NDArray[np.int64], progress: ProgressCallback
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Look up where the neighbours in the map of some rows stand among all rows by cosine.

    Parameters
    ----------
    rows : NDArray[np.float32], shape (n, D)
    in_map : NDArray[np.int64], shape (m, k)
    chosen : NDArray[np.int64], shape (m,)
        Rows that these are the neighbours of.
    progress : callable

    Returns
    -------
    excess : NDArray[np.float64], shape (m,)
        Sum of the ranks beyond k, as trustworthiness weighs them (Venna and Kaski 2001).
    among : NDArray[np.float64], shape (m,)
        Share of them among the row's k nearest; ties count.
    """
    size, k = len(rows), in_map.shape[1]
    columns = rows.astype(np.float64) if size <= _WIDE_ROWS else rows
    block = max(1, _BLOCK_NUMBERS // size)
    excess, among = np.zeros(len(chosen)), np.zeros(len(chosen))
    for start in range(0, len(chosen), block):
        progress(0.3 + 0.7 * start / len(chosen), "ranks of the map's neighbours")
        some = chosen[start : start + block]
        scores = columns[some] @ columns.T
        scores[np.arange(len(some)), some] = -np.inf
        for place, row in enumerate(scores, start):
            for own in row[in_map[place]]:
                beyond = 1 + int(np.count_nonzero(row > own)) - k
                excess[place] += max(0, beyond)
                among[place] += beyond <= 0 or int(np.count_nonzero(row > own + _EQUAL)) < k
    return excess, among / k

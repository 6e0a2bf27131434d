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
"""Rows that trustworthiness is a mean over; its ranks take a pass over all rows for each of them."""
_WIDE_ROWS = 8192
"""Up to so many rows ranks are taken from scores in float64, as the engine's are."""
_EQUAL = 1e-6
"""Cosines this close are equal: a few steps of float32."""
_BLOCK_NUMBERS = 1 << 22


class Honesty(NamedTuple):
    """What a map keeps.

    Attributes
    ----------
    trustworthiness, neighbor_recall : Kept
    error : NDArray[np.float32], shape (n,)
        1 less the share of each row's nearest that the map keeps; NaN where it is not defined.
    notes : tuple of str
    """

    trustworthiness: Kept
    neighbor_recall: Kept
    error: NDArray[np.float32]
    notes: tuple[str, ...]


def honesty(
    rows: NDArray[np.float32],
    coordinates: NDArray[np.floating],
    near: Near,
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
    near : Near
        Exact neighbours of `rows`, one more than `NEIGHBORS` where there are so many, so that ties are seen.
    seed : int
        Of the rows drawn for trustworthiness.
    sample : int
        How many are drawn.
    progress : callable
    """
    size = len(rows)
    k = min(NEIGHBORS, (size - 1) // 2)
    if k < 1 or not np.ptp(coordinates, axis=0).any():
        why = "all points of the map coincide" if size > 2 else "fewer than three rows"
        undefined = Kept(None, 0, size, max(k, 1))
        return Honesty(
            undefined, undefined, np.full(size, np.nan, np.float32), (f"what is kept is not defined: {why}",)
        )
    progress(0.0, "neighbours in the map")
    in_map = nearest_points(coordinates, k)
    kept = _kept(rows, in_map, near, k)
    chosen = np.sort(np.random.default_rng(seed).choice(size, min(sample, size), replace=False))
    trust = _trustworthiness(rows, in_map, chosen, progress)
    return Honesty(
        Kept(trust, len(chosen), size, k),
        Kept(float(kept.mean()), size, size, k),
        (1.0 - kept).astype(np.float32),
        (),
    )


def nearest_points(coordinates: NDArray[np.floating], k: int) -> NDArray[np.int64]:
    """Return the `k` nearest other points of every point by Euclidean distance, shape (n, k)."""
    from scipy.spatial import cKDTree

    points = np.asarray(coordinates, dtype=np.float64)
    found: NDArray[np.int64] = np.asarray(cKDTree(points).query(points, k=k + 1)[1], dtype=np.int64)
    # Among points that coincide a point need not be its own first.
    itself = found == np.arange(len(found))[:, None]
    itself[~itself.any(axis=1), -1] = True
    return np.asarray(found[~itself].reshape(len(found), k))


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


def _trustworthiness(
    rows: NDArray[np.float32], in_map: NDArray[np.int64], chosen: NDArray[np.int64], progress: ProgressCallback
) -> float:
    """Return the trustworthiness of Venna and Kaski (2001), as a mean over the chosen rows."""
    size, k = in_map.shape
    columns = rows.astype(np.float64) if size <= _WIDE_ROWS else rows
    block = max(1, _BLOCK_NUMBERS // size)
    excess = 0.0
    for start in range(0, len(chosen), block):
        progress(start / len(chosen), "ranks of the map's neighbours")
        some = chosen[start : start + block]
        scores = columns[some] @ columns.T
        place = np.arange(len(some))
        own = np.take_along_axis(scores, in_map[some], axis=1)
        scores[place, some] = -np.inf
        for column in range(k):
            rank = 1 + (scores > own[:, column, None]).sum(axis=1)
            excess += float(np.maximum(0, rank - k).sum())
    worst = len(chosen) * k * (2 * size - 3 * k - 1) / 2
    return float(1.0 - excess / worst)

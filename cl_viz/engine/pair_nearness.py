"""Negatives without labels: the score from which a pair is among the nearest of its rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.engine.neighbors import MOST_NEIGHBORS, find_mutual_neighbors, find_neighbors
from cl_viz.engine.pair_patch import Patch
from cl_viz.engine.rows import ViewRows


def with_nearness(patches: list[Patch], k: int, error: float, report: Callable[[float], None]) -> list[Patch]:
    """Add to each patch the score of every row's k-th nearest row of another sample, less the error of a tile."""
    found = []
    for place, patch in enumerate(patches):

        def part(done: float, place: int = place) -> None:
            report((place + done) / len(patches))

        turned = patch.links[:, ::-1]
        both = np.concatenate([patch.links, turned]) if patch.once else patch.links
        if patch.once:
            near = find_neighbors(patch.left, patch.left, _fetched(k, both, len(patch.left)), part)
            least = _least(near.scores, near.indices, patch.left, patch.left, both, k)
            sides = (least, least)
        else:
            fetched = max(_fetched(k, both, len(patch.left)), _fetched(k, turned, len(patch.right)))
            there, back = find_mutual_neighbors(patch.left, patch.right, fetched, part)
            sides = (
                _least(there.scores, there.indices, patch.left, patch.right, both, k),
                _least(back.scores, back.indices, patch.right, patch.left, turned, k),
            )
        tensors = [torch.from_numpy(side - 2 * error).to(patch.left.tile(slice(0, 1))) for side in sides]
        found.append(replace(patch, nearness=(tensors[0], tensors[1])))
    return found


def _fetched(k: int, links: NDArray[np.int64], n_rows: int) -> int:
    """Return how many nearest rows to fetch, so that k are left without those of the same sample."""
    most = int(np.bincount(links[:, 0], minlength=n_rows).max()) if len(links) else 0
    return min(MOST_NEIGHBORS, k + most)


def _least(
    scores: NDArray[Any],
    indices: NDArray[np.int64],
    rows: ViewRows,
    others: ViewRows,
    links: NDArray[np.int64],
    k: int,
) -> NDArray[np.float64]:
    """Return the score of the k-th of each row's nearest rows that is no view of the same sample, shape (n,)."""
    # Rows of a view ascend, as those of `Neighbors` do; a pair of rows is one number.
    size = int(others.original.max()) + 1
    same = rows.original[links[:, 0]] * size + others.original[links[:, 1]]
    other_samples = ~np.isin(rows.original[:, None] * size + indices, same)
    kept = np.where(other_samples & (np.cumsum(other_samples, axis=1) <= k), scores.astype(np.float64), np.inf)
    found: NDArray[np.float64] = kept.min(axis=1, initial=np.inf)
    return found

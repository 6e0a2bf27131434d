"""Where a pair stands among the negatives of its samples."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.engine.pair_patch import links_between
from cl_viz.engine.pair_sketch import PairRoles, Relation, negative_relations
from cl_viz.engine.rows import ViewRows
from cl_viz.engine.tile_links import relation_tile, sorted_links

_ROWS, _COLUMNS = 256, 4096
_TIE = 2e-12


def count_higher(
    embedding_set: EmbeddingSet,
    left: ViewRows,
    right: ViewRows,
    anchors: NDArray[np.int64],
    scores: NDArray[np.float64],
    roles: PairRoles,
) -> NDArray[np.int64]:
    """Return how many negatives of each anchor score above a score.

    Parameters
    ----------
    embedding_set : EmbeddingSet
    left, right : ViewRows
        Rows in float64: the anchors' view, and that of the negatives.
    anchors : NDArray[np.int64], shape (n,)
        Places among the left rows; one may come several times.
    scores : NDArray[np.float64], shape (n,)
    roles : PairRoles
        Which pairs are negatives.

    Returns
    -------
    NDArray[np.int64], shape (n,)
    """
    links = links_between(embedding_set, left, right)
    if left is right:
        links = np.concatenate([links, links[:, ::-1]])
    links = sorted_links(links)
    negative = torch.zeros(len(Relation), dtype=torch.bool)
    negative[[int(relation) for relation in negative_relations(roles)]] = True
    found = np.zeros(len(anchors), dtype=np.int64)
    for start in range(0, len(anchors), _ROWS):
        part = anchors[start : start + _ROWS]
        rows = left.tile(part)
        labels = None if left.labels is None else left.labels[torch.from_numpy(part)]
        least = torch.from_numpy(scores[start : start + _ROWS] + _TIE)[:, None]
        own = _own_links(links, part, part if left is right else None)
        for first in range(0, len(right), _COLUMNS):
            columns = slice(first, min(first + _COLUMNS, len(right)))
            tile = rows @ right.tile(columns).T
            counted = negative[relation_tile(labels, right.labels, slice(0, len(part)), columns, tile)]
            inside = own[(own[:, 1] >= columns.start) & (own[:, 1] < columns.stop)]
            counted[torch.from_numpy(inside[:, 0]), torch.from_numpy(inside[:, 1] - columns.start)] = False
            found[start : start + _ROWS] += (counted & (tile > least)).sum(dim=1).numpy()
    return found


def _own_links(
    links: NDArray[np.int64], anchors: NDArray[np.int64], itself: NDArray[np.int64] | None
) -> NDArray[np.int64]:
    """Return (place among the anchors, column) of every pair of one sample, shape (P, 2); with itself where given."""
    low, high = (np.searchsorted(links[:, 0], anchors, side=side) for side in ("left", "right"))
    count = high - low
    place = np.repeat(np.arange(len(anchors)), count)
    within = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    found = np.stack([place, links[np.repeat(low, count) + within, 1]], axis=1)
    if itself is not None:
        found = np.concatenate([found, np.stack([np.arange(len(anchors)), itself], axis=1)])
    return found

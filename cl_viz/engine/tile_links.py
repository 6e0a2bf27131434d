"""What is known of the pairs of a tile beside their scores: whether labels agree, and which are of one sample."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.engine.pair_sketch import Relation


def relation_tile(
    first: torch.Tensor | None, second: torch.Tensor | None, rows: slice, columns: slice, scores: torch.Tensor
) -> torch.Tensor:
    """Return the label relation of every pair of a tile, int64, shape of `scores`."""
    if first is None or second is None:
        return torch.full(scores.shape, int(Relation.UNKNOWN_LABEL), dtype=torch.int64, device=scores.device)
    left, right = first[rows, None], second[None, columns]
    relation = torch.where(left == right, int(Relation.SAME_LABEL), int(Relation.DIFFERENT_LABEL))
    return torch.where((left < 0) | (right < 0), int(Relation.UNKNOWN_LABEL), relation)


def mark_links(relation: torch.Tensor, links: NDArray[np.int64], rows: slice, columns: slice) -> None:
    """Write SAME_SAMPLE into the places of `relation` that `links` (sorted by row) names."""
    inside = links_of_tile(links, rows, columns)
    if len(inside):
        local = torch.from_numpy(inside).to(relation.device)
        relation[local[:, 0], local[:, 1]] = int(Relation.SAME_SAMPLE)


def links_of_tile(links: NDArray[np.int64], rows: slice, columns: slice) -> NDArray[np.int64]:
    """Return the links (sorted by row) inside a tile, counted from its corner; a copy."""
    if not len(links):
        return np.zeros((0, 2), dtype=np.int64)
    low, high = np.searchsorted(links[:, 0], [rows.start, rows.stop])
    inside = links[low:high]
    inside = inside[(inside[:, 1] >= columns.start) & (inside[:, 1] < columns.stop)]
    local: NDArray[np.int64] = inside - np.array([rows.start, columns.start])
    return local


def sorted_links(links: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return links sorted by row, then by column."""
    return links[np.lexsort((links[:, 1], links[:, 0]))]

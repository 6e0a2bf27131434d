"""The neighbours of one sample in two embeddings of the same samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.diagnostics._geometry.sample_match import match_samples
from cl_viz.engine.scanner import Scanner

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class NeighborChange:
    """The k nearest neighbours of a row, nearest first.

    Attributes
    ----------
    row : int
    views : tuple of str
        The first view that the two sets share: its name in each.
    kept, lost, gained : NDArray[np.int64]
        In both, in the first set only, in the second only; rows of the view.
    """

    row: int
    views: tuple[str, ...]
    kept: Rows
    lost: Rows
    gained: Rows


def changed_neighbors(
    before: EmbeddingSet,
    after: EmbeddingSet,
    row: int,
    k: int = 10,
    *,
    scanner: Scanner | None = None,
    progress: ProgressCallback = silent,
) -> NeighborChange:
    """Return which of the `k` nearest neighbours of a row two embeddings of the same samples share.

    Raises
    ------
    MissingInputError
        If they do not hold the same samples.
    InputError
        If the row is not usable in one of them.
    """
    views = match_samples((before, after), (before.name, after.name)).views[0]
    keeper, lists = scanner or Scanner(), []
    for embedding_set, view in zip((before, after), views, strict=True):
        near = keeper.neighbors(embedding_set, progress)[view, view]
        place = int(np.searchsorted(near.rows, row))
        if place == len(near.rows) or near.rows[place] != row:
            raise InputError(f"row {row} is NaN, infinite or zero in {view}", where=embedding_set.name)
        lists.append(np.asarray(near.indices[place][:k], dtype=np.int64))
    first, second = lists
    shared = np.isin(first, second)
    return NeighborChange(row, views, first[shared], first[~shared], second[~np.isin(second, first)])

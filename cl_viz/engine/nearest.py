"""`nearest`: the nearest neighbours of every row of a set, within its view and in the next one."""

from __future__ import annotations

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.engine.device import resolve_device
from cl_viz.engine.neighbors import (
    MOST_NEIGHBORS,
    Neighbors,
    find_mutual_neighbors,
    find_neighbors,
    neighbor_blocks,
)
from cl_viz.engine.precision import Precision, full_float32, score_type
from cl_viz.engine.rows import ViewRows, view_rows
from cl_viz.engine.tile_sizes import with_smaller_tiles

NeighborMap = dict[tuple[str, str], Neighbors]
"""By view and the view they are looked for in."""


def nearest(
    embedding_set: EmbeddingSet,
    k: int,
    device: str = "auto",
    *,
    precision: Precision = "auto",
    progress: ProgressCallback = silent,
) -> NeighborMap:
    """Find the exact `k` nearest neighbours of every row by cosine, without statistics of the pairs.

    Parameters
    ----------
    embedding_set : EmbeddingSet
        Rows are normalised to unit length; NaN, infinite and zero rows are left out.
    k : int
        1 to 200; fewer are found where there are not so many rows.
    device : str
        See `cl_viz.scan`.
    precision : {"auto", "float32", "float64"}
    progress : callable
        Called with fraction and message after each tile; may raise `Cancelled` to stop.

    Returns
    -------
    dict
        `Neighbors` within each view, and from each view in the next one, cyclically.

    Raises
    ------
    InputError
        If `k` is out of range, or fewer than two rows are usable.
    DeviceError
        If the device is absent, or has too little memory even for small tiles.
    """
    if not 1 <= k <= MOST_NEIGHBORS:
        raise InputError(f"k = {k!r}", where="nearest", allowed=f"1 to {MOST_NEIGHBORS}")
    target = resolve_device(device)
    dtype = score_type(embedding_set, target, precision)

    def find() -> NeighborMap:
        with full_float32():
            return neighbors_of_rows(view_rows(embedding_set, target, dtype), k, progress)

    return with_smaller_tiles(find, target, embedding_set.name)


def neighbors_of_rows(rows: dict[str, ViewRows], k: int, progress: ProgressCallback) -> NeighborMap:
    """Find the neighbours of prepared rows, block of views by block; both directions of a block in one pass."""
    blocks = neighbor_blocks(list(rows))
    passes = [block for place, block in enumerate(blocks) if block[::-1] not in blocks[:place]]
    found: NeighborMap = {}
    for index, (view, other) in enumerate(passes):

        def report(done: float, index: int = index) -> None:
            progress((index + done) / len(passes), "neighbours")

        if view != other and (other, view) in blocks:
            found[view, other], found[other, view] = find_mutual_neighbors(rows[view], rows[other], k, report)
        else:
            found[view, other] = find_neighbors(rows[view], rows[other], k, report)
    return {block: found[block] for block in blocks}

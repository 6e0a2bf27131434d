"""`scan`: look at all pairs of a set once."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import Literal

import torch

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import DeviceError, InputError
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.engine.anchor_pass import scan_anchors
from cl_viz.engine.device import resolve_device
from cl_viz.engine.moments import compute_moments
from cl_viz.engine.nearest import NeighborMap, neighbors_of_rows
from cl_viz.engine.neighbors import MOST_NEIGHBORS, neighbor_blocks
from cl_viz.engine.pair_pass import TILE, run_pairs, tiles
from cl_viz.engine.precision import Precision, full_float32, score_type
from cl_viz.engine.rows import ViewRows, compact_links, view_rows
from cl_viz.engine.statistics import Statistics
from cl_viz.engine.storage import cached

AUTO_ANCHORS = 1024
"""Anchors of one view with ``anchors="auto"``; every row up to this N."""
_SMALLEST_TILE = 64


def scan(
    embedding_set: EmbeddingSet,
    device: str = "auto",
    *,
    anchors: Literal["auto"] | int = "auto",
    neighbors: int | None = None,
    precision: Precision = "auto",
    seed: int = 0,
    cache: bool = False,
    progress: ProgressCallback = silent,
) -> Statistics:
    """Compute the statistics of all pairs of a set, exactly, without ever holding N x N numbers.

    Parameters
    ----------
    embedding_set : EmbeddingSet
        Rows are normalised to unit length; NaN, infinite and zero rows are left out and counted.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.
    anchors : "auto" or int
        How many rows of each view get statistics of their own; 0 for none. ``"auto"``: every row up to
        `AUTO_ANCHORS`, above that a draw of so many that depends only on N and `seed`.
    neighbors : int, optional
        How many nearest neighbours of every row to keep, 1 to 200, exactly: within its view, and in the next view.
    precision : {"auto", "float32", "float64"}
        Type of the scores. ``"auto"``: float64 up to 8,192 rows in all, on a device that has it; else float32.
        Sums are float64 always.
    seed : int
        Seed of the anchors' draw.
    cache : bool
        Keep the statistics on disk and take them from there next time (folder: environment variable
        ``CL_VIZ_CACHE``, else the user's cache folder). A damaged or old entry is computed anew.
    progress : callable
        Called with fraction and message after each tile; may raise `Cancelled` to stop.

    Returns
    -------
    Statistics

    Raises
    ------
    InputError
        If fewer than two rows are usable.
    DeviceError
        If the device is absent, or has too little memory even for small tiles.
    """
    target = resolve_device(device)
    dtype = score_type(embedding_set, target, precision)
    if not (anchors == "auto" or (isinstance(anchors, int) and anchors >= 0)):
        raise InputError(f"anchors = {anchors!r}", where="scan", allowed='"auto" or a count >= 0')
    if neighbors is not None and not 1 <= neighbors <= MOST_NEIGHBORS:
        raise InputError(f"neighbors = {neighbors!r}", where="scan", allowed=f"None, or 1 to {MOST_NEIGHBORS}")
    n_anchors = AUTO_ANCHORS if anchors == "auto" else anchors
    arguments = (embedding_set, target, dtype, n_anchors, neighbors, seed, progress)
    if not cache:
        return _scan_with_room(*arguments)
    parameters = {
        "anchors": n_anchors,
        "neighbors": neighbors,
        "seed": seed,
        "precision": str(dtype),
        "device": str(target),
    }
    found = cached(embedding_set.fingerprint, parameters, lambda: _scan_with_room(*arguments))
    progress(1.0, "done")
    return found


def _scan_with_room(
    embedding_set: EmbeddingSet,
    target: torch.device,
    dtype: torch.dtype,
    n_anchors: int,
    neighbors: int | None,
    seed: int,
    progress: ProgressCallback,
) -> Statistics:
    """Scan with smaller tiles where the device's memory does not suffice."""
    size = TILE
    while True:
        try:
            with full_float32():
                return _scan(embedding_set, target, dtype, n_anchors, neighbors, seed, progress, size)
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            size //= 4
            if size < _SMALLEST_TILE:
                raise DeviceError(
                    f"{target} has too little free memory, even for tiles of {size * 4} rows",
                    where=embedding_set.name,
                    remedy="close other programs that use the device, or pass device='cpu'",
                ) from error


def _scan(
    embedding_set: EmbeddingSet,
    device: torch.device,
    dtype: torch.dtype,
    n_anchors: int,
    neighbors: int | None,
    seed: int,
    progress: ProgressCallback,
    tile_size: int,
) -> Statistics:
    progress(0.0, "reading rows")
    rows = view_rows(embedding_set, device, dtype)
    blocks = list(combinations_with_replacement(embedding_set.view_names, 2))
    links = {block: compact_links(embedding_set, rows, *block) for block in blocks}
    work = list(tiles(blocks, rows, tile_size))
    share, anchor_share, _ = _shares(rows, n_anchors, neighbors)
    linked = [links[block] for block in blocks]
    sketch = run_pairs(blocks, rows, linked, work, lambda done: progress(share * done, "all pairs"))
    found = {}
    for index, (view, part) in enumerate(rows.items() if n_anchors else ()):
        start, width = share + anchor_share * index / len(rows), anchor_share / len(rows)

        def report(done: float, start: float = start, width: float = width) -> None:
            progress(start + width * done, "anchors")

        found[view] = scan_anchors(part, rows, links, n_anchors, seed, report)
    near: NeighborMap = {}
    if neighbors is not None:
        rest = 1 - share - anchor_share
        near = neighbors_of_rows(rows, neighbors, lambda done, message: progress(1 - rest * (1 - done), message))
    n_used = len(next(iter(rows.values())))
    return Statistics(
        pairs=sketch,
        anchors=found,
        moments=compute_moments(embedding_set),
        n_used=n_used,
        n_excluded=sum(embedding_set.sizes) - sum(map(len, rows.values()))
        if not embedding_set.aligned
        else embedding_set.n - n_used,
        device=str(device),
        precision=str(dtype).removeprefix("torch."),
        seed=seed if any(len(part) > n_anchors > 0 for part in rows.values()) else None,
        fingerprint=embedding_set.fingerprint,
        neighbors=near,
    )


def _shares(rows: dict[str, ViewRows], n_anchors: int, neighbors: int | None) -> tuple[float, float, float]:
    """Estimate which shares of the work pairs, anchors and neighbours are, for the progress bar."""
    total = sum(map(len, rows.values()))
    pairs = total * total / 2
    with_anchors = sum(min(n_anchors, len(part)) for part in rows.values()) * total * 3
    near = sum(len(rows[a]) * len(rows[b]) for a, b in neighbor_blocks(list(rows))) if neighbors else 0
    work = pairs + with_anchors + near
    return pairs / work, with_anchors / work, near / work

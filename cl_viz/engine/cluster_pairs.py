"""The pairs within a piece of a set, and between two, with the nearest rows found on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.progress import silent
from cl_viz.engine.largest import Largest
from cl_viz.engine.nearest import NeighborMap, neighbors_of_rows
from cl_viz.engine.nearest_so_far import NearestSoFar
from cl_viz.engine.neighbors import (
    find_mutual_neighbors,
    find_neighbors,
    largest_of_blocks,
    neighbor_blocks,
    neighbors_of,
)
from cl_viz.engine.pair_pass import run_pairs, tile_rows, tiles
from cl_viz.engine.pair_sketch import Block, PairSketch, view_blocks
from cl_viz.engine.rows import ViewRows
from cl_viz.engine.tile_sizes import fitted

Limits = Mapping[Block, NDArray[np.floating[Any]]]
"""Of the rows of a piece, in the piece's own order: only scores above these can be among the largest of the whole."""


def pairs_within(rows: dict[str, ViewRows], k: int | None, *, all_seen: bool) -> tuple[PairSketch, NeighborMap]:
    """Return the sketch of all pairs of a piece, and the `k` nearest rows of each of its rows.

    Parameters
    ----------
    rows : dict of ViewRows
        The piece's, of every view.
    k : int or None
        None finds no neighbours.
    all_seen : bool
        Whether no row leads, so that every score is seen here.
    """
    blocks = view_blocks(list(rows))
    near = NearestSoFar(largest_of_blocks(rows, k)) if k and _shared(rows, all_seen=all_seen) else None
    linked = [_same_rows(rows[a], rows[b]) for a, b in blocks]
    sketch = run_pairs(blocks, rows, linked, list(tiles(blocks, rows, _tile_rows(rows))), _unsaid, near=near)
    if k is None:
        return sketch, {}
    if near is None:
        return sketch, neighbors_of_rows(rows, k, silent)
    return sketch, {(a, b): neighbors_of(rows[a], rows[b], kept) for (a, b), kept in near.largest.items()}


def pairs_between(
    first: dict[str, ViewRows],
    second: dict[str, ViewRows],
    k: int | None,
    limits: Sequence[Limits] = (),
    *,
    all_seen: bool,
) -> tuple[PairSketch, NeighborMap, NeighborMap]:
    """Return the sketch of all pairs of two pieces, and the nearest rows of each piece in the other.

    See `pairs_within`. With `limits`, of the rows of either piece, nearest rows may be left out that do not score
    higher; where fewer than `k` do, scores of -inf follow.
    """
    near = _nothing_near(first, second, k, limits) if k and _shared(first, all_seen=all_seen) else None
    sketch = _between(first, second, view_blocks(list(first)), near)
    if k is None:
        return sketch, {}, {}
    there, back = _nearest(first, second, k) if near is None else _found_between(first, second, near)
    return sketch, there, back


def _shared(rows: dict[str, ViewRows], *, all_seen: bool) -> bool:
    """Whether neighbours are found among the scores of the pass over pairs: all are seen, and kept, on a processor."""
    return all_seen and next(iter(rows.values())).device.type == "cpu"


def _tile_rows(rows: dict[str, ViewRows]) -> int:
    one = next(iter(rows.values()))
    return fitted(tile_rows(one.device, one.dtype))


def _same_rows(first: ViewRows, second: ViewRows) -> NDArray[np.int64]:
    """Return the pairs of one sample between two views of a piece, sorted; none within a view."""
    if first is second:
        return np.zeros((0, 2), dtype=np.int64)
    links = np.stack([np.argsort(first.original), np.argsort(second.original)], axis=1)
    return links[np.argsort(links[:, 0])]


def _nothing_near(
    first: dict[str, ViewRows], second: dict[str, ViewRows], k: int, limits: Sequence[Limits]
) -> NearestSoFar:
    """Return what is to be filled with the nearest rows of two pieces in each other."""
    kind = next(iter(first.values())).tile(slice(0, 1)).numpy().dtype
    found = {}
    for place, (own, to, rows, others) in enumerate(_directions(first, second)):
        for view, other in neighbor_blocks(list(first)):
            largest = Largest(len(rows[view]), min(k, len(others[other])), kind, np.int64)
            if limits:
                largest.limit[np.argsort(rows[view].original)] = limits[place][view, other]
            found[f"{own} {view}", f"{to} {other}"] = largest
    return NearestSoFar(found)


def _directions(
    first: dict[str, ViewRows], second: dict[str, ViewRows]
) -> list[tuple[str, str, dict[str, ViewRows], dict[str, ViewRows]]]:
    """Return from where to where neighbours are looked for: names of the two pieces, and their rows."""
    return [("left", "right", first, second), ("right", "left", second, first)]


def _found_between(
    first: dict[str, ViewRows], second: dict[str, ViewRows], near: NearestSoFar
) -> tuple[NeighborMap, NeighborMap]:
    """Return the neighbours of the rows of each of two pieces in the other."""
    found: list[NeighborMap] = [
        {
            (view, other): neighbors_of(rows[view], others[other], near.largest[f"{own} {view}", f"{to} {other}"])
            for view, other in neighbor_blocks(list(rows))
        }
        for own, to, rows, others in _directions(first, second)
    ]
    return found[0], found[1]


def _between(
    first: dict[str, ViewRows], second: dict[str, ViewRows], blocks: list[Block], near: NearestSoFar | None
) -> PairSketch:
    """Return the sketch of the pairs between two pieces: of two views in both directions."""
    rows = {f"{side} {view}": part for side, own in (("left", first), ("right", second)) for view, part in own.items()}
    total = PairSketch.empty(blocks)
    for swapped in (False, True):
        chosen = [block for block in blocks if not swapped or block[0] != block[1]]
        if not chosen:
            continue
        # The first view stands in the rows either way, as on one machine.
        sides = [(f"right {a}", f"left {b}") if swapped else (f"left {a}", f"right {b}") for a, b in chosen]
        nothing = [np.zeros((0, 2), dtype=np.int64) for _ in sides]
        found = run_pairs(sides, rows, nothing, list(tiles(sides, rows, _tile_rows(rows))), _unsaid, near=near)
        total = total + _spread(found, chosen, blocks)
    return total


def _spread(sketch: PairSketch, blocks: list[Block], every: list[Block]) -> PairSketch:
    """Return a sketch of some blocks as one of all, the others empty."""
    whole = PairSketch.empty(every)
    places = [every.index(block) for block in blocks]
    for name in ("counts", "sums", "squares", "low", "high"):
        getattr(whole, name)[places] = getattr(sketch, name)
    return whole


def _nearest(first: dict[str, ViewRows], second: dict[str, ViewRows], k: int) -> tuple[NeighborMap, NeighborMap]:
    """Return the neighbours of the rows of two pieces in each other, from the same scores where both are asked for."""
    blocks = neighbor_blocks(list(first))
    left: NeighborMap = {}
    right: NeighborMap = {}
    for view, other in blocks:
        if (other, view) in blocks:
            left[view, other], right[other, view] = find_mutual_neighbors(first[view], second[other], k, _unsaid)
        else:
            left[view, other] = find_neighbors(first[view], second[other], k, _unsaid)
            right[view, other] = find_neighbors(second[view], first[other], k, _unsaid)
    return left, right


def _unsaid(done: float) -> None:
    """Tell nobody: progress is known task by task."""

"""Nearest neighbours of every row, exactly, in tiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError
from cl_viz.engine import compiled, triton_neighbors
from cl_viz.engine.device_largest import DeviceLargest
from cl_viz.engine.largest import Kept, Largest, room
from cl_viz.engine.nearest_so_far import NearestSoFar
from cl_viz.engine.pair_pass import Scratch, tile_rows
from cl_viz.engine.pair_sketch import Block
from cl_viz.engine.rows import ViewRows
from cl_viz.engine.tile_sizes import fitted
from cl_viz.engine.triton_neighbors import TileLists
from cl_viz.engine.workers import share_out

MOST_NEIGHBORS = 200
_ROWS = 512


@dataclass(frozen=True)
class Neighbors:
    """The rows of one view that score highest against each row of a view.

    Attributes
    ----------
    view, other : str
        Whose neighbours, and where they are looked for. Within a view a row is not its own neighbour; rows of the
        same sample are neighbours like any others.
    rows : NDArray[np.int64], shape (n,)
        The usable rows of `view`, ascending: what row i of the arrays below is about.
    indices : NDArray[np.int64], shape (n, k)
        Rows of `other`, nearest first; of equal scores the smaller row. Where more score as high as the last ones do,
        any of those may be left out.
    scores : NDArray[np.float32 or np.float64], shape (n, k)
        Their cosines.
    """

    view: str
    other: str
    rows: NDArray[np.int64]
    indices: NDArray[np.int64]
    scores: NDArray[np.floating]

    def first(self, k: int) -> Neighbors:
        """Return the `k` nearest of each row; all there are, where they are fewer."""
        return replace(self, indices=self.indices[:, :k], scores=self.scores[:, :k])


def check_neighbors(neighbors: int | None) -> None:
    """Raise `InputError` unless so many neighbours of each row can be kept by `cl_viz.scan`; None for none."""
    if neighbors is not None and not 1 <= neighbors <= MOST_NEIGHBORS:
        raise InputError(f"neighbors = {neighbors!r}", where="scan", allowed=f"None, or 1 to {MOST_NEIGHBORS}")


def neighbor_blocks(views: list[str]) -> list[tuple[str, str]]:
    """Return where neighbours are looked for: within each view, and from each view in the next one, cyclically."""
    within = [(view, view) for view in views]
    return within + [(view, views[(index + 1) % len(views)]) for index, view in enumerate(views) if len(views) > 1]


def list_bytes(embedding_set: EmbeddingSet, k: int) -> int:
    """Return the memory of the lists that the `k` nearest of every row gather in, all blocks of views at once."""
    sizes = dict(zip(embedding_set.view_names, embedding_set.sizes, strict=True))
    entry = 4 + 8  # a score in float32, as sets have it that are large enough to matter, and a row
    return sum(sizes[view] * room(min(k, sizes[other])) * entry for view, other in neighbor_blocks(list(sizes)))


def find_neighbors(view: ViewRows, other: ViewRows, k: int, report: Callable[[float], None]) -> Neighbors:
    """Return the `k` nearest rows of `other` for every row of `view` (fewer where there are not so many).

    Parameters
    ----------
    view, other : ViewRows
        The same for the neighbours within a view: each pair is then scored once.
    k : int
        1 to `MOST_NEIGHBORS`.
    report : callable
        Given the fraction done; may raise to stop.
    """
    return _search(_Search(view, other, k, both=view is other), report)[0]


def find_mutual_neighbors(
    view: ViewRows, other: ViewRows, k: int, report: Callable[[float], None]
) -> tuple[Neighbors, Neighbors]:
    """Return the nearest rows of `other` for every row of `view`, and the other way round, from the same scores."""
    there, back = _search(_Search(view, other, k, both=True), report)
    return there, back


def _search(search: _Search, report: Callable[[float], None]) -> list[Neighbors]:
    compiled.count_pairs(len(search.view) * len(search.other))
    share_out(search.work(), lambda: search.add_with(Scratch()), report, search.view.device)
    return search.found()


class _Search:
    """The nearest rows so far, which every thread adds to.

    Parameters
    ----------
    view, other : ViewRows
    k : int
    both : bool
        Whether a score is offered to its column as well as to its row.
    """

    def __init__(self, view: ViewRows, other: ViewRows, k: int, *, both: bool) -> None:
        self.view, self.other = view, other
        self.within = view is other
        # Parts of one view may be searched against each other: names would not tell them apart.
        self.block = ("rows", "rows") if self.within else ("rows", "columns")
        asked = {self.block: (view, other)}
        if both:
            asked[self.block[1], self.block[0]] = (other, view)
        self.asked = asked
        self.on_device = kept_on_device(list(asked.values()), k)
        self.near = NearestSoFar({block: _kept(a, b, k, on_device=self.on_device) for block, (a, b) in asked.items()})
        self.size = fitted(tile_rows(view.device, view.dtype) if self.on_device else _ROWS)

    def work(self) -> list[tuple[slice, slice]]:
        """Return the tiles: rows and columns."""
        rows, columns = (
            [slice(start, min(start + self.size, len(part))) for start in range(0, len(part), self.size)]
            for part in (self.view, self.other)
        )
        return [(part, span) for span in columns for part in rows if not self.within or part.start <= span.start]

    def add_with(self, scratch: Scratch) -> Callable[[tuple[slice, slice]], None]:
        """Return what adds one tile, with memory of its own."""

        def do(tile: tuple[slice, slice]) -> None:
            part, span = tile
            diagonal = self.within and part == span
            kernels = compiled.kernels(self.view.device)
            left, right = self.view.tile(part), self.other.tile(span)
            if self.on_device:
                TileLists(self.near, self.block, part, span, diagonal=diagonal).offer(left, right)
                return
            if kernels is None:
                self.near.offer_with_torch(self.block, left @ right.T, part, span, diagonal=diagonal)
                return
            rows, columns = np.arange(part.start, part.stop), np.arange(span.start, span.stop)
            self.near.offer(kernels, self.block, scratch.product(left, right), rows, columns, diagonal=diagonal)

        return do

    def found(self) -> list[Neighbors]:
        """Return the neighbours, once every tile has been added."""
        return [neighbors_of(view, other, self.near.largest[block]) for block, (view, other) in self.asked.items()]


def found_in_the_pass(rows: dict[str, ViewRows], k: int) -> bool:
    """Whether neighbours are found among the scores of the pass over pairs, and need none of their own.

    On a device, if the lists of all blocks of views fit in its memory.
    """
    pairs = [(rows[a], rows[b]) for a, b in neighbor_blocks(list(rows))]
    return pairs[0][0].device.type == "cpu" or kept_on_device(pairs, k)


def kept_on_device(pairs: list[tuple[ViewRows, ViewRows]], k: int) -> bool:
    """Whether the `k` nearest of each first rows in the second ones are kept on the device, all at once."""
    entries = sum(len(view) * _n_largest(view, other, k) for view, other in pairs)
    return triton_neighbors.on_device(pairs[0][0].device, pairs[0][0].dtype, entries)


def largest_of_blocks(rows: dict[str, ViewRows], k: int) -> dict[Block, Kept]:
    """Return what is to be filled with the `k` nearest rows, wherever neighbours are looked for."""
    blocks = neighbor_blocks(list(rows))
    on_device = kept_on_device([(rows[a], rows[b]) for a, b in blocks], k)
    return {(a, b): _kept(rows[a], rows[b], k, on_device=on_device) for a, b in blocks}


def _n_largest(view: ViewRows, other: ViewRows, k: int) -> int:
    return min(k, max(0, len(other) - (view is other)))


def _kept(view: ViewRows, other: ViewRows, k: int, *, on_device: bool) -> Kept:
    n_largest = _n_largest(view, other, k)
    if not on_device:
        kind = view.tile(slice(0, 1)).cpu().numpy().dtype
        return Largest(len(view), n_largest, kind, np.int64)
    kept = DeviceLargest(len(view), n_largest, view.device)
    kept.raise_limits(view, other)
    return kept


def neighbors_of(view: ViewRows, other: ViewRows, largest: Kept) -> Neighbors:
    """Return what was found for the rows of `view` in `other`, in the order and numbering of the set."""
    if isinstance(largest, DeviceLargest):
        largest.complete(view, other)
    scores, columns = largest.found(compiled.kernels(view.device))
    order = np.argsort(view.original)
    scores, indices = scores[order], other.original[columns[order]]
    order_ties(scores, indices)
    return Neighbors(view.name, other.name, view.original[order], indices, scores)


def order_ties(scores: NDArray[np.floating], indices: NDArray[np.int64]) -> None:
    """Put neighbours of equal score in ascending order, in place: tiles come in any order."""
    (tied,) = np.nonzero((scores[:, 1:] == scores[:, :-1]).any(axis=1))
    by_score = np.lexsort((indices[tied], -scores[tied]))
    indices[tied] = np.take_along_axis(indices[tied], by_score, axis=1)

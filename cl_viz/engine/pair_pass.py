"""The pass over all pairs, tile by tile: scores are binned and forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.engine import bins, compiled, triton_neighbors, triton_tiles
from cl_viz.engine.compiled import Kernels
from cl_viz.engine.fused_anchors import CellRoom, FusedAnchors
from cl_viz.engine.fused_pairs import FusedPairs
from cl_viz.engine.nearest_so_far import NearestSoFar
from cl_viz.engine.pair_sketch import Block, PairSketch, Relation
from cl_viz.engine.rows import ColumnTile, ViewRows
from cl_viz.engine.tile_links import links_of_tile, mark_links, relation_tile, sorted_links
from cl_viz.engine.triton_neighbors import TileLists
from cl_viz.engine.triton_tiles import TritonPairs
from cl_viz.engine.workers import share_out

TILE = 512
"""Rows of a tile."""
WIDE = 2
"""Columns of a tile for each row: 2 MB of float32 scores, which stay in cache."""


DEVICE_TILE = 4096
"""Rows of a tile whose scores a GPU keeps for a moment: few large steps, about 2 GB."""


def tile_rows(device: torch.device, dtype: torch.dtype, on_cpu: int = TILE) -> int:
    """Return how many rows a tile has at best."""
    if device.type == "cpu":
        return on_cpu
    return triton_tiles.TILE if triton_tiles.usable(device, dtype) else DEVICE_TILE


@dataclass(frozen=True)
class Tile:
    """A rectangle of a block: rows of the first view, rows of the second."""

    block: int
    rows: slice
    columns: slice


def tiles(blocks: list[Block], rows: dict[str, ViewRows], size: int = TILE) -> Iterator[Tile]:
    """Yield the tiles that cover every pair once, of `size` rows and `WIDE` times as many columns.

    Within a view only those on and above the diagonal. Leading rows are left out: the pass over anchors counts their
    pairs.
    """
    for index, (first, second) in enumerate(blocks):
        start, stop = rows[first].n_leading, len(rows[first])
        # Column by column: what a worker prepares of a tile's columns serves the tiles below it.
        for left in range(rows[second].n_leading, len(rows[second]), WIDE * size):
            columns = slice(left, min(left + WIDE * size, len(rows[second])))
            for top in range(start, min(left, stop) if first == second else stop, size):
                yield Tile(index, slice(top, min(top + size, stop)), columns)
            if first == second:
                yield from _triangle(index, columns, size)


def _triangle(block: int, part: slice, size: int) -> Iterator[Tile]:
    """Yield the tiles on and above the diagonal of some rows of a view against themselves."""
    steps = range(part.start, part.stop, size)
    squares = [slice(start, min(start + size, part.stop)) for start in steps]
    for place, columns in enumerate(squares):
        for rows in squares[: place + 1]:
            yield Tile(block, rows, columns)


class Scratch:
    """What one thread keeps from one tile to the next: the memory of the scores, and the columns."""

    def __init__(self) -> None:
        self._buffer: torch.Tensor | None = None
        self._columns: tuple[ViewRows, ColumnTile] | None = None
        self._cells = CellRoom()

    def anchors(
        self, kernels: Kernels, n_anchors: int, n_candidates: int, dtype: torch.dtype, *, at_once: bool
    ) -> FusedAnchors:
        """Return empty histograms for a band of anchors, in memory that the next band uses again; see there."""
        kind = torch.empty(0, dtype=dtype).numpy().dtype
        return FusedAnchors(kernels, n_anchors, n_candidates, kind, self._cells, at_once=at_once)

    def product(self, left: torch.Tensor, right: torch.Tensor) -> NDArray[np.floating[Any]]:
        """Return the scores of all pairs, shape (len(left), len(right)), valid until the next call."""
        size = len(left) * len(right)
        if self._buffer is None or self._buffer.numel() < size or self._buffer.dtype != left.dtype:
            self._buffer = torch.empty(size, dtype=left.dtype)
        scores = self._buffer[:size].view(len(left), len(right))
        torch.mm(left, right.T, out=scores)
        found: NDArray[np.floating[Any]] = scores.numpy()
        return found

    def columns(self, rows: ViewRows, columns: slice) -> ColumnTile:
        """Return the columns of a tile, sorted by label; the last ones are kept."""
        if self._columns is None or self._columns[0] is not rows or self._columns[1].columns != columns:
            self._columns = (rows, rows.by_label(columns))
        return self._columns[1]


class PairAccumulator:
    """Adds tiles to a sketch.

    Parameters
    ----------
    blocks : list of Block
    rows : dict of ViewRows
    links : list of NDArray[np.int64], one per block, shape (P, 2)
        Same-sample pairs, sorted by row.
    near : NearestSoFar, optional
        Is offered every score of a tile.
    """

    def __init__(
        self,
        blocks: list[Block],
        rows: dict[str, ViewRows],
        links: list[NDArray[np.int64]],
        near: NearestSoFar | None = None,
    ) -> None:
        self.blocks = blocks
        self.near = near
        self.rows = rows
        self.links = links
        self.sketch = PairSketch.empty(blocks)
        self._fused: FusedPairs | None = None
        self._triton: TritonPairs | None = None
        self._scratch = Scratch()

    def add(self, tile: Tile) -> None:
        """Score one tile and add it; `finish` completes the sketch."""
        rows = self.rows[self.blocks[tile.block][0]]
        kernels = compiled.kernels(rows.device)
        if kernels is not None:
            self._add_fused(tile, kernels)
        elif triton_tiles.usable(rows.device, rows.dtype):
            self._add_with_triton(tile)
        else:
            self._add_with_torch(tile)

    def finish(self) -> PairSketch:
        """Return the sketch of all tiles added."""
        if self._fused is not None:
            self._fused.flush()
        if self._triton is not None:
            self._triton.flush()
        return self.sketch

    def add_scores(
        self,
        kernels: Kernels,
        block: int,
        scores: NDArray[np.floating[Any]],
        labels: tuple[NDArray[np.int64] | None, NDArray[np.int64] | None],
        links: NDArray[np.int64],
        *,
        diagonal: bool,
    ) -> None:
        """Add scores with the compiled kernels; see `FusedPairs.add`."""
        self.fused(kernels, scores.dtype).add(block, scores, *labels, diagonal=diagonal, links=links)

    def fused(self, kernels: Kernels, dtype: np.dtype[Any]) -> FusedPairs:
        """Return what adds scores of this type with the compiled kernels."""
        if self._fused is None:
            self._fused = FusedPairs(kernels, self.sketch, dtype)
        return self._fused

    def add_tensor(self, block: int, scores: torch.Tensor, relation: torch.Tensor, *, diagonal: bool) -> None:
        """Add scores whose relations are known; on the diagonal only what is above it."""
        if diagonal:
            above = torch.ones_like(relation, dtype=torch.bool).triu_(1)
            scores, relation = scores[above], relation[above]
        self._accumulate(block, scores.reshape(-1), relation.reshape(-1))

    def _add_fused(self, tile: Tile, kernels: Kernels) -> None:
        first, second = (self.rows[view] for view in self.blocks[tile.block])
        columns = self._scratch.columns(second, tile.columns)
        diagonal = first is second and tile.rows == tile.columns
        links = links_of_tile(self.links[tile.block], tile.rows, tile.columns)
        if diagonal:
            # Rows in the columns' order: what is above the diagonal is then every pair once.
            left, labels = columns.rows, columns.labels
            links = np.sort(columns.places(links), axis=1)
        else:
            left, labels = first.tile(tile.rows), None if first.labels is None else first.labels[tile.rows].numpy()
            links[:, 1] = columns.places(links[:, 1])
        if len(links):
            links = sorted_links(links)
        scores = self._scratch.product(left, columns.rows)
        self.add_scores(kernels, tile.block, scores, (labels, columns.labels), links, diagonal=diagonal)
        if self.near is not None:
            below = columns.numbers()
            beside = below if diagonal else np.arange(tile.rows.start, tile.rows.stop)
            self.near.offer(kernels, self.blocks[tile.block], scores, beside, below, diagonal=diagonal)

    def _add_with_triton(self, tile: Tile) -> None:
        first, second = (self.rows[view] for view in self.blocks[tile.block])
        links = links_of_tile(self.links[tile.block], tile.rows, tile.columns)
        if len(links) and np.bincount(links[:, 0]).max() > triton_tiles.MOST_PARTNERS:
            self._add_with_torch(tile)
            return
        if self._triton is None:
            self._triton = TritonPairs(self.sketch, first.device)
        labels = (
            None if first.labels is None else first.labels[tile.rows],
            None if second.labels is None else second.labels[tile.columns],
        )
        diagonal = first is second and tile.rows == tile.columns
        left, right = first.tile(tile.rows), second.tile(tile.columns)
        if self.near is None:
            self._triton.add(tile.block, left, right, labels, links, diagonal=diagonal)
            return
        lists = TileLists(self.near, self.blocks[tile.block], tile.rows, tile.columns, diagonal=diagonal)
        fused = lists if triton_neighbors.usable(first.device, first.dtype) else None
        self._triton.add(tile.block, left, right, labels, links, diagonal=diagonal, lists=fused)
        if fused is None:
            lists.offer_with_torch(left, right)

    def _add_with_torch(self, tile: Tile) -> None:
        first, second = (self.rows[view] for view in self.blocks[tile.block])
        scores = first.tile(tile.rows) @ second.tile(tile.columns).T
        relation = relation_tile(first.labels, second.labels, tile.rows, tile.columns, scores)
        mark_links(relation, self.links[tile.block], tile.rows, tile.columns)
        diagonal = first is second and tile.rows == tile.columns
        self.add_tensor(tile.block, scores, relation, diagonal=diagonal)
        if self.near is not None:
            self.near.offer_with_torch(self.blocks[tile.block], scores, tile.rows, tile.columns, diagonal=diagonal)

    def _accumulate(self, block: int, scores: torch.Tensor, relation: torch.Tensor) -> None:
        n_relations = len(Relation)
        flat = relation * bins.BINS + bins.bin_index(scores)
        # bincount adds its weights in their own type; sums must be float64 (MPS has none: there the CPU adds).
        weights = scores.to(torch.float64) if scores.device.type != "mps" else scores.cpu().to(torch.float64)
        flat, relation = flat.to(weights.device), relation.to(weights.device)
        shape = (n_relations, bins.BINS)
        self.sketch.counts[block] += torch.bincount(flat, minlength=shape[0] * shape[1]).reshape(shape).cpu().numpy()
        sums = torch.bincount(flat, weights=weights, minlength=shape[0] * shape[1])
        self.sketch.sums[block] += sums.reshape(shape).cpu().numpy()
        squares = torch.bincount(relation, weights=weights.square(), minlength=n_relations)
        self.sketch.squares[block] += squares.cpu().numpy()
        low = torch.full((n_relations,), torch.inf, dtype=torch.float64, device=weights.device)
        high = -low
        low.scatter_reduce_(0, relation, weights, "amin")
        high.scatter_reduce_(0, relation, weights, "amax")
        np.minimum(self.sketch.low[block], low.cpu().numpy(), out=self.sketch.low[block])
        np.maximum(self.sketch.high[block], high.cpu().numpy(), out=self.sketch.high[block])


def run_pairs(
    blocks: list[Block],
    rows: dict[str, ViewRows],
    links: list[NDArray[np.int64]],
    work: list[Tile],
    report: Callable[[float], None],
    aside: Sequence[Callable[[], None]] = (),
    near: NearestSoFar | None = None,
) -> PairSketch:
    """Return the sketch of all tiles, reporting the fraction done; the report may raise to stop.

    What stands `aside` is done by the same threads, first; `near` is offered every score.
    """
    parts: list[PairAccumulator] = []

    def make_worker() -> Callable[[Tile | Callable[[], None]], None]:
        accumulator = PairAccumulator(blocks, rows, links, near)
        parts.append(accumulator)
        return lambda item: accumulator.add(item) if isinstance(item, Tile) else item()

    compiled.count_pairs(
        sum((tile.rows.stop - tile.rows.start) * (tile.columns.stop - tile.columns.start) for tile in work)
    )
    items: list[Tile | Callable[[], None]] = [*aside, *work]
    share_out(items, make_worker, report, rows[blocks[0][0]].device)
    total = PairSketch.empty(blocks)
    for part in parts:
        total = total + part.finish()
    return total

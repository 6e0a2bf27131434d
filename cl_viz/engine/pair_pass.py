"""The pass over all pairs, tile by tile: scores are binned and forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.engine import bins
from cl_viz.engine.pair_sketch import Block, PairSketch, Relation
from cl_viz.engine.rows import ViewRows
from cl_viz.engine.workers import share_out

TILE = 512
"""Rows and columns of a tile: 2 MB of float64 scores, which stays in cache."""


@dataclass(frozen=True)
class Tile:
    """A rectangle of a block: rows of the first view, rows of the second."""

    block: int
    rows: slice
    columns: slice


def tiles(blocks: list[Block], rows: dict[str, ViewRows], size: int = TILE) -> Iterator[Tile]:
    """Yield the tiles that cover every pair once; within a view only those on and above the diagonal."""
    for index, (first, second) in enumerate(blocks):
        for top in range(0, len(rows[first]), size):
            for left in range(top if first == second else 0, len(rows[second]), size):
                yield Tile(
                    index,
                    slice(top, min(top + size, len(rows[first]))),
                    slice(left, min(left + size, len(rows[second]))),
                )


class PairAccumulator:
    """Adds tiles to a sketch.

    Parameters
    ----------
    blocks : list of Block
    rows : dict of ViewRows
    links : list of NDArray[np.int64], one per block, shape (P, 2)
        Same-sample pairs, sorted by row.
    """

    def __init__(self, blocks: list[Block], rows: dict[str, ViewRows], links: list[NDArray[np.int64]]) -> None:
        self.blocks = blocks
        self.rows = rows
        self.links = links
        self.sketch = PairSketch.empty(blocks)

    def add(self, tile: Tile) -> None:
        """Score one tile and add it."""
        first, second = (self.rows[view] for view in self.blocks[tile.block])
        scores = first.tile(tile.rows) @ second.tile(tile.columns).T
        relation = relation_tile(first.labels, second.labels, tile.rows, tile.columns, scores)
        mark_links(relation, self.links[tile.block], tile.rows, tile.columns)
        if first is second and tile.rows == tile.columns:
            above = torch.ones_like(relation, dtype=torch.bool).triu_(1)
            scores, relation = scores[above], relation[above]
        self._accumulate(tile.block, scores.reshape(-1), relation.reshape(-1))

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
    low, high = np.searchsorted(links[:, 0], [rows.start, rows.stop])
    inside = links[low:high]
    inside = inside[(inside[:, 1] >= columns.start) & (inside[:, 1] < columns.stop)]
    if len(inside):
        local = torch.from_numpy(inside - [rows.start, columns.start]).to(relation.device)
        relation[local[:, 0], local[:, 1]] = int(Relation.SAME_SAMPLE)


def run_pairs(
    blocks: list[Block],
    rows: dict[str, ViewRows],
    links: list[NDArray[np.int64]],
    work: list[Tile],
    report: Callable[[float], None],
) -> PairSketch:
    """Return the sketch of all tiles, reporting the fraction done after each; the report may raise to stop."""
    parts: list[PairAccumulator] = []

    def make_worker() -> Callable[[Tile], None]:
        parts.append(PairAccumulator(blocks, rows, links))
        return parts[-1].add

    share_out(work, make_worker, report, rows[blocks[0][0]].device)
    total = PairSketch.empty(blocks)
    for part in parts:
        total = total + part.sketch
    return total

"""The pass that finds pairs: every pair that may be asked for is scored once, tile by tile, and only the best stay.

Scores of a tile may be float32. They only sort out what cannot matter: whatever is close to an edge of a bin, or to the
last pair kept, is scored again in float64, so that counts and order are those of exact scores. Scores are rounded to
1e-12, so that rows that are equal make equal scores however they were summed; ties go to the smaller rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.engine.best_pairs import BestPairs, Candidates, draw_keys, draw_marks
from cl_viz.engine.pair_patch import DECIMALS, Patch, settled
from cl_viz.engine.pair_query import PairQuery
from cl_viz.engine.pair_sketch import Relation
from cl_viz.engine.tile_links import links_of_tile
from cl_viz.engine.tile_sizes import fitted
from cl_viz.engine.workers import share_out

ROWS, COLUMNS = 512, 1024
LINKS = 65_536
"""Pairs of one sample that are scored together."""
_MANY = 16_384
"""Candidates of a tile from which the whole tile is scored again, which is then faster."""


@dataclass(frozen=True)
class _Piece:
    """A tile of a patch, or some of its links."""

    patch: Patch
    rows: slice
    columns: slice | None


def search_error(dim: int, dtype: torch.dtype) -> float:
    """Return how far a tile's score may be from the exact one: the worst case of a sum of D rounded products."""
    unit = float(torch.finfo(dtype).eps) / 2
    return 1.02 * (dim + 6) * unit + 10.0**-DECIMALS


def pieces_of(patches: list[Patch], query: PairQuery) -> list[_Piece]:
    """Return the work: tiles that cover every pair once, or the links alone where nothing else is asked for."""
    if query.of_links:
        return [
            _Piece(patch, slice(start, min(start + LINKS, len(patch.links))), None)
            for patch in patches
            for start in range(0, len(patch.links), LINKS)
        ]
    return [piece for patch in patches for piece in _tiles(patch)]


def _tiles(patch: Patch) -> Iterator[_Piece]:
    height, width = fitted(ROWS), fitted(COLUMNS)
    for left in range(0, len(patch.right), width):
        columns = slice(left, min(left + width, len(patch.right)))
        for top in range(0, min(len(patch.left), columns.stop) if patch.once else len(patch.left), height):
            yield _Piece(patch, slice(top, min(top + height, len(patch.left))), columns)


def search(
    patches: list[Patch], query: PairQuery, sizes: tuple[int, ...], error: float, report: Callable[[float], None]
) -> BestPairs:
    """Find the pairs that a query asks for.

    Parameters
    ----------
    patches : list of Patch
    query : PairQuery
    sizes : tuple of int
        Rows of the views.
    error : float
        How far a tile's score may be from the exact one.
    report : callable
        Given the fraction done; may raise to stop.
    """
    best = BestPairs(query.n_bins, query.m, by_draw=query.order == "random")
    work = pieces_of(patches, query)
    workers: list[_Worker] = []

    def make_worker() -> Callable[[_Piece], None]:
        worker = _Worker(query, best, sizes, error)
        workers.append(worker)
        return worker.add

    if work:
        share_out(work, make_worker, report, patches[0].left.device)
    for worker in workers:
        worker.flush()
    return best


class _Worker:
    """Scores pieces and offers what may be kept; one a thread."""

    def __init__(self, query: PairQuery, best: BestPairs, sizes: tuple[int, ...], error: float) -> None:
        self.query, self.best, self.error = query, best, error
        self.size, self.n_views = max(sizes), len(sizes)
        edges = np.array(query.edges)
        # Scores end at 1 and -1, and the last bin holds its upper end there.
        edges[0] = -np.inf if query.low <= -1.0 else edges[0]
        edges[-1] = np.inf if query.high >= 1.0 else edges[-1]
        self.edges = edges
        self._waiting: list[Candidates] = []
        self._n_waiting = 0

    def add(self, piece: _Piece) -> None:
        """Look at one piece."""
        if piece.columns is not None:
            self._add_tile(piece.patch, piece.rows, piece.columns)
            return
        links = piece.patch.links[piece.rows]
        scores = piece.patch.exact(links[:, 0], links[:, 1])
        self._offer(piece.patch, links[:, 0], links[:, 1], scores, np.zeros(len(links), dtype=np.bool_))

    def flush(self) -> None:
        """Merge what waits."""
        if self._waiting:
            self.best.merge(Candidates.joined(self._waiting))
            self._waiting, self._n_waiting = [], 0

    def _add_tile(self, patch: Patch, rows: slice, columns: slice) -> None:
        asked = self._asked(patch, rows, columns)
        if asked is None:
            return
        scores = patch.left.tile(rows) @ patch.right.tile(columns).T
        if patch.nearness is not None:
            of_left, of_right = patch.nearness
            asked &= scores >= of_left[rows, None]
            asked &= scores >= of_right[None, columns]
        sure, unsure, bins = self._sorted(scores, asked)
        found = self._promising(patch, rows, columns, scores, sure, bins)
        places = (found if unsure is None else found | unsure).nonzero().cpu().numpy()
        if not len(places):
            return
        counted = np.ones(len(places), dtype=np.bool_)
        if unsure is not None:
            counted = ~unsure.cpu().numpy()[places[:, 0], places[:, 1]]
        left, right = places[:, 0] + rows.start, places[:, 1] + columns.start
        if len(places) > _MANY:
            tile = patch.left.in_float64().tile(rows) @ patch.right.in_float64().tile(columns).T
            exact = settled(tile.numpy()[places[:, 0], places[:, 1]])
        else:
            exact = patch.exact(left, right)
        self._offer(patch, left, right, exact, counted)

    def _asked(self, patch: Patch, rows: slice, columns: slice) -> torch.Tensor | None:
        """Return which pairs of a tile are asked for, whatever their score; None where none can be."""
        relations = set(self.query.relations)
        others = relations - {Relation.SAME_SAMPLE}
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        device, left, right = patch.left.device, patch.left.labels, patch.right.labels
        if others == {Relation.SAME_LABEL, Relation.DIFFERENT_LABEL, Relation.UNKNOWN_LABEL}:
            asked = torch.ones(shape, dtype=torch.bool, device=device)
        elif left is None or right is None:
            if Relation.SAME_SAMPLE not in relations:
                return None
            asked = torch.zeros(shape, dtype=torch.bool, device=device)
        else:
            own, other = left[rows, None], right[None, columns]
            asked = own == other if others == {Relation.SAME_LABEL} else own != other
            asked &= own >= 0
            asked &= other >= 0
        inside = links_of_tile(patch.links, rows, columns)
        if len(inside):
            local = torch.from_numpy(inside).to(device)
            asked[local[:, 0], local[:, 1]] = Relation.SAME_SAMPLE in relations
        if patch.once and rows.stop > columns.start:
            asked.triu_(rows.start - columns.start + 1)
        return asked

    def _sorted(
        self, scores: torch.Tensor, asked: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """Count the pairs whose bin is certain.

        Returns
        -------
        sure, unsure : torch.Tensor of bool
            Pairs asked for that are certainly in a bin; those too close to an edge to tell (None: there are none).
        bins : torch.Tensor of int64 or None
            Bin of each pair that is sure; None where there is one bin.
        """
        query = self.query
        if query.everywhere:
            self.best.count(np.array([int(asked.sum())]))
            return asked, None, None
        width = self.error + 4 * float(torch.finfo(scores.dtype).eps)
        if query.n_bins == 1:
            low, high = self.edges
            sure = asked & (scores >= low + width) & (scores < high - width)
            near = asked & (scores >= low - width) & (scores < high + width)
            self.best.count(np.array([int(sure.sum())]))
            return sure, near ^ sure, None
        scale = query.n_bins / (query.high - query.low)
        place = (scores - query.low) * scale
        edge = place.round()
        unsure = (place - edge).abs() <= width * scale
        # No edge is where the scores end.
        if query.low <= -1.0:
            unsure &= edge > 0
            place = place.clamp_min(0.0)
        if query.high >= 1.0:
            unsure &= edge < query.n_bins
            place = place.clamp_max(query.n_bins - 0.5)
        unsure &= asked & (edge >= 0) & (edge <= query.n_bins)
        sure = asked & ~unsure & (place >= 0) & (place < query.n_bins)
        bins = torch.where(sure, place, -1.0).floor().to(torch.int64)
        counts = torch.bincount((bins + 1).reshape(-1), minlength=query.n_bins + 1)[1:]
        self.best.count(counts.cpu().numpy())
        return sure, unsure, bins

    def _promising(
        self,
        patch: Patch,
        rows: slice,
        columns: slice,
        scores: torch.Tensor,
        sure: torch.Tensor,
        bins: torch.Tensor | None,
    ) -> torch.Tensor:
        """Return which pairs whose bin is certain may be among the best."""
        keys = torch.from_numpy(self.best.limits[0]).to(scores.device)
        if self.query.order == "random":
            left = self._marks(patch, 0, patch.left.original[rows])
            right = self._marks(patch, 1, patch.right.original[columns])
            left, right = left.to(scores.device), right.to(scores.device)
            if bins is None and int(sure.sum()) * 16 < sure.numel():
                # Few: a key for each of them alone.
                places = sure.nonzero()
                found = torch.zeros_like(sure)
                kept = places[draw_keys(left[places[:, 0]], right[places[:, 1]]) <= keys[0]]
                found[kept[:, 0], kept[:, 1]] = True
                return found
            limit = keys[0] if bins is None else keys[bins.clamp_min(0)]
            return sure & (draw_keys(left[:, None], right[None, :]) <= limit)
        keys = keys.to(scores.dtype)
        limit = keys[0] if bins is None else keys[bins.clamp_min(0)]
        if self.query.order == "highest":
            return sure & (scores >= -limit - self.error)
        return sure & (scores <= limit + self.error)

    def _marks(self, patch: Patch, side: int, original: NDArray[np.int64]) -> torch.Tensor:
        return draw_marks(torch.from_numpy(original), self.query.seed * self.n_views + patch.views[side])

    def _offer(
        self,
        patch: Patch,
        left: NDArray[np.int64],
        right: NDArray[np.int64],
        exact: NDArray[np.float64],
        counted: NDArray[np.bool_],
    ) -> None:
        """Put pairs with exact scores into their bins, count those that are not counted yet, and keep the best."""
        bins = np.searchsorted(self.edges, exact, side="right") - 1
        inside = (bins >= 0) & (bins < self.query.n_bins)
        self.best.count(np.bincount(bins[inside & ~counted], minlength=self.query.n_bins))
        first, second = patch.left.original[left], patch.right.original[right]
        keys: NDArray[np.generic] = -exact if self.query.order == "highest" else exact
        if self.query.order == "random":
            keys = draw_keys(self._marks(patch, 0, first), self._marks(patch, 1, second)).numpy()
        if patch.within:
            first, second = np.minimum(first, second), np.maximum(first, second)
        block = patch.views[0] * self.n_views + patch.views[1]
        codes = (block * self.size + first) * self.size + second
        # What is known of a pair is looked up once it is worth keeping; until then the field holds its place.
        offered = Candidates(bins, keys, codes, exact, np.arange(len(exact))).take(inside)
        offered = self.best.worth_keeping(offered)
        if not len(offered):
            return
        kept = offered.relations
        self._waiting.append(replace(offered, relations=patch.relations(left[kept], right[kept])))
        self._n_waiting += len(offered)
        if self._n_waiting > max(4096, self.query.n_bins * self.query.m // 2):
            self.flush()

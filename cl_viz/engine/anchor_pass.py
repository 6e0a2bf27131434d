"""The pass over anchors: each chosen row against every row, in tiles."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.engine import bins, compiled
from cl_viz.engine.anchor_sketch import OTHER, SAME, TAIL, AnchorCandidates, AnchorSketch, CandidateCells
from cl_viz.engine.fused_tiles import add_anchor_tile
from cl_viz.engine.pair_pass import Scratch, links_of_tile, mark_links, relation_tile
from cl_viz.engine.pair_sketch import Relation
from cl_viz.engine.rows import ViewRows
from cl_viz.engine.workers import share_out

ANCHOR_TILE = 128
COLUMN_TILE = 2048
Links = dict[tuple[str, str], NDArray[np.int64]]


def choose_anchors(n_rows: int, n_anchors: int, seed: int) -> NDArray[np.int64]:
    """Return the anchors' rows, sorted: all of them, or a draw that depends only on N and the seed."""
    if n_anchors >= n_rows:
        return np.arange(n_rows, dtype=np.int64)
    drawn = np.random.default_rng(seed).choice(n_rows, size=n_anchors, replace=False)
    return np.sort(drawn).astype(np.int64)


def directed_links(links: Links, view: str, other: str) -> NDArray[np.int64]:
    """Return the same-sample pairs from rows of `view` to rows of `other`, sorted; both directions within a view."""
    found = links[view, other] if (view, other) in links else links[other, view][:, ::-1]
    if view == other:
        found = np.concatenate([found, found[:, ::-1]])
    return found[np.lexsort((found[:, 1], found[:, 0]))]


def scan_anchors(
    view: ViewRows, rows: dict[str, ViewRows], links: Links, n_anchors: int, seed: int, report: Callable[[float], None]
) -> AnchorSketch:
    """Run the anchors of one view against every view.

    Parameters
    ----------
    view : ViewRows
        View of the anchors.
    rows, links
        All views, and the same-sample pairs of each block.
    n_anchors, seed : int
        How many rows are anchors, and the seed of their draw.
    report : callable
        Given the fraction done; may raise to stop.
    """
    anchors = choose_anchors(len(view), n_anchors, seed)
    directed = {name: restrict_links(directed_links(links, view.name, name), anchors) for name in rows}
    positives, offsets = positive_scores(view, anchors, rows, directed)
    scanners = {
        name: _CandidateScanner(view, anchors, other, directed[name], positives, offsets)
        for name, other in rows.items()
    }
    starts = range(0, len(anchors), ANCHOR_TILE)
    work = [(name, slice(top, min(top + ANCHOR_TILE, len(anchors)))) for name in rows for top in starts]

    compiled.count_pairs(len(anchors) * sum(map(len, rows.values())))

    def make_worker() -> Callable[[tuple[str, slice]], None]:
        # Each item writes rows of its own, so the threads share the arrays.
        scratch = Scratch()
        return lambda item: scanners[item[0]].add(item[1], scratch)

    share_out(work, make_worker, report, view.device)
    candidates = {name: scanner.found() for name, scanner in scanners.items()}
    return AnchorSketch(view.name, view.original[anchors], len(view), positives, offsets, candidates)


def restrict_links(links: NDArray[np.int64], anchors: NDArray[np.int64]) -> NDArray[np.int64]:
    """Keep the links of anchors, and number their rows by anchor."""
    number = np.searchsorted(anchors, links[:, 0])
    kept = (number < len(anchors)) & (anchors[np.minimum(number, len(anchors) - 1)] == links[:, 0])
    return np.stack([number[kept], links[kept, 1]], axis=1)


def positive_scores(
    view: ViewRows, anchors: NDArray[np.int64], rows: dict[str, ViewRows], directed: dict[str, NDArray[np.int64]]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Score the positives of every anchor, ordered by anchor: its sample in the other views, or in its own if alone."""
    owners, scores = [], []
    others = {name: links for name, links in directed.items() if name != view.name}
    for name, links in (others or directed).items():
        for start in range(0, len(links), COLUMN_TILE):
            part = links[start : start + COLUMN_TILE]
            products = view.tile(anchors[part[:, 0]]) * rows[name].tile(part[:, 1])
            scores.append(products.sum(dim=1).cpu().numpy().astype(np.float64))
            owners.append(part[:, 0])
    if not owners:
        return np.zeros(0), np.zeros(len(anchors) + 1, dtype=np.int64)
    owner = np.concatenate(owners)
    order = np.argsort(owner, kind="stable")
    offsets = np.searchsorted(owner[order], np.arange(len(anchors) + 1)).astype(np.int64)
    return np.concatenate(scores)[order], offsets


class _CandidateScanner:
    """Scores the anchors of one view against the rows of one view."""

    def __init__(
        self,
        view: ViewRows,
        anchors: NDArray[np.int64],
        other: ViewRows,
        links: NDArray[np.int64],
        positives: NDArray[np.float64],
        offsets: NDArray[np.int64],
    ) -> None:
        n_anchors = len(anchors)
        self.view, self.other, self.anchors, self.links = view, other, anchors, links
        self.positives, self.offsets = positives, offsets
        self.labels = None if view.labels is None else view.labels[torch.from_numpy(anchors).to(view.labels.device)]
        self.kinds = label_relations(self.labels, other.labels)
        self.moments = np.zeros((n_anchors, len(Relation), 3))
        self.below = np.zeros((len(positives), len(Relation)))
        self.top_scores = np.full((n_anchors, TAIL), -np.inf)
        self.top_same = np.zeros((n_anchors, TAIL), dtype=np.bool_)
        self.cells: dict[int, CandidateCells] = {}

    def found(self) -> AnchorCandidates:
        """Return what the anchors have seen, once every part has been added."""
        cells = CandidateCells.join([self.cells[start] for start in sorted(self.cells)])
        return AnchorCandidates(cells, self.moments, self.below, self.top_scores, self.top_same)

    def add(self, part: slice, scratch: Scratch) -> None:
        """Score a range of anchors against every row."""
        left = self.view.tile(self.anchors[part])
        n_rows = part.stop - part.start
        counts = np.zeros((n_rows, 2, bins.ANCHOR_BINS), dtype=np.int32)
        sums = np.zeros((n_rows, 2, bins.ANCHOR_BINS))
        for start in range(0, len(self.other), COLUMN_TILE):
            columns = slice(start, min(start + COLUMN_TILE, len(self.other)))
            kernels = compiled.kernels(self.view.device)
            if kernels is not None:
                self._add_fused(kernels, part, columns, left, counts, sums, scratch)
            else:
                self._add_with_torch(part, columns, left, counts, sums)
        self.cells[part.start] = CandidateCells.of(counts, sums)

    def _add_fused(
        self,
        kernels: ModuleType,
        part: slice,
        columns: slice,
        left: torch.Tensor,
        counts: NDArray[np.int32],
        sums: NDArray[np.float64],
        scratch: Scratch,
    ) -> None:
        tile = scratch.columns(self.other, columns)
        scores = scratch.product(left, tile.rows)
        holes = links_of_tile(self.links, part, columns)
        if self.view is self.other:
            itself = np.stack([np.arange(part.start, part.stop), self.anchors[part]], axis=1)
            holes = np.concatenate([holes, links_of_tile(itself, part, columns)])
        holes[:, 1] = tile.places(holes[:, 1])
        labels = None if self.labels is None else self.labels[part].numpy()
        offsets = self.offsets[part.start : part.stop + 1]
        own = slice(int(offsets[0]), int(offsets[-1]))
        add_anchor_tile(
            kernels,
            scores,
            (labels, tile.labels),
            holes,
            (self.positives[own], offsets - offsets[0], self.below[own]),
            (counts, sums, self.moments[part], self.top_scores[part], self.top_same[part]),
        )

    def _add_with_torch(
        self, part: slice, columns: slice, left: torch.Tensor, counts: NDArray[np.int32], sums: NDArray[np.float64]
    ) -> None:
        scores = left @ self.other.tile(columns).T
        relation = relation_tile(self.labels, self.other.labels, part, columns, scores)
        mark_links(relation, self.links, part, columns)
        if self.view is self.other:
            itself = np.stack([np.arange(part.start, part.stop), self.anchors[part]], axis=1)
            mark_links(relation, itself, part, columns)
        _add_histograms(counts, sums, scores, relation)
        _add_moments(self.moments[part], scores, relation, self.kinds)
        _add_tail(self.top_scores[part], self.top_same[part], scores, relation)
        add_ranks(self.below, part, scores, relation, self.kinds, self.positives, self.offsets)


def label_relations(first: torch.Tensor | None, second: torch.Tensor | None) -> tuple[Relation, ...]:
    """Return the relations, other than SAME_SAMPLE, that can occur between rows with these labels."""
    if first is None or second is None:
        return (Relation.UNKNOWN_LABEL,)
    unknown = bool((first < 0).any()) or bool((second < 0).any())
    known = (Relation.SAME_LABEL, Relation.DIFFERENT_LABEL)
    return (*known, Relation.UNKNOWN_LABEL) if unknown else known


def _add_histograms(
    counts: NDArray[np.int32], sums: NDArray[np.float64], scores: torch.Tensor, relation: torch.Tensor
) -> None:
    """Bin one tile; pairs of one sample (and the anchor itself) go to one more bin, which is dropped."""
    n_rows = scores.shape[0]
    size = n_rows * 2 * bins.ANCHOR_BINS
    wide = scores.to(torch.float64) if scores.device.type != "mps" else scores.cpu().to(torch.float64)
    relation = relation.to(wide.device)
    side = torch.where(relation == int(Relation.SAME_LABEL), SAME, OTHER)
    local = torch.arange(n_rows, device=wide.device)[:, None]
    flat = (local * 2 + side) * bins.ANCHOR_BINS + bins.anchor_bin_index(wide)
    flat = torch.where(relation == int(Relation.SAME_SAMPLE), size, flat).reshape(-1)
    shape = (n_rows, 2, bins.ANCHOR_BINS)
    found = torch.bincount(flat, minlength=size + 1)[:size].reshape(shape)
    counts += found.to(torch.int32).cpu().numpy()
    sums += torch.bincount(flat, weights=wide.reshape(-1), minlength=size + 1)[:size].reshape(shape).cpu().numpy()


def _add_moments(
    moments: NDArray[np.float64], scores: torch.Tensor, relation: torch.Tensor, kinds: tuple[Relation, ...]
) -> None:
    wide = scores.to(torch.float64) if scores.device.type != "mps" else scores.cpu().to(torch.float64)
    for kind in kinds:
        match = (relation.to(wide.device) == int(kind)).to(torch.float64)
        matched = match * wide
        powers = torch.stack([match.sum(dim=1), matched.sum(dim=1), (matched * wide).sum(dim=1)], dim=1)
        moments[:, int(kind)] += powers.cpu().numpy()


def _add_tail(
    top_scores: NDArray[np.float64], top_same: NDArray[np.bool_], scores: torch.Tensor, relation: torch.Tensor
) -> None:
    """Keep the largest candidates of each anchor among those seen so far and this tile's."""
    allowed = torch.where(relation == int(Relation.SAME_SAMPLE), -torch.inf, scores)
    top, place = allowed.topk(min(TAIL, scores.shape[1]), dim=1)
    same = (relation == int(Relation.SAME_LABEL)).gather(1, place)
    merged = np.concatenate([top_scores, top.cpu().numpy().astype(np.float64)], axis=1)
    merged_same = np.concatenate([top_same, same.cpu().numpy()], axis=1)
    order = np.argsort(-merged, axis=1, kind="stable")[:, :TAIL]
    top_scores[:] = np.take_along_axis(merged, order, axis=1)
    top_same[:] = np.take_along_axis(merged_same, order, axis=1)


def add_ranks(
    below: NDArray[np.float64],
    part: slice,
    scores: torch.Tensor,
    relation: torch.Tensor,
    kinds: tuple[Relation, ...],
    positives: NDArray[np.float64],
    offsets: NDArray[np.int64],
) -> None:
    """Count the candidates below each positive, one positive of every anchor at a time; ties count half."""
    counts = np.diff(offsets)[part]
    # A product of matrices and a sum of products differ by rounding: equal scores must stay equal.
    tolerance = 8 * torch.finfo(scores.dtype).eps
    for slot in range(int(counts.max(initial=0))):
        has = np.flatnonzero(counts > slot)
        which = offsets[part.start + has] + slot
        threshold = torch.from_numpy(positives[which]).to(scores.dtype).to(scores.device)[:, None]
        rows = torch.from_numpy(has).to(scores.device)
        difference = threshold - scores[rows]
        tie = difference.abs() <= tolerance
        above = (difference > tolerance) & ~tie
        for kind in kinds:
            match = relation[rows] == int(kind)
            count = (above & match).sum(dim=1) + 0.5 * (tie & match).sum(dim=1)
            below[which, int(kind)] += count.cpu().numpy()

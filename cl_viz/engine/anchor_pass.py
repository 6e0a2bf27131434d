"""The pass over anchors: each chosen row against every row, in tiles, whose pairs are counted on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.engine import bins, compiled
from cl_viz.engine.anchor_sketch import AnchorCandidates, AnchorSketch, CandidateCells
from cl_viz.engine.anchor_torch import add_histograms, add_moments, add_ranks, add_tail, label_relations
from cl_viz.engine.compiled import Kernels
from cl_viz.engine.fused_tiles import Section
from cl_viz.engine.nearest_so_far import NearestSoFar
from cl_viz.engine.pair_pass import PairAccumulator, Scratch, links_of_tile, mark_links, relation_tile
from cl_viz.engine.pair_sketch import PairSketch, Relation
from cl_viz.engine.row_kernels import TAIL
from cl_viz.engine.rows import ColumnTile, ViewRows, choose_rows
from cl_viz.engine.tile_sizes import fitted
from cl_viz.engine.workers import share_out

ANCHOR_TILE = 256
COLUMN_TILE = 4096
MOST_AT_ONCE, WIDE_TILE = 20_480, 8192
"""Columns that a band of anchors meets in one tile if these are all; columns of a tile if there are more, which still
are many: what is done once a tile and anchor then weighs little."""
DEVICE_ANCHOR_TILE, DEVICE_COLUMN_TILE = 512, 65_536
"""Of tiles whose scores a GPU keeps for a moment: few large steps."""
Links = dict[tuple[str, str], NDArray[np.int64]]
Item = tuple[str, slice] | Callable[[], None]
"""A band of anchors against a view, or what stands aside."""


def directed_links(links: Links, view: str, other: str) -> NDArray[np.int64]:
    """Return the same-sample pairs from rows of `view` to rows of `other`, sorted; both directions within a view."""
    found = links[view, other] if (view, other) in links else links[other, view][:, ::-1]
    if view == other:
        found = np.concatenate([found, found[:, ::-1]])
    return found[np.lexsort((found[:, 1], found[:, 0]))]


@dataclass(frozen=True)
class Span:
    """Columns of a tile; whether its pairs are counted in the sketch, and only those above the diagonal."""

    columns: slice
    counted: bool = False
    diagonal: bool = False


def scan_anchors(
    view: ViewRows,
    rows: dict[str, ViewRows],
    links: Links,
    n_anchors: int,
    seed: int,
    report: Callable[[float], None],
    aside: Sequence[Callable[[], None]] = (),
    near: NearestSoFar | None = None,
) -> tuple[AnchorSketch, PairSketch]:
    """Run the anchors of one view against every view.

    Parameters
    ----------
    view : ViewRows
        View of the anchors; in an arranged view they are the leading rows.
    rows, links
        All views, and the same-sample pairs of each block.
    n_anchors, seed : int
        How many rows are anchors, and the seed of their draw.
    report : callable
        Given the fraction done; may raise to stop.
    aside : sequence of callable
        Done by the same threads, first.
    near : NearestSoFar, optional
        In arranged views, is offered every score that has a leading row.

    Returns
    -------
    AnchorSketch
    PairSketch
        Pairs that were counted on the way: in arranged views those of leading rows, each pair with one of its rows.
    """
    anchors = np.arange(view.n_leading) if view.arranged else choose_rows(len(view), n_anchors, seed)
    directed = {name: restrict_links(directed_links(links, view.name, name), anchors) for name in rows}
    positives, offsets = positive_scores(view, anchors, rows, directed)
    scanners = {
        name: _CandidateScanner(view, anchors, other, directed[name], positives, offsets)
        for name, other in rows.items()
    }
    height, width = fitted(ANCHOR_TILE), fitted(COLUMN_TILE)
    if view.device.type != "cpu":
        height, width = fitted(DEVICE_ANCHOR_TILE), fitted(DEVICE_COLUMN_TILE)
    compiled.count_pairs(len(anchors) * sum(map(len, rows.values())))
    work = _AnchorWork(view, rows, links, scanners, near if view.arranged else None, width)
    items: list[Item] = [*aside, *((name, band) for name in rows for band in bands(len(anchors), height))]
    share_out(items, work.worker, report, view.device)
    order = np.argsort(view.original[anchors], kind="stable")
    which = entries_in_order(offsets, order)
    candidates = {name: scanner.found(order, which) for name, scanner in scanners.items()}
    starts_of = np.concatenate([[0], np.cumsum(np.diff(offsets)[order])]).astype(np.int64)
    rows_of = view.original[anchors[order]]
    return AnchorSketch(view.name, rows_of, len(view), positives[which], starts_of, candidates), work.counted()


@dataclass(frozen=True)
class _AnchorWork:
    """What the threads of a pass over the anchors of one view share; each band writes rows of its own."""

    view: ViewRows
    rows: dict[str, ViewRows]
    links: Links
    scanners: dict[str, _CandidateScanner]
    near: NearestSoFar | None
    width: int
    parts: list[PairAccumulator] = field(default_factory=list)

    def worker(self) -> Callable[[Item], None]:
        """Return what scores one band against one view, or does what stands aside, in one thread."""
        scratch = Scratch()
        blocks = list(self.links)
        pairs = PairAccumulator(blocks, self.rows, list(self.links.values()), self.near)
        self.parts.append(pairs)

        def do(item: Item) -> None:
            if not isinstance(item, tuple):
                item()
                return
            name, part = item
            forward = (self.view.name, name) in self.links
            block = blocks.index((self.view.name, name) if forward else (name, self.view.name))
            spans = list(column_spans(self.view, self.rows[name], part, self.width, forward=forward))
            self.scanners[name].add(part, spans, pairs, block, scratch)

        return do

    def counted(self) -> PairSketch:
        """Return the pairs that all threads counted."""
        return sum((pairs.finish() for pairs in self.parts), start=PairSketch.empty(list(self.links)))


def bands(n_anchors: int, height: int) -> list[slice]:
    """Divide anchors into bands; the last ones are low, so that no thread waits long for the other's last one."""
    low = max(1, height // 4)
    edges = [*range(0, max(0, n_anchors - 2 * height), height)]
    edges += [*range(edges[-1] + height if edges else 0, n_anchors, low), n_anchors]
    return [slice(top, bottom) for top, bottom in pairwise(edges)]


def column_spans(view: ViewRows, other: ViewRows, part: slice, width: int, *, forward: bool) -> Iterator[Span]:
    """Yield the columns that a band of anchors meets tile by tile; in arranged views labels ascend within each.

    Parameters
    ----------
    view, other : ViewRows
    part : slice
        Of the anchors.
    width : int
        Most columns of a tile.
    forward : bool
        Whether the sketch has the block (view, other), and not (other, view).
    """
    n_leading = other.n_leading
    if not view.arranged:
        edges = [(0, len(other), False)]
    elif view is other:
        yield Span(part, counted=True, diagonal=True)
        edges = [(0, part.start, False), (part.stop, n_leading, True), (n_leading, len(other), True)]
    else:
        # Pairs of two leading rows are counted once, with those of the block's first view.
        edges = [(0, n_leading, forward), (n_leading, len(other), True)]
    for low, high, counted in edges:
        for left in range(low, high, width):
            yield Span(slice(left, min(left + width, high)), counted)


def columns_at_once(n_rows: int) -> int:
    """Return how many columns of an arranged view a band of anchors meets in one tile, where tiles are joined."""
    return n_rows if n_rows <= MOST_AT_ONCE else WIDE_TILE


def joined_spans(spans: list[Span], other: ViewRows, *, alone: bool) -> list[list[Span]]:
    """Divide the spans of a band into tiles of columns that follow each other; `alone`, each is a tile."""
    if alone or not other.arranged:
        return [[span] for span in spans]
    most = columns_at_once(len(other))
    found: list[list[Span]] = []
    for span in sorted(spans, key=lambda span: span.columns.start):
        if not found or span.columns.stop - found[-1][0].columns.start > most:
            found.append([])
        found[-1].append(span)
    return found


def sections_of(spans: list[Span], tile: ColumnTile, n_leading: int) -> list[Section]:
    """Return the columns of a tile in sections: leading rows, and the others; in both labels ascend."""
    found = []
    for chosen in ([span for span in spans if (span.columns.start < n_leading) == first] for first in (True, False)):
        if not chosen:
            continue
        edges = (chosen[0].columns.start - tile.columns.start, chosen[-1].columns.stop - tile.columns.start)
        itself = next((span.columns.start - tile.columns.start for span in chosen if span.diagonal), None)
        labels = None if tile.labels is None else tile.labels[slice(*edges)]
        found.append(Section(slice(*edges), labels, chosen[0].counted, itself))
    return found


def entries_in_order(offsets: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which entries, kept anchor by anchor at `offsets`, come first, second, ... with the anchors in `order`."""
    lengths = np.diff(offsets)[order]
    starts = np.cumsum(lengths) - lengths
    found: NDArray[np.int64] = np.repeat(offsets[:-1][order] - starts, lengths) + np.arange(lengths.sum())
    return found


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
        kind = view.tile(slice(0, 1)).cpu().numpy().dtype
        self.top_scores = np.full((n_anchors, TAIL), -np.inf, dtype=kind)
        self.top_same = np.zeros((n_anchors, TAIL), dtype=np.bool_)
        self.cells: dict[int, CandidateCells] = {}

    def found(self, order: NDArray[np.int64], positives: NDArray[np.int64]) -> AnchorCandidates:
        """Return what the anchors have seen, once every part has been added, in this order of them."""
        parts = [self.cells[start] for start in sorted(self.cells)]
        cells = CandidateCells.join(parts, order, compiled.kernels(self.view.device))
        return AnchorCandidates(
            cells, self.moments[order], self.below[positives], self.top_scores[order], self.top_same[order]
        )

    def add(self, part: slice, spans: list[Span], pairs: PairAccumulator, block: int, scratch: Scratch) -> None:
        """Score a range of anchors against every row."""
        left = self.view.tile(self.anchors[part])
        kernels = compiled.kernels(self.view.device)
        if kernels is None:
            self._add_with_torch(part, spans, left, pairs, block)
        else:
            self._add_fused(kernels, part, spans, left, pairs, block, scratch)

    def _add_fused(
        self,
        kernels: Kernels,
        part: slice,
        spans: list[Span],
        left: torch.Tensor,
        pairs: PairAccumulator,
        block: int,
        scratch: Scratch,
    ) -> None:
        tiles = joined_spans(spans, self.other, alone=pairs.near is not None)
        seen = scratch.anchors(kernels, len(left), len(self.other), left.dtype, at_once=len(tiles) == 1)
        offsets = self.offsets[part.start : part.stop + 1]
        own = slice(int(offsets[0]), int(offsets[-1]))
        positives = (self.positives[own], offsets - offsets[0], self.below[own])
        labels = None if self.labels is None else self.labels[part].numpy()
        for together in tiles:
            columns = slice(together[0].columns.start, together[-1].columns.stop)
            tile = scratch.columns(self.other, columns)
            scores = scratch.product(left, tile.rows)
            links = self._holes(part, columns)
            if len(links):
                links[:, 1] = tile.places(links[:, 1])
                links = links[np.lexsort((links[:, 1], links[:, 0]))]
            sections = sections_of(together, tile, self.other.n_leading)
            seen.add(
                scores,
                labels,
                sections,
                links,
                positives,
                self.moments[part],
                pairs.fused(kernels, scores.dtype),
                block,
            )
            if pairs.near is not None:
                pairs.near.offer(
                    kernels, (self.view.name, self.other.name), scores, self.anchors[part], tile.numbers(),
                    diagonal=together[0].diagonal, to_columns=columns.start >= self.other.n_leading,
                )  # fmt: skip
        self.cells[part.start] = seen.cells()
        self.top_scores[part], self.top_same[part] = seen.tail()

    def _holes(self, part: slice, columns: slice) -> NDArray[np.int64]:
        """Return the pairs of a tile that no anchor sees: of one sample, and with itself."""
        holes = links_of_tile(self.links, part, columns)
        anchors = self.anchors[part]
        if self.view is not self.other or anchors[-1] < columns.start or anchors[0] >= columns.stop:
            return holes
        itself = np.stack([np.arange(part.start, part.stop), anchors], axis=1)
        return np.concatenate([holes, links_of_tile(itself, part, columns)])

    def _add_with_torch(
        self, part: slice, spans: list[Span], left: torch.Tensor, pairs: PairAccumulator, block: int
    ) -> None:
        n_rows = part.stop - part.start
        # MPS has no float64: there the CPU adds.
        adds = torch.device("cpu") if left.device.type == "mps" else left.device
        counts = torch.zeros((n_rows, 2, bins.ANCHOR_BINS), dtype=torch.int64, device=adds)
        sums = torch.zeros((n_rows, 2, bins.ANCHOR_BINS), dtype=torch.float64, device=adds)
        for span in spans:
            columns = span.columns
            scores = left @ self.other.tile(columns).T
            relation = relation_tile(self.labels, self.other.labels, part, columns, scores)
            mark_links(relation, self.links, part, columns)
            if self.view is self.other:
                itself = np.stack([np.arange(part.start, part.stop), self.anchors[part]], axis=1)
                mark_links(relation, itself, part, columns)
            if span.counted:
                pairs.add_tensor(block, scores, relation, diagonal=span.diagonal)
            if pairs.near is not None:
                pairs.near.offer_with_torch(
                    (self.view.name, self.other.name), scores, part, columns,
                    diagonal=span.diagonal, to_columns=columns.start >= self.other.n_leading,
                )  # fmt: skip
            add_histograms(counts, sums, scores, relation)
            add_moments(self.moments[part], scores, relation, self.kinds)
            add_tail(self.top_scores[part], self.top_same[part], scores, relation)
            add_ranks(self.below, part, scores, relation, self.kinds, self.positives, self.offsets)
        middles = (np.arange(bins.ANCHOR_BINS) + 0.5) * (2 / bins.ANCHOR_BINS) - 1
        found = counts.cpu().numpy()
        self.cells[part.start] = CandidateCells.of(found, sums.cpu().numpy() - found * middles)

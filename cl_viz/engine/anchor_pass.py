"""The pass over anchors: each chosen row against every row, in tiles, whose pairs are counted on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from cl_viz.engine import compiled
from cl_viz.engine.anchor_bands import band_tile, bands, column_spans
from cl_viz.engine.anchor_positives import Links, directed_links, entries_in_order, positive_scores, restrict_links
from cl_viz.engine.anchor_sketch import AnchorSketch
from cl_viz.engine.candidate_scanner import CandidateScanner
from cl_viz.engine.nearest_so_far import NearestSoFar
from cl_viz.engine.pair_pass import PairAccumulator, Scratch
from cl_viz.engine.pair_sketch import PairSketch
from cl_viz.engine.rows import ViewRows, choose_rows
from cl_viz.engine.workers import share_out

Item = tuple[str, slice] | Callable[[], None]
"""A band of anchors against a view, or what stands aside."""


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
        name: CandidateScanner(view, anchors, other, directed[name], positives, offsets) for name, other in rows.items()
    }
    height, width = band_tile(view.device)
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
    scanners: dict[str, CandidateScanner]
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

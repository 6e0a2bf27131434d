"""`CandidateScanner`: what the anchors of one view see in one view, band by band."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.engine import bins, compiled
from cl_viz.engine.anchor_bands import Span, joined_spans, sections_of
from cl_viz.engine.anchor_sketch import AnchorCandidates, CandidateCells
from cl_viz.engine.anchor_torch import add_histograms, add_moments, add_ranks, add_tail, label_relations
from cl_viz.engine.compiled import Kernels
from cl_viz.engine.pair_pass import PairAccumulator, Scratch
from cl_viz.engine.pair_sketch import Relation
from cl_viz.engine.row_kernels import TAIL
from cl_viz.engine.rows import ViewRows
from cl_viz.engine.tile_links import links_of_tile, mark_links, relation_tile, sorted_links


class CandidateScanner:
    """Scores the anchors of one view against the rows of one view.

    Parameters
    ----------
    view : ViewRows
        Of the anchors.
    anchors : NDArray[np.int64], shape (A,)
        Rows of it, ascending.
    other : ViewRows
        The rows looked at; the view itself, too.
    links : NDArray[np.int64], shape (n, 2)
        Pairs of one sample, sorted: number of the anchor, and row of `other`.
    positives : NDArray[np.float64], shape (P,)
        Scores of the anchors' positives in all views, below which candidates are counted.
    offsets : NDArray[np.int64], shape (A + 1,)
        Where each anchor's positives begin.
    """

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
        """Score a range of anchors against the columns of some spans, which together are every row of the view.

        Pairs that are counted go to `block` of the sketch of `pairs`.
        """
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
                links = sorted_links(links)
            sections = sections_of(together, tile, self.other.n_leading)
            fused = pairs.fused(kernels, scores.dtype)
            seen.add(scores, labels, sections, links, positives, self.moments[part], fused, block)
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

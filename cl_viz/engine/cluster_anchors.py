"""Anchors on a cluster: their rows are gathered from all pieces; parts of them then meet groups of pieces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.engine import bins, compiled
from cl_viz.engine.anchor_bands import ANCHOR_TILE, COLUMN_TILE, Span, spans_between
from cl_viz.engine.anchor_sketch import AnchorCandidates, CandidateCells, narrow_counts
from cl_viz.engine.candidate_scanner import CandidateScanner
from cl_viz.engine.pair_pass import PairAccumulator, Scratch
from cl_viz.engine.pair_sketch import Block, PairSketch
from cl_viz.engine.row_kernels import TAIL
from cl_viz.engine.rows import ViewRows
from cl_viz.engine.tile_sizes import fitted

Seen = dict[tuple[str, str], AnchorCandidates]
"""By the anchors' view and the view looked at."""
_ANCHORS_AT_ONCE = 64
"""Anchors whose cells are merged at a time without the compiled loop: few, so that they stay in the cache."""


@dataclass(frozen=True)
class AnchorRows:
    """Rows that are anchors, the same samples in every view.

    Attributes
    ----------
    starts : NDArray[np.int64], shape (groups + 1,)
        The anchors of group g of pieces are those from ``starts[g]`` up to ``starts[g + 1]``, of which some may lie
        outside of this part of the anchors.
    rows : Mapping[str, NDArray[np.int64]], each of shape (A,)
        Of the view, in the numbering of the whole; in the order in which they lead their group.
    views : Mapping[str, torch.Tensor], each of shape (A, D)
        Unit rows, on the CPU.
    labels : Mapping[str, torch.Tensor or None], each of shape (A,)
    positives : Mapping[str, NDArray], each of shape (A, V - 1)
        Scores of an anchor of the view with its sample in the other views.
    """

    starts: NDArray[np.int64]
    rows: Mapping[str, NDArray[np.int64]]
    views: Mapping[str, torch.Tensor]
    labels: Mapping[str, torch.Tensor | None]
    positives: Mapping[str, NDArray[np.float64]]

    @classmethod
    def of(cls, rows: Mapping[str, ViewRows], chosen: NDArray[np.int64], offset: int) -> AnchorRows:
        """Take rows of a group; `chosen` counts its usable rows, `offset` is the group's first row in the whole."""
        places = {view: _places(own, chosen) for view, own in rows.items()}
        views = {view: own.tile(places[view]).cpu() for view, own in rows.items()}
        labels = {
            view: None if own.labels is None else own.labels.cpu()[torch.from_numpy(places[view])]
            for view, own in rows.items()
        }
        # By sample: two views may have their rows in another order.
        order = {view: np.argsort(own.original[places[view]]) for view, own in rows.items()}
        sorted_rows = {view: part[torch.from_numpy(order[view])] for view, part in views.items()}
        positives = {}
        for view, part in sorted_rows.items():
            scores = np.zeros((len(chosen), len(views) - 1))
            others = [other for name, other in sorted_rows.items() if name != view]
            for column, other in enumerate(others):
                scores[order[view], column] = (part * other).sum(dim=1).numpy()
            positives[view] = scores
        numbers = {view: own.original[places[view]] + offset for view, own in rows.items()}
        return cls(np.array([0, len(chosen)]), numbers, views, labels, positives)

    @classmethod
    def join(cls, parts: Sequence[AnchorRows], starts: NDArray[np.int64]) -> AnchorRows:
        """Return the anchors of all groups; `parts` are of those that have any."""
        names = parts[0].views
        labels = {
            view: None if parts[0].labels[view] is None else torch.cat([part.labels[view] for part in parts])  # type: ignore[misc]
            for view in names
        }
        return cls(
            starts,
            {view: np.concatenate([part.rows[view] for part in parts]) for view in names},
            {view: torch.cat([part.views[view] for part in parts]) for view in names},
            labels,
            {view: np.concatenate([part.positives[view] for part in parts]) for view in names},
        )

    def part(self, chosen: slice) -> AnchorRows:
        """Return some of the anchors."""
        return AnchorRows(
            self.starts - chosen.start,
            {view: own[chosen] for view, own in self.rows.items()},
            {view: own[chosen] for view, own in self.views.items()},
            {view: None if own is None else own[chosen] for view, own in self.labels.items()},
            {view: own[chosen] for view, own in self.positives.items()},
        )

    def see(
        self, rows: Mapping[str, ViewRows], group: int, offset: int, blocks: Sequence[Block]
    ) -> tuple[Seen, PairSketch]:
        """Return what these anchors see in a group of pieces, and the pairs that were counted on the way.

        In arranged groups those are the pairs of anchors, which lead, and of anchors with other rows: the tasks that
        look at pairs of pieces leave them out.
        """
        pairs = PairAccumulator(list(blocks), dict(rows), [])
        found: Seen = {}
        for view in self.views:
            for name, other in rows.items():
                found[view, name] = self._candidates(view, other, group, offset, pairs)
        return found, pairs.finish()

    def _candidates(
        self, view: str, other: ViewRows, group: int, offset: int, pairs: PairAccumulator
    ) -> AnchorCandidates:
        """Return what the anchors of a view see in one view of a group."""
        numbers, labels = self.rows[view], self.labels[view]
        own = replace(
            other,
            name=view,
            original=numbers,
            labels=None if labels is None else labels.to(other.device),
            _resident=self.views[view].to(other.device),
        )
        # A sample does not see itself, in any view: where the anchor stands in this group.
        anchors, places = np.intersect1d(numbers, other.original + offset, assume_unique=True, return_indices=True)[1:]
        itself = np.stack([anchors, places], axis=1).astype(np.int64)[np.argsort(anchors)]
        count = self.positives[view].shape[1]
        offsets = (np.arange(len(numbers) + 1) * count).astype(np.int64)
        positives = self.positives[view].ravel()
        scanner = CandidateScanner(own, np.arange(len(own)), other, itself, positives, offsets)
        forward = (view, other.name) in pairs.blocks
        block = pairs.blocks.index((view, other.name) if forward else (other.name, view))
        scratch = Scratch()
        for part in self._bands(group, len(numbers)):
            spans = list(self._spans(part, other, group, within=view == other.name, forward=forward))
            scanner.add(part, spans, pairs, block, scratch)
        return scanner.found(np.arange(len(numbers)), np.arange(len(positives)))

    def _bands(self, group: int, n_anchors: int) -> Iterator[slice]:
        """Yield the anchors in bands that lie within, before or after those of a group."""
        own = np.clip(self.starts[group : group + 2], 0, n_anchors)
        edges = [0, *map(int, own), n_anchors]
        height = fitted(ANCHOR_TILE)
        for low, high in pairwise(edges):
            for top in range(low, high, height):
                yield slice(top, min(top + height, high))

    def _spans(self, part: slice, other: ViewRows, group: int, *, within: bool, forward: bool) -> Iterator[Span]:
        """Yield the columns that a band of anchors meets in a group; see `anchor_bands.column_spans`."""
        n_leading, width = other.n_leading, fitted(COLUMN_TILE)
        start, stop = int(self.starts[group]), int(self.starts[group + 1])
        if not other.arranged:
            edges = [(0, len(other), False)]
        elif within and start <= part.start < stop:
            local = slice(part.start - start, part.stop - start)
            yield Span(local, counted=True, diagonal=True)
            edges = [(0, local.start, False), (local.stop, n_leading, True), (n_leading, len(other), True)]
        else:
            # Two anchors meet twice: their pair is counted by the earlier one, across views with the block's first.
            edges = [(0, n_leading, part.stop <= start if within else forward), (n_leading, len(other), True)]
        yield from spans_between(edges, width)


def merge(parts: Sequence[Seen]) -> Seen:
    """Return what the same anchors have seen in several groups together; counts add exactly."""
    return {key: _merged([seen[key] for seen in parts]) for key in parts[0]}


def in_order(parts: Sequence[AnchorCandidates], order: NDArray[np.int64], n_positives: int) -> AnchorCandidates:
    """Return what all anchors see in one view.

    Parameters
    ----------
    parts : sequence of AnchorCandidates
        What the anchors of each part have seen.
    order : NDArray[np.int64], shape (A,)
        Which anchor, of all parts one after the other, comes first, second, ...
    n_positives : int
        Of each anchor.
    """
    positives = (order[:, None] * n_positives + np.arange(n_positives)).ravel()
    return AnchorCandidates(
        CandidateCells.join([part.cells for part in parts], order, compiled.kernels(torch.device("cpu"))),
        np.concatenate([part.moments for part in parts])[order],
        np.concatenate([part.below for part in parts])[positives],
        np.concatenate([part.top_scores for part in parts])[order],
        np.concatenate([part.top_same for part in parts])[order],
    )


def _places(rows: ViewRows, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where anchors of a group stand; `chosen` counts its usable rows in ascending order."""
    return np.arange(rows.n_leading) if rows.arranged else chosen


def _merged(parts: Sequence[AnchorCandidates]) -> AnchorCandidates:
    scores = np.concatenate([part.top_scores for part in parts], axis=1)
    same = np.concatenate([part.top_same for part in parts], axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :TAIL]
    return AnchorCandidates(
        _merged_cells([part.cells for part in parts]),
        np.sum([part.moments for part in parts], axis=0),
        np.sum([part.below for part in parts], axis=0),
        np.take_along_axis(scores, order, axis=1),
        np.take_along_axis(same, order, axis=1),
    )


def _merged_cells(parts: Sequence[CandidateCells]) -> CandidateCells:
    kernels = compiled.kernels(torch.device("cpu"))
    if kernels is None:
        return _added_cells(parts)
    starts = np.cumsum([0, *(len(part.places) for part in parts)])
    begins = np.stack([part.offsets + start for part, start in zip(parts, starts[:-1], strict=True)])
    offsets = np.zeros(begins.shape[1], dtype=np.int64)
    places, means = np.empty(starts[-1], dtype=np.uint16), np.empty(starts[-1], dtype=np.int16)
    counts = np.empty(starts[-1], dtype=np.uint32)
    kernels.merge_cells(
        begins,
        np.concatenate([part.places for part in parts]),
        # One type for all, so that one loop is compiled.
        np.concatenate([part.counts for part in parts], dtype=np.uint32),
        np.concatenate([part.residuals for part in parts]),
        offsets, places, counts, means,
    )  # fmt: skip
    number = offsets[-1]
    return CandidateCells(offsets, places[:number].copy(), narrow_counts(counts[:number]), means[:number].copy())


def _added_cells(parts: Sequence[CandidateCells]) -> CandidateCells:
    """Merge cells without the compiled loop."""
    n_anchors = len(parts[0].offsets) - 1
    offsets, places, counts, means = [np.zeros(1, dtype=np.int64)], [], [], []
    for start in range(0, n_anchors, _ANCHORS_AT_ONCE):
        chosen = slice(start, min(start + _ANCHORS_AT_ONCE, n_anchors))
        together = np.zeros((chosen.stop - start) * 2 * bins.ANCHOR_BINS, dtype=np.int64)
        above = np.zeros(len(together), dtype=np.int64)
        for cells in parts:
            of_anchor = cells.offsets[start : chosen.stop + 1]
            own = slice(int(of_anchor[0]), int(of_anchor[-1]))
            anchor = np.repeat(np.arange(len(of_anchor) - 1), np.diff(of_anchor))
            # No cell is named twice by one side, so that plain addition is enough.
            keys = anchor * (2 * bins.ANCHOR_BINS) + cells.places[own]
            together[keys] += cells.counts[own]
            above[keys] += cells.counts[own].astype(np.int64) * cells.residuals[own]
        filled = np.flatnonzero(together)
        of_anchor, place = np.divmod(filled, 2 * bins.ANCHOR_BINS)
        offsets.append(offsets[-1][-1] + np.cumsum(np.bincount(of_anchor, minlength=chosen.stop - start)))
        places.append(place.astype(np.uint16))
        counts.append(together[filled])
        means.append(np.rint(above[filled] / together[filled]).astype(np.int16))
    return CandidateCells(
        np.concatenate(offsets), np.concatenate(places), narrow_counts(np.concatenate(counts)), np.concatenate(means)
    )

"""Anchors on a cluster: their rows are gathered from the pieces, and every piece says what they see in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.engine import bins
from cl_viz.engine.anchor_pass import ANCHOR_TILE, COLUMN_TILE, Span, _CandidateScanner
from cl_viz.engine.anchor_sketch import AnchorCandidates, AnchorSketch, CandidateCells, narrow_counts
from cl_viz.engine.pair_pass import PairAccumulator, Scratch
from cl_viz.engine.row_kernels import TAIL
from cl_viz.engine.rows import ViewRows

Seen = dict[tuple[str, str], AnchorCandidates]
"""By the anchors' view and the view looked at."""


@dataclass(frozen=True)
class AnchorRows:
    """Rows of some pieces that are anchors, the same samples in every view.

    Attributes
    ----------
    rows : NDArray[np.int64], shape (A,)
        In the numbering of the whole, ascending.
    views : Mapping[str, torch.Tensor], each of shape (A, D)
        Unit rows.
    labels : Mapping[str, torch.Tensor or None], each of shape (A,)
    positives : Mapping[str, NDArray], each of shape (A, V - 1)
        Scores of an anchor of the view with its sample in the other views.
    """

    rows: NDArray[np.int64]
    views: Mapping[str, torch.Tensor]
    labels: Mapping[str, torch.Tensor | None]
    positives: Mapping[str, NDArray[np.float64]]

    @classmethod
    def of(cls, rows: Mapping[str, ViewRows], chosen: NDArray[np.int64], offset: int) -> AnchorRows:
        """Take rows of one piece; `chosen` counts its usable rows, `offset` is the piece's first row in the whole."""
        views = {view: own.tile(chosen) for view, own in rows.items()}
        first = next(iter(rows.values()))
        labels = {
            view: None if own.labels is None else own.labels[torch.from_numpy(chosen)] for view, own in rows.items()
        }
        positives = {
            view: np.stack(
                [(part * other).sum(dim=1).numpy() for name, other in views.items() if name != view], axis=1
            ).astype(np.float64)
            if len(views) > 1
            else np.zeros((len(chosen), 0))
            for view, part in views.items()
        }
        return cls(first.original[chosen] + offset, views, labels, positives)

    @classmethod
    def join(cls, parts: Sequence[AnchorRows]) -> AnchorRows:
        """Return the anchors of all pieces, in their order."""
        names = parts[0].views
        labels = {
            view: None if parts[0].labels[view] is None else torch.cat([part.labels[view] for part in parts])  # type: ignore[misc]
            for view in names
        }
        return cls(
            np.concatenate([part.rows for part in parts]),
            {view: torch.cat([part.views[view] for part in parts]) for view in names},
            labels,
            {view: np.concatenate([part.positives[view] for part in parts]) for view in names},
        )

    def see(self, rows: Mapping[str, ViewRows], offset: int) -> Seen:
        """Return what all anchors see in one piece."""
        first = next(iter(rows.values()))
        # A sample does not see itself, in any view: where the anchor stands in this piece.
        anchors, places = np.intersect1d(self.rows, first.original + offset, assume_unique=True, return_indices=True)[
            1:
        ]
        itself = np.stack([anchors, places], axis=1).astype(np.int64)
        found: Seen = {}
        for view, part in self.views.items():
            own = replace(first, name=view, original=self.rows, labels=self.labels[view], _resident=part)
            count = self.positives[view].shape[1]
            positives = self.positives[view].ravel(), np.arange(0, len(self.rows) * count + 1, count or 1)
            offsets = positives[1] if count else np.zeros(len(self.rows) + 1, dtype=np.int64)
            for name, other in rows.items():
                found[view, name] = _candidates(own, other, itself, positives[0], offsets.astype(np.int64))
        return found

    def sketches(self, seen: Seen, population: int) -> dict[str, AnchorSketch]:
        """Return the sketch of every view from what the anchors have seen in all pieces."""
        found = {}
        for view in self.views:
            count = self.positives[view].shape[1]
            offsets = (np.arange(len(self.rows) + 1) * count).astype(np.int64)
            candidates = {name: seen[view, name] for name in self.views}
            found[view] = AnchorSketch(view, self.rows, population, self.positives[view].ravel(), offsets, candidates)
        return found


def merge(first: Seen, second: Seen) -> Seen:
    """Return what anchors have seen in two pieces together; counts add exactly."""
    return {key: _merged(first[key], second[key]) for key in first}


def _candidates(
    view: ViewRows,
    other: ViewRows,
    itself: NDArray[np.int64],
    positives: NDArray[np.float64],
    offsets: NDArray[np.int64],
) -> AnchorCandidates:
    scanner = _CandidateScanner(view, np.arange(len(view)), other, itself, positives, offsets)
    spans = [Span(slice(left, min(left + COLUMN_TILE, len(other)))) for left in range(0, len(other), COLUMN_TILE)]
    # Pairs are counted by the tasks of pairs of pieces, not here.
    nothing, scratch = PairAccumulator([], {}, []), Scratch()
    for top in range(0, len(view), ANCHOR_TILE):
        scanner.add(slice(top, min(top + ANCHOR_TILE, len(view))), spans, nothing, 0, scratch)
    return scanner.found(np.arange(len(view)), np.arange(len(positives)))


def _merged(first: AnchorCandidates, second: AnchorCandidates) -> AnchorCandidates:
    scores = np.concatenate([first.top_scores, second.top_scores], axis=1)
    same = np.concatenate([first.top_same, second.top_same], axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :TAIL]
    return AnchorCandidates(
        _merged_cells(first.cells, second.cells),
        first.moments + second.moments,
        first.below + second.below,
        np.take_along_axis(scores, order, axis=1),
        np.take_along_axis(same, order, axis=1),
    )


def _merged_cells(first: CandidateCells, second: CandidateCells) -> CandidateCells:
    keys, place = np.unique(np.concatenate([first.keys(), second.keys()]), return_inverse=True)
    counts = np.concatenate([first.counts, second.counts]).astype(np.float64)
    residuals = np.concatenate([first.residuals, second.residuals])
    together = np.bincount(place, weights=counts)
    means = np.rint(np.bincount(place, weights=counts * residuals) / together).astype(np.int16)
    anchor, own = np.divmod(keys, 2 * bins.ANCHOR_BINS)
    offsets = np.searchsorted(anchor, np.arange(len(first.offsets))).astype(np.int64)
    return CandidateCells(offsets, own.astype(np.uint16), narrow_counts(together.astype(np.int64)), means)

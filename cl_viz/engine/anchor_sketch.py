"""`AnchorSketch`: what single rows (anchors) see: their histogram, moments, positives and ranks."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import SimpleNamespace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cl_viz.engine import bins
from cl_viz.engine.fixed_point import MEAN_STEPS
from cl_viz.engine.pair_sketch import KNOWN_LABELS, PairRoles, Relation, negative_relations
from cl_viz.engine.row_kernels import TAIL

Number = TypeVar("Number", np.int64, np.float64)
STEP = 2 / bins.ANCHOR_BINS / MEAN_STEPS
"""Steps of a cell's mean score."""
SAME, OTHER = 0, 1
"""Rows of an anchor's histogram: candidates of its own label; of another or an unknown one."""
_BAND = 128
"""Anchors whose cells of several views are added at a time."""


@dataclass(frozen=True)
class CandidateCells:
    """The filled cells of the histograms of A anchors: a tenth of the whole, and often less.

    Attributes
    ----------
    offsets : NDArray[np.int64], shape (A + 1,)
        The cells of anchor a are those from ``offsets[a]`` up to ``offsets[a + 1]``.
    places : NDArray[np.uint16], shape (C,)
        ``side * ANCHOR_BINS + bin``, ascending within an anchor; side is `SAME` or `OTHER`.
    counts : NDArray[np.uint16 or np.uint32], shape (C,)
        Candidates in the cell, above 0.
    residuals : NDArray[np.int16], shape (C,)
        Mean score less the bin's middle, in steps of 1 / 65,534 of the bin's width: 3e-8.
    """

    offsets: NDArray[np.int64]
    places: NDArray[np.uint16]
    counts: NDArray[np.unsignedinteger]
    residuals: NDArray[np.int16]

    @property
    def scores(self) -> NDArray[np.float64]:
        """Mean score of each cell, shape (C,)."""
        found: NDArray[np.float64] = _middles()[self.places] + self.residuals * STEP
        return found

    @property
    def sums(self) -> NDArray[np.float64]:
        """Sum of the scores in each cell, shape (C,)."""
        return self.counts * self.scores

    @classmethod
    def of(cls, counts: NDArray[np.integer], above: NDArray[np.float64]) -> CandidateCells:
        """Return the filled cells of histograms of shape (A, 2, ANCHOR_BINS).

        `above` are sums of what the scores are above the middle of the bin.
        """
        flat = counts.reshape(len(counts), 2 * bins.ANCHOR_BINS)
        anchor, place = np.nonzero(flat)
        offsets = np.concatenate([[0], np.cumsum((flat != 0).sum(axis=1))]).astype(np.int64)
        filled = flat[anchor, place]
        # Scores that rounding took out of [-1, 1] may lie beyond their bin.
        means = np.rint(above.reshape(flat.shape)[anchor, place] / filled / STEP).clip(-32767, 32767)
        return cls(offsets, place.astype(np.uint16), narrow_counts(filled), means.astype(np.int16))

    @classmethod
    def join(
        cls, parts: Sequence[CandidateCells], order: NDArray[np.int64], kernels: SimpleNamespace | None = None
    ) -> CandidateCells:
        """Return the cells of the anchors of all parts; `order` says which anchor comes first, second, ..."""
        lengths = np.concatenate([np.diff(part.offsets) for part in parts])[order]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        begins = np.empty(len(order), dtype=np.int64)
        begins[order] = offsets[:-1]
        # One type for all counts: two bytes where they suffice everywhere.
        kind = np.result_type(*[part.counts.dtype for part in parts])
        found = cls(
            offsets,
            np.empty(offsets[-1], dtype=np.uint16),
            np.empty(offsets[-1], dtype=kind),
            np.empty(offsets[-1], dtype=np.int16),
        )
        first = 0
        for part in parts:
            to = begins[first : first + len(part.offsets) - 1]
            first += len(to)
            for source, target in (
                (part.places, found.places),
                (part.counts.astype(kind, copy=False), found.counts),
                (part.residuals, found.residuals),
            ):
                if kernels is None:
                    target[np.repeat(to - part.offsets[:-1], np.diff(part.offsets)) + np.arange(len(source))] = source
                else:
                    kernels.copy_runs(source, part.offsets, to, target)
        return found

    def of_anchors(self, band: slice) -> CandidateCells:
        """Return the cells of some anchors that follow each other."""
        part = slice(int(self.offsets[band.start]), int(self.offsets[band.stop]))
        offsets = self.offsets[band.start : band.stop + 1] - part.start
        return CandidateCells(offsets, self.places[part], self.counts[part], self.residuals[part])

    def keys(self) -> NDArray[np.int64]:
        """Return ``anchor * 2 * ANCHOR_BINS + place`` of every cell, ascending."""
        anchor = np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))
        return anchor * (2 * bins.ANCHOR_BINS) + self.places

    def dense(self, values: NDArray[Number]) -> NDArray[Number]:
        """Return values of the cells as histograms, shape (A, 2, ANCHOR_BINS)."""
        found: NDArray[Number] = np.zeros((len(self.offsets) - 1) * 2 * bins.ANCHOR_BINS, dtype=values.dtype)
        found[self.keys()] = values
        return found.reshape(-1, 2, bins.ANCHOR_BINS)


@dataclass(frozen=True)
class AnchorCandidates:
    """What the anchors of one view see in one view (another one, or their own).

    Attributes
    ----------
    cells : CandidateCells
        Histogram of the candidates by label and score; pairs of one sample and the anchor itself are left out.
    moments : NDArray[np.float64], shape (A, 4, 3)
        By `Relation`: count, sum and sum of squares of the scores.
    below : NDArray[np.float64], shape (P, 4)
        For every positive of every anchor: how many candidates of each `Relation` score below it, ties half.
    top_scores : NDArray[np.float32 or np.float64], shape (A, TAIL)
        The largest candidates exactly, descending (they decide at low temperature); -inf where there are fewer.
    top_same : NDArray[np.bool_], shape (A, TAIL)
        Whether each of them has the anchor's label.
    """

    cells: CandidateCells
    moments: NDArray[np.float64]
    below: NDArray[np.float64]
    top_scores: NDArray[np.floating]
    top_same: NDArray[np.bool_]

    @property
    def counts(self) -> NDArray[np.int64]:
        """Candidates of each anchor by label (`SAME`, `OTHER`) and bin, shape (A, 2, ANCHOR_BINS)."""
        return self.cells.dense(self.cells.counts.astype(np.int64))

    @property
    def sums(self) -> NDArray[np.float64]:
        """Sum of their scores, same shape."""
        return self.cells.dense(self.cells.sums)


@dataclass(frozen=True)
class AnchorCells:
    """The filled cells of the anchors' histograms, one entry each, ordered by anchor.

    Attributes
    ----------
    anchor, side : NDArray[np.int64]
        Which anchor; `SAME` or `OTHER`.
    counts, scores : NDArray[np.float64]
        Candidates in the cell, and their mean score.
    """

    anchor: NDArray[np.int64]
    side: NDArray[np.int64]
    counts: NDArray[np.float64]
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class AnchorSketch:
    """The anchors of one view.

    Attributes
    ----------
    view : str
    rows : NDArray[np.int64], shape (A,)
        Rows of the view that are anchors.
    population : int
        Usable rows the anchors were drawn from; equal to A where every row is one.
    positives : NDArray[np.float64], shape (P,)
        Scores of the pairs of one sample, anchor by anchor.
    offsets : NDArray[np.int64], shape (A + 1,)
        The positives of anchor a are ``positives[offsets[a]:offsets[a + 1]]``.
    candidates : Mapping[str, AnchorCandidates]
        By the view looked at; the anchor's own view included.
    """

    view: str
    rows: NDArray[np.int64]
    population: int
    positives: NDArray[np.float64]
    offsets: NDArray[np.int64]
    candidates: Mapping[str, AnchorCandidates]
    _cells: dict[tuple[PairRoles, bool], AnchorCells] = field(default_factory=dict, repr=False, compare=False)
    _points: dict[Hashable, object] = field(default_factory=dict, repr=False, compare=False)

    @property
    def points(self) -> dict[Hashable, object]:
        """What `CandidatePoints.kept` and `AnchorQueries` keep."""
        return self._points

    def views_for(self, roles: PairRoles) -> tuple[str, ...]:
        """Return the views whose rows are candidates under these roles."""
        cross = tuple(view for view in self.candidates if view != self.view)
        return cross if roles.negatives == "cross" and cross else tuple(self.candidates)

    def of_anchors(self, band: slice) -> AnchorSketch:
        """Return the sketch of some anchors that follow each other."""
        own = slice(int(self.offsets[band.start]), int(self.offsets[band.stop]))
        candidates = {
            view: AnchorCandidates(
                seen.cells.of_anchors(band), seen.moments[band], seen.below[own],
                seen.top_scores[band], seen.top_same[band],
            )
            for view, seen in self.candidates.items()
        }  # fmt: skip
        offsets = self.offsets[band.start : band.stop + 1] - own.start
        return AnchorSketch(self.view, self.rows[band], self.population, self.positives[own], offsets, candidates)

    def negative_moments(self, roles: PairRoles) -> NDArray[np.float64]:
        """Return count, sum and sum of squares of each anchor's negatives, shape (A, 3)."""
        relations = [int(relation) for relation in negative_relations(roles)]
        return self._sum([self.candidates[view].moments[:, relations].sum(axis=1) for view in self.views_for(roles)])

    def label_coverage(self, roles: PairRoles) -> NDArray[np.float64]:
        """Return the share of each anchor's candidates whose labels are known, as its own is, shape (A,), in (0, 1].

        NaN for an anchor without a label, and for one without a candidate that has one.
        """
        by_relation = self._sum([self.candidates[view].moments[:, :, 0] for view in self.views_for(roles)])
        known = by_relation[:, [int(relation) for relation in KNOWN_LABELS]].sum(axis=1)
        every = known + by_relation[:, int(Relation.UNKNOWN_LABEL)]
        found: NDArray[np.float64] = np.divide(known, every, out=np.full(len(known), np.nan), where=known > 0)
        return found

    def cells(self, roles: PairRoles, *, without_tail: bool = False) -> AnchorCells:
        """Return the filled cells over the candidates of these roles; kept, since most cells are empty.

        With `without_tail` the candidates that `tail` returns are taken out.
        """
        key = (roles, without_tail)
        if key not in self._cells:
            keys, counts, sums = self._summed_cells(roles)
            if without_tail:
                _remove_tail(keys, counts, sums, *self.tail(roles))
                filled = counts > 0
                keys, counts, sums = keys[filled], counts[filled], sums[filled]
            row = keys // bins.ANCHOR_BINS
            self._cells[key] = AnchorCells(row >> 1, row & 1, counts, sums / counts)
        return self._cells[key]

    def _summed_cells(self, roles: PairRoles) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Return keys (ascending), counts and sums of the filled cells over the candidates of these roles."""
        chosen = [self.candidates[view].cells for view in self.views_for(roles)]
        if len(chosen) == 1:
            (only,) = chosen
            return only.keys(), only.counts.astype(np.float64), only.sums
        n_anchors = len(self.rows)
        bands = [slice(low, min(low + _BAND, n_anchors)) for low in range(0, max(1, n_anchors), _BAND)]
        parts = [_added_cells([cells.of_anchors(band) for cells in chosen]) for band in bands]
        keys = [found[0] + band.start * 2 * bins.ANCHOR_BINS for found, band in zip(parts, bands, strict=True)]
        counts, sums = (np.concatenate([found[place] for found in parts]) for place in (1, 2))
        return np.concatenate(keys), counts, sums

    def tail(self, roles: PairRoles) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
        """Return the largest candidates over the views of these roles: scores (A, TAIL) and whether labels agree."""
        chosen = [self.candidates[view] for view in self.views_for(roles)]
        scores = np.concatenate([candidates.top_scores for candidates in chosen], axis=1)
        same = np.concatenate([candidates.top_same for candidates in chosen], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :TAIL]
        return np.take_along_axis(scores, order, axis=1), np.take_along_axis(same, order, axis=1)

    def positive_rank(self, roles: PairRoles) -> NDArray[np.float64]:
        """Return the share of the anchor's negatives that score below each positive, shape (P,); NaN without any."""
        relations = [int(relation) for relation in negative_relations(roles)]
        below = self._sum([self.candidates[view].below[:, relations].sum(axis=1) for view in self.views_for(roles)])
        total = np.repeat(self.negative_moments(roles)[:, 0], np.diff(self.offsets))
        rank: NDArray[np.float64] = np.divide(below, total, out=np.full(len(below), np.nan), where=total > 0)
        return rank

    def anchor_of_positive(self) -> NDArray[np.int64]:
        """Return the anchor index of each positive, shape (P,)."""
        return np.repeat(np.arange(len(self.rows)), np.diff(self.offsets))

    @staticmethod
    def _sum(parts: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        total = parts[0].copy()
        for part in parts[1:]:
            total += part
        return total


def _added_cells(
    chosen: Sequence[CandidateCells],
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return keys (ascending), counts and sums of the cells that several views fill for the same few anchors.

    All their histograms stay in the cache: half the time of putting the keys of the views in order.
    """
    size = (len(chosen[0].offsets) - 1) * 2 * bins.ANCHOR_BINS
    counts, sums = np.zeros(size), np.zeros(size)
    for cells in chosen:
        keys = cells.keys()
        counts[keys] += cells.counts
        sums[keys] += cells.sums
    filled = np.flatnonzero(counts)
    return filled, counts[filled], sums[filled]


def _remove_tail(
    keys: NDArray[np.int64],
    counts: NDArray[np.float64],
    sums: NDArray[np.float64],
    scores: NDArray[np.floating],
    same: NDArray[np.bool_],
) -> None:
    """Take the candidates that are kept exactly out of the cells, in place."""
    anchor, place = np.nonzero(np.isfinite(scores))
    score = scores[anchor, place]
    side = np.where(same[anchor, place], SAME, OTHER)
    cell = np.searchsorted(keys, (anchor * 2 + side) * bins.ANCHOR_BINS + _anchor_bins(score))
    np.subtract.at(counts, cell, 1)
    np.subtract.at(sums, cell, score)


def _anchor_bins(scores: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the bins as the pass found them: in the type of the scores."""
    return np.clip(((scores + 1.0) * (bins.ANCHOR_BINS / 2)).astype(np.int64), 0, bins.ANCHOR_BINS - 1)


def narrow_counts(counts: NDArray[np.integer]) -> NDArray[np.unsignedinteger]:
    """Return counts in two bytes if they fit, else in four."""
    return counts.astype(np.uint16 if counts.max(initial=0) < 1 << 16 else np.uint32)


@lru_cache(maxsize=1)
def _middles() -> NDArray[np.float64]:
    """Return the score in the middle of the bin of every place."""
    place = np.arange(2 * bins.ANCHOR_BINS) % bins.ANCHOR_BINS
    middles: NDArray[np.float64] = ((place + 0.5) * (2 / bins.ANCHOR_BINS) - 1).astype(np.float64)
    return middles

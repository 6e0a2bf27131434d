"""`ScoreGrid`: the candidates of every anchor on one common grid of scores, so that sums over them are products.

A candidate stands on the four grid points around its score with the weights of cubic interpolation (of which two may be
negative), so that counts, means, second and third moments within a cell stay what they are. The sum of any smooth
function of the score over the candidates of every anchor is then one product of matrices, whatever their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.core.lazily import lazily
from cl_viz.engine import bins
from cl_viz.engine.weighted_points import WeightedPoints, bands, threads

Values = NDArray[np.float64]
Narrow = NDArray[np.float32]
STEP = 2 / bins.ANCHOR_BINS
"""Distance of two grid points, in scores, of the finest grid."""
_ANCHORS_AT_ONCE = 128
_APART = 16
"""Grid points from one to the next at which candidates above it are counted."""
_SMOOTH = 0.4
"""Largest change of factor * s from one grid point to the next."""
_STEEP = 0.25
"""Largest change of factor * s between grid points that are taken together."""
_WIDEST = 32 * STEP
"""Distance of two grid points up to which they are taken together."""
_REACH = 40.0
"""How far factor * s may lie above its base."""
_BEFORE, _AFTER = 1, 2
"""Grid points below and above the cell of a score that have a part of it."""


@dataclass(frozen=True)
class ScoreGrid:
    """Weights of the candidates of A anchors on K grid points.

    Attributes
    ----------
    scores : NDArray[np.float64], shape (K,)
        The grid points that any anchor needs, ascending.
    weights : torch.Tensor of float32, shape (A, K)
        Candidates of an anchor at a grid point; one anchor a row, in any order.
    above : torch.Tensor of float32, shape (A, ceil(K / 16))
        Candidates of an anchor at and above every 16th grid point.
    rows : NDArray[np.int64], shape (A,)
        Row of each anchor.
    largest : NDArray[np.float64], shape (A,)
        Largest score of each anchor.
    most_above, least_above : NDArray[np.float64], shape (K,)
        Candidates at and above each grid point: of the anchor that has the most and the fewest there.
    step : float
        Distance of two grid points, in scores.
    """

    scores: Values
    weights: torch.Tensor
    above: torch.Tensor
    rows: NDArray[np.int64]
    largest: Values
    most_above: Values
    least_above: Values
    step: float = STEP

    @classmethod
    def of(cls, points: WeightedPoints, *, own: bool = False, order: NDArray[np.int64] | None = None) -> ScoreGrid:
        """Put points on the grid; with `own` those of the anchor's own label only; `order` is that of the rows."""
        n_anchors = len(points.starts) - 1
        row_of = np.arange(n_anchors) if order is None else np.argsort(order)
        first, width = _reach(points)
        weights = torch.empty((n_anchors, width), dtype=torch.float32)
        kept_above = torch.empty((n_anchors, -(-width // _APART)), dtype=torch.float32)

        def put(rows: slice) -> tuple[Values, Values]:
            part = slice(int(points.starts[rows.start]), int(points.starts[rows.stop]))
            anchor = np.repeat(np.arange(rows.stop - rows.start), np.diff(points.starts[rows.start : rows.stop + 1]))
            place = (points.distance[part] + points.largest[rows][anchor] + 1) / STEP - first
            counts = points.counts[part] * points.own[part] if own else points.counts[part]
            found = _spread(place, counts, points.variance[part], anchor, (rows.stop - rows.start, width))
            into = torch.from_numpy(row_of[rows])
            weights[into] = torch.from_numpy(found).float()
            above = np.cumsum(found[:, ::-1], axis=1)[:, ::-1]
            kept_above[into] = torch.from_numpy(above[:, ::_APART].astype(np.float32))
            return above.max(axis=0), above.min(axis=0)

        above = list(threads().map(put, bands(n_anchors, _ANCHORS_AT_ONCE)))
        return cls(
            np.asarray((first + np.arange(width)) * STEP - 1, dtype=np.float64),
            weights,
            kept_above,
            row_of,
            points.largest,
            np.max([np.zeros(width), *(most for most, _ in above)], axis=0),
            np.maximum(np.min([least for _, least in above], axis=0), 0.0),
        )

    def chosen(self, anchors: NDArray[np.int64]) -> ScoreGrid:
        """Return the grid of some anchors; of all, itself."""
        if len(anchors) == len(self.weights):
            return self
        rows = np.sort(self.rows[anchors])
        kept = torch.from_numpy(rows)
        return replace(
            self,
            weights=self.weights[kept],
            above=self.above[kept],
            rows=np.searchsorted(rows, self.rows[anchors]),
            largest=self.largest[anchors],
        )

    def for_steps(self, factor: float) -> ScoreGrid:
        """Return the fewest grid points for functions of factor * s that are smooth but may fall from 1 to 0 in 2."""
        found = self
        while 2 * found.step <= min(_STEEP / factor, _WIDEST):
            found = found.halved
        return found

    @lazily
    def halved(self) -> ScoreGrid:
        """The same on every other grid point; those between are spread as candidates are."""
        even, odd = self.weights[:, ::2], self.weights[:, 1::2]
        n_even, n_odd = even.shape[1], odd.shape[1]
        weights = torch.zeros((len(self.weights), n_odd + 3))
        weights[:, 1 : n_even + 1] = even
        for place, share in enumerate((-1 / 16, 9 / 16, 9 / 16, -1 / 16)):
            weights[:, place : place + n_odd].add_(odd, alpha=share)
        scores = self.scores[0] + 2 * self.step * np.arange(-1, n_odd + 2)
        most, least = (
            np.concatenate([above[:1], above[::2], [0.0, 0.0]])[: len(scores)]
            for above in (self.most_above, self.least_above)
        )
        above = _counted_above(weights)
        return ScoreGrid(scores, weights, above, self.rows, self.largest, most, least, 2 * self.step)

    def from_above(self, place: int) -> tuple[int, torch.Tensor]:
        """Return the next place, at or after this one, above which candidates were counted, and how many, by row."""
        at = -(-place // _APART)
        if at >= self.above.shape[1]:
            return len(self.scores), torch.zeros(len(self.above))
        return at * _APART, self.above[:, at]

    def fits(self, factor: float) -> bool:
        """Whether exp(factor * s) is smooth enough between grid points: off by 6e-4 of itself at most."""
        return factor * self.step <= _SMOOTH

    def masses(self, factors: Sequence[float]) -> list[Values]:
        """Return for each factor the sum over candidates of exp(factor * (s - largest)), shape (A,)."""
        bases = [_Bases(self, factor) for factor in factors]
        sums = self._sums([base.weights for base in bases])
        return [np.maximum(base.chosen(found), 0.0) for base, found in zip(bases, sums, strict=True)]

    def log_mass(self, factor: float) -> Values:
        """Return log of the sum over candidates of exp(factor * s), shape (A,); -inf without any."""
        with np.errstate(divide="ignore"):
            found: Values = np.log(self.masses([factor])[0]) + factor * self.largest
        return found

    def mass_and_mean(self, factor: float) -> tuple[Values, Values]:
        """Return the mass, and the mean under it of the distance to the largest; 0 without candidates."""
        base = _Bases(self, factor)
        total, above = (base.chosen(found) for found in self._sums([base.weights, base.weights * base.distances]))
        total = np.maximum(total, 0.0)
        mean = np.divide(above, total, out=np.zeros(len(total)), where=total > 0)
        return total, np.where(total > 0, mean - base.height, 0.0)

    def _sums(self, functions: Sequence[Values]) -> list[torch.Tensor]:
        """Return the sums of some functions over the candidates of each anchor."""
        together = self.weights @ torch.from_numpy(np.concatenate(functions, axis=1)).float()
        return list(torch.split(together.double(), [function.shape[1] for function in functions], dim=1))


class _Bases:
    """exp(factor * s) relative to several scores, so that each anchor finds one that is near its largest.

    In single precision no one base would do for all anchors at a low temperature.

    Attributes
    ----------
    weights : NDArray[np.float64], shape (K, bases)
    distances : NDArray[np.float64], shape (K, bases)
        Score less the base.
    height : NDArray[np.float64], shape (A,)
        How far the largest score of an anchor is above its base.
    """

    def __init__(self, grid: ScoreGrid, factor: float) -> None:
        self.factor = factor
        lowest = grid.largest.min(initial=1.0)
        apart = _REACH / max(factor, 1.0)
        self.rows = grid.rows
        self.which = ((grid.largest - lowest) / apart).astype(np.int64)
        bases = lowest + np.arange(int(self.which.max(initial=0)) + 1) * apart
        self.distances = grid.scores[:, None] - bases
        logits = np.minimum(factor * self.distances, _REACH + 20)
        # What single precision holds with half its digits only is also slow to multiply, and nothing beside the rest.
        self.weights = np.where(logits > -80, np.exp(logits), 0.0)
        self.height = grid.largest - bases[self.which]

    def chosen(self, sums: torch.Tensor) -> Values:
        """Return the sums of each anchor over its own base, as if that were its largest score."""
        own = sums.numpy()[self.rows, self.which]
        return np.asarray(own * np.exp(-self.factor * self.height))


def _counted_above(weights: torch.Tensor) -> torch.Tensor:
    """Return the candidates at and above every 16th grid point, shape (A, ceil(K / 16))."""
    n_anchors, width = weights.shape
    padded = torch.nn.functional.pad(weights, (0, -width % _APART))
    blocks = padded.view(n_anchors, -1, _APART).sum(dim=2, dtype=torch.float64)
    return blocks.flip(1).cumsum(dim=1).flip(1).float()


def _reach(points: WeightedPoints) -> tuple[int, int]:
    """Return the first grid point that is needed, counted from a score of -1, and how many are."""
    has = np.flatnonzero(np.diff(points.starts) > 0)
    if not len(has):
        return -_BEFORE, _BEFORE + _AFTER
    lowest = np.minimum.reduceat(points.distance, points.starts[has]) + points.largest[has]
    first = int(np.floor((lowest.min() + 1) / STEP)) - _BEFORE
    return first, int(np.floor((points.largest[has].max() + 1) / STEP)) + _AFTER + 1 - first


def _spread(
    place: Values, counts: Narrow, variance: Narrow, anchor: NDArray[np.int64], shape: tuple[int, int]
) -> Values:
    """Return the weights of some anchors' points on the grid; `place` counts grid points."""
    cell = np.floor(place)
    part = place - cell
    # Half the mean square distance of a point's candidates to it, which shifts what a polynomial weighs on average.
    half = variance * (0.5 / STEP**2)
    below, above = part - 1, part + 1
    shares = (
        half * (1 - part) - part * below * (part - 2) / 6,
        half * (3 * part - 2) + above * below * (part - 2) / 2,
        half * (1 - 3 * part) - above * part * (part - 2) / 2,
        half * part + above * part * below / 6,
    )
    target = anchor * shape[1] + cell.astype(np.int64)
    found = np.zeros(shape[0] * shape[1])
    for step, share in enumerate(shares, start=-_BEFORE):
        found += np.bincount(target + step, weights=counts * share, minlength=len(found))
    return found.reshape(shape)

"""`WeightedPoints`: scores of candidates as weighted points, anchor by anchor, and sums over those of each anchor.

Scores are kept in 32 bits as distances to the anchor's largest, so that the points that weigh most are the most exact.
Sums go through the points in parts that stay in the cache, several threads at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.core.lazily import lazily
from cl_viz.engine import bins

Values = NDArray[np.float64]
Narrow = NDArray[np.float32]
Part = tuple[slice, NDArray[np.int64], NDArray[np.int64]]
"""Points, the anchors that have any of them, and where theirs begin among these."""
CELL_WIDTH = 2 / bins.ANCHOR_BINS
_PART = 1 << 16
"""Points summed at a time: they stay in the cache from one step to the next."""


@dataclass(frozen=True)
class WeightedPoints:
    """Weighted points, anchor by anchor.

    Attributes
    ----------
    starts : NDArray[np.int64], shape (A + 1,)
        Where each anchor's points begin.
    distance, counts, variance : NDArray[np.float32], one for each point
        Score less the largest of its anchor, never above 0; candidates at the point; mean squared distance of these
        to their mean: 0 for a single one, else the anchor's mean over all its cells of that side.
    own, single : NDArray[np.bool_]
        Whether the point's candidates have the anchor's label; whether it is one candidate that is known exactly.
    largest : NDArray[np.float64], shape (A,)
        Largest score of each anchor; 0 without points.
    width : float
        Of a cell.
    """

    starts: NDArray[np.int64]
    distance: Narrow
    counts: Narrow
    variance: Narrow
    own: NDArray[np.bool_]
    single: NDArray[np.bool_]
    largest: Values
    width: float = CELL_WIDTH

    @classmethod
    def ordered(
        cls,
        n_anchors: int,
        owner: NDArray[np.int64],
        scores: Values,
        counts: Values,
        variance: Values,
        own: NDArray[np.bool_],
        single: NDArray[np.bool_],
    ) -> WeightedPoints:
        """Return points that come in any order of anchors; `owner` says whose each is, the others are as above."""
        order = np.argsort(owner, kind="stable")
        owner, scores = owner[order], scores[order]
        starts = np.searchsorted(owner, np.arange(n_anchors + 1)).astype(np.int64)
        largest = np.zeros(n_anchors)
        has = np.flatnonzero(np.diff(starts) > 0)
        if len(has):
            largest[has] = np.maximum.reduceat(scores, starts[:-1][has])
        return cls(
            starts,
            (scores - largest[owner]).astype(np.float32),
            counts[order].astype(np.float32),
            variance[order].astype(np.float32),
            own[order],
            single[order],
            largest,
        )

    @classmethod
    def joined_up(cls, parts: Sequence[WeightedPoints]) -> WeightedPoints:
        """Return the points of the anchors of all parts, one part after the other."""
        before = np.cumsum([0, *(len(part) for part in parts)])
        starts = [part.starts[:-1] + first for part, first in zip(parts, before[:-1], strict=True)]

        def whole(name: str) -> NDArray[Any]:
            return np.concatenate([getattr(part, name) for part in parts])

        return cls(
            np.append(np.concatenate(starts), before[-1]),
            whole("distance"),
            whole("counts"),
            whole("variance"),
            whole("own"),
            whole("single"),
            whole("largest"),
            parts[0].width,
        )

    def __len__(self) -> int:
        return len(self.distance)

    @lazily
    def owner(self) -> NDArray[np.int64]:
        """Anchor of each point."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    @lazily
    def total(self) -> Values:
        """Candidates of each anchor, shape (A,)."""
        return self.sums(lambda part: [self.counts[part]])[0]

    def weights(self, part: slice, factor: float) -> Narrow:
        """Return count times the mean of exp(factor * (s - largest)) at each point."""
        found = self.distance[part] * np.float32(factor)
        np.exp(found, out=found)
        wider = self.variance[part] * np.float32(0.5 * factor**2)
        wider += np.float32(1)
        found *= wider
        found *= self.counts[part]
        return found

    def sums(self, values: Callable[[slice], Sequence[Narrow]]) -> list[Values]:
        """Sum values of the points by anchor, part by part; 0 for an anchor without points."""

        def do(part: Part) -> list[Values]:
            return [np.add.reduceat(found, part[2], dtype=np.float64) for found in values(part[0])]

        if not self._parts:
            return [np.zeros(len(self.starts) - 1) for _ in values(slice(0, 0))]
        results = list(threads().map(do, self._parts)) if len(self._parts) > 1 else [do(self._parts[0])]
        totals = [np.zeros(len(self.starts) - 1) for _ in results[0]]
        for (_, anchors, _), sums in zip(self._parts, results, strict=True):
            for total, found in zip(totals, sums, strict=True):
                total[anchors] = found
        return totals

    def sums_up_to(self, stops: NDArray[np.int64], factor: float) -> Values:
        """Sum the weights of each anchor's points before its stop, shape (A,)."""
        found = np.zeros(len(self.starts) - 1)

        def do(part: Part) -> None:
            points, anchors, begins = part
            # One more, so that a stop may be the end.
            weights = np.append(self.weights(points, factor), np.float32(0))
            ends = stops[anchors] - points.start
            sums = np.add.reduceat(weights, np.stack([begins, ends], axis=1).ravel(), dtype=np.float64)[::2]
            found[anchors] = np.where(ends > begins, sums, 0.0)

        list(threads().map(do, self._parts))
        return found

    def near(self, limit: float) -> WeightedPoints:
        """Return the points that are no farther from their anchor's largest."""
        return self._taken(self.distance >= -limit)

    def joined(self, n_joined: int) -> WeightedPoints:
        """Take neighbouring cells of one anchor and label together; they stand one after another."""
        begins = self._cell_begins(n_joined * CELL_WIDTH)
        begins[1:] |= self.own[1:] != self.own[:-1]
        return self._grouped(begins, n_joined * CELL_WIDTH)

    @lazily
    def descending(self) -> WeightedPoints:
        """The points from the largest score down, anchor by anchor; cells of both labels are taken together."""
        ordered = self._taken(np.lexsort((-self.distance, self.owner)))
        return ordered._grouped(ordered._cell_begins(self.width), self.width)

    @lazily
    def until(self) -> Values:
        """Candidates up to each point, those at the point and of the anchors before included."""
        return np.cumsum(self.counts, dtype=np.float64)

    @lazily
    def before(self) -> Values:
        """Candidates of the anchors before each, shape (A,)."""
        found: Values = np.concatenate([[0.0], self.until])[self.starts[:-1]]
        return found

    def _taken(self, chosen: NDArray[np.generic]) -> WeightedPoints:
        """Return some points, which stay with their anchors, one anchor after the other."""
        return replace(
            self,
            starts=np.searchsorted(self.owner[chosen], np.arange(len(self.starts))).astype(np.int64),
            distance=self.distance[chosen],
            counts=self.counts[chosen],
            variance=self.variance[chosen],
            own=self.own[chosen],
            single=self.single[chosen],
        )

    def _cell_begins(self, width: float) -> NDArray[np.bool_]:
        """Return at which points another cell of this width begins, or another anchor; single ones stay alone."""
        owner = self.owner
        place = ((self.distance + self.largest[owner] + 1) / width).astype(np.int64)
        begins = np.ones(len(self), dtype=np.bool_)
        begins[1:] = (np.diff(place) != 0) | (np.diff(owner) != 0) | self.single[:-1]
        return begins | self.single

    def _grouped(self, begins: NDArray[np.bool_], width: float) -> WeightedPoints:
        """Take points that follow each other together; of their labels the first's is kept."""
        first = np.flatnonzero(begins)
        if not len(first):
            return self
        counts, distance = self.counts.astype(np.float64), self.distance.astype(np.float64)
        total = np.add.reduceat(counts, first)
        mean = np.add.reduceat(counts * distance, first) / total
        group = np.cumsum(begins) - 1
        spread = np.add.reduceat(counts * (self.variance + np.square(distance - mean[group])), first) / total
        starts = np.searchsorted(self.owner[first], np.arange(len(self.starts))).astype(np.int64)
        return WeightedPoints(
            starts,
            mean.astype(np.float32),
            total.astype(np.float32),
            spread.astype(np.float32),
            self.own[first],
            self.single[first],
            self.largest,
            width=width,
        )

    @lazily
    def _parts(self) -> list[Part]:
        """Anchors in parts of about `_PART` points."""
        found = []
        has = np.flatnonzero(np.diff(self.starts) > 0)
        begins = self.starts[:-1][has]
        cuts = np.unique(np.searchsorted(begins, np.arange(0, len(self), _PART)))
        cuts = cuts[cuts < len(has)]
        for low, high in zip(cuts, [*cuts[1:], len(has)], strict=True):
            first = int(begins[low])
            last = int(begins[high]) if high < len(has) else len(self)
            found.append((slice(first, last), has[low:high], begins[low:high] - first))
        return found


@lru_cache(maxsize=1)
def threads() -> ThreadPoolExecutor:
    """Return threads for parts of an answer: numpy's own steps use one."""
    return ThreadPoolExecutor(max(1, torch.get_num_threads()), thread_name_prefix="cl_viz-queries")


def bands(n_anchors: int, size: int) -> list[slice]:
    """Return the anchors, some at a time; an empty band where there are none."""
    return [slice(low, min(low + size, n_anchors)) for low in range(0, max(1, n_anchors), size)]

"""What the tasks of a cluster found, and how it adds up."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.engine import compiled
from cl_viz.engine.anchor_sketch import AnchorSketch
from cl_viz.engine.cluster_anchors import Seen, in_order, merge
from cl_viz.engine.largest import largest_of
from cl_viz.engine.moments import Moments
from cl_viz.engine.nearest import NeighborMap
from cl_viz.engine.neighbors import Neighbors, neighbor_blocks, order_ties
from cl_viz.engine.pair_sketch import Block, PairSketch, view_blocks
from cl_viz.engine.pieces import PieceFacts
from cl_viz.engine.statistics import Statistics

if TYPE_CHECKING:
    from cl_viz.engine.cluster_tasks import ClusterPlan

Near = dict[Block, tuple[NDArray[np.int64], NDArray[np.floating[Any]]]]
JOINED_AT_ONCE = 8
"""Groups of pieces of which a worker joins what a part of the anchors sees in them: about 5 MB each."""


def numbered(found: NeighborMap, offset: int) -> Near:
    """Return neighbours in the numbering of the whole; `offset` is the first row of the piece they were found in."""
    return {block: (near.indices + offset, near.scores) for block, near in found.items()}


@dataclass(frozen=True)
class PairResult:
    """What one task found: the sketch, and the nearest rows of each piece in the other."""

    sketch: PairSketch
    near: dict[int, Near]


@dataclass(frozen=True)
class AnchorResult:
    """What a part of the anchors sees in some groups of pieces, and the pairs counted on the way.

    Attributes
    ----------
    part : int
        Which part.
    rows, positives : mapping
        Of the anchors; see `AnchorRows`.
    sketch : PairSketch
    seen : Seen
    """

    part: int
    rows: Mapping[str, NDArray[np.int64]]
    positives: Mapping[str, NDArray[np.float64]]
    sketch: PairSketch
    seen: Seen

    @classmethod
    def join(cls, found: Sequence[AnchorResult]) -> AnchorResult:
        """Return what one part sees in all of these groups together."""
        sketch = reduce(operator.add, (one.sketch for one in found))
        return replace(found[0], sketch=sketch, seen=merge([one.seen for one in found]))


class Collected:
    """Adds up what the tasks found."""

    def __init__(self, plan: ClusterPlan, facts: Sequence[PieceFacts]) -> None:
        self.plan = plan
        self.facts = facts
        self.sketch = PairSketch.empty(view_blocks(plan.views))
        self.near: dict[int, Near] = {}
        self.anchors: dict[int, AnchorResult] = {}

    def add(self, result: PairResult | AnchorResult) -> None:
        """Add a sketch; keep the nearest of all so far, or what anchors have seen so far."""
        self.sketch = self.sketch + result.sketch
        if isinstance(result, AnchorResult):
            self.anchors[result.part] = result
            return
        for piece, near in result.near.items():
            before = self.near.get(piece)
            self.near[piece] = near if before is None else self._merged(before, near)

    def statistics(self, moments: Moments, fingerprint: str, seed: int) -> Statistics:
        """Return the statistics of the whole."""
        used = sum(len(found.usable) for found in self.facts)
        return Statistics(
            pairs=self.sketch,
            anchors={view: self._anchors(view, used) for view in self.plan.views if self.anchors},
            moments=moments,
            n_used=used,
            n_excluded=sum(found.size for found in self.facts) - used,
            device="cluster",
            precision=str(self.plan.dtype).removeprefix("torch."),
            seed=seed if 0 < len(self.plan.anchors) < used else None,
            fingerprint=fingerprint,
            neighbors=self._neighbors(),
        )

    def _anchors(self, view: str, population: int) -> AnchorSketch:
        parts = [self.anchors[part] for part in sorted(self.anchors)]
        rows = np.concatenate([part.rows[view] for part in parts])
        positives = np.concatenate([part.positives[view] for part in parts])
        order, number = np.argsort(rows), positives.shape[1]
        offsets = (np.arange(len(rows) + 1) * number).astype(np.int64)
        candidates = {
            name: in_order([part.seen[view, name] for part in parts], order, number) for name in self.plan.views
        }
        return AnchorSketch(view, rows[order], population, positives[order].ravel(), offsets, candidates)

    def _merged(self, before: Near, new: Near) -> Near:
        found, kernels = {}, compiled.kernels(torch.device("cpu"))
        for block, (indices, scores) in new.items():
            joined = np.concatenate([before[block][0], indices], axis=1)
            values = np.concatenate([before[block][1], scores], axis=1)
            values, joined = largest_of(values, joined, self.plan.neighbors or 0, kernels)
            found[block] = joined, values
        return found

    def _neighbors(self) -> NeighborMap:
        if self.plan.neighbors is None:
            return {}
        offsets = self.plan.numbering.offsets
        rows = np.concatenate([found.usable + offset for found, offset in zip(self.facts, offsets, strict=True)])
        pieces = [self.near[piece] for piece in sorted(self.near)]
        found = {}
        for block in neighbor_blocks(list(self.plan.views)):
            indices, scores = (np.concatenate([near[block][part] for near in pieces]) for part in (0, 1))
            order_ties(scores, indices)
            found[block] = Neighbors(*block, rows, indices, scores)
        return found

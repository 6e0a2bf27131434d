"""What the tasks of a cluster found, and how it adds up."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.engine.cluster_anchors import AnchorRows, Seen, merge
from cl_viz.engine.moments import Moments
from cl_viz.engine.nearest import NeighborMap
from cl_viz.engine.neighbors import Neighbors, neighbor_blocks
from cl_viz.engine.pair_sketch import Block, PairSketch
from cl_viz.engine.pieces import PieceFacts, view_blocks
from cl_viz.engine.statistics import Statistics

if TYPE_CHECKING:
    from cl_viz.engine.cluster import ClusterPlan

Near = dict[Block, tuple[NDArray[np.int64], NDArray[np.floating[Any]]]]
JOINED_AT_ONCE = 8
"""Pieces of which a worker joins what anchors see in them: about 40 MB each."""


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
    """What the anchors see in some pieces; the pairs counted on the way; the anchors, if the first is among them."""

    sketch: PairSketch
    seen: Seen
    anchors: AnchorRows | None

    @classmethod
    def join(cls, parts: Sequence[AnchorResult]) -> AnchorResult:
        """Return what they see in all of these pieces together."""
        anchors = next((part.anchors for part in parts if part.anchors is not None), None)
        sketch = reduce(operator.add, (part.sketch for part in parts))
        return cls(sketch, merge([part.seen for part in parts]), anchors)


class Collected:
    """Adds up what the tasks found."""

    def __init__(self, plan: ClusterPlan, facts: Sequence[PieceFacts]) -> None:
        self.plan = plan
        self.facts = facts
        self.sketch = PairSketch.empty(view_blocks(plan.views))
        self.near: dict[int, Near] = {}
        self.anchors: AnchorRows | None = None
        self.seen: Seen | None = None

    def add(self, result: PairResult | AnchorResult) -> None:
        """Add a sketch; keep the nearest of all so far, or what anchors have seen so far."""
        self.sketch = self.sketch + result.sketch
        if isinstance(result, AnchorResult):
            self.anchors = result.anchors or self.anchors
            self.seen = result.seen if self.seen is None else merge([self.seen, result.seen])
            return
        for piece, near in result.near.items():
            before = self.near.get(piece)
            self.near[piece] = near if before is None else self._merged(before, near)

    def statistics(self, moments: Moments, fingerprint: str, seed: int) -> Statistics:
        """Return the statistics of the whole."""
        used = sum(len(found.usable) for found in self.facts)
        return Statistics(
            pairs=self.sketch,
            anchors={} if self.anchors is None or self.seen is None else self.anchors.sketches(self.seen, used),
            moments=moments,
            n_used=used,
            n_excluded=sum(found.size for found in self.facts) - used,
            device="cluster",
            precision=str(self.plan.dtype).removeprefix("torch."),
            seed=seed if self.anchors is not None and self.anchors.starts[-1] < used else None,
            fingerprint=fingerprint,
            neighbors=self._neighbors(),
        )

    def _merged(self, before: Near, new: Near) -> Near:
        found: Near = {}
        for block, (indices, scores) in new.items():
            joined = np.concatenate([before[block][0], indices], axis=1)
            values = np.concatenate([before[block][1], scores], axis=1)
            best = np.argsort(-values, axis=1, kind="stable")[:, : self.plan.neighbors]
            found[block] = np.take_along_axis(joined, best, axis=1), np.take_along_axis(values, best, axis=1)
        return found

    def _neighbors(self) -> NeighborMap:
        if self.plan.neighbors is None:
            return {}
        offsets = self.plan.numbering.offsets
        rows = np.concatenate([found.usable + offset for found, offset in zip(self.facts, offsets, strict=True)])
        pieces = [self.near[piece] for piece in sorted(self.near)]
        return {
            block: Neighbors(
                *block,
                rows,
                np.concatenate([near[block][0] for near in pieces]),
                np.concatenate([near[block][1] for near in pieces]),
            )
            for block in neighbor_blocks(list(self.plan.views))
        }

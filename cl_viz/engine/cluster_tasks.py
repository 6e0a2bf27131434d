"""The tasks of a pass on a cluster: what every one of them must know, and what a worker does.

A task names what it needs and no more, so that the tasks of a worker that was lost are done again elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from threading import Lock
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.engine import compiled
from cl_viz.engine.cluster_anchors import AnchorRows
from cl_viz.engine.cluster_pairs import Limits, pairs_between, pairs_within
from cl_viz.engine.cluster_results import AnchorResult, PairResult, numbered
from cl_viz.engine.device import resolve_device
from cl_viz.engine.pair_sketch import view_blocks
from cl_viz.engine.pieces import Numbering, Piece, PieceFacts, numbered_rows, numbering_of
from cl_viz.engine.precision import Precision, full_float32, type_for
from cl_viz.engine.rows import RESIDENT_BYTES, ViewRows, choose_rows
from cl_viz.engine.tile_sizes import with_smaller_tiles

T = TypeVar("T")
Span = tuple[int, int]
"""Pieces, or anchors, that follow each other: the first, and what follows the last."""
ANCHORS_OF_A_TASK = 1024
GROUP_BYTES = 1 << 26
"""Unit rows that anchors meet in one task: cells and largest candidates are begun once a task."""
BYTES_AT_HAND = 1 << 28
"""Unit rows that a worker keeps from one task to the next."""


@dataclass(frozen=True)
class ClusterPlan:
    """What every task must know.

    Attributes
    ----------
    views : tuple of str
    dtype : torch.dtype
    device : str
        As each worker is to understand it.
    numbering : Numbering
    neighbors : int or None
    starts : NDArray[np.int64], shape (pieces + 1,)
        Usable rows before each piece, and all of them.
    anchors : NDArray[np.int64], shape (A,)
        Rows that are anchors, counted among all usable ones, ascending.
    parts : tuple of Span
        The anchors of each task, in the order in which they lead their group.
    groups : tuple of Span
        Pieces that anchors meet in one task.
    arranged : bool
        Whether anchors come first in their piece, and what follows is in the order of labels.
    n_pairs : float
        About so many pairs are looked at.
    """

    views: tuple[str, ...]
    dtype: torch.dtype
    device: str
    numbering: Numbering
    neighbors: int | None
    starts: NDArray[np.int64]
    anchors: NDArray[np.int64]
    parts: tuple[Span, ...]
    groups: tuple[Span, ...]
    arranged: bool
    n_pairs: float

    @classmethod
    def of(
        cls,
        facts: Sequence[PieceFacts],
        neighbors: int | None,
        anchors: int,
        seed: int,
        device: str,
        precision: Precision = "auto",
    ) -> ClusterPlan:
        """Plan the pass over pieces of which this is known; see `cl_viz.scan`."""
        views, rows = facts[0].views, sum(found.size for found in facts)
        dtype = type_for(rows * len(views), precision)
        row_bytes = facts[0].dim * torch.empty(0, dtype=dtype).element_size()
        starts = np.cumsum([0, *(len(found.usable) for found in facts)])
        sizes = np.diff(starts) * row_bytes
        chosen = choose_rows(int(starts[-1]), anchors, seed)
        arranged = bool(sizes.max() <= RESIDENT_BYTES)
        # Pieces that are not kept in memory are met one by one.
        groups = _groups(sizes * len(views), GROUP_BYTES if arranged else -1)
        parts = tuple(pairwise([*range(0, len(chosen), ANCHORS_OF_A_TASK), len(chosen)]))
        pairs = (rows * len(views)) ** 2 / 2
        return cls(views, dtype, device, numbering_of(facts), neighbors, starts, chosen, parts, groups, arranged, pairs)

    @property
    def all_seen(self) -> bool:
        """Whether the tasks of pairs see all scores; the tasks of anchors see theirs instead."""
        return not len(self.anchors)

    @property
    def group_starts(self) -> NDArray[np.int64]:
        """Anchors before each group, and all of them, shape (groups + 1,)."""
        edges = [self.starts[first] for first, _ in self.groups]
        found: NDArray[np.int64] = np.searchsorted(self.anchors, [*edges, self.starts[-1]]).astype(np.int64)
        return found

    def leading(self, span: Span) -> NDArray[np.int64]:
        """Return the anchors of some pieces, counted among their usable rows."""
        low, high = np.searchsorted(self.anchors, self.starts[list(span)])
        found: NDArray[np.int64] = self.anchors[low:high] - self.starts[span[0]]
        return found

    def offset(self, span: Span) -> int:
        """Return the row of the whole that some pieces begin with."""
        return self.numbering.offsets[span[0]]

    def rows(self, pieces: Sequence[Piece], span: Span) -> dict[str, ViewRows]:
        """Return the rows of some pieces, numbered from their first, on the device of this worker."""
        key = (*((piece.key, piece.version) for piece in pieces), id(self))
        kept = _at_hand.take(key)
        if kept is not None:
            return kept
        starts = [self.numbering.offsets[number] - self.offset(span) for number in range(*span)]
        leading = self.leading(span) if self.arranged else None
        rows = numbered_rows(pieces, starts, self.numbering, self.dtype, resolve_device(self.device), leading)
        _at_hand.put(key, self, rows)
        return rows


def _groups(sizes: NDArray[np.int64], most: int) -> tuple[Span, ...]:
    """Divide pieces that follow each other into groups of at most so many bytes, or of one piece."""
    edges, held = [0], 0
    for number, size in enumerate(sizes.tolist()):
        if number > edges[-1] and held + size > most:
            edges.append(number)
            held = 0
        held += size
    return tuple(pairwise([*edges, len(sizes)]))


class _AtHand:
    """The rows that a worker used last, of whichever plan; a worker may have several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        # The plan is kept beside its rows, so that no other one can have its number.
        self._kept: dict[tuple[object, ...], tuple[ClusterPlan, dict[str, ViewRows]]] = {}

    def take(self, key: tuple[object, ...]) -> dict[str, ViewRows] | None:
        with self._lock:
            found = self._kept.pop(key, None)
            if found is None:
                return None
            # The last one used is the last to go.
            self._kept[key] = found
            return found[1]

    def put(self, key: tuple[object, ...], plan: ClusterPlan, rows: dict[str, ViewRows]) -> None:
        with self._lock:
            self._kept[key] = (plan, rows)
            while len(self._kept) > 1 and sum(map(_resident_bytes, self._kept.values())) > BYTES_AT_HAND:
                del self._kept[next(iter(self._kept))]


def _resident_bytes(kept: tuple[ClusterPlan, dict[str, ViewRows]]) -> int:
    return sum(rows.resident_bytes for rows in kept[1].values())


_at_hand = _AtHand()


def look_within(piece: Piece, number: int, plan: ClusterPlan) -> PairResult:
    """Look at all pairs within a piece."""

    def work() -> PairResult:
        k, offset = plan.neighbors, plan.numbering.offsets[number]
        sketch, found = pairs_within(plan.rows([piece], (number, number + 1)), k, all_seen=plan.all_seen)
        return PairResult(sketch, {number: numbered(found, offset)} if k else {})

    return _on_worker(plan, work, piece.key)


def look_between(
    pieces: Sequence[Piece], numbers: tuple[int, int], limits: Sequence[Limits], plan: ClusterPlan
) -> PairResult:
    """Look at all pairs between two pieces, whose rows have neighbours above these limits within their own."""

    def work() -> PairResult:
        k = plan.neighbors
        first, second = (plan.rows([piece], (i, i + 1)) for piece, i in zip(pieces, numbers, strict=True))
        sketch, there, back = pairs_between(first, second, k, limits, all_seen=plan.all_seen)
        if not k:
            return PairResult(sketch, {})
        (i, j), offsets = numbers, plan.numbering.offsets
        return PairResult(sketch, {i: numbered(there, offsets[j]), j: numbered(back, offsets[i])})

    return _on_worker(plan, work, pieces[0].key)


def limits_of(found: PairResult, number: int, plan: ClusterPlan) -> Limits:
    """Return which score each row's neighbours have at least, as far as its own piece is known."""
    limits = {}
    for block, (_, scores) in found.near[number].items():
        full = scores.shape[1] == plan.neighbors
        limits[block] = scores[:, -1].copy() if full else np.full(len(scores), -np.inf, dtype=scores.dtype)
    return limits


def take_anchors(pieces: Sequence[Piece], group: int, plan: ClusterPlan) -> AnchorRows:
    """Return the anchors of a group of pieces."""
    span = plan.groups[group]
    return AnchorRows.of(plan.rows(pieces, span), plan.leading(span), plan.offset(span))


def join_anchors(parts: Sequence[AnchorRows], plan: ClusterPlan) -> AnchorRows:
    """Return the anchors of all groups."""
    return AnchorRows.join(parts, plan.group_starts)


def see(anchors: AnchorRows, part: int, pieces: Sequence[Piece], group: int, plan: ClusterPlan) -> AnchorResult:
    """Return what a part of the anchors sees in a group of pieces."""
    span = plan.groups[group]

    def work() -> AnchorResult:
        own = anchors.part(slice(*plan.parts[part]))
        seen, sketch = own.see(plan.rows(pieces, span), group, plan.offset(span), view_blocks(plan.views))
        return AnchorResult(part, own.rows, own.positives, sketch, seen)

    return _on_worker(plan, work, pieces[0].key)


def _on_worker(plan: ClusterPlan, work: Callable[[], T], where: str) -> T:
    """Do some work with the compiled kernels, and with tiles that fit."""
    if plan.n_pairs > compiled.MANY_PAIRS:
        # A task is long: to wait for the kernels is faster than to go without, and later tasks have them.
        compiled.wait()
    with full_float32():
        return with_smaller_tiles(work, resolve_device(plan.device), where)

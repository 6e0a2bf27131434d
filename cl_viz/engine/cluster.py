"""The pass on a Dask cluster: piece pair by piece pair, for sets that outgrow one machine.

Every task looks at the pairs between two pieces of the set and returns their sketch; sketches add up. A task names
what it needs and no more, so the tasks of a worker that was lost are done again elsewhere.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError, MissingDependencyError
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.engine.cluster_anchors import AnchorRows, Seen, merge
from cl_viz.engine.moments import Moments
from cl_viz.engine.nearest import NeighborMap
from cl_viz.engine.neighbors import MOST_NEIGHBORS, Neighbors, find_neighbors, neighbor_blocks
from cl_viz.engine.pair_pass import TILE, run_pairs, tiles
from cl_viz.engine.pair_sketch import Block, PairSketch
from cl_viz.engine.pieces import (
    Numbering,
    Piece,
    PieceFacts,
    check_facts,
    facts_of,
    numbered_moments,
    numbered_rows,
    numbering_of,
    pieces_of,
    view_blocks,
)
from cl_viz.engine.precision import FLOAT64_ROWS
from cl_viz.engine.rows import ViewRows, choose_rows
from cl_viz.engine.statistics import Statistics

if TYPE_CHECKING:
    from distributed import Client

PIECE_ROWS = 24 * TILE
"""Rows of a piece of a set that is in memory: whole tiles, so that the tiles are those of one machine."""
Near = dict[Block, tuple[NDArray[np.int64], NDArray[np.floating[Any]]]]


@dataclass(frozen=True)
class _Plan:
    """What every task must know."""

    views: tuple[str, ...]
    dtype: torch.dtype
    numbering: Numbering
    neighbors: int | None


@dataclass(frozen=True)
class _PairResult:
    """What one task found: the sketch, and the nearest rows of each piece in the other."""

    left: int
    right: int
    sketch: PairSketch
    near: dict[int, Near]


def scan_cluster(
    source: EmbeddingSet | str | Path,
    cluster: Client | str,
    *,
    anchors: int = 0,
    neighbors: int | None = None,
    seed: int = 0,
    views: Sequence[str] | None = None,
    label: str | None = None,
    progress: ProgressCallback = silent,
) -> Statistics:
    """Compute the statistics of all pairs of a set, or of a folder of shards, on a Dask cluster.

    Parameters
    ----------
    source : EmbeddingSet or path
        A folder of shards of one format, which every worker can read at the same path: no machine ever holds more
        than a few shards. Rows are samples; ids are not used. A set is sent to the workers piece by piece.
    cluster : distributed.Client or str
        A client, or the address of a scheduler.
    anchors, neighbors, seed : int, optional
        As for `cl_viz.scan`.
    views, label : optional
        As for `cl_viz.load`, for a folder.
    progress : callable
        May raise `Cancelled`: the tasks are then taken back.

    Returns
    -------
    Statistics
        Every count equals that of one machine in float64; in float32 a score within rounding of a bin's edge may
        fall on its other side where shards divide the rows into other tiles.

    Raises
    ------
    MissingDependencyError
        If Dask is not installed.
    InputError
        If the pieces do not fit together, or the views are not aligned row by row.
    """
    if neighbors is not None and not 1 <= neighbors <= MOST_NEIGHBORS:
        raise InputError(f"neighbors = {neighbors!r}", where="scan", allowed=f"None, or 1 to {MOST_NEIGHBORS}")
    pieces = pieces_of(source, PIECE_ROWS, views, label)
    with _client(cluster) as client, _futures(client) as submitted:
        # As a task of its own, and not scattered, a piece can be had again when the worker that held it is lost.
        sent = submitted([client.submit(_piece, piece, pure=False) for piece in pieces])
        progress(0.0, "reading rows")
        facts = client.gather(submitted([client.submit(facts_of, piece, pure=False) for piece in sent]))
        check_facts(pieces, facts)
        plan = _plan(facts, neighbors)
        moments = submitted([client.submit(numbered_moments, piece, plan.numbering, pure=False) for piece in sent])
        work = [(left, right) for left in range(len(pieces)) for right in range(left, len(pieces))]
        tasks = submitted([client.submit(_pair_task, sent[i], sent[j], i, j, plan, pure=False) for i, j in work])
        found = _Collected(plan, facts)
        seen = _anchor_tasks(client, submitted, sent, facts, plan, anchors, seed)
        steps = len(tasks) + len(seen)
        for done, result in enumerate(_as_they_come(client, tasks), start=1):
            found.add(result)
            progress(done / steps, "pairs of pieces")
        for done, part in enumerate(_as_they_come(client, seen), start=len(tasks) + 1):
            found.add_anchors(part)
            progress(done / steps, "anchors")
        total: Moments = reduce(operator.add, client.gather(moments))
    return found.statistics(total, source, seed)


def _piece(piece: Piece) -> Piece:
    return piece


def _plan(facts: Sequence[PieceFacts], neighbors: int | None) -> _Plan:
    views = facts[0].views
    rows = sum(found.size for found in facts) * len(views)
    dtype = torch.float64 if rows <= FLOAT64_ROWS else torch.float32
    return _Plan(views, dtype, numbering_of(facts), neighbors)


def _pair_task(left: Piece, right: Piece, i: int, j: int, plan: _Plan) -> _PairResult:
    """Look at all pairs between two pieces, or within one."""
    blocks = view_blocks(plan.views)
    first = numbered_rows(left, plan.numbering, plan.dtype)
    # One object where the pieces are one: so the pass knows that a row meets itself.
    second = first if i == j else numbered_rows(right, plan.numbering, plan.dtype)
    if i == j:
        linked = [_same_rows(first[a], a == b) for a, b in blocks]
        sketch = run_pairs(blocks, first, linked, list(tiles(blocks, first)), lambda done: None)
    else:
        sketch = _between(first, second, blocks)
    near: dict[int, Near] = {}
    if plan.neighbors is not None:
        near[i] = _nearest(first, second, plan.neighbors, plan.numbering.offsets[j])
        if i != j:
            near[j] = _nearest(second, first, plan.neighbors, plan.numbering.offsets[i])
    return _PairResult(i, j, sketch, near)


def _anchor_tasks(
    client: Any, submitted: Any, sent: Sequence[Any], facts: Sequence[PieceFacts], plan: _Plan, anchors: int, seed: int
) -> list[Any]:
    """Submit what every piece says of all anchors; nothing where there are none."""
    sizes = [len(found.usable) for found in facts]
    starts = np.cumsum([0, *sizes])
    chosen = choose_rows(int(starts[-1]), anchors, seed)
    if not len(chosen):
        return []
    own = [chosen[(chosen >= low) & (chosen < low + size)] - low for low, size in zip(starts, sizes, strict=False)]
    with_any = [index for index, rows in enumerate(own) if len(rows)]
    taken = submitted([client.submit(_take, sent[i], own[i], i, plan, pure=False) for i in with_any])
    gathered = submitted([client.submit(AnchorRows.join, taken, pure=False)])[0]
    return list(submitted([client.submit(_see, gathered, piece, i, plan, pure=False) for i, piece in enumerate(sent)]))


def _take(piece: Piece, chosen: NDArray[np.int64], index: int, plan: _Plan) -> AnchorRows:
    rows = numbered_rows(piece, plan.numbering, plan.dtype)
    return AnchorRows.of(rows, chosen, plan.numbering.offsets[index])


def _see(anchors: AnchorRows, piece: Piece, index: int, plan: _Plan) -> tuple[AnchorRows | None, Seen]:
    """Return what the anchors see in a piece; with the first, the anchors themselves."""
    rows = numbered_rows(piece, plan.numbering, plan.dtype)
    return anchors if index == 0 else None, anchors.see(rows, plan.numbering.offsets[index])


def _same_rows(rows: ViewRows, within: bool) -> NDArray[np.int64]:
    number = np.arange(0 if within else len(rows), dtype=np.int64)
    return np.stack([number, number], axis=1)


def _between(first: dict[str, ViewRows], second: dict[str, ViewRows], blocks: list[Block]) -> PairSketch:
    """Return the sketch of the pairs between two pieces: of two views in both directions."""
    rows = {f"{side} {view}": part for side, own in (("left", first), ("right", second)) for view, part in own.items()}
    total = PairSketch.empty(blocks)
    for swapped in (False, True):
        chosen = [block for block in blocks if not swapped or block[0] != block[1]]
        if not chosen:
            continue
        # The first view stands in the rows either way, as on one machine.
        sides = [(f"right {a}", f"left {b}") if swapped else (f"left {a}", f"right {b}") for a, b in chosen]
        nothing = [np.zeros((0, 2), dtype=np.int64) for _ in sides]
        found = run_pairs(sides, rows, nothing, list(tiles(sides, rows)), lambda done: None)
        total = total + _spread(found, chosen, blocks)
    return total


def _spread(sketch: PairSketch, blocks: list[Block], every: list[Block]) -> PairSketch:
    """Return a sketch of some blocks as one of all, the others empty."""
    whole = PairSketch.empty(every)
    places = [every.index(block) for block in blocks]
    for name in ("counts", "sums", "squares", "low", "high"):
        getattr(whole, name)[places] = getattr(sketch, name)
    return whole


def _nearest(own: dict[str, ViewRows], others: dict[str, ViewRows], k: int, offset: int) -> Near:
    found: Near = {}
    for view, other in neighbor_blocks(list(own)):
        near = find_neighbors(own[view], others[other], k, lambda done: None)
        found[view, other] = near.indices + offset, near.scores
    return found


class _Collected:
    """Adds up what the tasks found."""

    def __init__(self, plan: _Plan, facts: Sequence[PieceFacts]) -> None:
        self.plan = plan
        self.facts = facts
        self.sketch = PairSketch.empty(view_blocks(plan.views))
        self.near: dict[int, Near] = {}
        self.anchors: AnchorRows | None = None
        self.seen: Seen | None = None

    def add(self, result: _PairResult) -> None:
        """Add the sketch of one pair of pieces, and keep the nearest of all so far."""
        self.sketch = self.sketch + result.sketch
        for piece, near in result.near.items():
            before = self.near.get(piece)
            self.near[piece] = near if before is None else self._merged(before, near)

    def add_anchors(self, part: tuple[AnchorRows | None, Seen]) -> None:
        """Add what the anchors see in one piece."""
        rows, seen = part
        self.anchors = rows or self.anchors
        self.seen = seen if self.seen is None else merge(self.seen, seen)

    def statistics(self, moments: Moments, source: object, seed: int) -> Statistics:
        """Return the statistics of the whole."""
        used = sum(len(found.usable) for found in self.facts)
        digest = hashlib.blake2b("".join(found.fingerprint for found in self.facts).encode(), digest_size=16)
        return Statistics(
            pairs=self.sketch,
            anchors={} if self.anchors is None or self.seen is None else self.anchors.sketches(self.seen, used),
            moments=moments,
            n_used=used,
            n_excluded=sum(found.size for found in self.facts) - used,
            device="cluster",
            precision=str(self.plan.dtype).removeprefix("torch."),
            seed=seed if self.anchors is not None and len(self.anchors.rows) < used else None,
            fingerprint=source.fingerprint if isinstance(source, EmbeddingSet) else digest.hexdigest(),
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


@contextmanager
def _client(cluster: Client | str) -> Iterator[Any]:
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingDependencyError(
            "a cluster is reached with Dask, which is not installed", remedy="pip install 'cl-viz[cluster]'"
        ) from error
    if not isinstance(cluster, str):
        yield cluster
        return
    connect: Any = Client
    with connect(cluster, set_as_default=False) as client:
        yield client


@contextmanager
def _futures(client: Any) -> Iterator[Any]:
    """Yield what notes futures, and take them back where the work ends early."""
    every: list[Any] = []

    def note(futures: list[Any]) -> list[Any]:
        every.extend(futures)
        return futures

    try:
        yield note
    except BaseException:
        client.cancel(every)
        raise


def _as_they_come(client: Any, futures: list[Any]) -> Iterator[Any]:
    import distributed

    completed: Any = distributed.as_completed  # type: ignore[no-untyped-call, unused-ignore]
    for future in completed(futures, loop=client.loop):
        yield future.result()
        # What was added up need not stay on the workers.
        future.release()

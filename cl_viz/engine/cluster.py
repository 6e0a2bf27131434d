"""The pass on a Dask cluster: piece pair by piece pair, for sets that outgrow one machine.

Every task looks at the pairs between two pieces of the set and returns their sketch; sketches add up. A task names
what it needs and no more, so the tasks of a worker that was lost are done again elsewhere.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError, MissingDependencyError
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.engine import compiled
from cl_viz.engine.cluster_anchors import AnchorRows
from cl_viz.engine.cluster_pairs import pairs_between, pairs_within
from cl_viz.engine.cluster_results import JOINED_AT_ONCE, AnchorResult, Collected, PairResult, numbered
from cl_viz.engine.device import resolve_device
from cl_viz.engine.moments import Moments
from cl_viz.engine.neighbors import MOST_NEIGHBORS
from cl_viz.engine.pair_pass import TILE
from cl_viz.engine.pieces import (
    PIECES_AT_HAND,
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
from cl_viz.engine.precision import Precision, full_float32, type_for
from cl_viz.engine.rows import RESIDENT_BYTES, ViewRows, choose_rows
from cl_viz.engine.statistics import Statistics
from cl_viz.engine.storage import cached
from cl_viz.engine.tile_sizes import with_smaller_tiles

if TYPE_CHECKING:
    from distributed import Client

T = TypeVar("T")
PIECE_ROWS = 24 * TILE
"""Rows of a piece of a set that is in memory: whole tiles, so that the tiles are those of one machine."""


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
    anchors : tuple of NDArray[np.int64], one per piece
        Rows of the piece that are anchors, counted among its usable ones.
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
    anchors: tuple[NDArray[np.int64], ...]
    arranged: bool
    n_pairs: float

    def rows(self, piece: Piece, index: int) -> dict[str, ViewRows]:
        """Return the rows of a piece, on the device of this worker; the last few are kept."""
        key = (piece.key, piece.version, id(self))
        with _rows_lock:
            kept = _rows_at_hand.get(key)
        if kept is not None:
            return kept[1]
        leading = self.anchors[index] if self.arranged else None
        rows = numbered_rows(piece, self.numbering, self.dtype, resolve_device(self.device), leading)
        with _rows_lock:
            while len(_rows_at_hand) >= PIECES_AT_HAND:
                _rows_at_hand.pop(next(iter(_rows_at_hand)))
            # The plan is kept beside them, so that no other one can have its number.
            _rows_at_hand[key] = (self, rows)
        return rows


# A worker may have several threads.
_rows_lock = Lock()
_rows_at_hand: dict[tuple[str, str, int], tuple[ClusterPlan, dict[str, ViewRows]]] = {}


def scan_cluster(
    source: EmbeddingSet | str | Path,
    cluster: Client | str,
    device: str = "auto",
    *,
    anchors: int = 0,
    neighbors: int | None = None,
    precision: Precision = "auto",
    seed: int = 0,
    cache: bool = False,
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
    device : str
        As for `cl_viz.scan`, of each worker: "auto" is a GPU where the worker sees one.
    anchors, neighbors, precision, seed
        As for `cl_viz.scan`.
    cache : bool
        Keep the statistics on the disk of this machine, and take them from there next time. Of a set that is kept
        nothing is sent; the shards of a folder are read once by the workers, to know their content.
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
    DeviceError
        If a worker does not have the device.
    """
    if neighbors is not None and not 1 <= neighbors <= MOST_NEIGHBORS:
        raise InputError(f"neighbors = {neighbors!r}", where="scan", allowed=f"None, or 1 to {MOST_NEIGHBORS}")
    type_for(0, precision)
    pieces = pieces_of(source, PIECE_ROWS, views, label)
    asked = _Asked(device, anchors, neighbors, precision, seed, cache, views, label)

    def compute() -> Statistics:
        with _client(cluster) as client, _futures(client) as submitted:
            # As a task of its own, and not scattered, a piece can be had again when the worker that held it is lost.
            sent = submitted([client.submit(_itself, piece, pure=False) for piece in pieces])
            progress(0.0, "reading rows")
            facts = client.gather(submitted([client.submit(facts_of, piece, pure=False) for piece in sent]))
            check_facts(pieces, facts)
            if isinstance(source, EmbeddingSet):
                return _pass(client, submitted, sent, facts, asked, source.fingerprint, progress)
            fingerprint = _fingerprint(facts)
            return asked.kept(fingerprint, lambda: _pass(client, submitted, sent, facts, asked, fingerprint, progress))

    found = asked.kept(source.fingerprint, compute) if isinstance(source, EmbeddingSet) else compute()
    progress(1.0, "done")
    return found


@dataclass(frozen=True)
class _Asked:
    """What a pass was asked for, besides the rows; see `scan_cluster`."""

    device: str
    anchors: int
    neighbors: int | None
    precision: Precision
    seed: int
    cache: bool
    views: Sequence[str] | None
    label: str | None

    def kept(self, fingerprint: str, compute: Callable[[], Statistics]) -> Statistics:
        """Return the statistics that are kept, or compute and keep them; just compute them without a cache."""
        if not self.cache:
            return compute()
        parameters = {
            "cluster": True,
            "device": self.device,
            "anchors": self.anchors,
            "neighbors": self.neighbors,
            "precision": self.precision,
            "seed": self.seed,
            "views": None if self.views is None else list(self.views),
            "label": self.label,
        }
        return cached(fingerprint, parameters, compute)


def _pass(
    client: Any,
    submitted: Any,
    sent: Sequence[Any],
    facts: Sequence[PieceFacts],
    asked: _Asked,
    fingerprint: str,
    progress: ProgressCallback,
) -> Statistics:
    """Have all pairs looked at, and add up what comes back."""
    plan = _plan(facts, asked.neighbors, asked.anchors, asked.seed, asked.device, asked.precision)
    # As a task of its own the plan goes to each worker once.
    known = submitted([client.submit(_itself, plan, pure=False)])[0]
    moments = submitted([client.submit(numbered_moments, piece, plan.numbering, pure=False) for piece in sent])
    # Anchors first: they have fewer and longer tasks.
    seen = _anchor_tasks(client, submitted, sent, plan, known)
    work = [(left, right) for left in range(len(sent)) for right in range(left, len(sent))]
    tasks = submitted([client.submit(_pair_task, sent[i], sent[j], i, j, known, pure=False) for i, j in work])
    found = Collected(plan, facts)
    steps = len(tasks) + len(seen)
    for done, result in enumerate(_as_they_come(client, [*seen, *tasks]), start=1):
        found.add(result)
        progress(done / steps, "pairs of pieces")
    total: Moments = reduce(operator.add, client.gather(moments))
    return found.statistics(total, fingerprint, asked.seed)


def _fingerprint(facts: Sequence[PieceFacts]) -> str:
    """Return the fingerprint of all pieces together."""
    return hashlib.blake2b("".join(found.fingerprint for found in facts).encode(), digest_size=16).hexdigest()


def _itself(value: T) -> T:
    return value


def _plan(
    facts: Sequence[PieceFacts],
    neighbors: int | None,
    anchors: int,
    seed: int,
    device: str,
    precision: Precision = "auto",
) -> ClusterPlan:
    first = facts[0]
    rows = sum(found.size for found in facts) * len(first.views)
    dtype = type_for(rows, precision)
    sizes = [len(found.usable) for found in facts]
    starts = np.cumsum([0, *sizes])
    chosen = choose_rows(int(starts[-1]), anchors, seed)
    own = [chosen[(chosen >= low) & (chosen < low + size)] - low for low, size in zip(starts, sizes, strict=False)]
    kept = max(sizes) * first.dim * torch.empty(0, dtype=dtype).element_size() <= RESIDENT_BYTES
    return ClusterPlan(first.views, dtype, device, numbering_of(facts), neighbors, tuple(own), kept, rows * rows / 2)


def _pair_task(left: Piece, right: Piece, i: int, j: int, plan: ClusterPlan) -> PairResult:
    """Look at all pairs between two pieces, or within one."""
    return _on_worker(plan, lambda: _pairs_of(left, right, i, j, plan), left.key)


def _on_worker(plan: ClusterPlan, work: Callable[[], T], where: str) -> T:
    """Do some work with the compiled kernels, and with tiles that fit."""
    if plan.n_pairs > compiled.MANY_PAIRS:
        # A task is long: to wait for the kernels is faster than to go without, and later tasks have them.
        compiled.wait()
    with full_float32():
        return with_smaller_tiles(work, resolve_device(plan.device), where)


def _pairs_of(left: Piece, right: Piece, i: int, j: int, plan: ClusterPlan) -> PairResult:
    k, offsets = plan.neighbors, plan.numbering.offsets
    first = plan.rows(left, i)
    # With anchors, their tasks see some of the scores, and not this one.
    all_seen = not any(map(len, plan.anchors))
    if i == j:
        sketch, found = pairs_within(first, k, all_seen=all_seen)
        return PairResult(sketch, {i: numbered(found, offsets[i])} if k else {})
    second = plan.rows(right, j)
    sketch, there, back = pairs_between(first, second, k, all_seen=all_seen)
    return PairResult(sketch, {i: numbered(there, offsets[j]), j: numbered(back, offsets[i])} if k else {})


def _anchor_tasks(client: Any, submitted: Any, sent: Sequence[Any], plan: ClusterPlan, known: Any) -> list[Any]:
    """Submit what the pieces say of all anchors, joined by the workers; nothing where there are none."""
    with_any = [index for index, rows in enumerate(plan.anchors) if len(rows)]
    if not with_any:
        return []
    taken = submitted([client.submit(_take, sent[i], i, known, pure=False) for i in with_any])
    gathered = submitted([client.submit(AnchorRows.join, taken, with_any, len(sent), pure=False)])[0]
    # No future of what is joined is noted: the workers may then forget it.
    seen = [client.submit(_see, gathered, piece, i, known, pure=False) for i, piece in enumerate(sent)]
    while len(seen) > 1:
        groups = [seen[i : i + JOINED_AT_ONCE] for i in range(0, len(seen), JOINED_AT_ONCE)]
        seen = [client.submit(AnchorResult.join, group, pure=False) for group in groups]
    return list(submitted(seen))


def _take(piece: Piece, index: int, plan: ClusterPlan) -> AnchorRows:
    rows = plan.rows(piece, index)
    return AnchorRows.of(rows, plan.anchors[index], plan.numbering.offsets[index])


def _see(anchors: AnchorRows, piece: Piece, index: int, plan: ClusterPlan) -> AnchorResult:
    """Return what the anchors see in a piece; with the first, the anchors themselves."""

    def see() -> AnchorResult:
        offset = plan.numbering.offsets[index]
        seen, sketch = anchors.see(plan.rows(piece, index), index, offset, view_blocks(plan.views))
        return AnchorResult(sketch, seen, anchors if index == 0 else None)

    return _on_worker(plan, see, piece.key)


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

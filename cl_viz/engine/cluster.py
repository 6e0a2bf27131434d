"""The pass on a Dask cluster: piece pair by piece pair, for sets that outgrow one machine.

Every task looks at the pairs between two pieces of the set, or at what some anchors see in some pieces, and returns
their sketch; sketches add up. See `cl_viz.engine.cluster_tasks` for the tasks.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

import numpy as np

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import MissingDependencyError
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.engine.cluster_results import JOINED_AT_ONCE, AnchorResult, Collected
from cl_viz.engine.cluster_tasks import (
    ClusterPlan,
    join_anchors,
    limits_of,
    look_between,
    look_within,
    see,
    take_anchors,
)
from cl_viz.engine.moments import Moments
from cl_viz.engine.neighbors import check_neighbors
from cl_viz.engine.pair_pass import TILE
from cl_viz.engine.pieces import Piece, PieceFacts, check_facts, facts_of, numbered_moments, pieces_of
from cl_viz.engine.precision import Precision, type_for
from cl_viz.engine.statistics import Statistics
from cl_viz.engine.storage import cached

if TYPE_CHECKING:
    from distributed import Client

T = TypeVar("T")
PIECE_ROWS, PIECE_BYTES = 40 * TILE, 1 << 26
"""Most rows of a piece of a set that is in memory, and most bytes of them in float32."""
_NO_LIMIT = 1 << 60


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
        If the pieces do not fit together, the views are not aligned row by row, fewer than two rows are usable, or an
        argument is out of range.
    FormatError
        If the folder holds no shards that fit together.
    DeviceError
        If a worker does not have the device.
    """
    check_neighbors(neighbors)
    type_for(0, precision)
    pieces = pieces_of(source, _piece_rows(source), views, label)
    asked = _Asked(device, anchors, neighbors, precision, seed, cache, views, label)
    fingerprint = source.fingerprint if isinstance(source, EmbeddingSet) else None

    def compute() -> Statistics:
        with _client(cluster) as client, _tasks_of(client) as tasks:
            return _scan_pieces(tasks, pieces, asked, fingerprint, progress)

    found = compute() if fingerprint is None else asked.kept(fingerprint, compute)
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


def _piece_rows(source: EmbeddingSet | str | Path) -> int:
    """Return how many rows a piece of a set has: whole tiles, as many in each piece."""
    if not isinstance(source, EmbeddingSet):
        return PIECE_ROWS
    most = min(PIECE_ROWS, max(TILE, PIECE_BYTES // (4 * source.dim * len(source.views))))
    tile = min(TILE, most)
    n_pieces = -(-source.n // most)
    return -(-source.n // (n_pieces * tile)) * tile


def _scan_pieces(
    tasks: _Tasks, pieces: Sequence[Piece], asked: _Asked, fingerprint: str | None, progress: ProgressCallback
) -> Statistics:
    """Send the pieces, learn what is in them, and make the pass; of a folder only if it is not kept."""
    # As a task of its own, and not scattered, a piece can be had again when the worker that held it is lost.
    sent = [tasks.submit(_itself, piece) for piece in pieces]
    progress(0.0, "reading rows")
    facts = tasks.gather([tasks.submit(facts_of, piece) for piece in sent])
    check_facts(pieces, facts)
    if fingerprint is not None:
        return _pass(tasks, sent, facts, asked, fingerprint, progress)
    together = hashlib.blake2b("".join(found.fingerprint for found in facts).encode(), digest_size=16).hexdigest()
    return asked.kept(together, lambda: _pass(tasks, sent, facts, asked, together, progress))


def _pass(
    tasks: _Tasks,
    sent: Sequence[Any],
    facts: Sequence[PieceFacts],
    asked: _Asked,
    fingerprint: str,
    progress: ProgressCallback,
) -> Statistics:
    """Have all pairs looked at, and add up what comes back."""
    plan = ClusterPlan.of(facts, asked.neighbors, asked.anchors, asked.seed, asked.device, asked.precision)
    # As a task of its own the plan goes to each worker once.
    known = tasks.submit(_itself, plan)
    moments = [tasks.submit(numbered_moments, piece, plan.numbering) for piece in sent]
    # Anchors first: they have fewer and longer tasks.
    work = [*_anchor_tasks(tasks, sent, plan, known), *_pair_tasks(tasks, sent, plan, known)]
    found = Collected(plan, facts)
    for done, result in enumerate(tasks.as_they_come(work), start=1):
        found.add(result)
        progress(done / len(work), "pairs of pieces")
    total: Moments = reduce(operator.add, tasks.gather(moments))
    return found.statistics(total, fingerprint, asked.seed)


def _pair_tasks(tasks: _Tasks, sent: Sequence[Any], plan: ClusterPlan, known: Any) -> list[Any]:
    """Submit the pairs within each piece, and between any two."""
    within = [tasks.submit(look_within, piece, i, known) for i, piece in enumerate(sent)]
    # What is near within a piece tells what in another one is too far away to be looked at twice.
    handed_on = plan.neighbors and plan.all_seen
    limits = [tasks.submit(limits_of, one, i, known) for i, one in enumerate(within)] if handed_on else []
    between = [
        tasks.submit(look_between, [sent[i], sent[j]], (i, j), [limits[i], limits[j]] if limits else [], known)
        for i, j in combinations(range(len(sent)), 2)
    ]
    return [*within, *between]


def _anchor_tasks(tasks: _Tasks, sent: Sequence[Any], plan: ClusterPlan, known: Any) -> list[Any]:
    """Submit what every part of the anchors sees, joined by the workers; nothing where there are no anchors."""
    if not len(plan.anchors):
        return []
    groups = [sent[first:stop] for first, stop in plan.groups]
    with_any = np.flatnonzero(np.diff(plan.group_starts)).tolist()
    taken = [tasks.submit(take_anchors, groups[i], i, known) for i in with_any]
    gathered = tasks.submit(join_anchors, taken, known)
    found = []
    for part in range(len(plan.parts)):
        seen = [tasks.submit(see, gathered, part, group, i, known) for i, group in enumerate(groups)]
        while len(seen) > 1:
            some = [seen[first : first + JOINED_AT_ONCE] for first in range(0, len(seen), JOINED_AT_ONCE)]
            seen = [tasks.submit(AnchorResult.join, one) for one in some]
        found.append(seen[0])
    return found


def _itself(value: T) -> T:
    return value


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


class _Tasks:
    """The tasks of a pass. What is no longer referred to, here or by a task that waits, the workers may forget."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._alive: WeakSet[Any] = WeakSet()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Have a function called by a worker, with what other tasks return; nothing is taken from an earlier pass."""
        import dask

        # A piece is sent as it is, in one message: to name its size to the user would help nobody.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": _NO_LIMIT}):
            future = self._client.submit(function, *arguments, pure=False)
        self._alive.add(future)
        return future

    def gather(self, futures: list[Any]) -> list[Any]:
        """Return what tasks return, in their order."""
        found: list[Any] = self._client.gather(futures)
        return found

    def as_they_come(self, futures: list[Any]) -> Iterator[Any]:
        """Yield what tasks return, as soon as they are done."""
        import distributed

        completed: Any = distributed.as_completed  # type: ignore[no-untyped-call, unused-ignore]
        for future in completed(futures, loop=self._client.loop):
            yield future.result()
            # What was added up need not stay on the workers.
            future.release()

    def take_back(self) -> None:
        """Have no task go on."""
        self._client.cancel(list(self._alive))


@contextmanager
def _tasks_of(client: Any) -> Iterator[_Tasks]:
    """Yield what submits tasks, and take them back where the work ends early."""
    tasks = _Tasks(client)
    try:
        yield tasks
    except BaseException:
        tasks.take_back()
        raise

"""`scan`: look at all pairs of a set once."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError
from cl_viz.core.progress import ProgressCallback, or_bar, silent
from cl_viz.core.run import Run
from cl_viz.engine import compiled
from cl_viz.engine.anchor_pass import scan_anchors
from cl_viz.engine.anchor_positives import Links
from cl_viz.engine.anchor_sketch import AnchorSketch
from cl_viz.engine.device import resolve_device
from cl_viz.engine.moments import Moments, compute_moments
from cl_viz.engine.nearest import NeighborMap, neighbors_of_rows
from cl_viz.engine.nearest_so_far import NearestSoFar
from cl_viz.engine.neighbors import (
    MOST_NEIGHBORS,
    check_neighbors,
    found_in_the_pass,
    largest_of_blocks,
    neighbor_blocks,
    neighbors_of,
)
from cl_viz.engine.pair_pass import TILE, Tile, run_pairs, tile_rows, tiles
from cl_viz.engine.pair_sketch import Block, PairSketch, view_blocks
from cl_viz.engine.precision import Precision, full_float32, score_type
from cl_viz.engine.resume import Unfinished, unfinished
from cl_viz.engine.rows import ViewRows, compact_links, view_rows
from cl_viz.engine.statistics import Statistics
from cl_viz.engine.storage import cached, kept_statistics
from cl_viz.engine.tile_sizes import fitted, with_smaller_tiles

if TYPE_CHECKING:
    from distributed import Client

    from cl_viz.formats import Source

AUTO_ANCHORS = 8192
"""Anchors of one view with ``anchors="auto"``; every row up to this N."""
_SO_FAR = "nearest so far"
CHUNK_SCORES = 500_000_000
"""Scores between two points that a stopped pass can go on from: seconds of work."""
DEVICE_CHUNK_SCORES = 100_000_000_000
"""The same on a device: what is kept comes from there, and must not come often."""


def scan(
    embedding_set: EmbeddingSet | Run | Source,
    device: str = "auto",
    *,
    anchors: Literal["auto"] | int = "auto",
    neighbors: int | None = None,
    precision: Precision = "auto",
    seed: int = 0,
    cache: bool = True,
    cluster: Client | str | None = None,
    progress: ProgressCallback | None = None,
) -> Statistics:
    """Compute the statistics of all pairs of a set, exactly, without ever holding N x N numbers.

    Parameters
    ----------
    embedding_set : EmbeddingSet or Run, path, or what is in memory
        Rows are normalised to unit length; NaN, infinite and zero rows are left out and counted. Of a run the last
        step and the first layer are taken; a path, an array or a table is loaded as `cl_viz.load` does. On a cluster,
        a folder of shards is read shard by shard by the workers.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.
    anchors : "auto" or int
        How many rows of each view get statistics of their own; 0 for none. ``"auto"``: every row up to
        `AUTO_ANCHORS`, above that a draw of so many that depends only on N and `seed`.
    neighbors : int, optional
        How many nearest neighbours of every row to keep, 1 to 200, exactly: within its view, and in the next view.
    precision : {"auto", "float32", "float64"}
        Type of the scores. ``"auto"``: float64 up to 8,192 rows in all, on a device that has it; else float32.
        Sums are float64 always.
    seed : int
        Seed of the anchors' draw.
    cache : bool
        Keep statistics that took a moment on disk and take them from there next time (folder: environment variable
        ``CL_VIZ_CACHE``, else the user's cache folder). A damaged or old entry is computed anew. A pass that was
        stopped or killed goes on where it was (on a cluster it begins again).
    cluster : distributed.Client or str, optional
        A Dask client, or the address of a scheduler, whose workers make the pass; see `cl_viz.engine.cluster`.
    progress : callable, optional
        Called with fraction and message now and then; may raise `Cancelled` to stop. By default a notebook shows a bar
        where it takes more than two seconds.

    Returns
    -------
    Statistics

    Raises
    ------
    InputError
        If anchors, neighbours or precision are none of those above, or fewer than two rows are usable.
    FormatError
        If there is nothing at a path that can be loaded.
    DeviceError
        If the device is absent, or has too little memory even for small tiles.
    MissingDependencyError
        If a cluster is given and Dask is not installed.
    """
    from cl_viz.formats import as_set

    n_anchors = anchor_count(anchors)
    if not isinstance(embedding_set, str | Path):
        embedding_set = as_set(embedding_set)
    if cluster is not None:
        from cl_viz.engine.cluster import scan_cluster

        return scan_cluster(
            embedding_set, cluster, device,
            anchors=n_anchors, neighbors=neighbors, precision=precision, seed=seed, cache=cache,
            progress=or_bar(progress, "All pairs"),
        )  # fmt: skip
    embedding_set = as_set(embedding_set)
    target = resolve_device(device)
    dtype = score_type(embedding_set, target, precision)
    check_neighbors(neighbors)
    progress = or_bar(progress, "All pairs")
    job = _Job(embedding_set, target, dtype, n_anchors, neighbors, seed, cache, progress)
    found = job.cached() if cache else job.run()
    progress(1.0, "done")
    return found


def anchor_count(anchors: Literal["auto"] | int) -> int:
    """Return how many rows of a view are anchors at most, as `scan` takes it; raises `InputError` for anything else."""
    if anchors == "auto":
        return AUTO_ANCHORS
    if not (isinstance(anchors, int) and anchors >= 0):
        raise InputError(f"anchors = {anchors!r}", where="scan", allowed='"auto" or a count >= 0')
    return anchors


def kept_neighbors(embedding_set: EmbeddingSet, device: str, anchors: Literal["auto"] | int) -> NeighborMap | None:
    """Return the most neighbours that `scan` keeps, where an earlier scan with these arguments left them on disk."""
    target = resolve_device(device)
    dtype = score_type(embedding_set, target, "auto")
    job = _Job(embedding_set, target, dtype, anchor_count(anchors), MOST_NEIGHBORS, 0, True, silent)
    found = kept_statistics(embedding_set.fingerprint, job.parameters)
    return None if found is None else dict(found.neighbors)


@dataclass(frozen=True)
class _Job:
    """One pass, with everything that it depends on."""

    embedding_set: EmbeddingSet
    device: torch.device
    dtype: torch.dtype
    n_anchors: int
    neighbors: int | None
    seed: int
    keep: bool
    progress: ProgressCallback

    @property
    def parameters(self) -> dict[str, Any]:
        """What the statistics depend on, besides the set."""
        return {
            "anchors": self.n_anchors,
            "neighbors": self.neighbors,
            "seed": self.seed,
            "precision": str(self.dtype),
            "device": str(self.device),
        }

    def cached(self) -> Statistics:
        """Return the statistics from disk, where a scan with as many neighbours or more left them there, or scan."""
        wider = {**self.parameters, "neighbors": MOST_NEIGHBORS}
        found = cached(self.embedding_set.fingerprint, self.parameters, self.run, wider)
        fewer = (
            {} if self.neighbors is None else {at: kept.first(self.neighbors) for at, kept in found.neighbors.items()}
        )
        return replace(found, neighbors=fewer)

    def run(self) -> Statistics:
        """Scan, with smaller tiles where the device's memory does not suffice."""
        largest = tile_rows(self.device, self.dtype, TILE)

        def scan_once() -> Statistics:
            with full_float32():
                return self._scan(fitted(largest))

        return with_smaller_tiles(scan_once, self.device, self.embedding_set.name)

    def _scan(self, tile_size: int) -> Statistics:
        self.progress(0.0, "reading rows")
        embedding_set = self.embedding_set
        rows = view_rows(embedding_set, self.device, self.dtype, n_leading=self.n_anchors, seed=self.seed)
        blocks = view_blocks(embedding_set.view_names)
        links = {block: compact_links(embedding_set, rows, *block) for block in blocks}
        parameters = {**self.parameters, "tile": tile_size} if self.keep else None
        with unfinished(embedding_set.fingerprint, parameters) as parts:
            moments: list[Moments] = []
            aside = [lambda: moments.append(compute_moments(embedding_set))]
            near = self._nearest_so_far(rows, parts)
            anchors, counted = self._anchors(rows, links, parts, aside, near)
            sketch = self._pairs(rows, blocks, links, tile_size, parts, [] if moments else aside, near)
            neighbors = self._neighbors(rows, parts, near)
        n_used = len(next(iter(rows.values())))
        left_out = sum(embedding_set.sizes) - sum(map(len, rows.values()))
        return Statistics(
            pairs=sketch + counted,
            anchors=anchors,
            moments=moments[0] if moments else compute_moments(embedding_set),
            n_used=n_used,
            n_excluded=embedding_set.n - n_used if embedding_set.aligned else left_out,
            device=str(self.device),
            precision=str(self.dtype).removeprefix("torch."),
            seed=self.seed if any(len(part) > self.n_anchors > 0 for part in rows.values()) else None,
            fingerprint=embedding_set.fingerprint,
            neighbors=neighbors,
        )

    def _pairs(
        self,
        rows: dict[str, ViewRows],
        blocks: list[Block],
        links: Links,
        tile_size: int,
        parts: Unfinished,
        aside: list[Callable[[], None]],
        near: NearestSoFar | None,
    ) -> PairSketch:
        work = list(tiles(blocks, rows, tile_size))
        share, start, _ = self._shares(rows, near)
        chunks = _chunks(work, CHUNK_SCORES if self.device.type == "cpu" else DEVICE_CHUNK_SCORES)
        linked = [links[block] for block in blocks]

        def report(done: float) -> None:
            self.progress(start + share * done, "all pairs")

        def sketch(chunk: list[Tile]) -> PairSketch:
            before = sum(map(len, chunks[: parts.done("pairs")])) / len(work)
            width = len(chunk) / len(work)
            first = aside if not parts.done("pairs") else []
            return run_pairs(blocks, rows, linked, chunk, lambda done: report(before + width * done), first, near)

        beside = partial(_found_so_far, rows, near)
        return parts.sum_of("pairs", chunks, PairSketch.empty(blocks), sketch, operator.add, beside)

    def _anchors(
        self,
        rows: dict[str, ViewRows],
        links: Links,
        parts: Unfinished,
        aside: list[Callable[[], None]],
        near: NearestSoFar | None,
    ) -> tuple[dict[str, AnchorSketch], PairSketch]:
        """Scan the anchors of every view, and count the pairs that tiles leave to them."""
        anchor_share = self._shares(rows, near)[1]
        found, counted = {}, PairSketch.empty(list(links))
        for index, (view, part) in enumerate(rows.items() if self.n_anchors else ()):
            start, width = anchor_share * index / len(rows), anchor_share / len(rows)

            def report(done: float, start: float = start, width: float = width) -> None:
                self.progress(start + width * done, "anchors")

            def sketch(
                part: ViewRows = part, report: Callable[[float], None] = report, first: bool = not index
            ) -> dict[str, Any]:
                anchors, pairs = scan_anchors(
                    part, rows, links, self.n_anchors, self.seed, report, aside if first else [], near
                )
                return {"anchors": anchors, "pairs": pairs}

            both = parts.part(f"anchors {view}", sketch, partial(_found_so_far, rows, near))
            found[view], counted = both["anchors"], counted + both["pairs"]
        return found, counted

    def _nearest_so_far(self, rows: dict[str, ViewRows], parts: Unfinished) -> NearestSoFar | None:
        """Return what the passes over anchors and pairs offer their scores to, as an earlier pass left it.

        None where neighbours are not asked for, or have a pass of their own.
        """
        if self.neighbors is None or not found_in_the_pass(rows, self.neighbors):
            return None
        largest = largest_of_blocks(rows, self.neighbors)
        for block, (scores, numbers) in parts.parts.get(_SO_FAR, {}).items():
            largest[block].merge(slice(None), scores, numbers)
        return NearestSoFar(largest)

    def _neighbors(self, rows: dict[str, ViewRows], parts: Unfinished, near: NearestSoFar | None) -> NeighborMap:
        if self.neighbors is None:
            return {}
        if near is not None:
            return {(a, b): neighbors_of(rows[a], rows[b], kept) for (a, b), kept in near.largest.items()}
        k, rest = self.neighbors, self._shares(rows, near)[2]
        return parts.part(
            "neighbors",
            lambda: neighbors_of_rows(rows, k, lambda done, message: self.progress(1 - rest * (1 - done), message)),
        )

    def _shares(self, rows: dict[str, ViewRows], near: NearestSoFar | None) -> tuple[float, float, float]:
        """Estimate which shares of the work pairs, anchors and a pass over neighbours are."""
        return _shares(rows, self.n_anchors, self.neighbors if near is None else None)


def _found_so_far(rows: dict[str, ViewRows], near: NearestSoFar | None) -> dict[str, Any]:
    """Return the nearest rows so far, for a pass that goes on later."""
    if near is None:
        return {}
    kernels = compiled.kernels(next(iter(rows.values())).device)
    return {_SO_FAR: {block: kept.found(kernels) for block, kept in near.largest.items()}}


def _chunks(work: list[Tile], most: int) -> list[list[Tile]]:
    """Divide tiles into parts that are worth keeping: about `most` scores each."""
    found: list[list[Tile]] = []
    scores = 0
    for tile in work:
        if not found or scores >= most:
            found.append([])
            scores = 0
        found[-1].append(tile)
        scores += (tile.rows.stop - tile.rows.start) * (tile.columns.stop - tile.columns.start)
    return found


def _shares(rows: dict[str, ViewRows], n_anchors: int, neighbors: int | None) -> tuple[float, float, float]:
    """Estimate which shares of the work pairs, anchors and neighbours are, for the progress bar."""
    total = sum(map(len, rows.values()))
    leading = sum(part.n_leading for part in rows.values())
    pairs = (total - leading) ** 2 / 2
    with_anchors = sum(min(n_anchors, len(part)) for part in rows.values()) * total * 1.5
    near = sum(len(rows[a]) * len(rows[b]) for a, b in neighbor_blocks(list(rows))) if neighbors else 0
    work = pairs + with_anchors + near
    return pairs / work, with_anchors / work, near / work

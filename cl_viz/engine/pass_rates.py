"""How fast the parts of a pass are here, and what anchors keep: each part timed by itself, on small random sets."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
import torch

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.engine import triton_tiles
from cl_viz.engine.anchor_pass import scan_anchors
from cl_viz.engine.memory import array_bytes
from cl_viz.engine.moments import compute_moments
from cl_viz.engine.nearest import neighbors_of_rows
from cl_viz.engine.nearest_so_far import NearestSoFar
from cl_viz.engine.neighbors import largest_of_blocks, neighbor_blocks, neighbors_of
from cl_viz.engine.pair_pass import TILE, run_pairs, tile_rows, tiles
from cl_viz.engine.pair_sketch import view_blocks
from cl_viz.engine.precision import full_float32
from cl_viz.engine.rows import compact_links, view_rows
from cl_viz.engine.scan import scan
from cl_viz.engine.tile_sizes import fitted, with_smaller_tiles

T = TypeVar("T")

MOST_ROWS, LEAST_ROWS, ANCHORS = 8192, 512, 1536
"""Rows of the larger of two sets, and anchors of its views: enough that bands of anchors and tiles are whole."""
DEVICE_ROWS = 2 * triton_tiles.TILE
"""Where a device's kernel takes large tiles."""
WIDE = 512
"""Dimensions from which there are fewer rows, so that measuring takes no longer."""
SECONDS_VALID = 600.0
"""How long rates are used at most: a machine does not stay as busy as it was."""
_TINY_ROWS = 64
_ROUNDS, _ENOUGH_SECONDS = 3, 0.6


@dataclass(frozen=True)
class Conditions:
    """What the speed of a pass depends on, besides how many rows there are.

    Attributes
    ----------
    dim : int
    device, precision : str
        ``"float32"`` or ``"float64"``.
    views : int
        1, or 2 for more.
    rows_of_label : int
        Of a view, rounded to a power of two: how long runs of pairs of one relation are. 0 without labels.
    rows : int
        Of the larger of the sets that are timed; see `rows_to_time`.
    compiled : bool
        Whether the compiled loops are at hand.
    """

    dim: int
    device: str
    precision: str
    views: int
    rows_of_label: int
    rows: int
    compiled: bool


@dataclass(frozen=True)
class PairRates:
    """Seconds.

    Attributes
    ----------
    run : float
        Of a pass over next to no rows.
    row : float
        Of reading a row.
    moment : float
        Of one thread for the moments of a row.
    pair : float
        Of a pair, by all threads.
    """

    run: float
    row: float
    moment: float
    pair: float


@dataclass(frozen=True)
class AnchorRates:
    """Seconds of an anchor's score and, once a view that it looks at, of the anchor; bytes that it then keeps there."""

    score: float
    anchor: float
    kept: float


@dataclass(frozen=True)
class NeighborRates:
    """Seconds of offering a pair to the lists of its rows, and of a change of a list."""

    offer: float
    insertion: float


def rows_to_time(total: int, dim: int, device: torch.device, precision: str, *, compiled: bool) -> int:
    """Return how many rows the larger set has: as many as asked for (a power of two), up to what takes a moment."""
    if device.type != "cpu" and triton_tiles.usable(device, getattr(torch, precision)):
        return DEVICE_ROWS
    most = MOST_ROWS if compiled or device.type != "cpu" else MOST_ROWS // 2
    while most > LEAST_ROWS and most**2 * dim > MOST_ROWS**2 * WIDE:
        most //= 2
    return int(min(most, max(LEAST_ROWS, 1 << (total - 1).bit_length())))


def insertions(rows: int, columns: int, k: int) -> float:
    """Return about how often a row's list of k nearest changes: rarely, once the list is good."""
    k = min(k, columns)
    return rows * k * (1 + math.log(columns / k)) if k else 0.0


def pair_rates(about: Conditions) -> PairRates:
    """Return the rates of pairs, rows and moments; they are timed anew after `SECONDS_VALID`."""
    return _pair_rates(about, _period())


def anchor_rates(about: Conditions) -> AnchorRates:
    """Return the rates of anchors, timed anew as those of pairs are."""
    return _anchor_rates(about, _period())


def neighbor_rates(about: Conditions, k: int, *, shared: bool) -> NeighborRates:
    """Return the rates of the `k` nearest, found among the scores of the pass or in one of their own."""
    return _neighbor_rates(about, k, shared, _period())


def forget() -> None:
    """Measure anew when rates are next asked for."""
    for kept in (_pair_rates, _anchor_rates, _neighbor_rates):
        kept.cache_clear()


def _period() -> int:
    return int(time.monotonic() // SECONDS_VALID)


class _Probe:
    """A random set, and the parts of a pass over it."""

    def __init__(self, about: Conditions, rows: int, n_anchors: int = 0) -> None:
        n_rows = rows // about.views
        generator = np.random.default_rng(0)
        views = {
            f"view {index}": generator.standard_normal((n_rows, about.dim), dtype=np.float32)
            for index in range(about.views)
        }
        kinds = max(2, n_rows // max(1, about.rows_of_label))
        labels = {"label": np.arange(n_rows) % kinds} if about.rows_of_label else {}
        self.set = EmbeddingSet.from_arrays(views, metadata=labels, roles={"label": "label"} if labels else {})
        # What is read once a set is not part of the pass.
        _ = self.set.quality, self.set.fingerprint
        self.device, self.dtype = torch.device(about.device), getattr(torch, about.precision)
        self.n_rows, self.n_anchors = rows, min(n_anchors, n_rows)
        self.blocks = view_blocks(self.set.view_names)
        self.read()

    def read(self) -> None:
        """Read the rows at unit length."""
        self.rows = view_rows(self.set, self.device, self.dtype, n_leading=self.n_anchors)
        self.links = {block: compact_links(self.set, self.rows, *block) for block in self.blocks}

    def pairs(self, near: NearestSoFar | None = None) -> None:
        """Count all pairs, and offer them to lists of the nearest rows."""
        work = list(tiles(self.blocks, self.rows, fitted(tile_rows(self.device, self.dtype, TILE))))
        run_pairs(self.blocks, self.rows, list(self.links.values()), work, lambda done: None, near=near)

    def anchors(self) -> float:
        """Scan the anchors of the first view; return the bytes that they keep."""
        view = next(iter(self.rows.values()))
        sketch, _ = scan_anchors(view, self.rows, self.links, self.n_anchors, 0, lambda done: None)
        return array_bytes(sketch)

    def neighbors(self, k: int) -> None:
        """Find the nearest rows among the scores of all pairs."""
        near = NearestSoFar(largest_of_blocks(self.rows, k))
        self.pairs(near)
        for (view, other), kept in near.largest.items():
            neighbors_of(self.rows[view], self.rows[other], kept)

    def neighbors_alone(self, k: int) -> None:
        """Find the nearest rows in a pass of their own."""
        neighbors_of_rows(self.rows, k, lambda done, message: None)


@lru_cache(maxsize=64)
def _pair_rates(about: Conditions, period: int) -> PairRates:
    def measure() -> PairRates:
        tiny = _Probe(about, _TINY_ROWS)
        few, many = (_Probe(about, rows) for rows in (about.rows // 4, about.rows))

        def run() -> object:
            return scan(tiny.set, about.device, anchors=0, precision=about.precision, cache=False)  # type: ignore[arg-type]

        taken = _seconds([run, many.read, lambda: compute_moments(few.set), few.pairs, many.pairs])
        pair, _ = two_rates(taken[3:], [few.n_rows**2 / 2, many.n_rows**2 / 2], [1.0, 1.0])
        return PairRates(taken[0], taken[1] / many.n_rows, taken[2] / few.n_rows, pair)

    return _on_device(about, measure)


@lru_cache(maxsize=64)
def _anchor_rates(about: Conditions, period: int) -> AnchorRates:
    def measure() -> AnchorRates:
        few, many = probes = [_Probe(about, rows, ANCHORS) for rows in (about.rows // 4, about.rows)]
        kept = [0.0]

        def scan_many() -> None:
            kept[0] = many.anchors()

        taken = _seconds([few.anchors, scan_many])
        scores = [float(probe.n_anchors * probe.n_rows) for probe in probes]
        looks = [float(probe.n_anchors * about.views) for probe in probes]
        score, anchor = two_rates(taken, scores, looks)
        return AnchorRates(score, anchor, kept[0] / looks[1])

    return _on_device(about, measure)


@lru_cache(maxsize=64)
def _neighbor_rates(about: Conditions, k: int, shared: bool, period: int) -> NeighborRates:
    def measure() -> NeighborRates:
        few, many = probes = [_Probe(about, rows) for rows in (about.rows // 4, about.rows)]
        if shared:
            taken = _seconds([few.pairs, many.pairs, lambda: few.neighbors(k), lambda: many.neighbors(k)])
            # What they add to a pass.
            extra = [max(0.0, taken[2] - taken[0]), max(0.0, taken[3] - taken[1])]
        else:
            extra = _seconds([lambda: few.neighbors_alone(k), lambda: many.neighbors_alone(k)])
        pairs, changes = [], []
        for probe in probes:
            sizes = [len(rows) for rows in probe.rows.values()]
            blocks = len(neighbor_blocks(list(probe.rows)))
            pairs.append(blocks * sizes[0] ** 2 / 2)
            changes.append(blocks * insertions(sizes[0], sizes[0], k))
        return NeighborRates(*two_rates(extra, pairs, changes))

    return _on_device(about, measure)


def _on_device(about: Conditions, measure: Callable[[], T]) -> T:
    """Measure as a pass works: in full precision, with smaller tiles where memory does not suffice."""

    def do() -> T:
        with full_float32():
            return measure()

    return with_smaller_tiles(do, torch.device(about.device), "plan")


def two_rates(seconds: Sequence[float], often: Sequence[float], seldom: Sequence[float]) -> tuple[float, float]:
    """Solve ``seconds = often * a + seldom * b`` for a small and a large set; neither rate is negative.

    Parameters
    ----------
    seconds : sequence of two floats
        Of the small set and of the large one.
    often, seldom : sequences of two floats
        How often each thing was done: what grows faster comes first.

    Returns
    -------
    tuple of float
        The time of the large set is met exactly. A rate of the first between a quarter of that time and all of it: two
        noisy times say no more.
    """
    few, many = seconds
    most = many / often[1]
    found = (many * seldom[0] - few * seldom[1]) / (often[1] * seldom[0] - often[0] * seldom[1])
    rate = min(max(found, most / 4), most)
    return rate, (many - rate * often[1]) / seldom[1]


def _seconds(tasks: Sequence[Callable[[], object]]) -> list[float]:
    """Return the median time of each task over a few rounds, fewer where they take long.

    All tasks in turn, so that a busy moment slows all alike; the first of them warms up threads and memory before.
    """
    taken: list[list[float]] = [[] for _ in tasks]
    tasks[0]()
    began = time.perf_counter()
    while len(taken[-1]) < _ROUNDS and (len(taken[-1]) < 2 or time.perf_counter() - began < _ENOUGH_SECONDS):
        for times, task in zip(taken, tasks, strict=True):
            before = time.perf_counter()
            task()
            times.append(time.perf_counter() - before)
    return [statistics.median(times) for times in taken]

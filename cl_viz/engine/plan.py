"""`plan`: about how long a pass takes and how much memory, before it begins."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.fact_table import fact_table
from cl_viz.core.result import format_number
from cl_viz.core.run import Run
from cl_viz.core.validation import BLOCK_BYTES
from cl_viz.engine import compiled, pass_rates, triton_neighbors
from cl_viz.engine.anchor_bands import ANCHOR_TILE, COLUMN_TILE, columns_at_once
from cl_viz.engine.bins import ANCHOR_BINS
from cl_viz.engine.device import describe_device, resolve_device
from cl_viz.engine.fused_anchors import MOST_GROUP
from cl_viz.engine.largest import room
from cl_viz.engine.moments import SCATTER_DIMENSIONS
from cl_viz.engine.neighbors import check_neighbors, neighbor_blocks
from cl_viz.engine.pair_pass import TILE, WIDE
from cl_viz.engine.pass_rates import AnchorRates, Conditions, NeighborRates, PairRates, insertions, rows_to_time
from cl_viz.engine.precision import Precision, score_type
from cl_viz.engine.rows import RESIDENT_BYTES
from cl_viz.engine.scan import anchor_count
from cl_viz.engine.workers import thread_count

if TYPE_CHECKING:
    from cl_viz.formats import Source


@dataclass(frozen=True)
class Plan:
    """What a pass would take.

    Attributes
    ----------
    device : str
        In words.
    scores : int
        Scores that are looked at, those of anchors included, and those of neighbours where they have a pass of their
        own (neither on a CPU nor on a CUDA device with room for all lists).
    seconds : float
        In all.
    parts : Mapping[str, float]
        Seconds of rows (reading them, moments, and what any pass takes), pairs, anchors (with all pairs that they
        see), and of what neighbours add.
    memory : int
        Bytes beyond the set itself.
    """

    device: str
    scores: int
    seconds: float
    parts: Mapping[str, float]
    memory: int

    def __str__(self) -> str:
        return f"about {self.seconds:,.1f} s and {self.memory / 1e6:,.0f} MB on {self.device}"

    def _repr_html_(self) -> str:
        facts = {
            "time": f"about {format_number(self.seconds, 2)} s",
            **{
                f"time of {name}": f"about {format_number(seconds, 2)} s"
                for name, seconds in self.parts.items()
                if seconds
            },
            "memory": f"about {format_number(self.memory / 1e6, 2)} MB beyond the set",
            "scores": f"{self.scores:,}",
            "device": self.device,
        }
        return fact_table("Plan of a pass over all pairs", facts)


def plan(
    embedding_set: EmbeddingSet | Run | Source,
    device: str = "auto",
    *,
    anchors: Literal["auto"] | int = "auto",
    neighbors: int | None = None,
    precision: Precision = "auto",
) -> Plan:
    """Estimate what `cl_viz.scan` with the same arguments would take, by timing each part of it on small sets like it.

    Parameters
    ----------
    embedding_set, device, anchors, neighbors, precision
        As for `cl_viz.scan`.

    Returns
    -------
    Plan
        The first call for sets of a kind and a device takes a second or two, more with thousands of dimensions; later
        ones take nothing. After ten minutes at most it is measured again: the estimate holds for a machine that stays
        as busy as it was then. What is read once a set, quality and fingerprint of its rows, is not part of it.

    Raises
    ------
    InputError
        If anchors, neighbours or precision are none that `cl_viz.scan` takes.
    DeviceError
        If the device is absent.
    """
    from cl_viz.formats import as_set

    embedding_set = as_set(embedding_set)
    check_neighbors(neighbors)
    target = resolve_device(device)
    dtype = score_type(embedding_set, target, precision)
    size = _Size.of(embedding_set, dtype, anchor_count(anchors), neighbors or 0)
    if size.all_pairs > compiled.MANY_PAIRS:
        compiled.wait()
    on_device = triton_neighbors.on_device(target, dtype, sum(_entries(size.views, size.k)))
    shared = target.type == "cpu" or on_device
    about = conditions(embedding_set, target, dtype)
    pair = pass_rates.pair_rates(about)
    anchor = pass_rates.anchor_rates(about) if size.n_anchors else AnchorRates(0.0, 0.0, 0.0)
    near = pass_rates.neighbor_rates(about, size.k, shared=shared) if size.k else NeighborRates(0.0, 0.0)
    parts = _parts(size, pair, anchor, near, thread_count(target))
    memory = _memory(size, anchor.kept, thread_count(target)) + _neighbor_memory(
        size.views, dtype, size.k, shared=shared, on_device=on_device
    )
    scores = int(size.all_pairs + size.anchor_scores + (0 if shared else 2 * size.near_pairs))
    return Plan(describe_device(device), scores, sum(parts.values()), parts, memory)


@dataclass(frozen=True)
class _Size:
    """How large a pass is.

    Attributes
    ----------
    views : Mapping[str, int]
        Rows of each.
    dim, item : int
        Dimensions, and bytes of a number of the rows.
    n_anchors, k : int
        Asked for, of each view and of each row; 0 for none.
    """

    views: Mapping[str, int]
    dim: int
    item: int
    n_anchors: int
    k: int

    @classmethod
    def of(cls, embedding_set: EmbeddingSet, dtype: torch.dtype, n_anchors: int, k: int) -> _Size:
        views = dict(zip(embedding_set.view_names, embedding_set.sizes, strict=True))
        return cls(views, embedding_set.dim, torch.empty(0, dtype=dtype).element_size(), n_anchors, k)

    @property
    def rows(self) -> int:
        return sum(self.views.values())

    @property
    def anchors(self) -> list[int]:
        """Of each view."""
        return [min(self.n_anchors, size) for size in self.views.values()]

    @property
    def fits(self) -> bool:
        """Whether the rows of every view are kept in memory."""
        return all(size * self.dim * self.item <= RESIDENT_BYTES for size in self.views.values())

    @property
    def all_pairs(self) -> float:
        return self.rows**2 / 2

    @property
    def anchor_scores(self) -> int:
        return sum(self.anchors) * self.rows

    @property
    def pairs_without_anchors(self) -> float:
        """Pairs that are left to tiles: with rows in memory, the pass over anchors counts those that it sees."""
        return (self.rows - sum(self.anchors)) ** 2 / 2 if self.fits else self.all_pairs

    @property
    def near_pairs(self) -> float:
        """Pairs that are offered to the lists of their rows."""
        return sum(self.views[view] * self.views[other] / 2 for view, other in neighbor_blocks(list(self.views)))

    @property
    def insertions(self) -> float:
        blocks = neighbor_blocks(list(self.views)) if self.k else []
        return sum(insertions(self.views[view], self.views[other], self.k) for view, other in blocks)


def conditions(embedding_set: EmbeddingSet, device: torch.device, dtype: torch.dtype) -> Conditions:
    """Return what the speed depends on, coarse enough that sets much alike share what was measured."""
    precision = str(dtype).removeprefix("torch.")
    codes = embedding_set.codes("label")
    at_hand = compiled.kernels(device) is not None
    of_label = 0
    if codes is not None:
        of_label = 1 << round(math.log2(max(1.0, max(embedding_set.sizes) / max(1, len(codes[1])))))
    return Conditions(
        dim=embedding_set.dim,
        device=str(device),
        precision=precision,
        views=min(2, len(embedding_set.view_names)),
        rows_of_label=of_label,
        rows=rows_to_time(sum(embedding_set.sizes), embedding_set.dim, device, precision, compiled=at_hand),
        compiled=at_hand,
    )


def _parts(size: _Size, pair: PairRates, anchor: AnchorRates, near: NeighborRates, threads: int) -> dict[str, float]:
    """Return the seconds of each part of a pass."""
    # An anchor's score is placed among all pairs and in a histogram of its own: it takes no less than a pair.
    anchors = size.anchor_scores * max(anchor.score, pair.pair) if size.n_anchors else 0.0
    parts = {
        "pairs": size.pairs_without_anchors * pair.pair,
        "anchors": anchors + sum(size.anchors) * len(size.views) * anchor.anchor,
        "neighbors": size.near_pairs * near.offer + size.insertions * near.insertion,
    }
    # One thread takes the moments, first; the others have tiles of the same part meanwhile, and it helps them after.
    beside = parts["anchors"] or parts["pairs"] + parts["neighbors"]
    moments = size.rows * pair.moment
    waits = max(moments, moments / threads + beside) - beside
    return {"rows": pair.run + size.rows * pair.row + waits, **parts}


def _memory(size: _Size, anchor_bytes: float, threads: int) -> int:
    """Return the bytes of rows, anchors and moments, and of what each thread works in."""
    resident = sum(n * size.dim * size.item for n in size.views.values() if n * size.dim * size.item <= RESIDENT_BYTES)
    kept = [n * len(size.views) * anchor_bytes for n in size.anchors]
    # The cells of a view's anchors are there twice while its bands are joined.
    anchors = sum(kept) + max(kept)
    # Two matrices a view, and one that is being added; rows are read some at a time.
    moments = (2 * len(size.views) + 1) * size.dim**2 * 8 if size.dim <= SCATTER_DIMENSIONS else 0
    reading = min(BLOCK_BYTES, max(size.views.values()) * size.dim * 8)
    columns = max(size.views.values())
    tile = min(TILE, columns) * min(WIDE * TILE, columns) * size.item + _anchor_work_bytes(size)
    return int(resident + anchors + moments + reading + threads * tile)


def _anchor_work_bytes(size: _Size) -> int:
    """Return the bytes of the scores and cells that a thread works in while it goes through a band of anchors."""
    if not size.n_anchors:
        return 0
    columns, high = max(size.views.values()), min(ANCHOR_TILE, max(size.anchors))
    # Tiles are joined where rows are in memory and no neighbours are found among the same scores.
    joined = size.fits and not size.k
    width = columns_at_once(columns) if joined else min(COLUMN_TILE, columns)
    # Cells of a few anchors at a time where one tile has all columns. Float64 has counts and sums apart.
    with_cells = MOST_GROUP if joined and width == columns else high
    return high * width * size.item + with_cells * 2 * ANCHOR_BINS * 8 * (size.item // 4)


def _entries(sizes: Mapping[str, int], k: int) -> list[int]:
    """Return how many neighbours each block of views has."""
    return [sizes[view] * min(k, sizes[other]) for view, other in neighbor_blocks(list(sizes))]


def _neighbor_memory(sizes: Mapping[str, int], dtype: torch.dtype, k: int, *, shared: bool, on_device: bool) -> int:
    """Return the bytes of neighbours, at most: those found, and the lists they are gathered in."""
    if not k:
        return 0
    entry = 8 + torch.empty(0, dtype=dtype).element_size()
    found = sum(_entries(sizes, k))
    if on_device:
        return 2 * entry * found + triton_neighbors.list_bytes(max(sizes.values()), found, k)
    lists = sorted(sizes[view] * room(min(k, sizes[other])) for view, other in neighbor_blocks(list(sizes)))
    # In a shared pass all lists fill at once, and what a stopped pass goes on from is a copy. Else one block of views
    # comes after the other, both directions at once.
    return entry * (2 * found + sum(lists) if shared else found + sum(lists[-2:]))

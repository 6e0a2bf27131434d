"""`plan`: about how long a pass takes and how much memory, before it begins."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.fact_table import fact_table
from cl_viz.core.result import format_number
from cl_viz.engine import compiled, triton_neighbors
from cl_viz.engine.device import describe_device, resolve_device
from cl_viz.engine.largest import room
from cl_viz.engine.memory import array_bytes
from cl_viz.engine.moments import SCATTER_DIMENSIONS
from cl_viz.engine.neighbors import neighbor_blocks
from cl_viz.engine.precision import Precision, score_type
from cl_viz.engine.rows import RESIDENT_BYTES
from cl_viz.engine.scan import AUTO_ANCHORS, scan

_ROWS, _ANCHORS, _ROUNDS = 4096, 512, 3


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
        Seconds of the pairs, and what anchors and neighbours add to them.
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


@dataclass(frozen=True)
class _Rates:
    """Seconds a score, as measured on a small set; bytes an anchor keeps."""

    pair: float
    anchor: float
    neighbor: float
    insertion: float
    anchor_bytes: float


def plan(
    embedding_set: EmbeddingSet,
    device: str = "auto",
    *,
    anchors: Literal["auto"] | int = "auto",
    neighbors: int | None = None,
    precision: Precision = "auto",
) -> Plan:
    """Estimate what `cl_viz.scan` with the same arguments would take, by scanning a small set of this dimension.

    Parameters
    ----------
    embedding_set : EmbeddingSet
    device, anchors, neighbors, precision
        As for `cl_viz.scan`.

    Returns
    -------
    Plan
        The first call for a dimension and a device takes about a second, later ones nothing. The estimate holds for
        a machine that stays as busy as it was then.

    Raises
    ------
    DeviceError
        If the device is absent.
    """
    target = resolve_device(device)
    dtype = score_type(embedding_set, target, precision)
    sizes = dict(zip(embedding_set.view_names, embedding_set.sizes, strict=True))
    total = sum(sizes.values())
    n_anchors = AUTO_ANCHORS if anchors == "auto" else anchors
    pairs = total * total / 2
    with_anchors = sum(min(n_anchors, size) for size in sizes.values()) * total
    blocks = neighbor_blocks(list(sizes)) if neighbors else []
    near = sum(sizes[view] * sizes[other] for view, other in blocks)
    if pairs > compiled.MANY_PAIRS:
        compiled.wait()
    labelled = embedding_set.role("label") is not None
    rates = _rates(embedding_set.dim, str(target), str(dtype).removeprefix("torch."), labelled, neighbors or 0)
    parts = {
        "pairs": pairs * rates.pair,
        "anchors": with_anchors * rates.anchor,
        "neighbors": near * rates.neighbor
        + sum(_insertions(sizes[view], sizes[other], neighbors or 0) for view, other in blocks) * rates.insertion,
    }
    on_device = triton_neighbors.on_device(target, dtype, sum(_entries(sizes, neighbors or 0)))
    shared = target.type == "cpu" or on_device
    memory = _memory(sizes, embedding_set.dim, dtype, n_anchors, rates) + _neighbor_memory(
        sizes, dtype, neighbors or 0, shared=shared, on_device=on_device
    )
    scores = int(pairs + with_anchors + (0 if shared else near))
    return Plan(describe_device(device), scores, sum(parts.values()), parts, memory)


@lru_cache(maxsize=64)
def _rates(dim: int, device: str, precision: Precision, labelled: bool, k: int) -> _Rates:
    """Measure the speed of each part on random rows."""
    whole, half = (_random_set(rows, dim, labelled) for rows in (_ROWS, _ROWS // 2))

    def pass_over(embedding_set: EmbeddingSet, anchors: int, neighbors: int | None = None) -> Callable[[], object]:
        return lambda: scan(
            embedding_set, device, anchors=anchors, neighbors=neighbors, precision=precision, cache=False
        )

    pass_over(half, 0)()
    seconds = _seconds(pass_over(whole, 0))
    # The difference of two sizes leaves out what a pass takes at any size.
    pair = max(seconds - _seconds(pass_over(half, 0)), seconds / 4) / ((_ROWS**2 - (_ROWS // 2) ** 2) / 2)
    anchor = max(_seconds(pass_over(whole, _ANCHORS)) - seconds, 0.0) / (_ANCHORS * _ROWS)
    sketch = scan(whole, device, anchors=_ANCHORS, precision=precision, cache=False).anchors
    neighbor = insertion = 0.0
    if k:
        # What they add to a pass: on a CPU they are found among its scores.
        one, many = (_seconds(pass_over(whole, 0, count)) for count in (1, k))
        neighbor = max(one - seconds, 0.0) / _ROWS**2
        insertion = max(many - max(one, seconds), 0.0) / _insertions(_ROWS, _ROWS, k)
    # A candidate's place in an anchor's histogram, not the candidate, takes memory: few rows fill most of them.
    return _Rates(pair, anchor, neighbor, insertion, sum(map(array_bytes, sketch.values())) / _ANCHORS)


def _random_set(rows: int, dim: int, labelled: bool) -> EmbeddingSet:
    array = np.random.default_rng(0).normal(size=(rows, dim)).astype(np.float32)
    labels = {"label": np.arange(rows) % 10} if labelled else {}
    made = EmbeddingSet.from_arrays(array, metadata=labels, roles={"label": "label"} if labelled else {})
    # What is read once a set is not part of the pass.
    _ = made.quality, made.fingerprint
    return made


def _seconds(do: Callable[[], object]) -> float:
    """Return the median time of a few runs."""
    taken = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        do()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def _insertions(rows: int, columns: int, k: int) -> float:
    """Return about how often a row's list of k nearest changes: rarely, once the list is good."""
    k = min(k, columns)
    return rows * k * (1 + math.log(columns / k)) if k else 0.0


def _memory(sizes: Mapping[str, int], dim: int, dtype: torch.dtype, n_anchors: int, rates: _Rates) -> int:
    views, item = len(sizes), torch.empty(0, dtype=dtype).element_size()
    resident = sum(size * dim * item for size in sizes.values() if size * dim * item <= RESIDENT_BYTES)
    anchors = sum(min(n_anchors, size) for size in sizes.values()) * views * rates.anchor_bytes
    # Two matrices a view, and one that is being added.
    moments = (2 * views + 1) * dim * dim * 8 if dim <= SCATTER_DIMENSIONS else 0
    return int(resident + anchors + moments)


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

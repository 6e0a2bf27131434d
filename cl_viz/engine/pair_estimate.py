"""`estimate_pairs`: about how long it takes to find the pairs behind a question."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.run import Run
from cl_viz.engine.device import describe_device, resolve_device
from cl_viz.engine.find_pairs import find_pairs
from cl_viz.engine.pair_query import PairQuery, Question, query_of
from cl_viz.engine.plan import Plan
from cl_viz.engine.precision import Precision, score_type

if TYPE_CHECKING:
    from cl_viz.formats import Source

_PROBE_ROWS = 3072
_PROBE_BINS = 50
_ROWS_SECONDS = 0.1
"""What any search takes: labels, views, threads."""


def estimate_pairs(
    data: EmbeddingSet | Run | Source,
    question: Question | PairQuery = "hardest-negatives",
    *,
    step: int | None = None,
    layer: str | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    **asked: Any,
) -> Plan:
    """Estimate what `find_pairs` with the same arguments would take, by asking a small set of this dimension.

    Parameters
    ----------
    data, question, step, layer, device, precision, **asked
        As for `find_pairs`, which also says what they raise.

    Returns
    -------
    Plan
        The first call for a dimension and a device takes about half a second, later ones nothing.
    """
    from cl_viz.formats import as_set

    embedding_set = as_set(data, step, layer)
    query = query_of(embedding_set, question, asked)
    target = resolve_device(device)
    dtype = score_type(embedding_set, target, precision)
    pairs = _n_pairs(embedding_set, query)
    ranked = 2.0 * query.m * query.n_bins * max(embedding_set.sizes)
    rate = 0.0
    if not query.of_links:
        tiles = str(dtype).removeprefix("torch.")
        bins = query.n_bins if query.n_bins == 1 else _PROBE_BINS
        rate = _rate(embedding_set.dim, str(target), tiles, query.order, query.everywhere, bins)
    # Exact scores of links and ranks are sums of D products each, not tiles: about a nanosecond a product.
    parts = {
        "rows": _ROWS_SECONDS + sum(embedding_set.sizes) * embedding_set.dim * 8e-9,
        "pairs": pairs * (rate * (3 if query.by_neighbors else 1) or 1e-9 * embedding_set.dim),
        "ranks": min(ranked, pairs * 2.0 * max(embedding_set.sizes)) * 1e-10 * (20 + embedding_set.dim),
    }
    item = torch.empty(0, dtype=dtype).element_size()
    memory = sum(embedding_set.sizes) * (embedding_set.dim * item + 16) + query.m * query.n_bins * 100
    return Plan(describe_device(device), int(pairs), sum(parts.values()), parts, int(memory))


def _n_pairs(embedding_set: EmbeddingSet, query: PairQuery) -> float:
    """Return the number of pairs that are looked at."""
    sizes = dict(zip(embedding_set.view_names, embedding_set.sizes, strict=True))
    blocks = query.blocks(embedding_set.view_names)
    if query.of_links:
        return float(sum(min(sizes[first], sizes[second]) for first, second in blocks))
    share = 1.0
    codes = embedding_set.codes("label")
    if query.classes is not None and codes is not None:
        of = [float((codes[0][0] == codes[1].index(name)).mean()) for name in query.classes]
        share = of[0] * of[1] * (1 if query.classes[0] == query.classes[1] else 2)
    return share * sum(sizes[first] * sizes[second] / (2 if first == second else 1) for first, second in blocks)


@lru_cache(maxsize=32)
def _rate(dim: int, device: str, precision: Any, order: Any, everywhere: bool, bins: int) -> float:
    """Return seconds a pair, as measured on random rows; the difference of two sizes leaves out what any size takes."""
    ends = (-1.0, 1.0) if everywhere else (0.1, 0.15)
    taken: dict[int, list[float]] = {_PROBE_ROWS // 2: [], _PROBE_ROWS: []}
    # The first call waits for compiled loops, and a busy moment would make every estimate a multiple: the least counts.
    for n_rows in (_PROBE_ROWS // 2, _PROBE_ROWS // 2, _PROBE_ROWS, _PROBE_ROWS // 2, _PROBE_ROWS):
        rows = np.random.default_rng(0).normal(size=(n_rows, dim)).astype(np.float32)
        probe = EmbeddingSet.from_arrays(rows, label=np.arange(n_rows) % 10)
        query = PairQuery.of(probe, order=order, low=ends[0], high=ends[1], bins=bins)
        began = time.perf_counter()
        find_pairs(probe, query, ranks=False, device=device, precision=precision)
        taken[n_rows].append(time.perf_counter() - began)
    half, whole = (min(seconds) for seconds in taken.values())
    return max(whole - half, whole / 8) / (_PROBE_ROWS**2 * 3 / 8)

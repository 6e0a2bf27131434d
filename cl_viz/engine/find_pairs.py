"""`find_pairs`: from a question about scores to the pairs behind it, in one exact pass that keeps only these."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError, MissingInputError
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.core.run import Run
from cl_viz.engine.best_pairs import Candidates
from cl_viz.engine.device import describe_device, resolve_device
from cl_viz.engine.found_pairs import FoundPairs
from cl_viz.engine.neighbors import MOST_NEIGHBORS, find_mutual_neighbors, find_neighbors
from cl_viz.engine.pair_patch import Patch, links_between
from cl_viz.engine.pair_query import PairQuery, Question
from cl_viz.engine.pair_ranks import count_higher
from cl_viz.engine.pair_search import search, search_error
from cl_viz.engine.plan import Plan
from cl_viz.engine.precision import Precision, full_float32, score_type
from cl_viz.engine.rows import ViewRows, view_rows
from cl_viz.engine.tile_sizes import with_smaller_tiles

_PROBE_ROWS = 3072
_PROBE_BINS = 50
_ROWS_SECONDS = 0.1
"""What any search takes: labels, views, threads."""
_RANKED_SHARE = 0.1
"""Share of the progress that the ranks take."""


def find_pairs(
    data: EmbeddingSet | Run,
    question: Question | PairQuery = "hardest-negatives",
    *,
    step: int | None = None,
    layer: str | None = None,
    ranks: bool = True,
    device: str = "auto",
    precision: Precision = "auto",
    progress: ProgressCallback = silent,
    **asked: Any,
) -> FoundPairs:
    """Find the pairs that answer a question, exactly, in one pass over tiles of scores.

    Parameters
    ----------
    data : EmbeddingSet or Run
        Rows are normalised to unit length; NaN, infinite and zero rows are left out.
    question : str or PairQuery
        ``"hardest-negatives"``, ``"false-negatives"`` (negatives of the same label; without labels, negatives that are
        among each other's nearest), ``"weakest-positives"``, ``"duplicates"`` (near-equal samples of a view),
        ``"interval"`` (pairs whose score lies in bins, a draw of each bin), ``"classes"`` (pairs of two labels).
    step, layer : optional
        Of a run; by default the last step and the first layer.
    ranks : bool
        Work out where each pair kept stands among the negatives of its samples.
    device, precision
        As for `cl_viz.scan`: the type of the tiles. Scores, counts and order are those of float64 all the same.
    progress : callable
        Called with fraction and message after each tile; may raise `Cancelled` to stop.
    **asked
        What the question leaves open:

        m : int, default 100
            Most pairs kept, of each bin.
        positives : {"auto", "views", "labels"}, negatives : {"cross", "all"}
            Which pairs are positives and negatives; see `PairRoles`. By default views, and labels where there is one
            view; negatives across views.
        kind : {"negatives", "false_negatives", "positives", "other_samples"}
            Other pairs than those that the question is usually about.
        order : {"highest", "lowest", "random"}
            Which are kept: an end of the scores, or a draw without replacement.
        low, high : float
            Least score and the score it stays below; 1 is inside. Cosine.
        bins : int, default 1
            Bins of equal width between them; at most `m` pairs are kept in each.
        classes : tuple of two labels
            Only pairs of these labels, in either order.
        k : int, default 10
            Nearest negatives that count, without labels. Ties with the last count too.
        seed : int, default 0
            Of the draw.
        view : str, optional
            Only pairs within this view.

    Returns
    -------
    FoundPairs

    Raises
    ------
    InputError
        If an argument is out of range.
    MissingInputError
        If the set has no such pairs: labels or a second view are missing.
    DeviceError
        If the device is absent, or has too little memory even for small tiles.

    Notes
    -----
    Memory beyond the set is that of its unit rows (up to 1 GiB a view), one tile a thread and the pairs kept. A draw
    depends on the set, the query and the seed alone, not on threads or tiles.
    """
    embedding_set = data.get(step, layer) if isinstance(data, Run) else data
    query = _query(embedding_set, question, asked)
    target = resolve_device(device)
    dtype = score_type(embedding_set, target, precision)
    error = search_error(embedding_set.dim, dtype)

    def find() -> FoundPairs:
        with full_float32():
            rows = view_rows(embedding_set, target, dtype)
            patches = _patches(embedding_set, rows, query)
            share = 1.0 - _RANKED_SHARE if ranks else 1.0
            begin = 0.0
            if query.by_neighbors:
                begin = share / 2
                patches = _with_nearness(patches, query.k, error, lambda done: progress(begin * done, "nearest rows"))
            best = search(
                patches, query, embedding_set.sizes, error,
                lambda done: progress(begin + (share - begin) * done, "all pairs"),
            )  # fmt: skip
            found = _found(embedding_set, query, best.kept, best.counts, rows)
            found = replace(found, precision=str(dtype).removeprefix("torch."), device=describe_device(device))
            if ranks and len(found):
                found = _ranked(
                    embedding_set, rows, found, lambda done: progress(share + _RANKED_SHARE * done, "ranks")
                )
        return found

    found = with_smaller_tiles(find, target, embedding_set.name)
    progress(1.0, "done")
    return found


def estimate_pairs(
    data: EmbeddingSet | Run,
    question: Question | PairQuery = "hardest-negatives",
    *,
    step: int | None = None,
    layer: str | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    **asked: Any,
) -> Plan:
    """Estimate what `find_pairs` with the same arguments would take, by asking a small set of this dimension.

    Returns
    -------
    Plan
        The first call for a dimension and a device takes about half a second, later ones nothing.
    """
    embedding_set = data.get(step, layer) if isinstance(data, Run) else data
    query = _query(embedding_set, question, asked)
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


def _query(embedding_set: EmbeddingSet, question: Question | PairQuery, asked: dict[str, Any]) -> PairQuery:
    """Return what is asked for; a query that is made already cannot be given more."""
    if not isinstance(question, PairQuery):
        return PairQuery.of(embedding_set, question, **asked)
    if asked:
        raise InputError(
            f"a PairQuery and {', '.join(asked)} were given",
            where="find_pairs",
            allowed="a PairQuery alone, or the name of a question with what it leaves open",
            remedy="pass them to PairQuery.of",
        )
    return question


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


def _patches(embedding_set: EmbeddingSet, rows: dict[str, ViewRows], query: PairQuery) -> list[Patch]:
    """Return what is to be looked at: the blocks of views, or in them the rows of the two classes."""
    names = embedding_set.view_names
    sides = {view: _sides(embedding_set, part, query) for view, part in rows.items()}
    found = []
    for first, second in query.blocks(names):
        numbers = (names.index(first), names.index(second))
        (one, other), (twin, another) = sides[first], sides[second]
        couples = [(one, another)]
        if one is not other and first != second:
            couples.append((other, twin))
        for left, right in couples:
            if len(left) and len(right):
                found.append(Patch(numbers, left, right, links_between(embedding_set, left, right)))
    if query.of_links and not any(len(patch.links) for patch in found):
        raise MissingInputError(
            "there are no positive pairs",
            where=embedding_set.name,
            remedy="add a second view of the samples, or choose positives='labels'",
        )
    return found


def _sides(embedding_set: EmbeddingSet, rows: ViewRows, query: PairQuery) -> tuple[ViewRows, ViewRows]:
    """Return the rows of each of the two classes, all rows where no class is named."""
    codes = embedding_set.codes("label")
    if query.classes is None or codes is None or rows.labels is None:
        return rows, rows
    labels = rows.labels.cpu().numpy()
    first = rows.chosen(np.flatnonzero(labels == codes[1].index(query.classes[0])))
    if query.classes[0] == query.classes[1]:
        return first, first
    return first, rows.chosen(np.flatnonzero(labels == codes[1].index(query.classes[1])))


def _with_nearness(patches: list[Patch], k: int, error: float, report: Callable[[float], None]) -> list[Patch]:
    """Add to each patch the score of every row's k-th nearest row of another sample, less the error of a tile."""
    found = []
    for place, patch in enumerate(patches):

        def part(done: float, place: int = place) -> None:
            report((place + done) / len(patches))

        turned = patch.links[:, ::-1]
        both = np.concatenate([patch.links, turned]) if patch.once else patch.links
        if patch.once:
            near = find_neighbors(patch.left, patch.left, _fetched(k, both, len(patch.left)), part)
            least = _least(near.scores, near.indices, patch.left, patch.left, both, k)
            sides = (least, least)
        else:
            fetched = max(_fetched(k, both, len(patch.left)), _fetched(k, turned, len(patch.right)))
            there, back = find_mutual_neighbors(patch.left, patch.right, fetched, part)
            sides = (
                _least(there.scores, there.indices, patch.left, patch.right, both, k),
                _least(back.scores, back.indices, patch.right, patch.left, turned, k),
            )
        tensors = [torch.from_numpy(side - 2 * error).to(patch.left.tile(slice(0, 1))) for side in sides]
        found.append(replace(patch, nearness=(tensors[0], tensors[1])))
    return found


def _fetched(k: int, links: NDArray[np.int64], n_rows: int) -> int:
    """Return how many nearest rows to fetch, so that k are left without those of the same sample."""
    most = int(np.bincount(links[:, 0], minlength=n_rows).max()) if len(links) else 0
    return min(MOST_NEIGHBORS, k + most)


def _least(
    scores: NDArray[Any],
    indices: NDArray[np.int64],
    rows: ViewRows,
    others: ViewRows,
    links: NDArray[np.int64],
    k: int,
) -> NDArray[np.float64]:
    """Return the score of the k-th of each row's nearest rows that is no view of the same sample, shape (n,)."""
    # Rows of a view ascend, as those of `Neighbors` do; a pair of rows is one number.
    size = int(others.original.max()) + 1
    same = rows.original[links[:, 0]] * size + others.original[links[:, 1]]
    other_samples = ~np.isin(rows.original[:, None] * size + indices, same)
    kept = np.where(other_samples & (np.cumsum(other_samples, axis=1) <= k), scores.astype(np.float64), np.inf)
    found: NDArray[np.float64] = kept.min(axis=1, initial=np.inf)
    return found


def _found(
    embedding_set: EmbeddingSet,
    query: PairQuery,
    kept: Candidates,
    counts: NDArray[np.int64],
    rows: dict[str, ViewRows],
) -> FoundPairs:
    """Put the pairs kept into their order, and read views and rows from their numbers."""
    size, n_views = max(embedding_set.sizes), len(embedding_set.views)
    direction = 1.0 if query.order == "lowest" else -1.0
    kept = kept.take(np.lexsort((kept.codes, direction * kept.scores, kept.bins)))
    block, place = np.divmod(kept.codes, size * size)
    none = np.zeros(len(kept), dtype=np.int64)
    return FoundPairs(
        query,
        embedding_set.view_names,
        block // n_views,
        block % n_views,
        place // size,
        place % size,
        kept.scores,
        kept.relations,
        kept.bins,
        none,
        none,
        counts,
        tuple(len(part) for part in rows.values()),
        embedding_set.fingerprint,
        "",
        "",
    )


def _ranked(
    embedding_set: EmbeddingSet, rows: dict[str, ViewRows], found: FoundPairs, report: Callable[[float], None]
) -> FoundPairs:
    """Add the ranks, view by view."""
    exact = {view: part.in_float64() for view, part in rows.items()}
    ranks = (np.zeros(len(found), dtype=np.int64), np.zeros(len(found), dtype=np.int64))
    sides = ((found.first_view, found.first), (found.second_view, found.second))
    directions = [
        (side, of, to)
        for side in (0, 1)
        for of, to in sorted({*zip(sides[side][0].tolist(), sides[1 - side][0].tolist(), strict=True)})
    ]
    for place, (side, of, to) in enumerate(directions):
        chosen = np.flatnonzero((sides[side][0] == of) & (sides[1 - side][0] == to))
        left, right = exact[found.views[of]], exact[found.views[to]]
        anchors = np.searchsorted(left.original, sides[side][1][chosen])
        higher = count_higher(embedding_set, left, right, anchors, found.score[chosen], found.query.roles)
        ranks[side][chosen] = 1 + higher
        report((place + 1) / len(directions))
    return replace(found, first_rank=ranks[0], second_rank=ranks[1])

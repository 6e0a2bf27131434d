"""`find_pairs`: from a question about scores to the pairs behind it, in one exact pass that keeps only these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.progress import ProgressCallback, or_bar
from cl_viz.core.run import Run
from cl_viz.engine.best_pairs import Candidates
from cl_viz.engine.device import describe_device, resolve_device
from cl_viz.engine.found_pairs import FoundPairs
from cl_viz.engine.pair_nearness import with_nearness
from cl_viz.engine.pair_patch import patches_of
from cl_viz.engine.pair_query import PairQuery, Question, query_of
from cl_viz.engine.pair_ranks import count_higher
from cl_viz.engine.pair_search import search, search_error
from cl_viz.engine.precision import Precision, full_float32, score_type
from cl_viz.engine.rows import ViewRows, view_rows
from cl_viz.engine.tile_sizes import with_smaller_tiles

if TYPE_CHECKING:
    from cl_viz.formats import Source

_RANKED_SHARE = 0.1
"""Share of the progress that the ranks take."""


def find_pairs(
    data: EmbeddingSet | Run | Source,
    question: Question | PairQuery = "hardest-negatives",
    *,
    step: int | None = None,
    layer: str | None = None,
    ranks: bool = True,
    device: str = "auto",
    precision: Precision = "auto",
    progress: ProgressCallback | None = None,
    **asked: Any,
) -> FoundPairs:
    """Find the pairs that answer a question, exactly, in one pass over tiles of scores.

    Parameters
    ----------
    data : EmbeddingSet or Run, path, or what is in memory
        What `cl_viz.load` takes, where it is no set or run. Rows are normalised to unit length; NaN, infinite and zero
        rows are left out.
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
    from cl_viz.formats import as_set

    embedding_set, progress = as_set(data, step, layer), or_bar(progress, "Pairs")
    query = query_of(embedding_set, question, asked)
    target = resolve_device(device)
    dtype = score_type(embedding_set, target, precision)

    def find() -> FoundPairs:
        with full_float32():
            return _find(embedding_set, query, view_rows(embedding_set, target, dtype), dtype, ranks, progress)

    found = with_smaller_tiles(find, target, embedding_set.name)
    progress(1.0, "done")
    return replace(found, precision=str(dtype).removeprefix("torch."), device=describe_device(device))


def _find(
    embedding_set: EmbeddingSet,
    query: PairQuery,
    rows: dict[str, ViewRows],
    dtype: torch.dtype,
    ranks: bool,
    progress: ProgressCallback,
) -> FoundPairs:
    error = search_error(embedding_set.dim, dtype)
    patches = patches_of(embedding_set, rows, query)
    share = 1.0 - _RANKED_SHARE if ranks else 1.0
    begin = 0.0
    if query.by_neighbors:
        begin = share / 2
        patches = with_nearness(patches, query.k, error, lambda done: progress(begin * done, "nearest rows"))
    best = search(
        patches, query, embedding_set.sizes, error, lambda done: progress(begin + (share - begin) * done, "all pairs")
    )
    found = _found(embedding_set, query, best.kept, best.counts, rows)
    if ranks and len(found):
        found = _ranked(embedding_set, rows, found, lambda done: progress(share + _RANKED_SHARE * done, "ranks"))
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

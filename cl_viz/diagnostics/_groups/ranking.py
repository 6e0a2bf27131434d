"""Retrieval: every query ranks a gallery by cosine; a query is never among its own results."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.validation import row_blocks
from cl_viz.diagnostics._groups.probes import Codes, Rows, probe_rows
from cl_viz.diagnostics._groups.relevant_ranks import RelevantRanks, Scores, joined, relevant_ranks

_HELD_SCORES = 1 << 24


def shifted(rows: Rows, shift: Rows | None) -> Rows:
    """Return unit rows after adding a vector to each; rows that this makes 0 stay 0."""
    if shift is None:
        return rows
    moved: Rows = rows + shift
    norms = np.linalg.norm(moved, axis=1, keepdims=True)
    return moved / np.where(norms > 0, norms, 1.0)


def gallery_scores(
    embedding_set: EmbeddingSet, queries: Rows, view: str, gallery: Codes, shift: Rows | None = None
) -> Scores:
    """Return the cosines of unit queries (Q, D) with rows `gallery` of a view, in float64, shape (Q, M)."""
    scores = np.empty((len(queries), len(gallery)))
    template = np.broadcast_to(np.float64(0), (len(gallery), embedding_set.dim))
    for block in row_blocks(template):
        scores[:, block] = queries @ shifted(probe_rows(embedding_set, view, gallery[block], "unit"), shift).T
    return scores


def ranks_by_label(
    embedding_set: EmbeddingSet, view: str, queries: Codes, gallery: Codes, codes: Codes,
    report: Callable[[float], None] = lambda done: None,
) -> RelevantRanks:  # fmt: skip
    """Rank the gallery for each query, the query itself left out; rows of its label are relevant.

    Parameters
    ----------
    embedding_set : EmbeddingSet
    view : str
    queries : NDArray[np.int64], shape (Q,)
        Places in `gallery`, each with another row of its label.
    gallery, codes : NDArray[np.int64], shape (M,)
        Rows of the view, and their labels.
    report : callable
        Given the fraction done.
    """
    parts = []
    step = max(1, _HELD_SCORES // len(gallery))
    for start in range(0, len(queries), step):
        chosen = queries[start : start + step]
        rows = probe_rows(embedding_set, view, gallery[chosen], "unit")
        scores = gallery_scores(embedding_set, rows, view, gallery)
        places = np.arange(len(chosen))
        scores[places, chosen] = -np.inf
        relevant = codes[chosen][:, None] == codes[None]
        relevant[places, chosen] = False
        parts.append(relevant_ranks(scores, relevant))
        report(min(1.0, (start + step) / len(queries)))
    return joined(parts)


ALL_SEARCHED = 2000
"""Samples up to which a draw of a quarter or more of them is not worth its noise."""


def searched_for(samples: int, queries: int) -> int:
    """Return how many of some samples are searched for where `queries` are asked."""
    return samples if samples <= min(4 * queries, ALL_SEARCHED) else min(queries, samples)


def ranks_of_partners(
    embedding_set: EmbeddingSet, view: str, other: str, most: int, seed: int,
    shift: Rows | None = None, gallery_shift: Rows | None = None,
) -> RelevantRanks | None:  # fmt: skip
    """Rank the usable rows of `other` for queries of `view`; the rows of the same sample are relevant.

    Parameters
    ----------
    embedding_set : EmbeddingSet
    view, other : str
    most : int
        Queries drawn; all with a partner, where there are fewer.
    seed : int
    shift, gallery_shift : NDArray[np.float64], shape (D,), optional
        Added to the unit rows of `view` and of `other`, which are then normalised again.

    Returns
    -------
    RelevantRanks or None
        None where no row has a partner.
    """
    links = embedding_set.links(view, other)
    usable, gallery = (np.flatnonzero(embedding_set.usable_rows[name]) for name in (view, other))
    number = np.full(len(embedding_set.views[other]), -1, dtype=np.int64)
    number[gallery] = np.arange(len(gallery))
    links = links[np.isin(links[:, 0], usable) & (number[links[:, 1]] >= 0)]
    queries = np.unique(links[:, 0])
    if not len(queries):
        return None
    if len(queries) > most:
        queries = np.sort(np.random.default_rng(seed).choice(queries, most, replace=False))
    parts = []
    step = max(1, _HELD_SCORES // len(gallery))
    for start in range(0, len(queries), step):
        chosen = queries[start : start + step]
        rows = shifted(probe_rows(embedding_set, view, chosen, "unit"), shift)
        scores = gallery_scores(embedding_set, rows, other, gallery, gallery_shift)
        relevant = np.zeros(scores.shape, dtype=np.bool_)
        own = links[np.isin(links[:, 0], chosen)]
        relevant[np.searchsorted(chosen, own[:, 0]), number[own[:, 1]]] = True
        parts.append(relevant_ranks(scores, relevant))
    return joined(parts)

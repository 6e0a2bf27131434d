"""How alike two runs are: the measures of two matched views, what chance makes of them, and intervals."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.result import Interval
from cl_viz.diagnostics._geometry.cross_moments import CrossMoments, RowSource, cross_moments
from cl_viz.diagnostics._geometry.near_rows import near_rows
from cl_viz.diagnostics._geometry.sample_match import SampleMatch
from cl_viz.diagnostics._geometry.shared_neighbors import SharedNeighbors
from cl_viz.diagnostics._group_jackknife import group_jackknife
from cl_viz.engine.inputs import PairInputs

if TYPE_CHECKING:
    from cl_viz.diagnostics.run_similarity import RunSimilarityParams


@dataclass(frozen=True)
class ComparedView:
    """One view of a run with the view of the other run that it matches.

    Attributes
    ----------
    name : str
        Of the run's own view.
    rows : NDArray[np.int64], shape (n,)
        Rows that can be used in both.
    moments : CrossMoments
    neighbors : SharedNeighbors
    """

    name: str
    rows: NDArray[np.int64]
    moments: CrossMoments
    neighbors: SharedNeighbors


def compared_view(inputs: PairInputs, match: SampleMatch, place: int, params: RunSimilarityParams) -> ComparedView:
    """Compare the views of one place in `match`."""
    pair = (inputs.own, inputs.reference)
    names = match.views[place]
    rows = match.shared_rows([side.embedding_set for side in pair], place)
    nears = [
        near_rows(side.embedding_set, side.neighbors, view, params.k) for side, view in zip(pair, names, strict=True)
    ]
    sources = [RowSource(side.embedding_set, view, rows, params.rows) for side, view in zip(pair, names, strict=True)]
    other = inputs.reference.embedding_set.fingerprint
    moments = inputs.own.remember(
        ("cross moments", other, names, params.rows), lambda: cross_moments(sources[0], sources[1])
    )
    return ComparedView(names[0], rows, moments, SharedNeighbors.of(rows, nears[0], nears[1]))


def _cca(view: ComparedView, params: RunSimilarityParams) -> float:
    # In so many dimensions two column spaces always meet: correlations of 1 say nothing of the runs.
    ranks = view.moments.ranks
    if not min(ranks) or sum(ranks) > view.moments.count - 1:
        return math.nan
    return float(np.square(view.moments.cca()).mean())


def _svcca(view: ComparedView, params: RunSimilarityParams) -> float:
    found = view.moments.cca(params.variance)
    return float(found.mean()) if len(found) and 2 * len(found) <= view.moments.count - 1 else math.nan


def _overlap(view: ComparedView, params: RunSimilarityParams) -> float:
    kept = view.neighbors.kept(params.k)
    return float(kept.mean()) if len(kept) else math.nan


def _jaccard(view: ComparedView, params: RunSimilarityParams) -> float:
    kept = view.neighbors.kept(params.k)
    return float((kept / (2 - kept)).mean()) if len(kept) else math.nan


MEASURES: dict[str, Callable[[ComparedView, RunSimilarityParams], float]] = {
    "cka_debiased": lambda view, params: view.moments.cka_debiased,
    "cka_biased": lambda view, params: view.moments.cka_biased,
    "cca_squared": _cca,
    "svcca": _svcca,
    "procrustes_similarity": lambda view, params: view.moments.procrustes_similarity,
    "procrustes_disparity": lambda view, params: 1 - view.moments.procrustes_similarity**2,
    "neighbor_overlap": _overlap,
    "neighbor_jaccard": _jaccard,
}


def chances_of(view: ComparedView, params: RunSimilarityParams) -> dict[str, float]:
    """Return what unrelated embeddings have on average."""
    count = view.moments.count
    share = params.k / (count - 1)
    return {
        "cka_debiased": 0.0,
        "cka_biased": view.moments.cka_chance,
        "cca_squared": max(view.moments.ranks) / (count - 1),
        "neighbor_overlap": share,
        "neighbor_jaccard": share / (2 - share),
    }


def interval_of(name: str, value: float, views: list[ComparedView], params: RunSimilarityParams) -> Interval | None:
    """Return the interval of a measure, over samples; None where it has none."""
    count = len(views[0].rows)
    if any(len(view.rows) != count for view in views):
        return None
    if name in ("cka_debiased", "cka_biased"):
        # Near chance a CKA has no first-order influence, and the interval would be too short.
        if value < 3 * float(np.mean([view.moments.cka_chance for view in views])) or value >= 1:
            return None
        return views[0].moments.cka_interval(value, *(view.moments.influence for view in views[1:])).around(value)
    if name not in ("neighbor_overlap", "neighbor_jaccard"):
        return None
    narrow = [view.neighbors.narrow(params.k) for view in views]

    def without(keep: NDArray[np.bool_]) -> float:
        kept = [neighbors.kept(params.k, keep) for neighbors in narrow]
        shares = [share if name == "neighbor_overlap" else share / (2 - share) for share in kept]
        return float(np.mean([share.mean() if len(share) else math.nan for share in shares]))

    return group_jackknife(value, without, count, limits=(0.0, 1.0))

"""Similarity of every pair of several embeddings of the same samples: steps of a run, or its layers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.errors import MissingInputError
from cl_viz.core.params import Params, param
from cl_viz.core.progress import ProgressCallback
from cl_viz.core.result import Quantity
from cl_viz.core.specs import QuantitySpec
from cl_viz.core.view import Axis, Heatmap
from cl_viz.diagnostics._geometry.cross_moments import RowSource, unbiased_hsic
from cl_viz.diagnostics._geometry.near_rows import NearRows, near_rows
from cl_viz.diagnostics._geometry.sample_match import match_samples
from cl_viz.diagnostics._geometry.shared_neighbors import SharedNeighbors
from cl_viz.engine.inputs import SetInputs
from cl_viz.engine.moments import SCATTER_DIMENSIONS

Values = NDArray[np.float64]


@dataclass(frozen=True)
class SimilarityMatrixParams(Params):
    """What is compared."""

    k: int = param(10, "Neighbours of each sample that are compared.", low=1, high=100, unit="neighbours")
    rows: Literal["unit", "raw"] = param(
        "unit", "CKA of unit rows, as losses see them, or of the rows as stored.", choices=("unit", "raw")
    )


@dataclass(frozen=True)
class SimilarityMatrix:
    """Debiased CKA and neighbours kept, for every pair of S embeddings; means over views.

    Attributes
    ----------
    cka, overlap : NDArray[np.float64], shape (S, S)
        Symmetric; NaN where not defined.
    count : int
        Samples compared.
    evidence : str
    procrustes : NDArray[np.float64] or None, shape (S, S)
        Procrustes similarity, where it was asked for.
    """

    cka: Values
    overlap: Values
    count: int
    evidence: str
    procrustes: Values | None = None


def similarity_matrix(
    sets: Sequence[SetInputs], names: Sequence[str], params: SimilarityMatrixParams, *, procrustes: bool = False
) -> SimilarityMatrix:
    """Compare every pair of sets, view by view; `procrustes` adds a decomposition of a D x D matrix a pair.

    Neighbours are found set by set; the last set's part of the progress is half for its own and half for the CKAs.

    Raises
    ------
    MissingInputError
        If they do not hold the same samples, or have too many dimensions or too few rows.
    """
    if max(entry.embedding_set.dim for entry in sets) > SCATTER_DIMENSIONS:
        raise MissingInputError(
            "there are too many dimensions for matrices of D x D",
            remedy=f"reduce the embeddings to {SCATTER_DIMENSIONS:,} dimensions or fewer",
        )
    chosen = [entry.embedding_set for entry in sets]
    match = match_samples(chosen, names)
    last = sets[-1]
    sets = [*sets[:-1], replace(last, progress=lambda done, message: last.progress(done / 2, message))]
    neighbors = [entry.neighbors for entry in sets]
    ckas, turned, overlaps, count = [], [], [], 0
    for place, views in enumerate(match.views):
        rows = match.shared_rows(chosen, place)
        if len(rows) < 4:
            raise MissingInputError(f"{len(rows)} rows are usable in all of them", remedy="add samples")
        count = len(rows)
        sources = [RowSource(entry, view, rows, params.rows) for entry, view in zip(chosen, views, strict=True)]

        def part(done: float, message: str, place: int = place) -> None:
            last.progress((1 + (place + done) / len(match.views)) / 2, message)

        cka, alike = _linear_matrices(sources, procrustes, part)
        ckas.append(cka)
        turned.append(alike)
        nears = [
            near_rows(entry, found, view, params.k) for entry, found, view in zip(chosen, neighbors, views, strict=True)
        ]
        overlaps.append(_overlap_matrix(nears, rows, params.k))
    return SimilarityMatrix(
        np.mean(ckas, axis=0),
        np.mean(overlaps, axis=0),
        count,
        match.evidence,
        np.mean(turned, axis=0) if procrustes else None,
    )


def _linear_matrices(sources: Sequence[RowSource], procrustes: bool, report: ProgressCallback) -> tuple[Values, Values]:
    """Return debiased CKA and Procrustes similarity of every pair; the latter NaN unless asked for."""
    size, count = len(sources), len(sources[0].rows)
    pairs = list(combinations_with_replacement(range(size), 2))
    hsic, turned = np.zeros((size, size)), np.full((size, size), np.nan)
    for done, (one, two) in enumerate(pairs, start=1):
        cross, squares, traces = _products(sources[one], sources[two])
        norm, scale = float(np.square(cross).sum()), float(np.sqrt(traces.prod()))
        hsic[one, two] = hsic[two, one] = unbiased_hsic(count, norm, squares, float(traces.prod()))
        if procrustes and scale > 0:
            nuclear = float(np.linalg.svd(cross, compute_uv=False).sum())
            turned[one, two] = turned[two, one] = min(1.0, nuclear / scale)
        report(done / len(pairs), "CKA and Procrustes" if procrustes else "CKA")
    own = hsic.diagonal()
    root = np.sqrt(np.where(own > 0, own, np.nan))
    return hsic / np.outer(root, root), turned


def _products(one: RowSource, two: RowSource) -> tuple[Values, float, Values]:
    """Return X'Y, the sum over rows of |x|²|y|², and the sums of |x|² and of |y|²."""
    cross = np.zeros((one.dim, two.dim))
    squares, traces = 0.0, np.zeros(2)
    for part in one.parts(max(one.dim, two.dim)):
        x, y = one.centred(part), two.centred(part)
        cross += x.T @ y
        lengths = np.square(x).sum(axis=1), np.square(y).sum(axis=1)
        squares += float(lengths[0] @ lengths[1])
        traces += [lengths[0].sum(), lengths[1].sum()]
    return cross, squares, traces


def _overlap_matrix(nears: Sequence[NearRows], rows: NDArray[np.int64], k: int) -> Values:
    found = np.eye(len(nears))
    for one in range(len(nears)):
        for two in range(one + 1, len(nears)):
            kept = SharedNeighbors.of(rows, nears[one], nears[two]).kept(k)
            found[one, two] = found[two, one] = kept.mean() if len(kept) else math.nan
    return found


def heatmap(values: Values, labels: Sequence[str], what: str, title: str, axis: str, run: str) -> Heatmap:
    """Draw a similarity matrix; 0 to 1, so that runs compare."""
    named = tuple(labels)
    return Heatmap(
        title, Axis(axis), Axis(axis), values, named, named, Axis(what, "1 is the same", (0.0, 1.0)), run=run
    )


def share(name: str, label: str, definition: str, low: float = 0.0) -> QuantitySpec:
    """Declare a similarity."""
    return QuantitySpec(name, label, definition, "", (low, 1.0), "neither")


def similarities(
    specs: Sequence[QuantitySpec], values: Mapping[str, float], count: int, without: str
) -> dict[str, Quantity]:
    """Return declared similarities by name.

    Parameters
    ----------
    specs : sequence of QuantitySpec
    values : mapping of str to float
        By name; NaN where one is not defined.
    count : int
        Samples compared.
    without : str
        What has no spread where a similarity is not defined, such as ``"a layer"``.
    """
    found = {}
    for spec in specs:
        known = math.isfinite(values[spec.name])
        found[spec.name] = Quantity(
            spec.name,
            spec.label,
            min(1.0, float(values[spec.name])) if known else None,
            spec.unit,
            n=count,
            range=spec.range,
            missing="" if known else f"look for collapse: {without} has no spread",
        )
    return found


def matrix_seconds(rows: int, dim: int, views: int, sets: int) -> float:
    """Return about how long the CKAs of every pair of sets take."""
    return 0.1 + views * sets * (sets + 1) / 2 * rows * dim * (7e-11 * dim + 2e-8)

"""`Moments`: counts, means and scatter matrices of the rows, in float64, mergeable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.validation import row_blocks
from cl_viz.engine.workers import one_thread

SCATTER_DIMENSIONS = 4096
"""Largest D with scatter matrices: two of 128 MB a view."""


@dataclass(frozen=True)
class ViewMoments:
    """First and second moments of the unit rows and of the raw rows of one view.

    Attributes
    ----------
    count : int
        Rows used.
    mean, raw_mean : NDArray[np.float64], shape (D,)
        Mean of the unit rows and of the rows as stored.
    scatter, raw_scatter : NDArray[np.float64], shape (D, D), or None
        Sum over rows of the outer product of the centred row with itself; None above D = `SCATTER_DIMENSIONS`, where
        the matrices would outweigh everything else.
    """

    count: int
    mean: NDArray[np.float64]
    scatter: NDArray[np.float64] | None
    raw_mean: NDArray[np.float64]
    raw_scatter: NDArray[np.float64] | None

    def __add__(self, other: ViewMoments) -> ViewMoments:
        mean, scatter = _merge(self.count, self.mean, self.scatter, other.count, other.mean, other.scatter)
        raw_mean, raw_scatter = _merge(
            self.count, self.raw_mean, self.raw_scatter, other.count, other.raw_mean, other.raw_scatter
        )
        return ViewMoments(self.count + other.count, mean, scatter, raw_mean, raw_scatter)


@dataclass(frozen=True)
class ClassMoments:
    """Moments of the unit rows of each class.

    Attributes
    ----------
    names : tuple of str
    counts : NDArray[np.int64], shape (K,)
    means : NDArray[np.float64], shape (K, D)
        Zeros for a class without rows.
    traces : NDArray[np.float64], shape (K,)
        Sum of squared distances of the class's rows to its mean.
    """

    names: tuple[str, ...]
    counts: NDArray[np.int64]
    means: NDArray[np.float64]
    traces: NDArray[np.float64]

    def __add__(self, other: ClassMoments) -> ClassMoments:
        counts = self.counts + other.counts
        weight = np.divide(other.counts, counts, out=np.zeros(len(counts)), where=counts > 0)
        gap = other.means - self.means
        traces = self.traces + other.traces + self.counts * weight * np.square(gap).sum(axis=1)
        return ClassMoments(self.names, counts, self.means + weight[:, None] * gap, traces)


@dataclass(frozen=True)
class Moments:
    """Moments of every view, and of every class of it where there are labels. ``a + b`` are the moments of both."""

    views: Mapping[str, ViewMoments]
    classes: Mapping[str, ClassMoments]

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            {view: moments + other.views[view] for view, moments in self.views.items()},
            {view: moments + other.classes[view] for view, moments in self.classes.items()},
        )


def _merge(
    n: int, mean: NDArray[np.float64], scatter: NDArray[np.float64] | None,
    m: int, other_mean: NDArray[np.float64], other_scatter: NDArray[np.float64] | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:  # fmt: skip
    """Merge two centred moments without the cancellation of raw sums (Chan, Golub and LeVeque 1979)."""
    total = max(1, n + m)
    gap = other_mean - mean
    merged = mean + gap * (m / total)
    if scatter is None or other_scatter is None:
        return merged, None
    return merged, scatter + other_scatter + np.outer(gap, gap) * (n * m / total)


def _block_moments(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    mean = rows.mean(axis=0)
    if rows.shape[1] > SCATTER_DIMENSIONS:
        return mean, None
    centred = torch.from_numpy(rows - mean)
    return mean, (centred.T @ centred).numpy()


def compute_moments(embedding_set: EmbeddingSet) -> Moments:
    """Compute the moments of the usable rows of every view, block by block in float64."""
    with one_thread():
        return _compute_moments(embedding_set)


def _compute_moments(embedding_set: EmbeddingSet) -> Moments:
    labels = embedding_set.codes("label")
    views: dict[str, ViewMoments] = {}
    classes: dict[str, ClassMoments] = {}
    for index, (view, array) in enumerate(embedding_set.views.items()):
        usable = embedding_set.usable_rows[view]
        norms = embedding_set.quality[view].norms
        for rows in row_blocks(array):
            keep = usable[rows]
            if not keep.any():
                continue
            raw = np.asarray(array[rows][keep], dtype=np.float64)
            unit = raw / norms[rows][keep][:, None]
            part = ViewMoments(len(unit), *_block_moments(unit), *_block_moments(raw))
            views[view] = views[view] + part if view in views else part
            if labels is not None:
                found = _class_moments(unit, labels[0][index][rows][keep], labels[1])
                classes[view] = classes[view] + found if view in classes else found
    return Moments(views, classes)


def _class_moments(unit: NDArray[np.float64], codes: NDArray[np.int64], names: tuple[str, ...]) -> ClassMoments:
    known = codes >= 0
    unit, codes = unit[known], codes[known]
    counts = np.bincount(codes, minlength=len(names))
    order = np.argsort(codes, kind="stable")
    present = np.flatnonzero(counts)
    starts = (np.cumsum(counts) - counts)[present]
    sums = np.zeros((len(names), unit.shape[1]))
    if len(order):
        sums[present] = np.add.reduceat(unit[order], starts, axis=0)
    means = sums / np.maximum(counts, 1)[:, None]
    residual = np.square(unit - means[codes]).sum(axis=1)
    traces = np.bincount(codes, weights=residual, minlength=len(names)).astype(np.float64)
    return ClassMoments(names, counts, means, traces)

"""`Moments`: counts, means and scatter matrices of the rows, in float64, mergeable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.validation import row_blocks
from cl_viz.engine.workers import one_thread

SCATTER_DIMENSIONS = 4096
"""Largest D with scatter matrices: two of 128 MB a view."""
# Rows at a time: few enough that their float64 copies stay in the cache, enough that adding up costs little.
_BLOCK_BYTES = 1 << 20
_BLOCK_ROWS = 256


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
        # A part of which no row is usable has no moments of that view.
        views, classes = {**self.views, **other.views}, {**self.classes, **other.classes}
        for view in self.views.keys() & other.views.keys():
            views[view] = self.views[view] + other.views[view]
        for view in self.classes.keys() & other.classes.keys():
            classes[view] = self.classes[view] + other.classes[view]
        return Moments(views, classes)


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


class _Sums:
    """Sums over rows that come block by block, kept in place.

    Rows are taken less a shift, the mean of the first block, so that taking the mean off at the end cancels little.
    """

    def __init__(self, first: NDArray[np.float64]) -> None:
        dimensions = first.shape[1]
        self.shift = first.mean(axis=0)
        self.count = 0
        self.total = np.zeros(dimensions)
        self.products = None if dimensions > SCATTER_DIMENSIONS else torch.zeros((dimensions,) * 2, dtype=torch.float64)

    def add(self, rows: NDArray[np.float64]) -> None:
        shifted = rows - self.shift
        self.count += len(rows)
        self.total += shifted.sum(axis=0)
        if self.products is not None:
            # The matrix is symmetric: what is left of its second diagonal block is copied at the end.
            columns, half = torch.from_numpy(shifted).T, rows.shape[1] // 2
            self.products[:half].addmm_(columns[:half], columns.T)
            self.products[half:, half:].addmm_(columns[half:], columns[half:].T)

    def moments(self) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """Return the mean, and the scatter about it."""
        gap = self.total / self.count
        if self.products is None:
            return self.shift + gap, None
        scatter: NDArray[np.float64] = self.products.numpy()
        half = len(scatter) // 2
        scatter[half:, :half] = scatter[:half, half:].T
        return self.shift + gap, scatter - np.outer(gap, self.total)


def compute_moments(embedding_set: EmbeddingSet) -> Moments:
    """Compute the moments of the usable rows of every view, block by block in float64."""
    with one_thread():
        return _compute_moments(embedding_set)


def _compute_moments(embedding_set: EmbeddingSet) -> Moments:
    labels = embedding_set.codes("label")
    views: dict[str, ViewMoments] = {}
    classes: dict[str, ClassMoments] = {}
    for index, (view, array) in enumerate(embedding_set.views.items()):
        codes, names = (None, ()) if labels is None else (labels[0][index], labels[1])
        usable, norms = embedding_set.usable_rows[view], embedding_set.quality[view].norms
        sums: tuple[_Sums, _Sums] | None = None
        for rows in row_blocks(array):
            unit, sums = _unit_rows(array[rows], usable[rows], norms[rows], sums)
            if codes is not None and len(unit):
                found = _class_moments(unit, codes[rows][usable[rows]], names)
                classes[view] = classes[view] + found if view in classes else found
        if sums is not None:
            views[view] = ViewMoments(sums[0].count, *sums[0].moments(), *sums[1].moments())
    return Moments(views, classes)


def _unit_rows(
    array: NDArray[np.generic],
    usable: NDArray[np.bool_],
    norms: NDArray[np.float64],
    sums: tuple[_Sums, _Sums] | None,
) -> tuple[NDArray[np.float64], tuple[_Sums, _Sums] | None]:
    """Return the usable rows at unit length, and the sums over these and over the rows as they are, added to."""
    unit = np.empty((np.count_nonzero(usable), array.shape[1]))
    filled = 0
    for rows in _small_blocks(len(array), array.shape[1]):
        keep = usable[rows]
        raw = np.asarray(array[rows] if keep.all() else array[rows][keep], dtype=np.float64)
        if not len(raw):
            continue
        part = unit[filled : filled + len(raw)]
        np.divide(raw, norms[rows][keep][:, None], out=part)
        filled += len(raw)
        sums = sums or (_Sums(part), _Sums(raw))
        sums[0].add(part)
        sums[1].add(raw)
    return unit, sums


def _small_blocks(n_rows: int, dimensions: int) -> Iterator[slice]:
    step = max(_BLOCK_ROWS, _BLOCK_BYTES // (8 * dimensions))
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))


def _class_moments(unit: NDArray[np.float64], codes: NDArray[np.int64], names: tuple[str, ...]) -> ClassMoments:
    # Rows without a label go to one more class, which is dropped.
    places = np.where(codes >= 0, codes, len(names))
    counts = np.bincount(places, minlength=len(names) + 1)
    sums = torch.zeros((len(names) + 1, unit.shape[1]), dtype=torch.float64)
    sums.index_add_(0, torch.from_numpy(places), torch.from_numpy(unit))
    means: NDArray[np.float64] = sums.numpy()
    means /= np.maximum(counts, 1)[:, None]
    traces = np.zeros(len(names) + 1)
    for rows in _small_blocks(*unit.shape):
        residual = unit[rows] - means[places[rows]]
        traces += np.bincount(places[rows], np.einsum("ij,ij->i", residual, residual), minlength=len(traces))
    return ClassMoments(names, counts[:-1], means[:-1], traces[:-1])

"""Silhouettes of the classes of one view, with what each sample moves: no pair of rows is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from cl_viz.core.result import Interval
from cl_viz.core.validation import row_blocks
from cl_viz.diagnostics._group_jackknife import GROUPS, interval_of_left_out, left_out_groups
from cl_viz.diagnostics._groups.labelled_view import LabelledView
from cl_viz.diagnostics._groups.probes import Codes, Rows, Scaling, probe_rows
from cl_viz.engine.inputs import SetInputs

Array = NDArray[np.float64]
_EQUAL = 1e-12
"""Distances below it are rounding: rows that are equal have no silhouette to speak of."""


def class_sums(place: Codes, rows: Array, n_classes: int) -> Array:
    """Add up the rows of each class, shape (K, D)."""
    # One row a class: a sparse product adds the rows of each class up faster than indexing would.
    members = csr_array((np.ones(len(rows)), (place, np.arange(len(rows)))), shape=(n_classes, len(rows)))
    return np.asarray(members @ rows)


def blocks_of(inputs: SetInputs, judged: LabelledView, scaling: Scaling) -> Iterator[tuple[slice, Array]]:
    """Yield (place, rows) of the judged rows in float64, block by block."""
    template = np.broadcast_to(np.float64(0), (len(judged.rows), inputs.embedding_set.dim))
    for block in row_blocks(template):
        yield block, probe_rows(inputs.embedding_set, judged.view, judged.rows[block], scaling)


@dataclass(frozen=True)
class Centres:
    """Sizes and means of the classes that occur.

    Attributes
    ----------
    place : NDArray[np.int64], shape (n,)
        Class of each row, numbered without gaps.
    counts : NDArray[np.int64], shape (K,)
    means : NDArray[np.float64], shape (K, D)
    """

    place: Codes
    counts: Codes
    means: Array

    @classmethod
    def of(cls, inputs: SetInputs, judged: LabelledView, scaling: Scaling) -> Centres:
        """Add up the rows of each class, block by block."""
        _, place = np.unique(judged.codes, return_inverse=True)
        counts = np.bincount(place)
        sums = np.zeros((len(counts), inputs.embedding_set.dim))
        for block, rows in blocks_of(inputs, judged, scaling):
            sums += class_sums(place[block], rows, len(counts))
        return cls(place, counts, sums / counts[:, None])

    def moved_by(self, inputs: SetInputs, judged: LabelledView, scaling: Scaling, slopes: Array) -> Array:
        """Return how much each sample moves a statistic through the mean of its class, shape (n,).

        Parameters
        ----------
        slopes : NDArray[np.float64], shape (K, D)
            Derivative of the statistic, times n, with respect to each class mean.
        """
        moved = np.empty(len(judged.rows))
        for block, rows in blocks_of(inputs, judged, scaling):
            own = self.place[block]
            moved[block] = ((rows - self.means[own]) * slopes[own]).sum(axis=1) / self.counts[own]
        return moved


@dataclass(frozen=True)
class Silhouettes:
    """Silhouette of every row with distance 1 - cosine.

    Attributes
    ----------
    values : NDArray[np.float64], shape (n,)
        0 for a class of one.
    influence : NDArray[np.float64], shape (n,)
        How much each sample moves their mean: by its own silhouette, and by where it pulls the mean of its class.
    """

    values: Array
    influence: Array

    @classmethod
    def of(cls, inputs: SetInputs, judged: LabelledView) -> Silhouettes:
        """Measure the rows against the class means, block by block.

        The mean distance of z to the n rows of a class whose unit rows have the mean m is 1 - z.m; among its own class
        the row itself, at distance 0, is taken out of the mean.
        """
        centres = Centres.of(inputs, judged, "unit")
        found, slopes = np.zeros(len(judged.rows)), np.zeros_like(centres.means)
        for block, rows in blocks_of(inputs, judged, "unit"):
            own = centres.place[block]
            far = 1 - rows @ centres.means.T
            places, counts = np.arange(len(rows)), centres.counts[own]
            without_itself = counts / np.maximum(1, counts - 1)
            inside = far[places, own] * without_itself
            far[places, own] = np.inf
            other = far.argmin(axis=1)
            outside = far[places, other]
            longest = np.maximum(inside, outside)
            defined = (counts > 1) & (longest > _EQUAL)
            value = np.divide(outside - inside, longest, out=np.zeros(len(rows)), where=defined)
            found[block] = value
            # s = 1 - a/b or b/a - 1: the longer of the two distances stands below.
            in_longest, scale = np.where(outside >= inside, 1 - value, 1 + value), np.where(defined, longest, np.inf)
            of_inside = -np.where(outside >= inside, 1.0, in_longest) / scale
            of_outside = np.where(outside >= inside, in_longest, 1.0) / scale
            slopes -= class_sums(own, rows * (of_inside * without_itself)[:, None], len(slopes))
            slopes -= class_sums(other, rows * of_outside[:, None], len(slopes))
        values = np.clip(found, -1, 1)
        influence = values - values.mean() + centres.moved_by(inputs, judged, "unit", slopes)
        return cls(values, influence)


def euclidean_silhouette(rows: Rows, codes: Codes) -> tuple[float, Interval | None]:
    """Return the mean silhouette of rows (n, D) by Euclidean distances, and its interval from left-out groups.

    Memory: all n x n distances, and their sums by class and group.
    """
    _, place = np.unique(codes, return_inverse=True)
    n_classes, group = int(place.max()) + 1, left_out_groups(len(rows), within=place)
    units = torch.from_numpy(np.ascontiguousarray(rows, dtype=np.float64))
    distances = torch.cdist(units, units).fill_diagonal_(0).numpy()
    counts = np.bincount(place)
    total = class_sums(place, distances, n_classes)
    value = _mean_silhouette(total, counts, place)
    if group is None or counts.min() < 2:
        return value, None
    values = np.empty(GROUPS)
    for number in range(GROUPS):
        out, kept = group == number, group != number
        rest = total[:, kept] - class_sums(place[out], distances[np.ix_(out, kept)], n_classes)
        values[number] = _mean_silhouette(rest, counts - np.bincount(place[out], minlength=n_classes), place[kept])
    return value, interval_of_left_out(value, values, len(rows), (-1.0, 1.0))


def _mean_silhouette(sums: Array, counts: Codes, place: Codes) -> float:
    """Return the mean silhouette from the distances of each row to each class, added up, shape (K, n)."""
    at = np.arange(len(place))
    inside = sums[place, at] / np.maximum(1, counts[place] - 1)
    means = sums / counts[:, None]
    means[place, at] = np.inf
    outside = means.min(axis=0)
    longest = np.maximum(inside, outside)
    defined = (counts[place] > 1) & (longest > 0)
    return float(np.divide(outside - inside, longest, out=np.zeros(len(place)), where=defined).mean())

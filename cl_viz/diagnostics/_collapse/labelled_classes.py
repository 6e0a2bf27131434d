"""The classes of one view: their means and spreads, block by block, and the least-squares head on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.errors import MissingInputError
from cl_viz.diagnostics._collapse.spectrum import RowScale, scaled_rows
from cl_viz.diagnostics._dense.neural_collapse import (
    ClassStatistics,
    GlobalMean,
    centre_of,
    mean_directions,
    nearest_centre,
)
from cl_viz.diagnostics._left_out import NO_LABEL, left_out
from cl_viz.engine.inputs import SetInputs
from cl_viz.engine.moments import SCATTER_DIMENSIONS

Values = NDArray[np.float64]
SMALLEST = 2
"""Rows that a class needs: a class of one has no spread, and would pull every ratio towards 0."""
RIDGE = 1e-6
"""Ridge of the head as a share of the mean variance of a dimension."""


@dataclass(frozen=True)
class LabelledClasses:
    """Classes with at least two rows.

    Attributes
    ----------
    view : str
    scale : {"unit", "raw"}
    names : tuple of str
    codes : NDArray[np.int64], shape (N_view,)
        Class of every row of the view; -1 where it is left out.
    statistics : ClassStatistics
    n, n_excluded : int
        Rows used; rows of the view that are NaN, infinite or zero.
    unlabelled, in_small : int
        Usable rows without a label; rows of classes with one row only.
    within, total : NDArray, shape (n,)
        Squared distance of each row to its class mean, and to the mean of all.
    """

    view: str
    scale: RowScale
    names: tuple[str, ...]
    codes: NDArray[np.int64]
    statistics: ClassStatistics
    n: int
    n_excluded: int
    within: Values
    total: Values
    unlabelled: int = 0
    in_small: int = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out, for the caveats."""
        return left_out("samples of classes with one sample only", self.in_small) + left_out(NO_LABEL, self.unlabelled)

    @property
    def count(self) -> int:
        """Number of classes, K."""
        return len(self.names)

    @property
    def within_share(self) -> float | None:
        """Share of the variance that lies within classes; None where nothing varies."""
        total = float(self.total.sum())
        return float(self.within.sum()) / total if total > _rounding(self) else None


def _rounding(classes: LabelledClasses) -> float:
    """Return the sum of squares that rounding alone would give rows of this length."""
    square = float(np.square(classes.statistics.means).sum(axis=1).max(initial=0.0))
    return classes.n * (8 * float(np.finfo(np.float64).eps)) ** 2 * square


def labelled_classes(inputs: SetInputs, view: str, scale: RowScale, convention: GlobalMean) -> LabelledClasses:
    """Measure the classes of a view, once.

    Raises
    ------
    MissingInputError
        Without labels, or with fewer than two classes of two rows.
    """
    return inputs.remember(("classes", view, scale, convention), lambda: _classes(inputs, view, scale, convention))


def _classes(inputs: SetInputs, view: str, scale: RowScale, convention: GlobalMean) -> LabelledClasses:
    embedding_set = inputs.embedding_set
    labels = embedding_set.codes("label")
    if labels is None:
        raise MissingInputError("there are no labels", where=inputs.run, remedy="add a label column (Data page)")
    codes = dict(zip(embedding_set.view_names, labels[0], strict=True))[view].copy()
    usable = embedding_set.usable_rows[view]
    unlabelled, n_excluded = int((usable & (codes < 0)).sum()), int((~usable).sum())
    codes[~usable] = -1
    counts = np.bincount(codes[codes >= 0], minlength=len(labels[1]))
    kept = np.flatnonzero(counts >= SMALLEST)
    if len(kept) < 2:
        raise MissingInputError(
            f"{'1 label has' if len(kept) == 1 else 'no label has'} {SMALLEST} samples or more",
            where=inputs.run,
            remedy="add a label column in which two values or more have several samples each (Data page)",
        )
    number = np.full(len(labels[1]), -1)
    number[kept] = np.arange(len(kept))
    codes = np.where(codes >= 0, number[codes], -1)
    statistics, within, total = _passes(inputs, view, scale, codes, counts[kept], convention)
    n = int(counts[kept].sum())
    names = tuple(labels[1][place] for place in kept)
    in_small = int(usable.sum()) - unlabelled - n
    return LabelledClasses(view, scale, names, codes, statistics, n, n_excluded, within, total, unlabelled, in_small)


def _passes(
    inputs: SetInputs, view: str, scale: RowScale, codes: NDArray[np.int64], counts: NDArray[np.int64],
    convention: GlobalMean,
) -> tuple[ClassStatistics, Values, Values]:  # fmt: skip
    """Take the means in a first pass over the rows, and the spreads around them in a second."""
    means = np.zeros((len(counts), inputs.embedding_set.dim))
    for own, block in labelled_rows(inputs, view, scale, codes):
        order = np.argsort(own, kind="stable")
        present, starts = np.unique(own[order], return_index=True)
        means[present] += np.add.reduceat(block[order], starts, axis=0)
    means /= counts[:, None]
    centre = centre_of(counts, means, convention)
    directions, spreads = mean_directions(means, centre)
    overall = (counts @ means) / counts.sum()
    projected, within, total, spread = np.zeros(len(spreads)), [], [], np.zeros(len(counts))
    for own, block in labelled_rows(inputs, view, scale, codes):
        residual = block - means[own]
        squares = np.square(residual).sum(axis=1)
        projected += np.square(residual @ directions.T).sum(axis=0)
        spread += np.bincount(own, weights=squares, minlength=len(counts))
        within.append(squares)
        total.append(np.square(block - overall).sum(axis=1))
    statistics = ClassStatistics(
        counts.astype(np.float64), means, centre, spread / counts, projected / counts.sum(), directions, spreads
    )
    return statistics, np.concatenate(within), np.concatenate(total)


def labelled_rows(
    inputs: SetInputs, view: str, scale: RowScale, codes: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], Values]]:
    """Yield codes and rows of the labelled rows, block by block."""
    usable = inputs.embedding_set.usable_rows[view]
    for rows, block in scaled_rows(inputs.embedding_set, view, scale):
        own = codes[rows][usable[rows]]
        if (own >= 0).any():
            yield own[own >= 0], block[own >= 0]


def squared_scatter(inputs: SetInputs, view: str, scale: RowScale) -> float | None:
    """Return tr(S²) / tr(S)² of the scatter of all rows, 1 over its participation ratio; None where D is too large."""
    moments = inputs.moments.views[view]
    scatter = moments.scatter if scale == "unit" else moments.raw_scatter
    if scatter is None or not np.trace(scatter) > 0:
        return None
    return float(np.square(scatter).sum()) / float(np.trace(scatter)) ** 2


@dataclass(frozen=True)
class Head:
    """A linear classifier fitted by least squares to one-hot labels.

    Attributes
    ----------
    weights : NDArray, shape (K, D)
    bias : NDArray, shape (K,)
    head_correct, centre_correct, agree : float
        Share of rows that the head, and the nearest class mean, classify as labelled, and on which the two agree.
    """

    weights: Values
    bias: Values
    head_correct: float
    centre_correct: float
    agree: float


def least_squares_head(inputs: SetInputs, classes: LabelledClasses) -> Head:
    """Fit the head on the rows of the classes, once.

    With one-hot targets and an intercept, ``W = S^-1 B`` where S is the scatter of the rows around their mean plus a
    ridge, and B holds ``n_k (mu_k - mean)``.

    Raises
    ------
    MissingInputError
        If D is too large for a scatter matrix, or nothing varies.
    """
    if inputs.embedding_set.dim > SCATTER_DIMENSIONS:
        raise MissingInputError(
            f"D = {inputs.embedding_set.dim:,} is too large for a head fitted here",
            where=inputs.run,
            remedy=f"use a layer of at most {SCATTER_DIMENSIONS:,} dimensions",
        )
    if classes.within_share is None:
        raise MissingInputError("all rows are equal", where=inputs.run, remedy="use embeddings that have not collapsed")
    return inputs.remember(("head", classes.view, classes.scale), lambda: _fit(inputs, classes))


def ridged_scatter(inputs: SetInputs, classes: LabelledClasses, overall: Values) -> Values:
    """Return the scatter of the labelled rows around `overall`, with the ridge of the head."""
    scatter = _scatter(inputs, classes, overall)
    scatter[np.diag_indices(len(scatter))] += RIDGE * np.trace(scatter) / len(scatter)
    return scatter


def _scatter(inputs: SetInputs, classes: LabelledClasses, overall: Values) -> Values:
    """Return the scatter of the labelled rows; that of all rows is known where all are labelled."""
    moments = inputs.moments.views[classes.view]
    known = moments.scatter if classes.scale == "unit" else moments.raw_scatter
    if known is not None and classes.n == moments.count:
        return known.copy()
    scatter = np.zeros((len(overall), len(overall)))
    for _, block in labelled_rows(inputs, classes.view, classes.scale, classes.codes):
        scatter += (block - overall).T @ (block - overall)
    return scatter


def _fit(inputs: SetInputs, classes: LabelledClasses) -> Head:
    from scipy.linalg import solve

    found = classes.statistics
    overall = (found.counts @ found.means) / found.counts.sum()
    scatter = ridged_scatter(inputs, classes, overall)
    weights: Values = solve(scatter, (found.counts[:, None] * (found.means - overall)).T, assume_a="pos").T
    bias = found.counts / found.counts.sum() - weights @ overall
    head, centre, agree = 0, 0, 0
    for own, block in labelled_rows(inputs, classes.view, classes.scale, classes.codes):
        by_head = (block @ weights.T + bias).argmax(axis=1)
        by_centre = nearest_centre(block, found.means)
        head += int((by_head == own).sum())
        centre += int((by_centre == own).sum())
        agree += int((by_head == by_centre).sum())
    return Head(weights, bias, head / classes.n, centre / classes.n, agree / classes.n)

"""What neural collapse measures without each of 20 groups of samples: what its intervals are made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cl_viz.diagnostics._collapse.labelled_classes import Head, LabelledClasses, labelled_rows, ridged_scatter
from cl_viz.diagnostics._dense.neural_collapse import ClassStatistics, GlobalMean, centre_of, mean_directions
from cl_viz.diagnostics._group_jackknife import GROUPS, left_out_groups
from cl_viz.engine.inputs import SetInputs

Values = NDArray[np.float64]
SMALLEST_CLASS = 10
"""Rows of the smallest class from which leaving a twentieth out says how the class varies."""
_SUMS = 3e7
"""Most entries of the sums of residuals of every group and class, 240 MB."""
_ROWS_PER_DIMENSION = 10
"""Rows for each dimension from which the weights of a head move in proportion to what is left out."""
_WORK = 2e10
"""Most products for the rows along the directions that remain without each group: a second or two."""


def left_out_statistics(
    inputs: SetInputs, classes: LabelledClasses, convention: GlobalMean
) -> list[ClassStatistics] | None:
    """Return the statistics of the classes without each group, once; groups take alike of every class.

    Returns
    -------
    list of ClassStatistics, or None
        None where the smallest class has fewer than ten rows, or there is too much to add up.
    """
    key = ("classes without groups", classes.view, classes.scale, convention)
    return inputs.remember(key, lambda: _left_out(inputs, classes, convention))


def _left_out(inputs: SetInputs, classes: LabelledClasses, convention: GlobalMean) -> list[ClassStatistics] | None:
    counts, means = classes.statistics.counts, classes.statistics.means
    size = GROUPS * means.size
    if counts.min() < SMALLEST_CLASS or size > _SUMS or size * classes.n > _WORK:
        return None
    labelled = np.flatnonzero(classes.codes >= 0)
    group = left_out_groups(len(labelled), within=classes.codes[labelled])
    if group is None:
        return None
    sizes, sums, squares = _added_up(inputs, classes, group)
    found = [
        _without(classes.statistics, sizes[place], sums[place], squares[place], convention) for place in range(GROUPS)
    ]
    return _projected(inputs, classes, group, found, sums)


def _added_up(inputs: SetInputs, classes: LabelledClasses, group: NDArray[np.int64]) -> tuple[Values, Values, Values]:
    """Add up rows minus their class mean by group and class: counts (G, K), sums (G, K, D) and squares (G, K)."""
    means = classes.statistics.means
    n_classes, dim = means.shape
    sums, sizes, squares = np.zeros((GROUPS * n_classes, dim)), np.zeros(GROUPS * n_classes), None
    squares = np.zeros(GROUPS * n_classes)
    start = 0
    for own, block in labelled_rows(inputs, classes.view, classes.scale, classes.codes):
        residual = block - means[own]
        place = group[start : start + len(own)] * n_classes + own
        start += len(own)
        order = np.argsort(place, kind="stable")
        present, starts = np.unique(place[order], return_index=True)
        sums[present] += np.add.reduceat(residual[order], starts, axis=0)
        sizes += np.bincount(place, minlength=len(sizes))
        squares += np.bincount(place, weights=np.square(residual).sum(axis=1), minlength=len(squares))
    shape = (GROUPS, n_classes)
    return sizes.reshape(shape), sums.reshape(*shape, dim), squares.reshape(shape)


def _without(
    every: ClassStatistics, sizes: Values, sums: Values, squares: Values, convention: GlobalMean
) -> ClassStatistics:
    """Return the statistics without one group, all but the rows along the new directions."""
    counts = every.counts - sizes
    # Residuals of a class add up to 0: what is left of them is what was taken away, with the other sign.
    moved = -sums / counts[:, None]
    means = every.means + moved
    variances = (every.counts * every.variances - squares) / counts - np.square(moved).sum(axis=1)
    centre = centre_of(counts, means, convention)
    directions, spreads = mean_directions(means, centre)
    return ClassStatistics(
        counts, means, centre, np.maximum(variances, 0.0), np.zeros(len(spreads)), directions, spreads
    )


def _projected(
    inputs: SetInputs, classes: LabelledClasses, group: NDArray[np.int64], found: list[ClassStatistics], sums: Values
) -> list[ClassStatistics]:
    """Return the statistics with the mean squares of the remaining rows along the remaining directions."""
    owner = np.repeat(np.arange(GROUPS), [len(one.directions) for one in found])
    every = np.concatenate([one.directions for one in found])
    total, start = np.zeros(len(owner)), 0
    for own, block in labelled_rows(inputs, classes.view, classes.scale, classes.codes):
        along = np.square((block - classes.statistics.means[own]) @ every.T)
        own_group = group[start : start + len(own)]
        start += len(own)
        order = np.argsort(own_group, kind="stable")
        present, starts = np.unique(own_group[order], return_index=True)
        by_group = np.zeros((GROUPS, len(owner)))
        by_group[present] = np.add.reduceat(along[order], starts, axis=0)
        total += by_group.sum(axis=0) - by_group[owner, np.arange(len(owner))]
    made = []
    for place, one in enumerate(found):
        shift = np.square(sums[place] @ one.directions.T) / one.counts[:, None]
        projected = (total[owner == place] - shift.sum(axis=0)) / one.counts.sum()
        made.append(replace(one, projected=np.maximum(projected, 0.0)))
    return made


def left_out_heads(
    inputs: SetInputs, classes: LabelledClasses, head: Head, left_out: list[ClassStatistics]
) -> list[Values] | None:
    """Return the head's weights without each group, once; None where N is below ten times D, or there is too much.

    Least squares has the gradient 0, so that the rows of a group pull against all others: what they pull, over the
    scatter of what is left, is how far the weights move without them, to first order in the group's share.
    """
    n_classes, dim = head.weights.shape
    size = GROUPS * n_classes * dim
    if classes.n < _ROWS_PER_DIMENSION * dim or size > _SUMS or n_classes * dim * classes.n + size * dim > _WORK:
        return None
    key = ("heads without groups", classes.view, classes.scale)
    return inputs.remember(key, lambda: _left_out_heads(inputs, classes, head, left_out))


def _left_out_heads(
    inputs: SetInputs, classes: LabelledClasses, head: Head, left_out: list[ClassStatistics]
) -> list[Values] | None:
    from scipy.linalg import solve

    found = classes.statistics
    overall = (found.counts @ found.means) / found.counts.sum()
    group = left_out_groups(classes.n, within=classes.codes[classes.codes >= 0])
    assert group is not None
    pull, start = np.zeros((GROUPS, *head.weights.shape)), 0
    for own, block in labelled_rows(inputs, classes.view, classes.scale, classes.codes):
        wrong = -(block @ head.weights.T + head.bias)
        wrong[np.arange(len(own)), own] += 1
        own_group = group[start : start + len(own)]
        start += len(own)
        for place in range(GROUPS):
            there = own_group == place
            pull[place] += wrong[there].T @ (block[there] - overall)
    scatter = ridged_scatter(inputs, classes, overall)
    moved = solve(scatter, pull.reshape(-1, pull.shape[2]).T, assume_a="pos").T.reshape(pull.shape)
    shares = np.array([one.counts.sum() for one in left_out]) / found.counts.sum()
    return [head.weights - change / share for change, share in zip(moved, shares, strict=True)]

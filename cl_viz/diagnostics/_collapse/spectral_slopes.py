"""How the counts of `_spectral_ranks` change with each eigenvalue: what their intervals are made of.

An eigenvalue that is 0 has slope 0: no sample moves it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cl_viz.diagnostics._collapse import spectral_ranks as ranks

Values = NDArray[np.float64]


def entropy_rank(weights: Values) -> Values:
    """Return the slope of the entropy rank in each weight."""
    slope = np.zeros(len(weights))
    positive = weights > 0
    if positive.any():
        shares = weights[positive] / weights.sum()
        entropy = -(shares * np.log(shares)).sum()
        slope[positive] = -np.exp(entropy) * (np.log(shares) + entropy) / weights.sum()
    return slope


def rankme(weights: Values, epsilon: float) -> Values:
    """Return the slope of RankMe in each singular value."""
    total = weights.sum()
    if not total > 0:
        return np.zeros(len(weights))
    shares = weights / total
    outer = -(np.log(shares + epsilon) + 1)
    slope: Values = ranks.rankme(weights, epsilon) * (outer - (outer * shares).sum()) / total
    return slope


def through_root(slope: Values, roots: Values) -> Values:
    """Turn a slope in singular values into one in eigenvalues."""
    return np.divide(slope, 2 * roots, out=np.zeros(len(roots)), where=roots > 0)


def participation_ratio(eigenvalues: Values) -> Values:
    """Return the slope of the participation ratio in each eigenvalue."""
    squares = np.square(eigenvalues).sum()
    if not squares > 0:
        return np.zeros(len(eigenvalues))
    ratio = ranks.participation_ratio(eigenvalues)
    slope: Values = 2 * ratio / eigenvalues.sum() - 2 * ratio * eigenvalues / squares
    return slope


def over_largest(eigenvalues: Values) -> Values:
    """Return the slope of sum over largest in each eigenvalue."""
    slope = np.zeros(len(eigenvalues))
    if eigenvalues.max(initial=0.0) > 0:
        largest = int(eigenvalues.argmax())
        slope += 1 / eigenvalues[largest]
        slope[largest] -= eigenvalues.sum() / eigenvalues[largest] ** 2
    return slope

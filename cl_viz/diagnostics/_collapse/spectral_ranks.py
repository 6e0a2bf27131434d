"""How many dimensions a spectrum fills: each count by its own name, as functions of eigenvalues or singular values.

Eigenvalues are those of a covariance (or of X'X / N where rows are not centred); singular values are their roots up
to a factor, which no count here depends on. A spectrum of zeros has no direction at all: every count is 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
_LEFT_BEYOND = 0.05
"""Share of the sum of eigenvalues that may remain beyond a cliff."""


def entropy_rank(weights: Values) -> float:
    """Return exp of the entropy of weights that are made to sum to 1; 0 where all are 0.

    Of singular values it is the effective rank (Roy and Vetterli 2007), of eigenvalues the covariance entropy rank.
    """
    positive = weights[weights > 0]
    if not len(positive):
        return 0.0
    shares = positive / positive.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def rankme(singular_values: Values, epsilon: float = 1e-7) -> float:
    """Return exp of the entropy of ``sigma / sum(sigma) + epsilon``, which does not quite sum to 1 (Garrido et al.)."""
    total = float(singular_values.sum())
    if not total > 0:
        return 0.0
    shares = singular_values / total + epsilon
    return float(np.exp(-(shares * np.log(shares)).sum()))


def participation_ratio(eigenvalues: Values) -> float:
    """Return ``(sum lambda)² / sum lambda²``."""
    squares = float(np.square(eigenvalues).sum())
    return float(eigenvalues.sum()) ** 2 / squares if squares > 0 else 0.0


def over_largest(eigenvalues: Values) -> float:
    """Return ``sum lambda / lambda_1``: the stable rank of rows as they are, NESum of centred rows."""
    largest = float(eigenvalues.max(initial=0.0))
    return float(eigenvalues.sum()) / largest if largest > 0 else 0.0


@dataclass(frozen=True)
class PowerLaw:
    """A straight line through log eigenvalue against log rank.

    Attributes
    ----------
    exponent : float
        alpha in ``lambda_k ~ k^-alpha``.
    level : float
        Log eigenvalue that the line has at rank 1.
    weights : NDArray, one for each fitted eigenvalue
        The exponent is the sum of these times the log eigenvalues.
    """

    exponent: float
    level: float
    weights: Values

    def at(self, ranks: Values) -> Values:
        """Return the line's eigenvalue at some ranks, counted from 1."""
        line: Values = np.exp(self.level - self.exponent * np.log(ranks))
        return line


def power_law(eigenvalues: Values, first: int = 10, stop: int = 100) -> PowerLaw:
    """Fit ``log lambda = level - alpha log k`` over places `first` to `stop - 1`, counted from 0, with weights 1/k.

    Parameters
    ----------
    eigenvalues : NDArray, shape (D,)
        Descending, positive over the range.
    first, stop : int

    Returns
    -------
    PowerLaw
    """
    ranks = np.arange(first, stop) + 1.0
    logs = np.log(eigenvalues[first:stop])
    design = np.stack([-np.log(ranks), np.ones(len(ranks))], axis=1)
    solve = np.linalg.solve(design.T @ (design / ranks[:, None]), design.T / ranks)
    exponent, level = solve @ logs
    return PowerLaw(float(exponent), float(level), solve[0])


def power_law_fit(eigenvalues: Values, law: PowerLaw, first: int = 10, stop: int = 100) -> float:
    """Return R² of the log eigenvalues over places `first` + 1 to `stop` - 1, each counting alike; NaN without spread.

    The first fitted place is left out, as in the authors' code, so that numbers compare with published ones.
    """
    logs = np.log(eigenvalues[first + 1 : stop])
    predicted = np.log(law.at(np.arange(first + 2, first + 2 + len(logs), dtype=np.float64)))
    spread = float(np.square(logs - logs.mean()).sum())
    return 1 - float(np.square(logs - predicted).sum()) / spread if spread > 0 else math.nan


def lda_ranks(between: Values, within: Values, deltas: Values, epsilon: float = 1e-8) -> Values:
    """Return exp of the entropy of the spectrum of between-sample over within-sample scatter (LiDAR), for each delta.

    Parameters
    ----------
    between, within : NDArray, shape (D, D)
        Covariance of the samples' means; covariance of the views around them.
    deltas : NDArray, shape (T,)
        Added to the diagonal of `within`: absolute, in squared units of the embeddings.
    epsilon : float
        Added to each share, as in RankMe.
    """
    spread, directions = np.linalg.eigh(within)
    # In the directions of `within` the whitened scatter needs no further product: it has the same eigenvalues.
    turned = directions.T @ between @ directions
    found = []
    for delta in deltas:
        scale = 1 / np.sqrt(np.maximum(spread, 0.0) + delta)
        values = np.linalg.eigvalsh(turned * np.outer(scale, scale))
        # What is negative is rounding; the authors take its size.
        found.append(rankme(np.abs(np.asarray(values, dtype=np.float64)), epsilon))
    return np.array(found)


@dataclass(frozen=True)
class Cliff:
    """The largest fall between neighbouring eigenvalues after which hardly any variance is left.

    Attributes
    ----------
    place : int
        Eigenvalues before it; all of them where there is no such place.
    decades : float
        log10 of the ratio of the two neighbours, the lower one at least the floor.
    """

    place: int
    decades: float


def cliff(eigenvalues: Values, floor: float) -> Cliff:
    """Find the largest fall after which less than 5 % of the sum remains.

    A first eigenvalue far above the others is no cliff while the others hold the variance: one long direction takes
    nothing from them.
    """
    values = np.maximum(eigenvalues, floor)
    beyond = 1 - np.cumsum(eigenvalues) / max(float(eigenvalues.sum()), np.finfo(np.float64).tiny)
    places = (
        np.flatnonzero(beyond[:-1] < _LEFT_BEYOND) if float(eigenvalues.sum()) > 0 else np.array([], dtype=np.int64)
    )
    if not len(places):
        return Cliff(len(eigenvalues), 0.0)
    falls = np.log10(values[places] / values[places + 1])
    best = int(falls.argmax())
    return Cliff(int(places[best]) + 1, float(falls[best]))

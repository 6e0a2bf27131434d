"""Measures of the gap between two modalities, on unit rows in float64.

Definitions: Liang et al. 2022 (gap vector, shift), Fahim et al. 2024 (centre distance, separability, uniformity and
alignment of the contrastive gap).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.diagnostics._geometry.separating_plane import SeparatingPlane
from cl_viz.diagnostics._groups.probes import Rows
from cl_viz.diagnostics._groups.ranking import shifted

Array = NDArray[np.float64]
TEST_SHARE = 0.2
_MOST_APART = 600.0
"""Logits of a batch further apart than this are not exponentiated on one scale: float64 ends at exp(-745)."""


def unit_rows(rows: NDArray[np.generic]) -> Rows:
    """Return rows of unit length in float64."""
    wide = np.asarray(rows, dtype=np.float64)
    found: Rows = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return found


def gap_vector(first: Rows, second: Rows) -> Array:
    """Mean of the first modality minus mean of the second, shape (D,)."""
    found: Array = first.mean(axis=0) - second.mean(axis=0)
    return found


def shift_distances(first: Rows, second: Rows, deltas: NDArray[np.floating]) -> Array:
    """Signed distance of the two centres after moving the first modality by each delta along the gap, shape (M,).

    The first modality's unit rows lose ``delta`` times the unit gap vector and are normalised again; the second stays.
    The sign is that of the new gap along the old one: negative after the centres have passed each other.
    """
    gap = gap_vector(first, second)
    length = float(np.linalg.norm(gap))
    direction = gap / length if length > 0 else gap
    found = []
    for delta in deltas:
        moved = shifted(first, -float(delta) * direction).mean(axis=0) - second.mean(axis=0)
        found.append(float(np.copysign(np.linalg.norm(moved), moved @ direction if length > 0 else 1.0)))
    return np.array(found)


def alignment(first: Rows, second: Rows) -> float:
    """Mean squared distance of the two rows of a pair, in [0, 4]."""
    return float(np.square(first - second).sum(axis=1).mean())


def uniformity(rows: Rows, t: float = 2.0) -> float:
    """Log mean of exp(-t squared distance) over pairs of different rows (Wang and Isola 2020)."""
    return spread_of(rows, rows, t).value


def cross_uniformity(first: Rows, second: Rows, t: float = 2.0) -> float:
    """Log mean of exp(-t squared distance) over rows of two modalities that are not a pair."""
    return spread_of(first, second, t).value


@dataclass(frozen=True)
class Spread:
    """A uniformity, and what each sample does to it.

    Attributes
    ----------
    value : float
    influence : NDArray[np.float64], shape (n,)
        Of each sample, mean 0: its share of the sum over pairs, twice as large as that of all others is none.
    """

    value: float
    influence: Array


def spread_of(first: Rows, second: Rows, t: float = 2.0) -> Spread:
    """Return the log mean of exp(-t squared distance) over rows of two views that are not of one sample."""
    scores = first @ second.T
    np.fill_diagonal(scores, -np.inf)
    highest = scores.max()
    mass = np.exp(2 * t * (scores - highest))
    of_first, of_second = mass.sum(axis=1), mass.sum(axis=0)
    total, count = of_first.sum(), len(first) * (len(first) - 1)
    value = float(-2 * t + 2 * t * highest + np.log(total) - np.log(count))
    return Spread(value, len(first) * (of_first + of_second) / total - 2)


@dataclass(frozen=True)
class Separability:
    """How well a plane tells held-out rows of two modalities apart.

    Attributes
    ----------
    accuracy, auc : float
    margin : float
        Smallest signed distance of a held-out row to the plane; negative where one lies on the wrong side.
    n : int
        Held-out rows.
    hits : int
    influence : NDArray[np.float64], shape (n / 2,)
        Of each held-out pair on the AUC, given the plane; mean 0.
    """

    accuracy: float
    auc: float
    margin: float
    n: int
    hits: int
    influence: Array


def separability(first: Rows, second: Rows, seed: int) -> Separability:
    """Fit a logistic regression to four fifths of the pairs, and judge it on the rest.

    The split is by pair: the two rows of one sample are never on different sides of it.
    """
    order = np.random.default_rng(seed).permutation(len(first))
    n_test = max(1, round(TEST_SHARE * len(first)))
    test, train = order[:n_test], order[n_test:]
    plane = SeparatingPlane.between(first[train], second[train])
    of_first, of_second = plane.distances(first[test]), plane.distances(second[test])
    signed = np.concatenate([-of_first, of_second])
    hits = int((of_first <= 0).sum() + (of_second > 0).sum())
    auc, influence = _placements(of_first, of_second)
    return Separability(hits / len(signed), auc, float(signed.min()), len(signed), hits, influence)


def _placements(first: Array, second: Array) -> tuple[float, Array]:
    """Return the AUC of telling the second view from the first, ties counted half, and what each pair does to it.

    That is both of its rows' places among the other view's, less the mean.

    Source: DeLong, DeLong and Clarke-Pearson 1988; the two rows of a pair are one draw.
    """

    def above(values: Array, others: Array) -> Array:
        ordered = np.sort(others)
        found: Array = (np.searchsorted(ordered, values) + np.searchsorted(ordered, values, side="right")) / 2
        return found / len(others)

    of_second = above(second, first)
    auc = float(of_second.mean())
    return auc, of_second + 1 - above(first, second) - 2 * auc


def exchange_null(first: Rows, second: Rows, draws: int, seed: int) -> Array:
    """Lengths of the gap vector where the two rows of each pair are exchanged at random, shape (draws,)."""
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(draws, len(first)))
    found: Array = np.linalg.norm(signs @ (first - second), axis=1) / len(first)
    return found


def contrastive_loss(first: Rows, second: Rows, temperature: float) -> float:
    """Mean of the two directions' cross entropies of a batch of pairs (CLIP)."""
    from scipy.special import logsumexp

    scores = first @ second.T / temperature
    positives = np.diagonal(scores).copy()
    highest = scores.max()
    if highest - scores.min() > _MOST_APART:
        both = logsumexp(scores, axis=1) + logsumexp(scores, axis=0)
    else:
        # One exponential for both directions, in place.
        np.exp(np.subtract(scores, highest, out=scores), out=scores)
        both = np.log(scores.sum(axis=1)) + np.log(scores.sum(axis=0)) + 2 * highest
    return float((both - 2 * positives).mean() / 2)

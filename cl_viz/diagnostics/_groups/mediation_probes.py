"""The probes of a mediation study: one logistic probe a run, split and state of its training labels.

As in the authors' code: unit rows, an unstratified split of training and test samples, C by three-fold cross-validation
without shuffling. Unlike there, every draw has a seed, and the same samples are split off and thinned for all runs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.diagnostics._groups.probes import fit_probe

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

GRID = (1.0, 0.1, 0.01)
FOLDS = 3
TEST_SHARE = 0.25


@dataclass(frozen=True)
class Split:
    """Training and test samples of one seed.

    Attributes
    ----------
    train, test : NDArray[np.int64]
        Places, in the order of the draw.
    seed : int
    """

    train: Codes
    test: Codes
    seed: int

    @classmethod
    def of(cls, n: int, seed: int, test_share: float = TEST_SHARE) -> Split:
        """Split `n` samples at random, not by class, as the authors do."""
        from sklearn.model_selection import train_test_split

        train, test = train_test_split(np.arange(n), test_size=test_share, random_state=seed)
        return cls(train, test, seed)

    def thinned(self, codes: Codes, rare: int, ratio: int) -> Codes:
        """Return the training samples with one in `ratio` of the class `rare`, but at least one, those first.

        The draw depends on the seed of the split and on the class alone, so that all runs lose the same samples.
        """
        own = np.flatnonzero(codes[self.train] == rare)
        kept = np.random.default_rng([self.seed, rare]).choice(own, max(1, len(own) // ratio), replace=False)
        return np.concatenate([self.train[kept], self.train[codes[self.train] != rare]])


@dataclass(frozen=True)
class ProbeAnswers:
    """What a probe says of the test samples.

    Attributes
    ----------
    predicted : NDArray[np.int64], shape (n_test,)
    regularisation : float
        C that cross-validation chose.
    converged : bool
    """

    predicted: Codes
    regularisation: float
    converged: bool


def answer(
    rows: Callable[[Codes], Floats], codes: Codes, train: Codes, test: Codes, grid: Sequence[float] = GRID
) -> ProbeAnswers:
    """Fit a probe to the samples `train` and return what it says of `test`.

    Parameters
    ----------
    rows : callable
        From places to unit rows.
    codes : NDArray of int, shape (N,)
    train, test : NDArray of int
        Places; the order of `train` decides its folds.
    grid : sequence of float
        C to choose from; of equally good ones the first.
    """
    fitted, held_out, labels = rows(train), rows(test), codes[train]
    best = max(grid, key=lambda c: _held_out_accuracy(fitted, labels, c))
    predicted, converged = _predict(fitted, labels, held_out, best)
    return ProbeAnswers(predicted, float(best), converged)


def _held_out_accuracy(rows: Floats, labels: Codes, regularisation: float) -> float:
    """Return the mean accuracy over folds that are not shuffled, as `GridSearchCV` has it."""
    from sklearn.model_selection import StratifiedKFold

    with warnings.catch_warnings():
        # The rare class may have fewer training samples than there are folds; that is what is studied.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        folds = list(StratifiedKFold(FOLDS).split(np.zeros((len(labels), 1)), labels))
    shares = [
        (_predict(rows[train], labels[train], rows[test], regularisation)[0] == labels[test]).mean()
        for train, test in folds
    ]
    return float(np.mean(shares))


def _predict(rows: Floats, labels: Codes, others: Floats, regularisation: float) -> tuple[Codes, bool]:
    if (labels == labels[0]).all():
        return np.full(len(others), labels[0]), True
    probe = fit_probe(rows, labels, regularisation=regularisation, scaling="unit")
    return probe.predict(others), probe.converged


# -- time ------------------------------------------------------------------------------------------------------------
def seconds_a_probe(n: int, dim: int, classes: int) -> float:
    """Return about how long `answer` takes on one core with `n` samples: ten fits of some forty steps each."""
    fits = len(GRID) * FOLDS + 1
    return fits * (0.015 + 40 * n * (1 - TEST_SHARE) * dim * classes * 4 / 3e9)

"""Representation and allocation harm as published, dense and in float64: what other measures are tested against.

Arrays of features have shape (M, S, N, D): M experiments (encoders trained on different data), S seeds of each, the
same N evaluation samples throughout. Labels are 0..K-1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]
Codes = NDArray[np.integer]


def unit_rows(rows: Rows) -> Rows:
    """Return rows of unit length, shape as given."""
    found: Rows = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    return found


def class_cosines(rows: Rows, labels: Codes, *, self_pairs: bool = True) -> Rows:
    """Return the mean cosine between the samples of every two classes, shape (K, K), from all pairs.

    Parameters
    ----------
    rows : NDArray, shape (N, D)
    labels : NDArray of int, shape (N,)
    self_pairs : bool
        Whether a sample's cosine with itself counts on the diagonal, as in the authors' code.
    """
    unit = unit_rows(rows)
    scores = unit @ unit.T
    counted = np.ones_like(scores)
    if not self_pairs:
        np.fill_diagonal(counted, 0.0)
    names = range(int(labels.max()) + 1)
    found = np.empty((len(names), len(names)))
    for k in names:
        for l in names:  # noqa: E741
            block = np.ix_(labels == k, labels == l)
            found[k, l] = (scores[block] * counted[block]).sum() / counted[block].sum()
    return found


def representation_harm(rare: Rows, balanced: Rows, labels: Codes, *, self_pairs: bool = True) -> Rows:
    """Return RH, shape (M, K): row m is the harm of class m, which is rare in experiment m.

    Parameters
    ----------
    rare : NDArray, shape (M, S, N, D)
    balanced : NDArray, shape (S, N, D)
    labels : NDArray of int, shape (N,)
    self_pairs : bool
        See `class_cosines`.
    """
    even = np.mean([class_cosines(rows, labels, self_pairs=self_pairs) for rows in balanced], axis=0)
    skewed = [np.mean([class_cosines(rows, labels, self_pairs=self_pairs) for rows in seeds], axis=0) for seeds in rare]
    return np.array([(1 - matrix[row]) / (1 - even[row]) for row, matrix in enumerate(skewed)])


def published_harm_spread(rare: Rows, balanced: Rows, labels: Codes) -> Rows:
    """Return the +- that the authors print beside RH, shape (M, K): it mixes two units and is no standard error of RH.

    The spread of the rare runs over seeds, and the standard error of a balanced run over all its pairs as if they were
    independent, in quadrature.
    """
    over_seeds = [
        np.std([class_cosines(rows, labels)[row] for rows in seeds], axis=0) for row, seeds in enumerate(rare)
    ]
    within = np.mean([_error_over_pairs(rows, labels) for rows in balanced], axis=0)
    found: Rows = np.sqrt(np.square(over_seeds) + np.square(within[: len(rare)]))
    return found


def _error_over_pairs(rows: Rows, labels: Codes) -> Rows:
    unit = unit_rows(rows)
    groups = [unit[labels == k] for k in range(int(labels.max()) + 1)]
    return np.array([[np.std(k @ l.T) / np.sqrt(len(k) * len(l)) for l in groups] for k in groups])  # noqa: E741


# -- allocation harm -------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class MediationDesign:
    """How the authors' probes are trained and judged.

    Attributes
    ----------
    test_seeds : sequence of int
        One split a seed.
    test_share : float
    grid : sequence of float
        C of the logistic probes.
    folds : int
        Of the cross-validation that chooses C.
    ratio : int
        One in `ratio` training samples of the rare class is kept where the probe's labels are imbalanced.
    draw_seed : int
        Of the one generator that all those draws come from, one after the other.
    """

    test_seeds: Sequence[int]
    test_share: float = 0.25
    grid: Sequence[float] = (1.0, 0.1, 0.01)
    folds: int = 3
    ratio: int = 100
    draw_seed: int = 0


@dataclass(frozen=True)
class Confusions:
    """Confusion matrices Y(t, m), rows normalised, by seed and split.

    Attributes
    ----------
    both_balanced : NDArray, shape (S, T, K, K)
        Y(0, M_0).
    rare_encoder, both_rare : NDArray, shape (M, S, T, K)
        Row m of Y(0, M_m) and of Y(1, M_m), of experiment m.
    """

    both_balanced: Rows
    rare_encoder: Rows
    both_rare: Rows

    @property
    def _base(self) -> Rows:
        mean: Rows = self.both_balanced.mean(axis=(0, 1))[: len(self.both_rare)]
        return mean

    def total_effect(self) -> Rows:
        """TE, shape (M, K)."""
        found: Rows = self.both_rare.mean(axis=(1, 2)) - self._base
        return found

    def indirect_effect(self) -> Rows:
        """NIE, shape (M, K)."""
        found: Rows = self.rare_encoder.mean(axis=(1, 2)) - self._base
        return found

    def minus_reverse_direct_effect(self) -> Rows:
        """-rNDE, shape (M, K): what the authors' code plots as the direct effect."""
        found: Rows = (self.both_rare - self.rare_encoder).mean(axis=(1, 2))
        return found

    def published_indirect_spread(self, n_test: float) -> Rows:
        """Return the authors' +- of NIE: spreads over runs, over the root of `n_test`, in quadrature; too small."""
        base = self.both_balanced.std(axis=(0, 1))[: len(self.rare_encoder)]
        rows = np.array([base[m] for m in range(len(base))])
        found: Rows = np.sqrt(np.square(self.rare_encoder.std(axis=(1, 2))) + np.square(rows)) / np.sqrt(n_test)
        return found


def confusions(rare: Rows, balanced: Rows, labels: Codes, design: MediationDesign) -> Confusions:
    """Fit every probe of the authors' design, in their order: Y(0, M_0), then Y(1, M_m) by class, then Y(0, M_m)."""
    generator = np.random.RandomState(design.draw_seed)  # The authors' draws come from numpy's old generator.
    none = [[_confusion(rows, labels, seed, design) for seed in design.test_seeds] for rows in balanced]
    both = [
        [[_confusion(rows, labels, t, design, m, generator)[m] for t in design.test_seeds] for rows in seeds]
        for m, seeds in enumerate(rare)
    ]
    encoder = [
        [[_confusion(rows, labels, t, design)[m] for t in design.test_seeds] for rows in seeds]
        for m, seeds in enumerate(rare)
    ]
    return Confusions(np.array(none), np.array(encoder), np.array(both))


def _confusion(
    rows: Rows, labels: Codes, seed: int, design: MediationDesign,
    rare: int | None = None, generator: np.random.RandomState | None = None,
) -> Rows:  # fmt: skip
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(np.arange(len(rows)), test_size=design.test_share, random_state=seed)
    if rare is not None and generator is not None:
        train = np.concatenate(list(_thinned(train, labels, rare, design.ratio, generator)))
    return probe_confusion(rows, labels, train, test, design.grid, design.folds)


def probe_confusion(
    rows: Rows, labels: Codes, train: NDArray[np.int64], test: NDArray[np.int64],
    grid: Sequence[float] = (1.0, 0.1, 0.01), folds: int = 3,
) -> Rows:  # fmt: skip
    """Return the confusion matrix, rows normalised, of a logistic probe on unit rows whose C is chosen by folds."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import confusion_matrix
    from sklearn.model_selection import GridSearchCV

    unit = unit_rows(rows)
    search = GridSearchCV(LogisticRegression(), {"C": list(grid)}, cv=folds)
    probe = LogisticRegression(C=search.fit(unit[train], labels[train]).best_params_["C"])
    predicted = probe.fit(unit[train], labels[train]).predict(unit[test])
    found: Rows = confusion_matrix(labels[test], predicted, labels=np.arange(labels.max() + 1), normalize="true")
    return found


def _thinned(
    train: NDArray[np.int64], labels: Codes, rare: int, ratio: int, generator: np.random.RandomState
) -> Iterator[NDArray[np.int64]]:
    own = np.flatnonzero(labels[train] == rare)
    yield train[generator.choice(own, size=len(own) // ratio, replace=False)]
    yield train[labels[train] != rare]

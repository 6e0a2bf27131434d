"""How well a linear probe reads a column from held-out rows, against what it reads from the same column shuffled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.result import Interval
from cl_viz.diagnostics._groups.probes import Codes, Rows, Scaling, confusion, fit_probe, group_counts, stratified_split
from cl_viz.diagnostics._proportions import wilson

TEST_SHARE = 0.25


@dataclass(frozen=True)
class Decoded:
    """What a probe reads of one column.

    Attributes
    ----------
    accuracy, balanced_accuracy : float
        On the held-out rows.
    chance : float
        Accuracy of the most frequent value of the training rows on the held-out rows, within each part.
    hits, n_test, n : int
        Held-out rows that were named rightly; held-out rows; all rows.
    null : NDArray[np.float64], shape (draws,)
        Accuracies where the column was shuffled (within each part) before the split was fitted.
    predicted, codes : NDArray[np.int64], shape (n_test,)
    converged : bool
    """

    accuracy: float
    balanced_accuracy: float
    chance: float
    hits: int
    n_test: int
    n: int
    null: NDArray[np.float64]
    predicted: Codes
    codes: Codes
    converged: bool

    @property
    def interval(self) -> Interval:
        """Wilson's, over the held-out rows."""
        return wilson(self.hits, self.n_test)

    @property
    def skill(self) -> float:
        """Share of the way from chance to certainty."""
        return (self.accuracy - self.chance) / (1 - self.chance) if self.chance < 1 else 0.0

    def beyond_chance(self, best: float) -> Interval | None:
        """Return the interval of the share of the way from chance, taken as it is, to the `best` accuracy."""
        if best <= self.chance:
            return None
        found = self.interval
        low, high = ((end - self.chance) / (best - self.chance) for end in (found.low, found.high))
        return Interval(low, high, found.level, f"{found.method}, chance as it is")

    @property
    def p_value(self) -> float:
        """Share of the shuffled columns, the true one among them, that are read as well or better."""
        return float((1 + (self.null >= self.accuracy - 1e-12).sum()) / (1 + len(self.null)))

    def confusion(self, n_classes: int) -> Codes:
        """Counts by true and predicted value, shape (K, K)."""
        return confusion(self.codes, self.predicted, n_classes)


@dataclass(frozen=True)
class _Split:
    """One part of the rows: those of a class, or all."""

    rows: Rows
    train: Codes
    test: Codes
    codes: Codes

    def predict(self, codes: Codes, regularisation: float, scaling: Scaling) -> tuple[Codes, bool]:
        known = np.unique(codes[self.train])
        if len(known) < 2:
            return np.full(len(self.test), known[0]), True
        probe = fit_probe(self.rows[self.train], codes[self.train], regularisation=regularisation, scaling=scaling)
        return probe.predict(self.rows[self.test]), probe.converged


def decode(
    rows: Rows,
    codes: Codes,
    *,
    parts: Codes | None = None,
    draws: int = 19,
    seed: int = 0,
    regularisation: float = 1.0,
    scaling: Scaling = "standardised",
    report: Callable[[float], None] = lambda done: None,
) -> Decoded:
    """Fit a logistic probe to three quarters of the rows and judge it on the rest; do the same with shuffled columns.

    Parameters
    ----------
    rows : NDArray[np.float64], shape (n, D)
    codes : NDArray[np.int64], shape (n,)
        None missing; every value (within its part) four times or more.
    parts : NDArray[np.int64], shape (n,), optional
        A probe is fitted within each part, and shuffling stays within it: subclasses within classes.
    draws : int
        Shuffled columns.
    seed : int
    regularisation, scaling
        See `fit_probe`.
    report : callable
        Given the fraction done.
    """
    whole = np.zeros(len(codes), dtype=np.int64) if parts is None else parts
    splits = []
    for part in np.unique(whole):
        inside = np.flatnonzero(whole == part)
        train, test = stratified_split(codes[inside], TEST_SHARE, seed)
        splits.append(_Split(rows[inside], train, test, codes[inside]))
    found = [split.predict(split.codes, regularisation, scaling) for split in splits]
    truth = np.concatenate([split.codes[split.test] for split in splits])
    predicted = np.concatenate([guess for guess, _ in found])
    report(1 / (draws + 1))
    generator, null = np.random.default_rng(seed), []
    for draw in range(draws):
        hits = 0
        for split in splits:
            shuffled = generator.permutation(split.codes)
            guess, _ = split.predict(shuffled, regularisation, scaling)
            hits += int((guess == shuffled[split.test]).sum())
        null.append(hits / len(truth))
        report((draw + 2) / (draws + 1))
    most = [int((split.codes[split.test] == np.bincount(split.codes[split.train]).argmax()).sum()) for split in splits]
    hits = int((predicted == truth).sum())
    recalls = group_counts(predicted == truth, truth, int(codes.max()) + 1).shares
    return Decoded(
        hits / len(truth),
        float(np.nanmean(recalls)),
        sum(most) / len(truth),
        hits,
        len(truth),
        len(codes),
        np.array(null),
        predicted,
        truth,
        all(converged for _, converged in found),
    )


def decode_seconds(n_rows: int, dim: int, n_values: int, draws: int) -> float:
    """Return about how long `decode` takes."""
    return 0.02 + (draws + 1) * (0.03 + 150 * 4 * n_rows * dim * n_values / 2e9)

"""Effects of a rare class through the representation and through the probe's labels: sums of confusion rows.

T is the imbalance of the probe's training labels, M the encoder; Y(t, m) is the row of the rare class in the confusion
matrix of the probe's test samples, normalised to sum 1 and averaged over splits and seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.result import Interval
from cl_viz.diagnostics._groups.harm_bootstrap import bootstrap_interval, draw_seeds_and_samples, two_level_reach

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

State = tuple[int, int]
"""(t, m): whether the probe's labels, and whether the encoder's training data, lacked the class."""
STATES: tuple[State, ...] = ((0, 0), (0, 1), (1, 0), (1, 1))

Effect = Literal["total_effect", "indirect_effect", "reverse_direct_effect", "direct_effect", "interaction", "accuracy"]
TERMS: Mapping[Effect, Mapping[State, int]] = {
    "total_effect": {(1, 1): 1, (0, 0): -1},
    "indirect_effect": {(0, 1): 1, (0, 0): -1},
    "reverse_direct_effect": {(0, 1): 1, (1, 1): -1},
    "direct_effect": {(1, 0): 1, (0, 0): -1},
    "interaction": {(1, 1): 1, (1, 0): -1, (0, 1): -1, (0, 0): 1},
    "accuracy": {(0, 0): 1},
}
"""Each effect as a sum of Y(t, m). TE = NIE - rNDE = NDE + NIE + interaction."""


@dataclass(frozen=True)
class Mediation:
    """Confusion rows of one rare class.

    Attributes
    ----------
    row : int
        The rare class.
    rows : NDArray, shape (4, S, B + 1, K)
        Y(t, m) in the order of `STATES`, by seed, of the set itself and of B draws of its samples.
    chosen : NDArray of int, shape (B, S)
        Seeds of each draw.
    samples : int
        Samples of the class that were in a test part.
    """

    row: int
    rows: Floats
    chosen: Codes
    samples: int

    @property
    def seeds(self) -> int:
        """S."""
        return int(self.rows.shape[1])

    def _lines(self, effect: Effect) -> Floats:
        """Return the effect by seed and line, shape (S, B + 1, K)."""
        terms = [sign * self.rows[STATES.index(state)] for state, sign in TERMS[effect].items()]
        found: Floats = np.sum(terms, axis=0)
        return found

    def values(self, effect: Effect) -> Floats:
        """Return an effect on every cell of the row, shape (K,)."""
        found: Floats = self._lines(effect)[:, 0].mean(axis=0)
        return found

    def interval(self, effect: Effect, column: int, level: float = 0.95) -> Interval:
        """Return the percentile interval over seeds and samples."""
        lines = self._lines(effect)[:, 1:, column]
        drawn = np.mean(
            [lines[self.chosen[:, place], np.arange(lines.shape[1])] for place in range(self.seeds)], axis=0
        )
        return bootstrap_interval(drawn, self.seeds, self.samples, level)

    def wide_interval(self, effect: Effect, column: int, level: float = 0.95) -> Interval | None:
        """Return an interval that also holds for other seeds; None with a single one.

        A t interval over seeds and samples, widened to the ends of `interval`: what these seeds leave open is open for
        others too.
        """
        if self.seeds < 2:
            return None
        lines = self._lines(effect)[:, :, column]
        over_seeds = float(np.var(lines[:, 0], ddof=1)) / self.seeds
        over_samples = float(np.nanvar(lines[:, 1:].mean(axis=0), ddof=1))
        reach = two_level_reach(over_seeds, over_samples, self.seeds, self.samples, level)
        value = float(lines[:, 0].mean())
        here = self.interval(effect, column, level)
        method = f"t interval over {self.seeds} seeds, with the spread over samples, and what these seeds leave open"
        return Interval(min(value - reach, here.low), max(value + reach, here.high), level, method)


def mediate(
    row: int,
    n_classes: int,
    own: Codes,
    tests: list[Codes],
    predicted: Mapping[State, list[list[Codes]]],
    *,
    bootstraps: int,
    seed: int,
) -> Mediation | None:
    """Return the confusion rows of a class from what the probes say.

    Parameters
    ----------
    row, n_classes : int
    own : NDArray of int, shape (n_k,)
        Places of the samples of the rare class.
    tests : list of NDArray of int
        Test places of each split.
    predicted : Mapping
        By state, seed and split: the predicted class of the test places.
    bootstraps, seed : int

    Returns
    -------
    Mediation, or None where no split tests a sample of the class.

    Notes
    -----
    A draw takes samples of the class with all their places in test parts, and seeds, the same in every state. It is
    conditional on the fitted probes.
    """
    tested = np.stack([np.isin(own, test) for test in tests])
    if not tested.any():
        return None
    seeds = len(predicted[0, 0])
    chosen, (counts,) = draw_seeds_and_samples(seeds, [own], bootstraps, np.random.default_rng(seed))
    weights = np.concatenate([np.ones((1, len(own))), counts.T.astype(np.float64)])
    rows = np.empty((len(STATES), seeds, bootstraps + 1, n_classes))
    for index, state in enumerate(STATES):
        for place, splits in enumerate(predicted[state]):
            parts = np.array(
                [
                    _confusion_row(weights, own, mask, test, answers, n_classes)
                    for mask, test, answers in zip(tested, tests, splits, strict=True)
                    if mask.any()
                ]
            )
            # A draw may hold no test sample of a split, which then has no row.
            known = ~np.isnan(parts).any(axis=2)
            total = np.where(known[:, :, None], parts, 0.0).sum(axis=0)
            number = known.sum(axis=0)[:, None]
            rows[index, place] = np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)
    return Mediation(row, rows, chosen, int(tested.any(axis=0).sum()))


def _confusion_row(
    weights: Floats, own: Codes, mask: NDArray[np.bool_], test: Codes, answers: Codes, n_classes: int
) -> Floats:
    """Return the class's shares of predictions in one test part under each line of weights, shape (B + 1, K)."""
    by_place = dict(zip(test.tolist(), answers.tolist(), strict=True))
    said = np.array([by_place[place] for place in own[mask].tolist()])
    hits = weights[:, mask] @ np.eye(n_classes)[said]
    total = weights[:, mask].sum(axis=1, keepdims=True)
    found: Floats = np.divide(hits, total, out=np.full(hits.shape, np.nan), where=total > 0)
    return found

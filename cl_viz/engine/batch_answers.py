"""`expected_in_batches`: what every positive may expect of a batch of so many of its anchor's negatives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.engine.anchor_sketch import AnchorSketch
from cl_viz.engine.batch_expectation import BatchExpectation
from cl_viz.engine.score_grid import ScoreGrid
from cl_viz.engine.workers import one_thread

Values = NDArray[np.float64]
_ALIKE = 1.002
"""Numbers of negatives of anchors that are answered together: the most over the fewest."""


@dataclass(frozen=True)
class Asked:
    """What is asked of the law of a batch.

    Attributes
    ----------
    answer : callable
        Takes the law, and logits and anchors of P positives; returns one number of each, (P,), or several, (Q, P).
    of_shares : bool
        Whether it is about X / (1 + X) alone, which far fewer nodes decide than the loss.
    several : tuple of int
        Q, where there are several numbers.
    """

    answer: Callable[[BatchExpectation, Values, NDArray[np.int64]], Values]
    of_shares: bool = True
    several: tuple[int, ...] = ()


LOSS = Asked(BatchExpectation.loss, of_shares=False)
MULTIPLIER = Asked(BatchExpectation.multiplier)
MULTIPLIER_AND_VARIANCE = Asked(BatchExpectation.multiplier_and_variance, several=(2,))


def expected_in_batches(
    found: Values,
    sketch: AnchorSketch,
    grid: ScoreGrid,
    total: Values,
    temperatures: Values,
    n_negatives: int,
    ask: Asked,
) -> None:
    """Put what is expected where an anchor has more negatives than a batch, anchors with as many of them at a time.

    Parameters
    ----------
    found : NDArray[np.float64], shape (T, P) or (T, Q, P)
        The answers; those of other anchors stay as they are.
    sketch : AnchorSketch
    grid : ScoreGrid
        The negatives.
    total : NDArray[np.float64], shape (A,)
        Their numbers.
    temperatures : NDArray[np.float64], shape (T,)
    n_negatives : int
        In a batch.
    ask : Asked
        `LOSS`, `MULTIPLIER` or `MULTIPLIER_AND_VARIANCE`.
    """
    owner, positives = sketch.anchor_of_positive(), sketch.positives
    for anchors, number in _alike(total, n_negatives):
        place = np.full(len(total), -1)
        place[anchors] = np.arange(len(anchors))
        own = np.flatnonzero(place[owner] >= 0)
        if not len(own):
            continue
        whose = place[owner[own]]
        # Positives stand anchor by anchor.
        first = np.flatnonzero(np.diff(whose, prepend=-1))
        lowest, highest = np.full(len(anchors), np.inf), np.full(len(anchors), -np.inf)
        lowest[whose[first]] = np.minimum.reduceat(positives[own], first)
        highest[whose[first]] = np.maximum.reduceat(positives[own], first)
        chosen = grid.chosen(anchors)
        for index, tau in enumerate(temperatures):
            points = chosen.for_steps(1 / tau)
            # A hundred small steps: several threads gain nothing even on an idle machine, and wait long on a busy one.
            with one_thread():
                law = BatchExpectation.of(points, tau, n_negatives, number, lowest, highest if ask.of_shares else None)
                found[index][..., own] = ask.answer(law, positives[own] / tau, whose)


def _alike(total: Values, n_drawn: int) -> Iterator[tuple[NDArray[np.int64], float]]:
    """Yield anchors with more candidates than a batch holds, those of nearly one number together, and that number.

    A number that is 0.2 % off moves the sum over a batch by as much, and a loss by 0.002 at most.
    """
    anchors = np.flatnonzero(total > n_drawn)
    order = anchors[np.argsort(total[anchors], kind="stable")]
    low = 0
    while low < len(order):
        high = int(np.searchsorted(total[order], total[order[low]] * _ALIKE, side="right"))
        yield np.sort(order[low:high]), float(total[order[low:high]].mean())
        low = high

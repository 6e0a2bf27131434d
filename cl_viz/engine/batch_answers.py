"""`expected_in_batches`: what every positive may expect of a batch of so many of its anchor's negatives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.engine.anchor_sketch import AnchorSketch
from cl_viz.engine.batch_expectation import BatchExpectation
from cl_viz.engine.score_grid import ScoreGrid

Values = NDArray[np.float64]
_ALIKE = 1.002
"""Numbers of negatives of anchors that are answered together: the most over the fewest."""


@dataclass(frozen=True)
class Asked:
    """What is asked of the law of a batch.

    Attributes
    ----------
    answer : callable
        Takes the law, and logits and anchors of positives.
    of_shares : bool
        Whether it is about X / (1 + X) alone, which far fewer nodes decide than the loss.
    """

    answer: Callable[[BatchExpectation, Values, NDArray[np.int64]], Values]
    of_shares: bool = True


LOSS = Asked(BatchExpectation.loss, of_shares=False)
MULTIPLIER = Asked(BatchExpectation.multiplier)
VARIANCE = Asked(BatchExpectation.variance)


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
    found : NDArray[np.float64], shape (T, P)
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
        `LOSS`, `MULTIPLIER` or `VARIANCE`.
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
        chosen, inside = grid.chosen(anchors), np.empty(len(anchors), dtype=np.int64)
        for index, tau in enumerate(temperatures):
            points = chosen.for_steps(1 / tau)
            laws = BatchExpectation.of(points, tau, n_negatives, number, lowest, highest if ask.of_shares else None)
            for part, law in laws:
                inside.fill(-1)
                inside[part] = np.arange(len(part))
                asked = np.flatnonzero(inside[whose] >= 0)
                found[index, own[asked]] = ask.answer(law, positives[own[asked]] / tau, inside[whose[asked]])


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

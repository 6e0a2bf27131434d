"""`expected_in_batches`: what every positive may expect of a batch of so many of its anchor's negatives."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from cl_viz.engine.anchor_sketch import AnchorSketch
from cl_viz.engine.batch_expectation import BatchExpectation
from cl_viz.engine.score_grid import ScoreGrid

Values = NDArray[np.float64]
Asked = tuple[Callable[..., BatchExpectation], Callable[[BatchExpectation, Values, NDArray[np.int64]], Values]]
"""How the law of a batch is worked out, and what is asked of it."""
LOSS: Asked = (BatchExpectation.of, BatchExpectation.loss)
MULTIPLIER: Asked = (BatchExpectation.of, BatchExpectation.multiplier)
VARIANCE: Asked = (BatchExpectation.fine, BatchExpectation.variance)
_ALIKE = 1.002
"""Numbers of negatives of anchors that are answered together: the most over the fewest."""


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
        chosen = grid.chosen(anchors)
        for index, tau in enumerate(temperatures):
            law = ask[0](chosen, tau, n_negatives, number, positives[own].min())
            found[index, own] = ask[1](law, positives[own] / tau, place[owner[own]])


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

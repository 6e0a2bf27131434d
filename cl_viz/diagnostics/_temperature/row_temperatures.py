"""How far the push of each row is from even, at a grid of temperatures: from the anchors, or from every row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.progress import ProgressCallback
from cl_viz.diagnostics._temperature.anchor_questions import Anchors, Values
from cl_viz.diagnostics._temperature.best_temperatures import DivergenceCurves
from cl_viz.engine.inputs import SetInputs
from cl_viz.engine.queries import AnchorQueries

_GRID: Values = 0.004 * 2.0 ** (np.arange(33) / 3)
"""A third of an octave apart, 0.004 to 6.5: the best temperature is then off by less than 0.1 % on text embeddings."""


SOME = 300
"""Rows of a view behind a curve over rho."""


def grid(smallest: float, largest: float) -> Values:
    """Return the temperatures to look at: the grid's from the last below the range to the first above, at least 4."""
    first = int(np.searchsorted(_GRID, smallest, side="right")) - 1
    last = int(np.searchsorted(_GRID, largest))
    first = max(0, min(first, len(_GRID) - 4))
    return _GRID[first : max(last, first + 3) + 1]


@dataclass(frozen=True)
class RowDivergences:
    """Rows of one view.

    Attributes
    ----------
    view : str
    rows : NDArray[np.int64], shape (n,)
    population : int
        Usable rows of the view.
    n_negatives : NDArray[np.float64], shape (n,)
    curves : DivergenceCurves
    """

    view: str
    rows: NDArray[np.int64]
    population: int
    n_negatives: Values
    curves: DivergenceCurves

    def best(self, rho: float, smallest: float, largest: float) -> Values:
        """Return the best temperature of each row within the range, shape (n,)."""
        return self.curves.best(rho, smallest, largest)

    @cached_property
    def some(self) -> DivergenceCurves:
        """The curves of up to `SOME` rows, evenly spaced among these."""
        kept = np.unique(np.linspace(0, len(self.rows) - 1, SOME).astype(np.int64))
        return DivergenceCurves(self.curves.temperatures, self.curves.divergences[:, kept])


def all_queries(anchors: Anchors) -> tuple[AnchorQueries, ...]:
    """Return all anchors of every view, ready to be asked."""
    statistics, roles = anchors.statistics, anchors.roles
    return statistics.remember(
        ("all anchors", roles),
        lambda: tuple(AnchorQueries.of(sketch, roles) for sketch in statistics.anchors.values()),
    )


def part_of_the_work(inputs: SetInputs, start: float, stop: float) -> SetInputs:
    """Return the same inputs, whose passes fill the progress from `start` to `stop`."""

    def report(done: float, message: str) -> None:
        inputs.progress(start + (stop - start) * done, message)

    return replace(inputs, progress=report)


def of_anchors(anchors: Anchors, temperatures: Values, report: ProgressCallback) -> tuple[RowDivergences, ...]:
    """Return the divergences of the anchors of every view, from the sketch; made once."""

    def make() -> tuple[RowDivergences, ...]:
        queries = all_queries(anchors)
        n_steps, found = len(queries) * len(temperatures), []
        for place, asked in enumerate(queries):
            entropies = []
            for step, temperature in enumerate(temperatures):
                report((place * len(temperatures) + step) / n_steps, "anchors at each temperature")
                entropies.append(asked.entropy([temperature])[0])
            found.append(_divergences(asked.sketch.view, asked.sketch.rows, asked.sketch.population,
                                      asked.n_negatives, temperatures, np.stack(entropies)))  # fmt: skip
        return tuple(found)

    key = ("divergences of anchors", anchors.roles, tuple(temperatures))
    return anchors.statistics.remember(key, make)


def of_every_row(anchors: Anchors, inputs: SetInputs, temperatures: Values) -> tuple[RowDivergences, ...]:
    """Return the divergences of every row of every view, exactly: a pass over all pairs by `inputs`."""
    found = inputs.rows([float(value) for value in temperatures], anchors.roles)
    return tuple(
        _divergences(part.view, part.rows, len(part.rows), part.n_negatives, temperatures, part.entropy)
        for part in found.values()
    )


def _divergences(
    view: str,
    rows: NDArray[np.int64],
    population: int,
    n_negatives: NDArray[np.generic],
    temperatures: Values,
    entropy: Values,
) -> RowDivergences:
    counts = np.asarray(n_negatives, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        divergences = np.maximum(0.0, np.log(counts) - entropy)
    return RowDivergences(view, rows, population, counts, DivergenceCurves(temperatures, divergences))

"""How far rows are from the centre of their class and centres from each other, with what each sample moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.result import Interval, influence_interval
from cl_viz.diagnostics._groups.class_silhouettes import Centres, blocks_of, class_sums
from cl_viz.diagnostics._groups.labelled_view import LabelledView
from cl_viz.diagnostics._groups.probes import Scaling
from cl_viz.engine.inputs import SetInputs

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """Distances of rows to the centre of their class.

    Attributes
    ----------
    centres : Centres
    distance : NDArray[np.float64], shape (n,)
        Of each row to the centre of its class.
    from_all : NDArray[np.float64], shape (n,)
        Of each row to the mean of all.
    moved : NDArray[np.float64], shape (n,)
        Influence of each sample on the Davies-Bouldin index.
    """

    centres: Centres
    distance: Array
    from_all: Array
    moved: Array

    @classmethod
    def of(cls, inputs: SetInputs, judged: LabelledView, scaling: Scaling) -> Spread:
        """Measure the rows in a second pass, so that no difference of large numbers is taken."""
        centres = Centres.of(inputs, judged, scaling)
        centre = centres.counts @ centres.means / centres.counts.sum()
        distance, from_all = np.empty(len(judged.rows)), np.empty(len(judged.rows))
        pull = np.zeros_like(centres.means)
        for block, rows in blocks_of(inputs, judged, scaling):
            own = centres.place[block]
            apart = rows - centres.means[own]
            distance[block] = np.linalg.norm(apart, axis=1)
            from_all[block] = np.linalg.norm(rows - centre, axis=1)
            away = np.divide(apart, distance[block][:, None], out=np.zeros_like(apart), where=apart != 0)
            pull -= class_sums(own, away, len(pull))
        made = cls(centres, distance, from_all, np.zeros(0))
        slopes, weights = made._davies_slopes(pull / centres.counts[:, None])
        own, n_rows = centres.place, len(distance)
        through = centres.moved_by(inputs, judged, scaling, slopes * n_rows)
        own_part = (distance - made.mean_distance[own]) * weights[own] * n_rows / centres.counts[own]
        return cls(centres, distance, from_all, own_part + through)

    @property
    def mean_distance(self) -> Array:
        """Mean distance of the rows of each class to its centre, shape (K,)."""
        found: Array = np.bincount(self.centres.place, self.distance) / self.centres.counts
        return found

    @property
    def within(self) -> float:
        """Sum of squares around the class centres."""
        return float(np.square(self.distance).sum())

    @property
    def between(self) -> float:
        """Sum of squares of the class centres around the mean of all rows."""
        means, counts = self.centres.means, self.centres.counts
        centre = counts @ means / counts.sum()
        return float((counts * np.square(means - centre).sum(axis=1)).sum())

    def _worst(self) -> tuple[Array, NDArray[np.int64], Array]:
        """Return each class's largest ratio, the class that it is reached with, and the distance of the two centres."""
        means, mean_distance = self.centres.means, self.mean_distance
        worst, partner, gap = np.empty(len(means)), np.empty(len(means), dtype=np.int64), np.empty(len(means))
        for number, mean in enumerate(means):
            apart = np.linalg.norm(means - mean, axis=1)
            apart[number] = np.inf
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = (mean_distance + mean_distance[number]) / apart
            partner[number] = apart.argmin() if apart.min() <= self._coincide else ratio.argmax()
            worst[number], gap[number] = ratio[partner[number]], apart[partner[number]]
        return worst, partner, gap

    @property
    def _coincide(self) -> float:
        return 1e-9 * (float(np.abs(self.centres.means).max()) or 1.0)

    def _davies_slopes(self, pull: Array) -> tuple[Array, Array]:
        """Return the index's derivatives with respect to the class centres (K, D) and the mean distances (K,)."""
        worst, partner, gap = self._worst()
        n_classes, means = len(worst), self.centres.means
        slopes, weights = np.zeros_like(means), np.zeros(n_classes)
        if gap.min() <= self._coincide:
            return slopes, weights
        for number, other in enumerate(partner):
            share = 1 / (n_classes * gap[number])
            weights[[number, other]] += share
            turn = worst[number] * share * (means[number] - means[other]) / gap[number]
            slopes[number] -= turn
            slopes[other] += turn
        return slopes + weights[:, None] * pull, weights

    def davies_bouldin(self) -> tuple[float | None, Interval | None]:
        """Return the index with its interval; None where two class centres coincide."""
        worst, _, gap = self._worst()
        if gap.min() <= self._coincide:
            return None, None
        value = float(worst.mean())
        return value, self._interval(value, self.moved)

    def calinski_harabasz(self) -> tuple[float | None, Interval | None]:
        """Return the index with its interval; None where no row is away from its class centre."""
        n_classes, n_rows = len(self.centres.counts), len(self.distance)
        total = self.within + self.between
        if n_rows <= n_classes or self.within <= 1e-18 * max(total, 1e-300):
            return None, None
        value = self.between / (n_classes - 1) / (self.within / (n_rows - n_classes))
        inside, all_of_it = np.square(self.distance), np.square(self.from_all)
        factor = (n_rows - n_classes) / (n_classes - 1)
        ratio = all_of_it.mean() / inside.mean()
        moved = factor * (all_of_it - ratio * inside) / inside.mean()
        return value, self._interval(value, moved - moved.mean())

    def _interval(self, value: float, moved: Array) -> Interval | None:
        if value <= 0 or self.centres.counts.min() < 2:
            return None
        return influence_interval(value, moved, limits=(0.0, np.inf)).around(value)

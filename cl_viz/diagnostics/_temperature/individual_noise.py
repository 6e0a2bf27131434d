"""Intervals of the summary of individual temperatures: how far each row's own would move without each sample.

A row's best temperature is where its divergence log M - H is rho. Without a sample the divergence there is another, and
its slope says how far the best temperature moves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import CubicSpline

from cl_viz.core.result import Interval, influence_interval
from cl_viz.diagnostics._temperature.anchor_noise import UNIT, Floats, smooth_share, subset_of
from cl_viz.diagnostics._temperature.anchor_questions import Values
from cl_viz.diagnostics._temperature.fewer_anchors import at_most
from cl_viz.diagnostics._temperature.individual_views import Individual
from cl_viz.diagnostics._temperature.row_temperatures import all_queries
from cl_viz.diagnostics._temperature.sample_noise import MOST, Leaving, SampleNoise, SubsetScores
from cl_viz.engine.queries import AnchorQueries

_FLAT = 1e-12


@dataclass(frozen=True)
class IndividualNoise:
    """Intervals of what is said of all rows' best temperatures."""

    found: Individual
    subset: SubsetScores
    noise: SampleNoise

    @classmethod
    def of(cls, found: Individual) -> IndividualNoise | None:
        """Return what intervals are made of; None where rows of views are not samples, or not all are anchors."""
        sketches = tuple(queries.sketch for queries in all_queries(found.anchors))
        subset = subset_of(found.anchors, sketches)
        same = all(np.array_equal(part.rows, sketches[0].rows) for part in found.parts)
        if subset is None or not same or any(not np.isfinite(best).all() for best in found.by_view):
            return None
        return cls(found, subset, SampleNoise(subset.places, sketches[0].population))

    def interval(self, name: str) -> Interval | None:
        """Return the interval of one quantity of `individual_temperatures`, all but the mean slope."""
        measures: dict[str, Callable[[], Interval | None]] = {
            "mean_temperature": self.mean,
            "median_temperature": lambda: self.quantile(0.5),
            "low_temperature": lambda: self.quantile(0.05),
            "high_temperature": lambda: self.quantile(0.95),
            "at_smallest": lambda: self.share_at(self.found.smallest),
            "at_largest": lambda: self.share_at(self.found.largest),
        }
        return measures[name]() if name in measures else None

    def mean(self) -> Interval | None:
        """Return the interval of the mean of the best temperatures."""
        by_view = self.found.by_view
        limits = (self.found.smallest, self.found.largest)
        return self.noise.interval(float(np.mean(by_view)), by_view, lambda view: self._moved[view], limits)

    def quantile(self, share: float) -> Interval | None:
        """Return the interval of a quantile: the quantiles of the shares that could lie below it (Woodruff 1952).

        None where these reach all rows or none: beyond the outermost row nothing is known.
        """
        every = self.found.every
        here = float(np.quantile(every, share))
        if here in (self.found.smallest, self.found.largest):
            return None
        below = tuple((best <= here).astype(np.float64) for best in self.found.by_view)
        spread = _bandwidth(np.log(every))
        logs = [np.log(self._own(view)) for view in range(len(below))]

        def without(view: int) -> Floats:
            before, after = np.log(here) - logs[view][:, None], np.log(here) - np.log(self._moved[view])
            return np.asarray(below[view][self.subset.places][:, None] + smooth_share(before, after, spread))

        found = self.noise.interval(share, below, without, UNIT)
        if found is None or found.low <= 0 or found.high >= 1:
            return None
        low, high = (float(np.quantile(every, end)) for end in (found.low, found.high))
        return Interval(low, high, found.level, f"quantiles of the shares by the {found.method}").with_width

    def share_at(self, end: float) -> Interval | None:
        """Return the interval of the share of the rows that stand at an end of the range."""
        by_view = tuple((best == end).astype(np.float64) for best in self.found.by_view)
        share = float(np.mean(by_view))
        if share in (0.0, 1.0):
            return influence_interval(share, np.zeros(self.noise.n_samples), limits=UNIT)
        # How far beyond the end a row would go: above 0 where it stands there.
        sign = 1.0 if end == self.found.largest else -1.0
        whole = [sign * np.log(self._divergence(view, np.full(len(self.subset.places), end)) / self.found.rho)
                 for view in range(len(by_view))]  # fmt: skip
        spread = _bandwidth(np.concatenate(whole))

        def without(view: int) -> Floats:
            left = sign * np.log(
                np.maximum(self._left(view, np.full((len(whole[view]), 1), end)), _FLAT) / self.found.rho
            )
            before = whole[view][:, None]
            return np.asarray(by_view[view][self.subset.places][:, None] + smooth_share(before, left, spread))

        return self.noise.interval(share, by_view, without, UNIT)

    def slope(self, slopes: tuple[Values, ...], temperature: float, limit: float) -> Interval | None:
        """Return the interval of the mean slope rho - KL at one temperature; None where any is clipped."""
        if max(float(np.abs(values).max()) for values in slopes) >= limit:
            return None

        def without(view: int) -> Floats:
            at = np.full((len(self.subset.places), 1), temperature)
            before = self._divergence(view, at[:, 0])[:, None]
            return np.asarray(slopes[view][self.subset.places][:, None] + before - self._left(view, at))

        return self.noise.interval(float(np.mean(slopes)), slopes, without, (-limit, limit), pairs_twice=True)

    @cached_property
    def _moved(self) -> list[Values]:
        """Best temperatures of the subset's rows without each sample, by view, (m, m)."""
        return [self._moved_of(view) for view in range(len(self.found.parts))]

    def _moved_of(self, view: int) -> Values:
        own, found = self._own(view), self.found
        steep = self._curves[view][1](np.log(own), 1)
        change = np.log(np.maximum(self._left(view, own[:, None]), _FLAT) / self._divergence(view, own)[:, None])
        # The divergence falls as the temperature rises; at an end of the range a row stays where it is.
        inside = (own > found.smallest) & (own < found.largest)
        moved = np.where(inside[:, None], -change / np.minimum(steep, -_FLAT)[:, None], 0.0)
        return np.asarray(np.clip(own[:, None] * np.exp(moved), found.smallest, found.largest))

    def _own(self, view: int) -> Values:
        return np.asarray(self.found.by_view[view][self.subset.places])

    def _divergence(self, view: int, temperatures: Values) -> Values:
        """Return the divergence of each row of the subset at a temperature of its own, (m,)."""
        return np.asarray(np.exp(self._curves[view][1](np.log(temperatures))))

    def _left(self, view: int, temperatures: Values) -> Values:
        """Return the divergence of each row at its temperature (m, 1) without each sample, (m, m)."""
        counts = self.found.parts[view].n_negatives[self.subset.places]
        log_sum = self._curves[view][0](np.log(temperatures[:, 0])) / temperatures[:, 0]
        leaving = Leaving(self.subset.scores[view], temperatures, log_sum, None)
        entropy = leaving.entropy(np.log(counts) - self._divergence(view, temperatures[:, 0]))
        return np.asarray(np.log(counts - len(self.subset.scores[view]))[:, None] - entropy)

    @cached_property
    def _curves(self) -> list[tuple[_Each, _Each]]:
        """Temperature times log-sum-exp, and log divergence, of the subset's rows by log temperature, by view."""
        anchors, parts = self.found.anchors, self.found.parts

        def make() -> list[tuple[_Each, _Each]]:
            found = []
            for part, queries in zip(parts, all_queries(anchors), strict=True):
                temperatures = part.curves.temperatures
                asked = AnchorQueries.of(at_most(queries.sketch, MOST), queries.roles)
                scaled = temperatures[:, None] * asked.log_sum_exp(temperatures)
                divergences = np.log(np.maximum(part.curves.divergences[:, self.subset.places], _FLAT))
                found.append((_Each(np.log(temperatures), scaled), _Each(np.log(temperatures), divergences)))
            return found

        key = ("curves of samples that leave", anchors.roles, tuple(parts[0].curves.temperatures))
        return anchors.statistics.remember(key, make)


class _Each:
    """Cubic splines of many curves, each asked at a place of its own.

    Parameters
    ----------
    places : NDArray[np.float64], shape (T,)
    values : NDArray[np.float64], shape (T, m)
    """

    def __init__(self, places: Values, values: Values) -> None:
        self._places, self._pieces = places, CubicSpline(places, values, axis=0).c

    def __call__(self, at: Values, derivative: int = 0) -> Values:
        """Return each curve's value, or its first derivative, at its place, (m,)."""
        piece = np.clip(np.searchsorted(self._places, at, side="right") - 1, 0, len(self._places) - 2)
        step, columns = at - self._places[piece], np.arange(len(at))
        a, b, c, d = (self._pieces[power, piece, columns] for power in range(4))
        if derivative:
            return np.asarray((3 * a * step + 2 * b) * step + c)
        return np.asarray(((a * step + b) * step + c) * step + d)


def _bandwidth(values: Values) -> float:
    """Return the width of a normal kernel (Silverman 1986, 3.4.2), above 0."""
    return max(1.06 * float(values.std()) / math.pow(len(values), 0.2), 1e-9)

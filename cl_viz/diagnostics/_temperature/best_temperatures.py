"""The best temperature of each row, from how far its push is from even at the temperatures of a grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

Values = NDArray[np.float64]
_HALVINGS = 36
_FLAT = 1e-12


@dataclass(frozen=True)
class DivergenceCurves:
    """How far each row's push is from even, by temperature.

    Between the grid's temperatures the logarithm of the divergence follows a cubic spline over the logarithm of the
    temperature (it goes towards a straight line of slope -2).

    Attributes
    ----------
    temperatures : NDArray[np.float64], shape (T,)
        Ascending, four or more.
    divergences : NDArray[np.float64], shape (T, n)
        log M - H of each row's relative penalties; NaN for a row without negatives.
    """

    temperatures: Values
    divergences: Values

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """Rows that have negatives, shape (n,)."""
        return np.asarray(np.isfinite(self.divergences).all(axis=0))

    @cached_property
    def spread(self) -> NDArray[np.bool_]:
        """Of these, rows whose scores are not all alike, shape (n,)."""
        return np.asarray(self.known & (self.divergences[-1] > _FLAT))

    @cached_property
    def _coefficients(self) -> Values:
        """Of the splines of the rows that are `spread`, shape (4, T - 1, rows)."""
        logarithms = np.log(np.maximum(self.divergences[:, self.spread], _FLAT))
        found: Values = CubicSpline(np.log(self.temperatures), logarithms, axis=0).c
        return found

    def _above(self, log_temperatures: Values, target: float) -> NDArray[np.bool_]:
        """Whether the logarithm of each row's divergence, at a temperature of its own, is above `target`."""
        x = np.log(self.temperatures)
        piece = np.clip(np.searchsorted(x, log_temperatures, side="right") - 1, 0, len(x) - 2)
        step = log_temperatures - x[piece]
        columns = np.arange(len(step))
        value = np.zeros_like(step)
        for power in range(4):
            value = value * step + self._coefficients[power, piece, columns]
        return np.asarray(value > target)

    def best(self, rho: float, smallest: float, largest: float) -> Values:
        """Return argmin over [smallest, largest] of tau (rho + log mean exp(s / tau)) of each row, shape (n,).

        The slope in tau is rho less the divergence, which falls as tau rises: so the minimum is where the divergence
        is rho, or an end of the range. NaN for a row without negatives.

        Parameters
        ----------
        rho : float
            Above 0.
        smallest, largest : float
            Within the grid's temperatures.
        """
        found = np.full(len(self.known), np.nan)
        # All scores alike: the slope is rho at every temperature.
        found[self.known & ~self.spread] = smallest
        n_rows = int(self.spread.sum())
        if not n_rows:
            return found
        target = float(np.log(rho))
        low, high = np.full(n_rows, np.log(smallest)), np.full(n_rows, np.log(largest))
        at_smallest, at_largest = ~self._above(low, target), self._above(high, target)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            beyond = self._above(middle, target)
            low, high = np.where(beyond, middle, low), np.where(beyond, high, middle)
        solved = np.exp((low + high) / 2)
        solved[at_smallest] = smallest
        solved[at_largest] = largest
        found[self.spread] = solved
        return found

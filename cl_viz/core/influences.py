"""How much each sample moved a statistic: kept beside an interval, to compare two runs sample by sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_UNITS = 20_000
"""Units that are kept of each group; of more samples, as many sums over samples are."""


@dataclass(frozen=True, eq=False)
class Influences:
    """Influence of units (samples, anchors, or groups of samples) on a statistic.

    Attributes
    ----------
    groups : tuple of NDArray[np.float32], each of shape (n,)
        One array for each set of samples drawn independently; their variance over `sizes`, summed, is the squared
        standard error of the statistic.
    sizes : tuple of float
        What each variance is divided by.
    """

    groups: tuple[NDArray[np.float32], ...]
    sizes: tuple[float, ...]

    @classmethod
    def keep(cls, groups: Sequence[NDArray[np.floating]], sizes: Sequence[float]) -> Influences:
        """Keep influences in bounded memory.

        Above `MOST_UNITS`, every so-manieth sample is added up: sums of independent samples are independent, and
        their variance is the sum of the variances, so that the standard error stays the same.
        """
        kept, scaled = [], []
        for values, size in zip(groups, sizes, strict=True):
            units = min(len(values), MOST_UNITS)
            if units < len(values):
                place = np.arange(len(values)) % units
                # Centred first: the sums hold unequal numbers of samples.
                moved = np.asarray(values, dtype=np.float64)
                values = np.bincount(place, weights=moved - moved.mean(), minlength=units) * (units / len(moved))
                size = size * units / len(moved)
            kept.append(np.asarray(values, dtype=np.float32))
            scaled.append(float(size))
        return cls(tuple(kept), tuple(scaled))

    def matches(self, other: Influences) -> bool:
        """Whether the units of both can be those of the same samples: as many, in as many groups."""
        return self.sizes == other.sizes and [len(group) for group in self.groups] == [len(g) for g in other.groups]

    def minus(self, other: Influences) -> Influences:
        """Return the influence on the difference of two statistics of the same samples in the same order."""
        parts = zip(self.groups, other.groups, strict=True)
        return Influences(tuple(one - two for one, two in parts), self.sizes)

    @property
    def standard_error(self) -> float:
        """Standard error of the statistic; infinite where a group is a single unit."""
        parts = [
            float(np.var(group, ddof=1, dtype=np.float64)) / size if len(group) > 1 else math.inf
            for group, size in zip(self.groups, self.sizes, strict=True)
        ]
        return math.sqrt(sum(parts))

    @property
    def degrees(self) -> int:
        """Degrees of freedom of the standard error."""
        return sum(len(group) - 1 for group in self.groups)

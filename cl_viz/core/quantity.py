"""`Quantity`: one number with its unit, interval and N; intervals from the influence of each sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.influences import Influences


@dataclass(frozen=True)
class Interval:
    """A confidence interval.

    Attributes
    ----------
    low, high : float
        Ends, in the unit of the quantity.
    level : float
        Confidence, in (0, 1).
    method : str
        How it was made, in words.
    influences : Influences or None
        What each sample contributed, where that is known: runs on the same samples are compared by it.
    """

    low: float
    high: float
    level: float = 0.95
    method: str = ""
    influences: Influences | None = field(default=None, compare=False, repr=False)

    @property
    def with_width(self) -> Interval | None:
        """Itself; None where its ends are one: that no sample moved a number says nothing of other samples."""
        return self if self.low < self.high else None

    def around(self, value: float) -> Interval | None:
        """Return itself; None where it does not reach to both sides of a value."""
        return self if self.low < value < self.high else None


def influence_interval(
    estimate: float,
    *groups: NDArray[np.floating[Any]],
    sizes: Sequence[int] | None = None,
    level: float = 0.95,
    limits: tuple[float, float] = (-math.inf, math.inf),
) -> Interval:
    """Interval of a statistic from the influence of each sample on it (the infinitesimal jackknife).

    Parameters
    ----------
    estimate : float
        The statistic on all samples.
    *groups : NDArray, each of shape (n,)
        Derivative of the statistic with respect to the weight of each sample, times the number of samples; the mean
        is 0. Groups are samples drawn independently of each other, such as the images and the captions of a set
        whose views are not aligned.
    sizes : sequence of int, optional
        Number of samples of each group, where the influence was computed on a draw of them only.
    level : float
        Confidence, in (0, 1).
    limits : tuple of float
        Range of the quantity. Between two finite limits the interval is made on the logit scale, above a limit of 0
        on the log scale, so that it cannot leave the range and is not symmetric near its ends.

    Returns
    -------
    Interval
        Normal approximation; the squared standard error is the sum over groups of ``var(influence) / n``. The whole
        range where a group is a single sample. Of a statistic at an end of [0, 1] the rule of three; at an end of
        another finite range an interval without width, see `Interval.with_width`.

    Notes
    -----
    Samples are the units that vary, never pairs: pairs that share a sample are not independent.
    Source: Efron 1982, The Jackknife, the Bootstrap and Other Resampling Plans, chapter 6.
    """
    counts = [len(group) for group in groups] if sizes is None else list(sizes)
    z_value = NormalDist().inv_cdf(0.5 + level / 2)
    spread = [
        float(np.var(group, ddof=1)) / n if len(group) > 1 else math.inf
        for group, n in zip(groups, counts, strict=True)
    ]
    error = math.sqrt(sum(spread))
    low, high = limits
    method = f"infinitesimal jackknife over {' and '.join(f'{n:,}' for n in counts)} samples"
    if not math.isfinite(error):
        return Interval(low, high, level, method)
    kept = Influences.keep(groups, counts)
    if math.isfinite(low) and math.isfinite(high):
        share = (estimate - low) / (high - low)
        if not 0 < share < 1:
            if (low, high) != (0.0, 1.0):
                return Interval(estimate, estimate, level, method)
            # No sample speaks against the end: so many could still be missed (the rule of three).
            missed = (high - low) * min(1.0, -math.log(1 - level) / min(counts))
            start, stop = (low, low + missed) if share <= 0 else (high - missed, high)
            return Interval(start, stop, level, f"rule of three over {min(counts):,} samples")
        centre = math.log(share / (1 - share))
        width = z_value * error / (high - low) / (share * (1 - share))
        start, stop = (low + (high - low) * _logistic(end) for end in (centre - width, centre + width))
        # There and back again a value near an end is rounded: the interval holds it all the same.
        return Interval(min(start, estimate), max(stop, estimate), level, method, kept)
    if low == 0 and estimate > 0:
        width = z_value * error / estimate
        return Interval(estimate * math.exp(-width), estimate * math.exp(min(700.0, width)), level, method, kept)
    return Interval(max(low, estimate - z_value * error), min(high, estimate + z_value * error), level, method, kept)


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value > -700 else 0.0


@dataclass(frozen=True)
class Quantity:
    """One number, with all one needs to read it.

    Attributes
    ----------
    name : str
        Stable identifier; ``diagnostic.name`` is its key in JSON and never changes meaning.
    label : str
        Shown to people.
    value : float or None
        None where the input cannot support it; `missing` then says what to add.
    unit : str
    interval : Interval or None
    n : int or None
        How many units it rests on.
    unit_of_n : str
        What is counted, where it is not samples: anchors, pairs.
    range : tuple of float or None
        Ends of what it can be; None where unbounded.
    reference : float or None
        A value to compare with (a null, a theoretical optimum), named by `reference_label`.
    reference_label, missing : str
    """

    name: str
    label: str
    value: float | None
    unit: str = ""
    interval: Interval | None = None
    n: int | None = None
    unit_of_n: str = "samples"
    range: tuple[float, float] | None = None
    reference: float | None = None
    reference_label: str = ""
    missing: str = ""

    def __repr__(self) -> str:
        counted = "" if self.n is None else f", N = {self.n:,}" + f" {self.unit_of_n}" * (self.unit_of_n != "samples")
        return f"{self.label}: {' '.join(filter(None, (self.text(), self.unit)))}{counted}"

    def text(self, digits: int = 3) -> str:
        """Return value and interval with `digits` significant digits, or what is missing."""
        if self.value is None:
            return f"unknown: {self.missing}"
        value = format_number(self.value, digits)
        if self.interval is None:
            return value
        ends = f"{format_number(self.interval.low, digits)}, {format_number(self.interval.high, digits)}"
        return f"{value} [{ends}]"


def format_number(value: float, digits: int = 3) -> str:
    """Format with significant digits, thousands separated; whole numbers whole; no exponent between 1e-4 and 1e7."""
    if not math.isfinite(value):
        return "not defined" if math.isnan(value) else ("infinite" if value > 0 else "-infinite")
    if float(value).is_integer() and abs(value) < 1e7:
        return f"{int(value):,}"
    short_of_one = 1 - abs(value)
    if 1e-12 < short_of_one < 0.5 * 10.0**-digits:
        # Rounded to 1.000 it would claim what it just misses: as many digits as show the difference.
        return f"{value:.{math.ceil(-math.log10(short_of_one) - 1e-6)}f}"
    magnitude = math.floor(math.log10(abs(value)))
    if magnitude < -4 or magnitude >= 7:
        return f"{value:.{digits - 1}e}"
    return f"{value:,.{max(0, digits - 1 - magnitude)}f}"

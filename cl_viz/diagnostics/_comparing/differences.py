"""The difference of one quantity between two runs, and what noise explains of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from cl_viz.core.influences import Influences
from cl_viz.core.result import Interval, Quantity, format_number
from cl_viz.diagnostics._comparing.same_samples import Pairing

Noise = Literal["paired", "unpaired", "no interval"]
LEVEL = 0.95
_MANY = 200
"""Degrees of freedom from which Student's t is the normal distribution to two digits."""


@dataclass(frozen=True)
class Difference:
    """A run's quantity less the reference's.

    Attributes
    ----------
    value : float
    interval : Interval or None
        None where one of the two has none.
    noise : {"paired", "unpaired", "no interval"}
        Paired: from how much each sample moved both. Unpaired: from the two intervals, as if the samples were drawn
        anew for each run, which is too wide where they are the same.
    reason : str
        Why it is not paired; empty where it is.
    """

    value: float
    interval: Interval | None
    noise: Noise
    reason: str = ""

    @property
    def beyond_noise(self) -> bool:
        """Whether the interval does not hold 0."""
        return self.interval is not None and not self.interval.low <= 0 <= self.interval.high

    @property
    def strength(self) -> float:
        """The difference as a multiple of what noise explains, above 1 if beyond it; NaN if not judged."""
        if self.interval is None:
            return math.nan
        allowed = self.value - self.interval.low if self.value > 0 else self.interval.high - self.value
        return 0.0 if self.value == 0 else abs(self.value) / allowed if allowed > 0 else math.inf

    def text(self) -> str:
        """Return the difference with its sign, and its interval."""
        signed = f"{'+' if self.value > 0 else ''}{format_number(self.value)}"
        if self.interval is None:
            return signed
        return f"{signed} [{format_number(self.interval.low)}, {format_number(self.interval.high)}]"


def difference(before: Quantity, after: Quantity, pairing: Pairing) -> Difference | None:
    """Return `after` less `before` with its interval; None where one of the two has no value.

    Notes
    -----
    Paired: the influence of a sample on the difference is the difference of its influences (infinitesimal jackknife;
    Efron 1982, chapter 6), with Student's t where the units are few. Unpaired: the distances from the estimates to the
    ends of both intervals, squared and added (Zou and Donner 2008).
    """
    if before.value is None or after.value is None:
        return None
    moved = after.value - before.value
    if before.interval is None or after.interval is None:
        return Difference(moved, None, "no interval", "one of the runs has no interval")
    reason = _not_paired(before.interval, after.interval, pairing)
    if not reason:
        kept = _influences(after.interval).minus(_influences(before.interval))
        reach = _quantile(kept.degrees) * kept.standard_error
        if math.isfinite(reach):
            return Difference(moved, Interval(moved - reach, moved + reach, LEVEL, "paired"), "paired")
        reason = "too few samples"
    ends = _unpaired(before.value, before.interval, after.value, after.interval)
    if ends is None or not all(map(math.isfinite, ends)):
        return Difference(moved, None, "no interval", "an interval has no width or no end")
    return Difference(moved, Interval(*ends, LEVEL, "unpaired"), "unpaired", reason)


def _influences(interval: Interval) -> Influences:
    assert interval.influences is not None
    return interval.influences


def _not_paired(before: Interval, after: Interval, pairing: Pairing) -> str:
    """Return why two intervals are not paired; empty where they are."""
    if not pairing.same:
        return pairing.reason or "the samples are not the same"
    if before.influences is None or after.influences is None:
        return "the interval is not made from samples one by one"
    if not after.influences.matches(before.influences):
        return "it rests on other samples in the two runs"
    return ""


def _unpaired(one: float, before: Interval, two: float, after: Interval) -> tuple[float, float] | None:
    below = math.hypot(two - after.low, before.high - one)
    above = math.hypot(after.high - two, one - before.low)
    return (two - one - below, two - one + above) if below > 0 and above > 0 else None


def _quantile(degrees: int) -> float:
    from scipy.stats import norm, t

    return float(norm.ppf(0.5 + LEVEL / 2) if degrees > _MANY else t.ppf(0.5 + LEVEL / 2, degrees))

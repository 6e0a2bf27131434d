"""The difference of one quantity between two runs, and what noise explains of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from cl_viz.core.influences import Influences
from cl_viz.core.result import Interval, Quantity, format_number
from cl_viz.diagnostics._comparing.resampling import Resamples, Scheme, scheme_of
from cl_viz.diagnostics._comparing.same_samples import Pairing
from cl_viz.diagnostics._comparing.unjudged import NOT_BY_INFLUENCES, ONLY_BY_INFLUENCES, UNJUDGED

Noise = Literal["paired", "unpaired", "no interval"]
LEVEL = 0.95
FALSE_DISCOVERIES = 0.05
"""Largest expected share of wrong ones among the differences that hold."""
_MANY = 200
"""Degrees of freedom from which Student's t is the normal distribution to two digits."""


@dataclass(frozen=True)
class ResampledPair:
    """Where the resamples of a number of two runs are."""

    resamples: Resamples
    before: str
    after: str


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
        Why it is not paired, or not judged; empty where it is.
    method : {"bootstrap", "half-samples", ""}
        How the samples were drawn again; empty where they were not.
    degrees : int
        Degrees of freedom of the interval; 0 for the normal distribution.
    adjusted : float
        The p-value adjusted for all differences that were judged with it; NaN where none were.
    """

    value: float
    interval: Interval | None
    noise: Noise
    reason: str = ""
    method: Scheme | Literal[""] = ""
    degrees: int = 0
    adjusted: float = math.nan

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

    @property
    def p_value(self) -> float:
        """Two-sided p-value of no difference; NaN if not judged."""
        from scipy.stats import norm, t

        statistic = self.strength * _quantile(self.degrees)
        law = t(self.degrees) if 0 < self.degrees <= _MANY else norm()
        return float(2 * law.sf(statistic))

    @property
    def holds(self) -> bool:
        """Whether it is beyond noise also at the false discovery rate, among all that were judged with it."""
        return self.beyond_noise and self.adjusted <= FALSE_DISCOVERIES

    def text(self) -> str:
        """Return the difference with its sign, and its interval."""
        signed = f"{'+' if self.value > 0 else ''}{format_number(self.value)}"
        if self.interval is None:
            return signed
        return f"{signed} [{format_number(self.interval.low)}, {format_number(self.interval.high)}]"


def difference(
    before: Quantity,
    after: Quantity,
    pairing: Pairing,
    key: str = "",
    resampled: ResampledPair | None = None,
) -> Difference | None:
    """Return `after` less `before` with its interval; None where one of the two has no value.

    `key` is ``diagnostic.quantity``: it says which numbers are not judged, or not in this way.

    Notes
    -----
    Resampled: the standard deviation of the difference over resamples, with Student's t of their number. Otherwise,
    paired: the influence of a sample on the difference is the difference of its influences (infinitesimal jackknife;
    Efron 1982, chapter 6), with Student's t where the units are few. Unpaired: the distances from the estimates to the
    ends of both intervals, squared and added (Zou and Donner 2008).
    """
    if before.value is None or after.value is None:
        return None
    moved = after.value - before.value
    diagnostic = key.partition(".")[0]
    if key in UNJUDGED:
        return Difference(moved, None, "no interval", UNJUDGED[key])
    if resampled is not None and key not in ONLY_BY_INFLUENCES:
        return _resampled(moved, pairing, resampled, key)
    if diagnostic in NOT_BY_INFLUENCES:
        return Difference(moved, None, "no interval", NOT_BY_INFLUENCES[diagnostic])
    if before.interval is None or after.interval is None:
        return Difference(moved, None, "no interval", "one of the runs has no interval; resample")
    reason = _not_paired(before.interval, after.interval, pairing)
    if not reason:
        kept = _influences(after.interval).minus(_influences(before.interval))
        reach = _quantile(kept.degrees) * kept.standard_error
        if math.isfinite(reach):
            interval = Interval(moved - reach, moved + reach, LEVEL, "paired")
            return Difference(moved, interval, "paired", degrees=kept.degrees)
        reason = "too few samples"
    ends = _unpaired(before.value, before.interval, after.value, after.interval)
    if ends is None or not all(map(math.isfinite, ends)):
        return Difference(moved, None, "no interval", "an interval has no width or no end")
    return Difference(moved, Interval(*ends, LEVEL, "unpaired"), "unpaired", reason)


def adjusted(differences: Sequence[Difference]) -> list[Difference]:
    """Return differences with their p-values adjusted for how many were judged.

    Notes
    -----
    The procedure of Benjamini and Yekutieli (2001), which holds however the numbers depend on each other; they do,
    since all are of the same samples.
    """
    from scipy.stats import false_discovery_control

    judged = [place for place, entry in enumerate(differences) if entry.interval is not None]
    found = list(differences)
    if judged:
        p_values = false_discovery_control([differences[place].p_value for place in judged], method="by")
        for place, value in zip(judged, p_values, strict=True):
            found[place] = replace(found[place], adjusted=float(value))
    return found


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


def _resampled(moved: float, pairing: Pairing, pair: ResampledPair, key: str) -> Difference:
    error, kept, reason = pair.resamples.standard_error(pair.before, pair.after, key)
    if reason:
        return Difference(moved, None, "no interval", reason)
    reach = _quantile(kept - 1) * error
    method = scheme_of(key.partition(".")[0])
    interval = Interval(moved - reach, moved + reach, LEVEL, f"{method}, {kept:,} draws")
    noise: Noise = "paired" if pairing.same else "unpaired"
    return Difference(moved, interval, noise, "" if pairing.same else pairing.reason, method, kept - 1)


def _quantile(degrees: int) -> float:
    from scipy.stats import norm, t

    return float(t.ppf(0.5 + LEVEL / 2, degrees) if 0 < degrees <= _MANY else norm.ppf(0.5 + LEVEL / 2))

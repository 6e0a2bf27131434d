"""`Threshold`: where a number starts to be worth watching, and where it is bad."""

from __future__ import annotations

from dataclasses import dataclass

from cl_viz.core.result import Level, Source


@dataclass(frozen=True)
class Threshold:
    """Where a number starts to be worth watching, and where it is bad.

    Attributes
    ----------
    watch, bad : float
        The two limits; `bad` beyond `watch` in the direction of trouble.
    source : Source
        Who says so.
    rule_of_thumb : bool
        Whether it is a convention, not a result.
    """

    watch: float
    bad: float
    source: Source
    rule_of_thumb: bool = True

    def level(self, value: float) -> Level:
        """Return the level of a value."""
        sign = 1 if self.bad >= self.watch else -1
        if sign * value >= sign * self.bad:
            return "bad"
        return "watch" if sign * value >= sign * self.watch else "good"

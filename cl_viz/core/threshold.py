"""Limits that levels of findings are read from: `Threshold` gives a level, `Condition` says when others count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cl_viz.core.result import Level, Source

READ_FROM = (
    "The level of a finding is read from these limits. Where an interval, a null or another number speaks against it, "
    "it is milder or unknown; where the unit rows have collapsed, nothing is good."
)
"""What is said before a list of limits."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What thresholds and conditions have in common.

    Attributes
    ----------
    what : str
        The number that is judged: a noun, with a capital.
    worse : {"higher", "lower"}
        On which side of the limits trouble lies.
    included : bool
        Whether the limits themselves lie on that side.
    why : str
        What the limits go by, in sentences.
    source : Source
        Who says so, or where the number and the trouble are described.
    from_source : bool
        Whether the source states the limits; otherwise they are a convention of cl_viz.
    """

    what: str
    worse: Literal["higher", "lower"]
    included: bool = True
    why: str
    source: Source
    from_source: bool = False

    def limits(self) -> str:
        """Return the limits in words."""
        raise NotImplementedError

    def set_by(self) -> str:
        """Return who set the limits."""
        return "its source" if self.from_source else "a rule of thumb"

    def told(self) -> str:
        """Return the limits, who set them, and what they go by."""
        return f"{self.limits()} ({self.set_by()}). {self.why}"

    def _is_beyond(self, value: float, limit: float) -> bool:
        if value == limit:
            return self.included
        return value > limit if self.worse == "higher" else value < limit

    def _beyond(self, limit: float) -> str:
        higher = self.worse == "higher"
        if self.included:
            return f"at {limit:g} or {'more' if higher else 'less'}"
        return f"{'above' if higher else 'below'} {limit:g}"


@dataclass(frozen=True, kw_only=True)
class Threshold(Limit):
    """Where a number starts to be worth watching, and where it is bad.

    Attributes
    ----------
    watch : float
        Limit beyond which it is worth watching.
    bad : float or None
        Limit beyond which it is bad; None where it is never bad by itself.

    Raises
    ------
    ValueError
        `bad` is not beyond `watch`.
    """

    watch: float
    bad: float | None = None

    def __post_init__(self) -> None:
        if self.bad is not None and self.bad != self.watch and not self._is_beyond(self.bad, self.watch):
            raise ValueError(f"{self.what}: the limit of 'bad' lies before that of 'watch'")

    def level(self, value: float) -> Level:
        """Return the level of a value."""
        if self.bad is not None and self._is_beyond(value, self.bad):
            return "bad"
        return "watch" if self._is_beyond(value, self.watch) else "good"

    def limits(self) -> str:
        """Return from where on a value is worth watching, and from where on it is bad."""
        bad = "never bad by itself" if self.bad is None else f"bad {self._beyond(self.bad)}"
        return f"watch {self._beyond(self.watch)}, {bad}"


@dataclass(frozen=True, kw_only=True)
class Condition(Limit):
    """Where a number starts to be more than what chance, or this many samples, make of any encoder.

    Beyond it the other limits of the diagnostic say the level; before it they do not count.

    Attributes
    ----------
    limit : float
        Limit beyond which the others count.
    """

    limit: float

    def met(self, value: float) -> bool:
        """Return whether the other limits count for a value."""
        return self._is_beyond(value, self.limit)

    def limits(self) -> str:
        """Return from where on the other limits count."""
        return f"the other limits count only {self._beyond(self.limit)}"

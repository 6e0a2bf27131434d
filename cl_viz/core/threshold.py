"""`Threshold`: where a number starts to be worth watching, and where it is bad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cl_viz.core.result import Level, Source

READ_FROM = (
    "The level of a finding is read from these limits. Where an interval, a null or another number speaks against it, "
    "it is milder or unknown; where the unit rows have collapsed, nothing is good."
)
"""What is said before a list of thresholds."""
_NONE = 1e-6
"""A limit that any at all is beyond."""


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """Where a number starts to be worth watching, and where it is bad.

    Attributes
    ----------
    what : str
        The number that is judged: a noun, with a capital.
    watch : float
        Limit at which it is worth watching, itself included.
    bad : float or None
        Limit at which it is bad, itself included; None where it is never bad by itself.
    worse : {"higher", "lower"}
        On which side of the limits trouble lies.
    why : str
        What the limits go by, in sentences.
    source : Source
        Who says so, or where the number and the trouble are described.
    from_source : bool
        Whether the source states the limits; otherwise they are a convention of cl_viz.

    Raises
    ------
    ValueError
        `bad` is not beyond `watch`.
    """

    what: str
    watch: float
    bad: float | None = None
    worse: Literal["higher", "lower"]
    why: str
    source: Source
    from_source: bool = False

    def __post_init__(self) -> None:
        if self.bad is not None and not self._is_beyond(self.bad, self.watch):
            raise ValueError(f"{self.what}: the limit of 'bad' lies before that of 'watch'")

    def level(self, value: float) -> Level:
        """Return the level of a value."""
        if self.bad is not None and self._is_beyond(value, self.bad):
            return "bad"
        return "watch" if self._is_beyond(value, self.watch) else "good"

    def limits(self) -> str:
        """Return from where on a value is worth watching, and from where on it is bad."""
        side = "or more" if self.worse == "higher" else "or less"
        bad = "never bad by itself" if self.bad is None else f"bad at {self.bad:g} {side}"
        watch = f"at {self.watch:g} {side}" if abs(self.watch) > _NONE or self.worse == "lower" else "above 0"
        return f"watch {watch}, {bad}"

    def set_by(self) -> str:
        """Return who set the limits."""
        return "its source" if self.from_source else "a rule of thumb"

    def told(self) -> str:
        """Return the limits, who set them, and what they go by."""
        return f"{self.limits()} ({self.set_by()}). {self.why}"

    def _is_beyond(self, value: float, limit: float) -> bool:
        return value >= limit if self.worse == "higher" else value <= limit

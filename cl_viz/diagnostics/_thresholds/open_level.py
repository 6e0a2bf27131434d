"""Where the interval of a number reaches over the limit that its level was read from."""

from __future__ import annotations

from collections.abc import Callable

from cl_viz.core.result import Level, Quantity

_JUDGED: tuple[Level, ...] = ("bad", "watch", "good")


def open_level(quantity: Quantity, level_of: Callable[[float], Level]) -> str:
    """Return a sentence for the end of a finding's message; nothing where the whole interval has one level.

    A level is that of the estimate. Another set of samples may well have put it beyond the limit, where the interval
    does.

    Parameters
    ----------
    quantity : Quantity
        The number that the level was read from.
    level_of : callable
        The level of each value it might have.
    """
    if quantity.value is None or quantity.interval is None:
        return ""
    ends = {level_of(end) for end in (quantity.interval.low, quantity.interval.high)}
    others = [level for level in _JUDGED if level in ends - {level_of(quantity.value)}]
    return f" The interval reaches into {' and '.join(map(repr, others))}." if others else ""

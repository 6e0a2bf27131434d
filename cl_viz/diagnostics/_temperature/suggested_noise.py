"""Intervals of the temperatures at which a run's curves meet what is wished of them.

The curve at its limit has an interval; where the curve with its lower and its upper end would meet the wish are the
ends of the temperature's: along the curve's own slope there.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from cl_viz.core.result import Interval
from cl_viz.diagnostics._temperature.adaptive_noise import multiplier
from cl_viz.diagnostics._temperature.anchor_noise import UNIT, AnchorNoise
from cl_viz.diagnostics._temperature.suggested_range import Limit, Suggestion
from cl_viz.diagnostics._temperature.temperature_curves import MOST, TEMPERATURES


def limit_intervals(found: Suggestion) -> dict[str, Interval]:
    """Return the interval of each limit that has one, and of the ends of the range, by the name of the quantity.

    The range ends at the limit that decides: its interval, given that it does.
    """
    made = {name: interval for name, limit in found.limits.items() if (interval := _of_limit(found, name, limit))}
    lower = [(limit.at or 0.0, name) for name, limit in found.limits.items() if name != "for_hardness"]
    for end, name in (("low", max(lower)[1]), ("high", "for_hardness")):
        if name in made:
            made[end] = made[name]
    return made


def _of_limit(found: Suggestion, name: str, limit: Limit) -> Interval | None:
    """Return the interval of one limit; None at an end of the grid, or where the curve's has none."""
    if limit.at is None or not TEMPERATURES[0] < limit.at < TEMPERATURES[-1]:
        return None
    noise = AnchorNoise.of(found.anchors.labelled if name == "for_labels" else found.anchors, limit.at, MOST)
    if noise is None:
        return None
    count = found.anchors.n_negatives
    asked: dict[str, Callable[[], Interval | None]] = {
        "for_negatives": noise.sample_size,
        "for_labels": noise.own_label,
        "for_signal": lambda: noise.of_margin(multiplier, UNIT),
        "for_hardness": lambda: noise.entropy(lambda entropy: np.exp(entropy) / count, UNIT),
    }
    interval = asked[name]()
    if interval is None:
        return None
    share = found.anchors.false_negative_share if name == "for_labels" else 0.0
    value = share + (1 - share) * limit.level
    place = int(np.clip(np.searchsorted(TEMPERATURES, limit.at, side="right") - 1, 0, len(TEMPERATURES) - 2))
    rise = (1 - share) * float(limit.curve[place + 1] - limit.curve[place])
    steep = rise / math.log(TEMPERATURES[place + 1] / TEMPERATURES[place])
    if not math.isfinite(steep) or steep == 0:
        return None
    ends = sorted(limit.at * math.exp(-(end - value) / steep) for end in (interval.low, interval.high))
    low, high = max(TEMPERATURES[0], ends[0]), min(TEMPERATURES[-1], ends[1])
    return Interval(low, high, interval.level, f"where the curve's interval meets the limit: {interval.method}")

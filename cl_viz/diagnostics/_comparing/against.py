"""One quantity of several runs against another, or against a fact of their cards."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.result import Quantity, format_number
from cl_viz.core.run import Run
from cl_viz.core.view import Axis, Scatter, Series

CARD = "card"
"""Diagnostic-like name of the facts of a card: ``card.temperature``."""
LEAST_RUNS = 4
"""Fewest runs of which a rank correlation is given."""
MOST_NAMED = 8
_NOT_FACTS = ("card_version", "order")
_LOG_ABOVE = 20.0
_ROOM = {"x": 0.38, "y": 0.15}
"""Share of what the points span that is left free on each side: names stand beside the outermost points."""


@dataclass(frozen=True)
class Point:
    """A run at one step.

    Attributes
    ----------
    run : str
    x, y : Quantity
        Both have a value.
    """

    run: str
    x: Quantity
    y: Quantity


def card_facts(run: Run, step: int | None = None, layer: str | None = None) -> dict[str, Quantity]:
    """Return the numbers of a card, and step, N and D, by ``card.name``; names inside a mapping have a dot."""
    snapshot = run.at(step, layer)
    found = run.get(*snapshot)
    facts: dict[str, float] = {}
    for name, value in run.card.items():
        inner = value.items() if isinstance(value, Mapping) else ()
        for key, entry in ((name, value), *((f"{name}.{part}", entry) for part, entry in inner)):
            if _is_number(entry) and key not in _NOT_FACTS:
                facts[key] = float(entry)
    if snapshot.step is not None:
        facts["step"] = float(snapshot.step)
    facts |= {"N": float(found.n), "D": float(found.dim)}
    return {f"{CARD}.{name}": Quantity(name, name, value) for name, value in facts.items()}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def against(points: Sequence[Point]) -> Scatter:
    """Draw one quantity against another, with intervals; several points of a run are its steps, the last one last.

    Parameters
    ----------
    points : sequence of Point
        At least one; the same two quantities everywhere.

    Returns
    -------
    Scatter
        Its title gives the rank correlation over the runs' last points, from `LEAST_RUNS` runs on.
    """
    by_run: dict[str, list[Point]] = {}
    for point in points:
        by_run.setdefault(point.run, []).append(point)
    last = [entries[-1] for entries in by_run.values()]
    series = tuple(_series(run, entries) for run, entries in by_run.items())
    axes = [_axis([getattr(point, side) for point in points], room) for side, room in _ROOM.items()]
    single = len(points) == len(by_run)
    return Scatter(_title(last, single), axes[0], axes[1], series, named=single and len(by_run) <= MOST_NAMED)


def _series(run: str, points: Sequence[Point]) -> Series:
    x, y = ([getattr(point, side) for point in points] for side in ("x", "y"))
    left, right = _ends(x)
    low, high = _ends(y)
    return Series(run, _values(x), _values(y), "other", run, low, high, n=y[-1].n, left=left, right=right)


def _values(quantities: Sequence[Quantity]) -> NDArray[np.float64]:
    return np.array([entry.value for entry in quantities], dtype=np.float64)


def _ends(quantities: Sequence[Quantity]) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Return the ends of the intervals; without one, the value itself, and None where no point has any."""
    if all(entry.interval is None for entry in quantities):
        return None, None
    ends = [
        (entry.value, entry.value) if entry.interval is None else (entry.interval.low, entry.interval.high)
        for entry in quantities
    ]
    low, high = np.array(ends, dtype=np.float64).T
    return low, high


def _axis(quantities: Sequence[Quantity], share: float) -> Axis:
    """Return an axis with room at both ends; logarithmic where the largest is many times the smallest."""
    low, high = _ends(quantities)
    values = _values(quantities)
    start = float(np.min(values if low is None else low))
    stop = float(np.max(values if high is None else high))
    log = start > 0 and stop > _LOG_ABOVE * start
    if log:
        room = share * math.log(stop / start)
        ends = start * math.exp(-room), stop * math.exp(room)
    else:
        room = share * (stop - start) or 0.1 * abs(stop) or 0.1
        ends = start - room, stop + room
    return Axis(quantities[0].label, quantities[0].unit, ends, log)


def _title(points: Sequence[Point], single: bool) -> str:
    names = f"{points[0].y.label} against {points[0].x.label}"
    where = "" if single else " at the last step"
    size = f"N = {len(points)} run{'s' if len(points) > 1 else ''}"
    if len(points) < LEAST_RUNS:
        return f"{names}{where}, {size}: a rank correlation needs {LEAST_RUNS}"
    x, y = _values([point.x for point in points]), _values([point.y for point in points])
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return f"{names}{where}: one of the two is the same in all runs, {size}"
    from scipy.stats import spearmanr

    return f"{names}{where}: rank correlation {format_number(float(spearmanr(x, y).statistic), 2)} ({size})"

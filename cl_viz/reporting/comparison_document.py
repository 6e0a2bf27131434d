"""A comparison of runs as strict JSON, under the same keys as the results themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cl_viz.core.result import Interval
from cl_viz.diagnostics import FALSE_DISCOVERIES, Difference, QuantityRow, RunTable


def as_comparison(table: RunTable) -> dict[str, Any]:
    """Return a table of runs as plain values that any JSON reader understands.

    Parameters
    ----------
    table : RunTable
        As `cl_viz.compare_runs` returns it.

    Returns
    -------
    dict
        ``{"reference", "runs", "judged", "beyond_noise", "holding", "false_discovery_rate", "resamples", "pairings",
        "quantities"}``. The keys of ``quantities`` are ``diagnostic.quantity``; each has the values of the runs, and
        their differences from the reference, those that have one. A number that is not finite, or not known, is None.
    """
    drawn = table.resamples
    return {
        "reference": table.reference,
        "runs": list(table.runs),
        "judged": table.judged,
        "beyond_noise": table.beyond_noise,
        "holding": table.holding,
        "false_discovery_rate": FALSE_DISCOVERIES,
        "resamples": None if drawn is None else {"draws": drawn.draws, "seed": drawn.seed, "units": dict(drawn.units)},
        "pairings": {run: {"same": found.same, "reason": found.reason} for run, found in table.pairings.items()},
        "quantities": {row.key: _row_entry(row) for row in table.rows},
    }


def _row_entry(row: QuantityRow) -> dict[str, Any]:
    return {
        "label": row.label,
        "unit": row.unit,
        "better": row.better,
        "values": {
            run: {"value": _number(entry.value), "interval": _ends(entry.interval), "n": entry.n}
            for run, entry in row.quantities.items()
        },
        "differences": {run: _difference_entry(row, run, entry) for run, entry in row.differences.items()},
    }


def _difference_entry(row: QuantityRow, run: str, entry: Difference) -> Mapping[str, Any]:
    return {
        "value": _number(entry.value),
        "interval": _ends(entry.interval),
        "noise": entry.noise,
        "method": entry.method,
        "p_value": _number(entry.p_value),
        "adjusted_p_value": _number(entry.adjusted),
        "beyond_noise": entry.beyond_noise,
        "holds": entry.holds,
        "direction": row.direction(run),
        "reason": entry.reason,
    }


def _ends(interval: Interval | None) -> list[float | None] | None:
    return None if interval is None else [_number(interval.low), _number(interval.high)]


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)

"""Quantities of several runs as a pandas frame."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cl_viz.core.result import Interval

if TYPE_CHECKING:
    import pandas as pd

    from cl_viz.diagnostics._comparing.run_table import QuantityRow


def run_frame(rows: Iterable[QuantityRow]) -> pd.DataFrame:
    """Return a row a quantity and run; columns as `RunTable.table` says."""
    import pandas as pd

    return pd.DataFrame([_as_row(row, run) for row in rows for run in row.quantities])


def _as_row(row: QuantityRow, run: str) -> dict[str, Any]:
    """Return a quantity of a run, and how it differs from the reference, as a row of a table."""
    quantity, moved = row.quantities[run], row.differences.get(run)
    low, high = _ends(quantity.interval)
    differs = (math.nan if moved is None else moved.value, *_ends(None if moved is None else moved.interval))
    return {
        "key": row.key, "run": run, "value": quantity.value, "low": low, "high": high, "unit": row.unit,
        **dict(zip(("difference", "difference_low", "difference_high"), differs, strict=True)),
        "beyond_noise": moved is not None and moved.beyond_noise, "holds": moved is not None and moved.holds,
        "direction": "" if moved is None else row.direction(run), "reason": "" if moved is None else moved.reason,
    }  # fmt: skip


def _ends(interval: Interval | None) -> tuple[float, float]:
    return (math.nan, math.nan) if interval is None else (interval.low, interval.high)

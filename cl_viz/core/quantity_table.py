"""Quantities of results as one long table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from cl_viz.core.result import Result

COLUMNS = (
    "run", "diagnostic", "quantity", "label", "value", "low", "high", "level", "unit", "n", "unit_of_n", "missing",
    "layer", "step", "n_excluded", "seed",
)  # fmt: skip


def quantity_table(results: Iterable[Result]) -> pd.DataFrame:
    """Return every quantity of some results as one row.

    Returns
    -------
    pandas.DataFrame
        With the columns `COLUMNS`; ``low``, ``high`` and ``level`` are the interval, where there is one.
    """
    # Only a table needs it: a check on the command line is spared half a second.
    import pandas as pd

    rows = []
    for result in results:
        caveats = result.caveats
        rest = (caveats.layer, caveats.step, caveats.n_excluded, caveats.seed)
        for name, quantity in result.quantities.items():
            interval = quantity.interval
            ends = (None, None, None) if interval is None else (interval.low, interval.high, interval.level)
            facts = (quantity.unit, quantity.n, quantity.unit_of_n, quantity.missing)
            rows.append((result.run, result.diagnostic, name, quantity.label, quantity.value, *ends, *facts, *rest))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    numbers = dict.fromkeys(("value", "low", "high", "level"), "float64")
    counts = dict.fromkeys(("n", "step", "n_excluded", "seed"), "Int64")
    return table.astype({**numbers, **counts})

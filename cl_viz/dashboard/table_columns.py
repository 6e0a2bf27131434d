"""How the columns of a table are shown: which are left out, pictures in their cells, three significant digits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from cl_viz.core.view import PICTURES

_DECIMALS = 3
_MOST_DECIMALS = 6


def says_something(values: np.ndarray) -> bool:
    """Whether a column has an entry; the interval over other seeds, for one, has none where there is one seed."""
    return not len(values) or not bool(np.all(pd.isna(values)))


def column(name: str, values: np.ndarray) -> Any:
    """Return how a column is shown: its type, and for fractions how many decimals."""
    if values.dtype.kind == "f":
        return st.column_config.NumberColumn(name, format=number_format(values))
    if values.dtype.kind in "iu":
        return st.column_config.NumberColumn(name, format="%d")
    if len(values) and all(str(value).startswith(PICTURES) for value in values):
        return st.column_config.ImageColumn(name, width="small")
    return st.column_config.TextColumn(name)


def number_format(values: np.ndarray) -> str:
    """Return one format for a column, so that its points stand below each other.

    Three decimals, as scores and shares have; fewer where a middling value has three digits without them, more where
    even the largest would have less than that.
    """
    sizes = np.abs(values[np.isfinite(values) & (values != 0)].astype(np.float64))
    decimals = _DECIMALS
    if sizes.size and (middling := _decimals_of(np.median(sizes))) < _DECIMALS - 1:
        decimals = max(0, middling)
    elif sizes.size:
        decimals = max(_DECIMALS, _decimals_of(sizes.max()))
    return "%.2e" if decimals > _MOST_DECIMALS else f"%.{decimals}f"


def _decimals_of(size: float) -> int:
    """Return the decimals that show three significant digits; negative where there are more before the point."""
    return 2 - int(np.floor(np.log10(size)))

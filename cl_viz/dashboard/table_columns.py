"""How the columns of a table are shown: which are left out, pictures in their cells, three significant digits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

_IMAGE_ADDRESS = ("data:image/png;base64,", "data:image/jpeg;base64,", "data:image/webp;base64,")
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
    # Only pictures that are in the file itself: an address elsewhere would be fetched, so it stays text.
    if len(values) and all(str(value).startswith(_IMAGE_ADDRESS) for value in values):
        return st.column_config.ImageColumn(name, width="small")
    return st.column_config.TextColumn(name)


def number_format(values: np.ndarray) -> str:
    """Return one format for a column, so that its points stand below each other: three digits of a middling value."""
    sizes = np.abs(values[np.isfinite(values) & (values != 0)].astype(np.float64))
    decimals = 2 - int(np.floor(np.log10(np.median(sizes)))) if sizes.size else 3
    return "%.2e" if decimals > _MOST_DECIMALS else f"%.{max(0, decimals)}f"

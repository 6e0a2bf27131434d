"""Which rows belong together: values of a column numbered jointly over views, and pairs of rows with equal numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core._columns import Column


def number_values(
    columns: Sequence[Column | None], sizes: Sequence[int]
) -> tuple[tuple[NDArray[np.int64], ...], tuple[str, ...]]:
    """Number the values of one column per view jointly over the views.

    Parameters
    ----------
    columns : sequence of NDArray, shape (N_v,), or None where a view has no such column
    sizes : sequence of int
        Rows N_v of each view.

    Returns
    -------
    codes : tuple of NDArray[np.int64], one per view, shape (N_v,)
        Index into `values`; -1 where the entry is missing (None, NaN, empty text).
    values : tuple of str
        Distinct values as text, sorted (numerically where all are numbers).
    """
    texts = [_as_text(column, size) for column, size in zip(columns, sizes, strict=True)]
    joined, inverse = np.unique(np.concatenate(texts), return_inverse=True)
    order = _natural_order(joined)
    rank = np.empty(len(joined), dtype=np.int64)
    rank[order] = np.arange(len(joined))
    names = [str(joined[i]) for i in order]
    codes = rank[inverse]
    if "" in names:
        missing = names.index("")
        codes = np.where(codes == missing, -1, codes - (codes > missing))
        names.pop(missing)
    splits = np.cumsum(sizes)[:-1]
    return tuple(np.split(codes, splits)), tuple(names)


def _as_text(column: Column | None, size: int) -> NDArray[np.str_]:
    if column is None:
        return np.full(size, "", dtype=np.str_)
    if column.dtype.kind == "f":
        whole = np.isfinite(column) & (column == np.round(column))
        return np.array(
            ["" if np.isnan(v) else str(int(v)) if w else repr(float(v)) for v, w in zip(column, whole, strict=True)],
            dtype=np.str_,
        )
    if column.dtype.kind in "OS":
        return np.array(["" if v is None or v != v else _decoded(v) for v in column], dtype=np.str_)
    return column.astype(np.str_)


def _decoded(value: Any) -> str:
    # Bytes that are no UTF-8 are written out (\xff), so that two different entries stay two different values.
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _natural_order(values: NDArray[np.str_]) -> NDArray[np.int64]:
    try:
        keys = np.array([float(value) if value else -np.inf for value in values])
    except ValueError:
        return np.arange(len(values))
    return np.argsort(keys, kind="stable")


def equal_codes(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return all (i, j) with left[i] == right[j], missing codes (-1) aside, sorted."""
    order = np.argsort(right, kind="stable")
    ranked = right[order]
    low = np.searchsorted(ranked, left, side="left")
    high = np.where(left < 0, low, np.searchsorted(ranked, left, side="right"))
    counts = high - low
    rows = np.repeat(np.arange(len(left)), counts)
    offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.stack([rows, order[np.repeat(low, counts) + offsets]], axis=1).astype(np.int64)


def shared_partners(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the pairs of rows (first column) that share a partner (second column), each once, i < j, sorted."""
    listed = equal_codes(pairs[:, 1], pairs[:, 1])
    rows = pairs[:, 0][listed]
    return np.unique(rows[rows[:, 0] < rows[:, 1]], axis=0).reshape(-1, 2)

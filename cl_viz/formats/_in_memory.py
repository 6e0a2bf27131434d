"""What is in memory, read as a file of the same content would be: tables, mappings of arrays, arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.as_array import as_array, views_of
from cl_viz.core.embedding_set import Column, EmbeddingSet
from cl_viz.core.errors import InputError
from cl_viz.core.run import Run
from cl_viz.core.specs import RawDump
from cl_viz.core.validation import check_matrix
from cl_viz.formats._dump import column_to_store, sort_arrays
from cl_viz.formats._table import table_dump, unequal_lengths

MEMORY = Path("memory")
"""In the place of a file's path."""


def memory_dump(source: Any) -> tuple[RawDump, tuple[str, ...] | None]:
    """Return what is in memory as a reader would, and which arrays are the views where that needs no guess.

    Parameters
    ----------
    source : table, mapping, or array_like
        A pandas frame, or what has ``to_pandas`` (polars, arrow, datasets), is read as a table file: columns of
        vectors, or numbered columns, become views. A mapping is read as an npz file. A series of vectors and an array
        of shape (N, D) are one view; a tuple of such arrays are as many.

    Raises
    ------
    InputError
        If it is none of these.
    """
    if isinstance(source, EmbeddingSet | Run):
        raise InputError(
            f"the {'run' if isinstance(source, Run) else 'set'} {source.name!r} is open already", where=str(MEMORY),
            remedy="use it itself; run.get(step, layer) is a set of a run, set.with_roles(label=COLUMN) changes roles",
        )  # fmt: skip
    if hasattr(source, "to_pandas"):
        source = source.to_pandas()
    if _is_frame(source):
        return _table(source), None
    if isinstance(source, Mapping):
        arrays = {str(name): _column_or_array(value, str(name)) for name, value in source.items()}
        return sort_arrays(arrays, MEMORY), None
    if _is_series(source):
        source = _column_or_array(source, "the series")
    arrays = views_of(source)
    if any(array.dtype.kind in "OUSV" for array in arrays.values()):
        raise InputError(
            f"{type(source).__name__} holds no numbers", where=str(MEMORY),
            allowed="a path, an array (N, D), a tuple of such views, a mapping of arrays by name, or a table",
        )  # fmt: skip
    for view, array in arrays.items():
        check_matrix(array, f"{MEMORY}, view {view!r}")
    return RawDump(arrays), tuple(arrays)


def _is_frame(source: Any) -> bool:
    return hasattr(source, "iloc") and hasattr(source, "columns")


def _is_series(source: Any) -> bool:
    return hasattr(source, "iloc") and hasattr(source, "to_numpy")


def _table(frame: Any) -> RawDump:
    vectors: dict[str, NDArray[Any]] = {}
    columns: dict[str, Column] = {}
    for place, label in enumerate(frame.columns):
        # By place: a frame may have two columns of one name.
        values = _column_or_array(frame.iloc[:, place], str(label))
        (vectors if values.ndim == 2 else columns)[str(label)] = values
    return table_dump(columns, MEMORY, vectors=vectors)


def _column_or_array(values: Any, name: str) -> NDArray[Any]:
    """Return vectors as a matrix, and anything else of one axis as a column without Python objects."""
    if _is_series(values):
        values = (
            values.to_numpy(dtype=object, na_value=None)
            if not isinstance(values.dtype, np.dtype)
            else values.to_numpy()
        )
    elif isinstance(values, list | tuple) and values and isinstance(values[0], str):
        values = np.array(values, dtype=object)
    array = as_array(values, f"{MEMORY}, {name}")
    if array.ndim != 1 or array.dtype.kind != "O":
        return array
    return _stacked(array, name) if _is_vector(next(iter(array), None)) else column_to_store(array)


def _is_vector(entry: Any) -> TypeGuard[Any]:
    return isinstance(entry, list | tuple | np.ndarray) or hasattr(entry, "detach")


def _stacked(entries: NDArray[Any], name: str) -> NDArray[Any]:
    rows = [as_array(entry, f"{MEMORY}, {name}") for entry in entries]
    odd = next((row for row, entry in enumerate(rows) if entry.shape != rows[0].shape), None)
    if odd is not None:
        raise unequal_lengths(MEMORY, name, f"row {odd + 1}", rows[odd].size, rows[0].size)
    return np.stack(rows)

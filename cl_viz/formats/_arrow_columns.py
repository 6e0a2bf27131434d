"""Arrow columns as numpy arrays: lists of numbers become matrices, everything else plain columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import Column, EmbeddingSet
from cl_viz.core.errors import FormatError
from cl_viz.formats._big_arrays import allocate, as_supported
from cl_viz.formats._dump import MANIFEST_KEY, column_to_store, manifest_text
from cl_viz.formats._guard import check_table_fits
from cl_viz.formats._limits import check_expansion
from cl_viz.formats._table import called_alike, table_columns, unequal_lengths


def is_vector_type(kind: Any) -> bool:
    """Return whether a column of this Arrow type holds one list of numbers per row."""
    import pyarrow as pa

    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(lists and (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)))


def leaves(field: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the parts of a column that is a struct, nested or not: the names that lead there, and the Arrow type."""
    import pyarrow as pa

    if not pa.types.is_struct(field.type):
        yield (field.name,), field.type
        return
    for position in range(field.type.num_fields):
        for names, kind in leaves(field.type.field(position)):
            yield (field.name, *names), kind


def all_leaves(schema: Any, path: Path) -> list[tuple[tuple[str, ...], Any]]:
    """Return the parts of every column of a table, as `leaves` does.

    Raises
    ------
    FormatError
        If two have one name: which of them is meant cannot be told.
    """
    found = [entry for field in schema for entry in leaves(field)]
    for mark in "/.":
        counts = Counter(mark.join(names) for names, _ in found)
        twice = sorted(name for name, count in counts.items() if count > 1)
        if twice:
            raise called_alike(path, twice[0])
    return found


def part(values: Any, names: Sequence[str]) -> Any:
    """Return the part of a struct column that `names` lead to; the column itself where there are none."""
    import pyarrow.compute as pc

    return pc.struct_field(values, list(names)) if names else values


def vectors(chunks: Iterable[Any], n_rows: int, name: str, path: Path) -> NDArray[Any]:
    """Return a list column as one matrix.

    A single fixed-size chunk without missing rows is not copied: it stays mapped where the file is. A missing
    row or entry becomes NaN, so that it is counted and reported.

    Parameters
    ----------
    chunks : iterable of pyarrow.Array
        List arrays with numbers.
    n_rows : int
        Rows of all chunks together.
    name : str
        Column, for messages.
    path : Path
        For messages.

    Returns
    -------
    NDArray, shape (N, D)

    Raises
    ------
    FormatError
        If rows differ in length, or a row is missing in a column of integers.
    """
    matrix: NDArray[Any] | None = None
    start, dimension = 0, -1
    for chunk in chunks:
        if not len(chunk):
            continue
        found = _dimension(chunk, dimension, start, name, path)
        if found < 0:
            # Nothing but missing rows; a later chunk says how wide they are.
            raise FormatError(f"column {name!r} starts with missing rows only", where=str(path), remedy="drop them")
        dimension = found
        values: NDArray[Any] = np.asarray(chunk.flatten().to_numpy(zero_copy_only=False))
        if matrix is None and len(chunk) == n_rows and not chunk.null_count:
            return values.reshape(n_rows, dimension)
        if matrix is None:
            check_expansion(path, f"column {name!r}", n_rows * dimension * values.dtype.itemsize, path.stat().st_size)
            matrix = allocate((n_rows, dimension), values.dtype)
        _fill(matrix[start : start + len(chunk)], chunk, values, name, path)
        start += len(chunk)
    if matrix is None:
        raise FormatError(f"column {name!r} has no rows", where=str(path), allowed="at least two rows")
    return matrix


def _dimension(chunk: Any, expected: int, start: int, name: str, path: Path) -> int:
    """Return the common length of the lists of a chunk, -1 where all are missing."""
    lengths = chunk.value_lengths().to_numpy(zero_copy_only=False)
    valid = chunk.is_valid().to_numpy(zero_copy_only=False)
    present = lengths[valid]
    if not len(present):
        return expected
    reference = int(present[0]) if expected < 0 else expected
    odd = np.flatnonzero(valid & (lengths != reference))
    if len(odd):
        row = int(odd[0])
        raise unequal_lengths(path, name, f"row {start + row + 1}", int(lengths[row]), reference)
    return reference


def _fill(target: NDArray[Any], chunk: Any, values: NDArray[Any], name: str, path: Path) -> None:
    valid = chunk.is_valid().to_numpy(zero_copy_only=False)
    missing = not valid.all() or (values.dtype.kind == "f" and target.dtype.kind != "f")
    if missing and target.dtype.kind != "f":
        raise FormatError(
            f"column {name!r} has missing rows or entries, which integers cannot mark",
            where=str(path),
            remedy="drop those rows, or save the embeddings as float32",
        )
    target[~valid] = np.nan if target.dtype.kind == "f" else 0
    target[valid] = values.reshape(-1, target.shape[1])


def column(values: Any) -> Column | None:
    """Return a plain numpy column of an Arrow column, or None for types without a meaning here (binary, nested).

    Text becomes an object array of str and None; whole numbers with gaps become float64 with NaN; dates and
    decimals become text.

    Parameters
    ----------
    values : pyarrow.ChunkedArray or pyarrow.Array
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.cast(kind.value_type)
        kind = values.type
    if pa.types.is_null(kind) or pa.types.is_nested(kind) or is_binary(kind):
        return None
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return np.asarray(values.to_numpy(zero_copy_only=False)).copy()
    if pa.types.is_boolean(kind):
        return np.asarray(values.to_numpy(zero_copy_only=False))
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        values = pc.cast(values, pa.string())
    return np.array(values.to_pylist(), dtype=object)


def is_binary(kind: Any) -> bool:
    """Return whether a column of this Arrow type holds bytes, which have no meaning here."""
    import pyarrow as pa

    return bool(
        pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_binary_view(kind)
    )  # fmt: skip


def schema_manifest(schema: Any) -> str | None:
    """Return what `arrow_table` noted in the schema of a file, or None."""
    noted = (schema.metadata or {}).get(MANIFEST_KEY.encode())
    return None if noted is None else noted.decode("utf-8", "replace")


def arrow_table(embedding_set: EmbeddingSet, path: Path) -> Any:
    """Return a set as one Arrow table: a fixed-size list column per view, a column per metadata column.

    Raises
    ------
    InputError
        If the set has pairs, or views that differ in N or columns.
    """
    import pyarrow as pa

    check_table_fits(embedding_set, path)
    content: dict[str, Any] = {}
    for view, array in embedding_set.views.items():
        supported = as_supported(array)
        flat = pa.array(np.ascontiguousarray(supported).reshape(-1))
        content[view] = pa.FixedSizeListArray.from_arrays(flat, embedding_set.dim)
    for name, values in table_columns(embedding_set, path, embedding_set.view_names).items():
        stored = column_to_store(values)
        content[name] = pa.array(stored if stored.dtype.kind in "fiub" else stored.tolist())
    return pa.table(content).replace_schema_metadata({MANIFEST_KEY: manifest_text(embedding_set)})

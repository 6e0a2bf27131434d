"""One JSON object a line, with vectors as lists."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import Column, EmbeddingSet
from cl_viz.core.errors import FormatError
from cl_viz.core.specs import FormatSpec, RawDump
from cl_viz.core.validation import row_blocks
from cl_viz.formats._big_arrays import allocate, as_supported
from cl_viz.formats._dump import column_to_store
from cl_viz.formats._guard import check_table_fits, guarded_reader, library, replacing
from cl_viz.formats._json_document import is_one_document, whole_records
from cl_viz.formats._json_walk import LISTS, LONGEST_PART, too_long
from cl_viz.formats._limits import check_expansion
from cl_viz.formats._table import called_alike, table_columns, table_dump, unequal_lengths

_DEFAULT_NAME = "embedding"
_DEEPEST = 4
_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def sniff(path: Path, head: bytes) -> bool:
    """Recognise text whose first character opens a JSON object or list."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start.startswith((b"{", b"[")) or b"\0" in head:
        return False
    return start.startswith(b"{") or path.suffix.lower() in (*SPEC.suffixes, ".json")


@guarded_reader("JSON Lines file")
def read(path: Path) -> RawDump:
    """Read line by line.

    Raises
    ------
    FormatError
        If a line is no JSON object, or vectors are missing or differ in dimension, or a record has two values of one
        name; the message names the line.
    """
    values: dict[str, list[Any]] = {}
    widths: dict[str, int] = {}
    size = path.stat().st_size
    n_rows = 0
    for number, nested in _records(path):
        for key, value in _leaves(nested, "", 0):
            column = values.get(key)
            if column is None:
                # Every key has an entry for every record in the end, also where it is missing.
                entries = (len(values) + 1) * (n_rows + 1)
                check_expansion(path, f"{len(values) + 1:,} keys in {n_rows + 1:,} records", 8 * entries, size)
                column = values[key] = []
            column += [None] * (n_rows - len(column))
            if len(column) > n_rows:
                raise called_alike(path, key)
            column.append(_entry(value, key, number, widths, path))
        n_rows += 1
    check_expansion(path, f"{len(values):,} keys in {n_rows:,} records", 8 * len(values) * n_rows, size)
    for column in values.values():
        column += [None] * (n_rows - len(column))
    found: dict[str, NDArray[Any]] = {}
    columns: dict[str, Column] = {}
    notes = []
    for key, column in values.items():
        if key in widths:
            found[key] = _matrix(column, widths[key], key, path)
        elif any(isinstance(entry, dict | list) for entry in column):
            notes.append(f"key {key!r} was left out: it holds nested values")
        else:
            columns[key] = column_to_store(np.array([*column, None], dtype=object)[:-1])
    return table_dump(columns, path, vectors=found, notes=notes)


def _leaves(record: dict[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Yield the entries of nested objects (payload, metadata, named vectors); names are joined with a slash."""
    for key, value in record.items():
        if isinstance(value, dict) and value and depth < _DEEPEST:
            yield from _leaves(value, f"{prefix}{key}/", depth + 1)
        else:
            yield f"{prefix}{key}", value


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line or place, and record."""
    found = enumerate(whole_records(path), start=1) if is_one_document(path) else _lines(path)
    for number, record in found:
        if isinstance(record, LISTS):
            record = {_DEFAULT_NAME: record}
        if not isinstance(record, dict):
            raise FormatError(
                f"line {number} holds {type(record).__name__}",
                where=str(path),
                allowed='one JSON object a line: {"embedding": [0.1, ...], "label": "cat"}',
            )
        yield number, record


def _lines(path: Path) -> Iterator[tuple[int, Any]]:
    with path.open(encoding="utf-8-sig") as lines:
        number = 0
        while line := lines.readline(LONGEST_PART + 1):
            number += 1
            if len(line) > LONGEST_PART:
                raise too_long(path, f"line {number}")
            if not line.strip():
                continue
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError) as error:
                raise FormatError(
                    f"line {number} is not JSON: {str(error)[:200]}",
                    where=str(path),
                    allowed="one JSON object a line",
                    remedy="if it is the last line, the file was cut off: write or copy it again",
                ) from error


def _entry(value: Any, key: str, number: int, widths: dict[str, int], path: Path) -> Any:
    """Return a value as it is kept: a list of numbers as an array, which fixes the width of its key."""
    if not isinstance(value, LISTS) or not value:
        return value
    vector: NDArray[Any] | None
    if isinstance(value, array):
        vector = np.frombuffer(value, value.typecode)
    else:
        vector = np.array(value) if isinstance(value[0], int | float) and None not in value else None
    if vector is None or vector.ndim != 1 or vector.dtype.kind not in "fi":
        vector = None
        if not all(_is_number(entry) for entry in value):
            return value
    if widths.setdefault(key, len(value)) != len(value):
        raise unequal_lengths(path, key, f"line {number}", len(value), widths[key])
    if vector is not None:
        return vector
    try:
        return np.array([np.nan if entry is None else entry for entry in value])
    except OverflowError:
        return np.array([float("inf") if entry is None else float(str(entry)) for entry in value])


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _matrix(rows: list[Any], width: int, key: str, path: Path) -> NDArray[Any]:
    for row, entry in enumerate(rows):
        if not isinstance(entry, np.ndarray):
            raise FormatError(
                f"{key!r} is a vector elsewhere, but record {row + 1} holds "
                + ("nothing" if entry is None else type(entry).__name__),
                where=str(path),
                allowed=f"a list of {width} numbers in every record",
                remedy="drop the record, or embed it",
            )
    dtype = np.result_type(*{entry.dtype for entry in rows})
    if dtype.kind in "iu" and all(entry.min() >= -128 and entry.max() <= 127 for entry in rows):
        dtype = np.dtype(np.int8)
    matrix = allocate((len(rows), width), np.float64 if dtype.kind not in "fi" else dtype)
    for row, entry in enumerate(rows):
        matrix[row] = entry
    return matrix


def write(embedding_set: EmbeddingSet, path: Path) -> None:
    """Write one object per sample, with the shortest decimals that give the same numbers again.

    Raises
    ------
    InputError
        If the set has pairs, or views that differ in N or columns.
    """
    check_table_fits(embedding_set, path)
    columns = table_columns(embedding_set, path, embedding_set.view_names)
    stored = {name: column_to_store(values) for name, values in columns.items()}
    arrays = {view: as_supported(array) for view, array in embedding_set.views.items()}
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for rows in row_blocks(arrays[embedding_set.view_names[0]]):
            texts = {view: _decimals(array[rows], path) for view, array in arrays.items()}
            for place, row in enumerate(range(rows.start, rows.stop)):
                parts = [f"{json.dumps(view, ensure_ascii=False)}: {lists[place]}" for view, lists in texts.items()]
                parts += [
                    f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(values[row].item(), ensure_ascii=False)}"
                    for name, values in stored.items()
                ]
                file.write("{" + ", ".join(parts) + "}\n")


def _decimals(block: NDArray[Any], path: Path) -> list[str]:
    """Return every row of a block as a JSON list."""
    pa = library("pyarrow", path)
    pc = library("pyarrow.compute", path)
    # Every float16 is a float32, which Arrow can write as decimals.
    plain = block.astype(np.float32) if block.dtype == np.float16 else block
    entries = pc.cast(pa.array(np.ascontiguousarray(plain).reshape(-1)), pa.string()).to_pylist()
    entries = [_NOT_FINITE.get(entry, entry) for entry in entries]
    width = block.shape[1]
    return ["[" + ", ".join(entries[start : start + width]) + "]" for start in range(0, len(entries), width)]


SPEC = FormatSpec(
    name="jsonl",
    label="JSON Lines file",
    suffixes=(".jsonl", ".ndjson"),
    sniff=sniff,
    read=read,
    write=write,
    description=(
        "One JSON object a line: lists of numbers become views by key, numbers and text become columns; keys of nested "
        "objects (`payload`, `metadata`, named vectors) are joined with a slash; number keys that differ only in a "
        "number (`dim_0`, `dim_1`, ...) are put together. One `.json` document of any length is read too: a list of "
        "objects or of vectors, or an object of lists. Roles are guessed from the keys when such a file is read."
    ),
)

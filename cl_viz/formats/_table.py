"""Tables: which columns are an embedding (lists of numbers, numbered columns), and which are metadata."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import Column, EmbeddingSet
from cl_viz.core.errors import FormatError, InputError
from cl_viz.core.specs import RawDump
from cl_viz.formats._big_arrays import allocate
from cl_viz.formats._dump import COLUMN_PREFIX, read_manifest
from cl_viz.formats._guard import own_columns, shared_columns
from cl_viz.formats._roles import known_role

# "dim_12", "emb.3", "x[4]", "17": a name and the number of the dimension.
_NUMBERED = re.compile(r"(?P<prefix>.*?)[ _.\-\[(]?(?P<number>\d{1,6})[\])]?", re.DOTALL)
_DEFAULT_NAME = "embedding"
# What Python writes for a list of numpy's numbers.
_NUMPY_NUMBER = re.compile(r"np\.(?:float|int)\d+\(([^()]*)\)")
# A matrix, or its rows where they differ in length.
_Rows: TypeAlias = NDArray[np.float64] | list[NDArray[np.float64]]


def table_dump(
    columns: Mapping[str, Column],
    path: Path,
    *,
    vectors: Mapping[str, NDArray[Any]] | None = None,
    manifest: str | None = None,
    notes: Sequence[str] = (),
    headless: bool = False,
) -> RawDump:
    """Sort the columns of a table into candidate views and metadata.

    Parameters
    ----------
    columns : Mapping[str, Column]
        One entry per row, in the order of the table.
    path : Path
        For messages.
    vectors : Mapping[str, NDArray], each of shape (N, D), optional
        List columns, one vector per row. Where there are none, the first of these that is there: columns of lists
        written as text, if they hold fractions; number columns whose names differ only in a number running from 0 or 1
        (one view per name); other columns of lists written as text; all number columns that hold fractions. Where the
        first two are both there, both are candidates, the wider ones the likely ones, and stay columns if not chosen.
    manifest : str, optional
        What the file says about itself.
    notes : sequence of str
    headless : bool
        Whether the names are only positions.

    Raises
    ------
    FormatError
        If a column among numbered number columns holds text, or the only vectors are lists in text that differ in
        length.
    """
    said = list(notes)
    arrays: dict[str, NDArray[Any]] = dict(vectors or {})
    held = read_manifest(manifest)
    rest = dict(columns)
    # Beside vectors such texts are tags or boxes, and a file written here holds no vectors as text.
    lists = {} if arrays or held else _lists_in_text(columns)
    of_text = _wide(lists, fractions=not headless)
    numbered = _numbered_beside(of_text, columns, path) if of_text and not headless else {}
    if numbered:
        return _either(of_text, numbered, columns, said)
    for name, matrix in of_text.items():
        arrays[name] = matrix
        del rest[name]
    if not arrays:
        if headless:
            _name_positions(rest, said, path)
            lists = {_position_name(name): rows for name, rows in lists.items()}
        for name, members in _numbered_groups(rest, path).items():
            arrays[name] = _stack([rest.pop(member) for member in members])
    if not arrays:
        for name, matrix in _wide(lists).items():
            arrays[name] = matrix
            del rest[name]
    if not arrays:
        _check_lengths(lists, path)
        loose = [name for name, values in rest.items() if values.dtype.kind == "f" and not _is_role(name, values)]
        if len(loose) > 1:
            said.append(f"{len(loose)} number columns are read as the dimensions: {_some(loose)}")
            arrays[_DEFAULT_NAME] = _stack([rest.pop(name) for name in loose])
    if not held:
        said += _kept_texts(rest, list(arrays))
    plain = {name.removeprefix(COLUMN_PREFIX): values for name, values in rest.items()}
    return RawDump(arrays, plain, {"cl_viz": held, "notes": tuple(said)})


def _numbered_beside(of_text: Mapping[str, Any], columns: Mapping[str, Column], path: Path) -> dict[str, list[str]]:
    """Return the groups of numbered number columns beside lists in text, where their names tell them apart."""
    try:
        groups = _numbered_groups({name: values for name, values in columns.items() if name not in of_text}, path)
    except FormatError:
        # Text among numbers: beside other vectors that is no damage.
        return {}
    return {name: members for name, members in groups.items() if name not in columns}


def _either(
    of_text: Mapping[str, NDArray[Any]],
    numbered: Mapping[str, Sequence[str]],
    columns: Mapping[str, Column],
    notes: Sequence[str],
) -> RawDump:
    """Return both kinds of candidates; a box in text is no embedding beside 384 columns, nor a map of two columns
    beside lists of 384 numbers.
    """
    stacked = {name: _stack([columns[member] for member in members]) for name, members in numbered.items()}
    widths = [max(array.shape[1] for array in kind.values()) for kind in (of_text, stacked)]
    likely, other = (of_text, stacked) if widths[0] >= widths[1] else (stacked, of_text)
    said = f"{_some(list(likely))} guessed as wider than {_some(list(other))}, which can be chosen as views instead"
    parts = {**{name: (name,) for name in of_text}, **{name: tuple(members) for name, members in numbered.items()}}
    card = {"cl_viz": {}, "notes": tuple(notes), "parts": parts, "likely": (tuple(likely), said)}
    return RawDump({**of_text, **stacked}, dict(columns), card)


def _lists_in_text(columns: Mapping[str, Column]) -> dict[str, _Rows]:
    """Return the columns whose cells all are lists in text: a matrix each, or rows where these differ in length."""
    found = {name: _rows_in_text(values) for name, values in columns.items()}
    return {name: rows for name, rows in found.items() if rows is not None}


def _rows_in_text(values: Column) -> _Rows | None:
    """Return the numbers of a column whose cells are lists in text, ``[0.1, 0.2]``, as pandas and pgvector write them,
    or ``{0.1,0.2}``, as PostgreSQL writes its arrays, or ``[np.float64(0.1), ...]``, as Python writes lists of numpy's
    numbers; else None.
    """
    if not _begins_bracketed(values):
        return None
    rows: list[NDArray[np.float64]] = []
    for cell in values:
        try:
            plain = _NUMPY_NUMBER.sub(r"\1", str(cell)).strip().strip("[](){}").replace(",", " ")
            rows.append(np.array(plain.split(), dtype=np.float64))
        except ValueError:
            return None
    return np.array(rows) if len({len(row) for row in rows}) == 1 else rows


def _wide(lists: Mapping[str, _Rows], *, fractions: bool = False) -> dict[str, NDArray[np.float64]]:
    """Return what can well be vectors: lists of one length, of two numbers or more, with fractions if asked for."""
    return {
        name: rows
        for name, rows in lists.items()
        if isinstance(rows, np.ndarray) and rows.shape[1] > 1 and (not fractions or _has_fractions(rows))
    }


def _check_lengths(lists: Mapping[str, _Rows], path: Path) -> None:
    for name, rows in lists.items():
        odd = next((row for row, entries in enumerate(rows) if len(entries) != len(rows[0])), None)
        if odd is not None:
            raise unequal_lengths(path, name, f"row {odd + 1}", len(rows[odd]), len(rows[0]))


def _kept_texts(columns: Mapping[str, Column], views: Sequence[str]) -> list[str]:
    kept = [name for name, values in columns.items() if views and _begins_bracketed(values)]
    return [f"column {name!r} begins with a list in text and stays text beside {_some(views)}" for name in kept]


def _begins_bracketed(values: Column) -> bool:
    return values.dtype.kind in "OU" and len(values) > 0 and _is_bracketed(values[0])


def _is_bracketed(cell: Any) -> bool:
    numbers = r"[-+\d.eE,\s naifNAIF]+"
    if not isinstance(cell, str):
        return False
    return re.fullmatch(rf"\s*(\[{numbers}\]|\{{{numbers}\}})\s*", _NUMPY_NUMBER.sub(r"\1", cell)) is not None


def _some(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:3])}, ... {names[-1]}"


def _is_role(name: str, values: Column) -> bool:
    """Return whether a number column is called like a label, and could be one."""
    return known_role(name) is not None and not (values.dtype.kind == "f" and _has_fractions(values))


def _has_fractions(values: Column) -> bool:
    finite = values[np.isfinite(values)]
    return bool((finite != np.round(finite)).any())


def _numbered_groups(columns: Mapping[str, Column], path: Path) -> dict[str, list[str]]:
    """Find names that differ only in a number running from 0 or 1 without gaps; name -> its columns in order."""
    found: dict[str, dict[int, str]] = {}
    for name in columns:
        match = _NUMBERED.fullmatch(name)
        if match:
            found.setdefault(match["prefix"], {})[int(match["number"])] = name
    groups: dict[str, list[str]] = {}
    for prefix, members in found.items():
        order = sorted(members)
        if len(order) < 2 or order[0] > 1 or order != list(range(order[0], order[0] + len(order))):
            continue
        names = [members[number] for number in order]
        numeric = [name for name in names if columns[name].dtype.kind in "fiu"]
        if len(numeric) == len(names):
            groups[prefix.rstrip("_.- /") or _DEFAULT_NAME] = names
        elif len(numeric) > len(names) // 2:
            text = next(name for name in names if name not in numeric)
            raise _text_among_numbers(text, columns[text], path)
    return groups


def _text_among_numbers(name: str, values: Column, path: Path) -> FormatError:
    row, entry = next(
        ((i, v) for i, v in enumerate(values) if not isinstance(v, float | int) and not _is_number(str(v))),
        (0, values[0]),
    )
    return FormatError(
        f"column {name!r} stands among the numbers of the embedding, but row {row + 1} holds {str(entry)[:60]!r}",
        where=str(path),
        allowed="numbers in every dimension; text columns with names of their own",
        remedy="mend that entry, or rename the column if it is no dimension",
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _name_positions(columns: dict[str, Column], notes: list[str], path: Path) -> None:
    """Name the columns of a table without names: text stays text, and a first or last column of whole numbers beside
    fractions is a label; the rest are dimensions, numbered without a gap.
    """
    for name in [name for name, values in columns.items() if values.dtype.kind not in "fiu"]:
        text = columns.pop(name)
        if sum(_is_number(str(entry)) for entry in text) > len(text) / 2:
            raise _text_among_numbers(_position_name(name), text, path)
        columns[_position_name(name)] = text
    numeric = [name for name, values in columns.items() if values.dtype.kind in "fiu"]
    fractions = [name for name in numeric if columns[name].dtype.kind == "f"]
    for name in (numeric[:1] + numeric[-1:]) if len(fractions) > 1 else []:
        values = columns.get(name)
        if values is not None and values.dtype.kind in "iu" and len(np.unique(values)) > 1:
            columns["label"] = columns.pop(name)
            notes.append(f"column {int(name) + 1} holds whole numbers only and is read as a label, not as a dimension")
            break
    # What is left is numbered anew, so that the dimensions run without a gap.
    for position, name in enumerate([name for name in numeric if name in columns]):
        columns[f"\0{position}"] = columns.pop(name)
    for name in [name for name in columns if name.startswith("\0")]:
        columns[name[1:]] = columns.pop(name)


def _position_name(name: str) -> str:
    return f"column {int(name) + 1}"


def _stack(columns: Sequence[Column]) -> NDArray[Any]:
    dtype = np.result_type(*columns)
    if dtype.kind in "iu" and all(len(c) and c.min() >= -128 and c.max() <= 127 for c in columns):
        dtype = np.dtype(np.int8)
    stacked = allocate((len(columns[0]), len(columns)), dtype)
    for dimension, values in enumerate(columns):
        stacked[:, dimension] = values
    return stacked


def called_alike(path: Path, column: str) -> FormatError:
    """Return the error for two columns of one name: which of them is meant cannot be told."""
    return FormatError(
        f"two columns are called {column!r}",
        where=str(path),
        allowed="a name for each column; parts of nested columns are joined with a slash",
        remedy="rename one of them, and save again",
    )


def unequal_lengths(path: Path, column: str, row: str, found: int, expected: int) -> FormatError:
    """Return the error for vectors of different dimension in one column."""
    return FormatError(
        f"column {column!r} holds vectors of different dimension: {found} entries in {row}, {expected} before",
        where=str(path),
        allowed="the same number of entries in every row",
        remedy="embed all rows with one model and layer, and save again",
    )


def table_columns(embedding_set: EmbeddingSet, path: Path, taken: Sequence[str]) -> dict[str, Column]:
    """Return the metadata columns of a set under names that no view has; a view's own column has the view in front.

    Raises
    ------
    InputError
        If two columns would get one name.
    """
    shared = embedding_set.columns()
    found = [
        (f"{COLUMN_PREFIX}{name}" if name in taken else name, shared[name]) for name in shared_columns(embedding_set)
    ]
    found += own_columns(embedding_set).items()
    named = dict(found)
    if len(named) < len(found):
        raise InputError("two columns would get the same name", where=str(path), remedy="rename one of them")
    return named

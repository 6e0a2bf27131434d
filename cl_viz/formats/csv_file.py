"""Text tables: .csv, .tsv, and the vectors + metadata pair of TensorBoard's projector."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np

from cl_viz.core.embedding_set import Column, EmbeddingSet
from cl_viz.core.errors import FormatError, InputError
from cl_viz.core.specs import FormatSpec, RawDump
from cl_viz.core.validation import row_blocks
from cl_viz.formats._arrow_columns import column
from cl_viz.formats._big_arrays import as_supported
from cl_viz.formats._dump import column_to_store
from cl_viz.formats._guard import check_table_fits, guarded_reader, library, replacing
from cl_viz.formats._table import table_columns, table_dump

_SEPARATORS = ("\t", ",", ";", "|")
# Rows longer than a block cannot be parsed; this is room for a million dimensions.
_BLOCK_BYTES = 32 << 20
_CHANCE = 8
_VECTORS_STEM = re.compile(r"(?P<front>.*?)(?:vectors|tensors|vecs)", re.IGNORECASE)


def sniff(path: Path, head: bytes) -> bool:
    """Recognise text; without one of the usual suffixes its first line must hold a separator."""
    if b"\0" in head:
        return False
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # A character cut in two by the end of the head is no harm.
        if error.start < len(head) - 4 or error.start == 0:
            return False
        text = head[: error.start].decode("utf-8-sig")
    if not text.strip() or any(ord(character) < 9 or 13 < ord(character) < 32 for character in text):
        return False
    if path.suffix.lower() in SPEC.suffixes:
        return True
    first = text.lstrip().splitlines()[0]
    return not first.startswith(("{", "[", "<")) and any(separator in first for separator in _SEPARATORS)


@guarded_reader("CSV or TSV table")
def read(path: Path) -> RawDump:
    """Read a table, with the metadata beside it where it is one half of a projector pair.

    Raises
    ------
    FormatError
        If rows differ in length, or text stands among the numbers of the embedding.
    InputError
        If vectors and metadata differ in length.
    """
    table = _parse(path)
    pair = _metadata_path(path)
    if pair is None:
        return table
    columns = read_metadata(pair)
    n_rows = len(next(iter(table.arrays.values()))) if table.arrays else 0
    for values in columns.values():
        if len(values) != n_rows:
            raise InputError(
                f"the vectors have {n_rows:,} rows, the metadata beside them ({pair.name}) {len(values):,}",
                where=str(path),
                allowed="one line of metadata per vector",
                remedy="write both again from one pass, or move the metadata away",
            )
    note = f"metadata read from {pair.name} beside the vectors"
    notes = (*table.card.get("notes", ()), note)
    return RawDump(table.arrays, {**table.columns, **columns}, {**table.card, "notes": notes})


def _parse(path: Path) -> RawDump:
    first, separator = _first_row(path)
    headless = _is_headless(first)
    names = [str(position) for position in range(len(first))] if headless else _unique_names(first)
    columns, notes = {}, []
    for name, values in zip(names, _parse_columns(path, separator, headless, len(names)), strict=True):
        if values.dtype.kind == "O" and all(entry is None or entry == "" for entry in values):
            notes.append(f"column {name!r} was left out: it is empty")
        else:
            columns[name] = values
    return table_dump(columns, path, notes=notes, headless=headless)


def _first_row(path: Path) -> tuple[list[str], str]:
    """Return the cells of the first row and the separator."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        line = file.readline()
        counts = {mark: line.count(mark) for mark in _SEPARATORS}
        separator = "\t" if path.suffix.lower() == ".tsv" else max(counts, key=lambda mark: counts[mark])
        separator = separator if counts[separator] or separator == "\t" else ","
        file.seek(0)
        row = next(csv.reader(file, delimiter=separator), [])
    if not row:
        raise FormatError("the first line is empty", where=str(path), allowed="names of columns, or numbers")
    return row, separator


def _is_headless(row: list[str]) -> bool:
    """Return whether a first row holds data: any number in it, unless the numbers count 0, 1, 2, ... as names do."""
    numbers = [cell.strip() for cell in row if _number(cell) is not None]
    # A few numbers must stand in order to be names; many that are each there once cannot be chance.
    found = sorted(numbers, key=float) if len(numbers) > _CHANCE else numbers
    counting = [[str(position + start) for position in range(len(numbers))] for start in (0, 1)]
    return bool(numbers) and not (len(numbers) > 2 and found in counting)


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _unique_names(row: list[str]) -> list[str]:
    names: dict[str, None] = {}
    for position, cell in enumerate(row):
        name = cell.strip() or f"column {position + 1}"
        while name in names:
            name = f"{name} ({position + 1})"
        names[name] = None
    return list(names)


def _parse_columns(path: Path, separator: str, headless: bool, width: int) -> list[Column]:
    pa = library("pyarrow", path)
    arrow_csv = library("pyarrow.csv", path)

    def parse(types: dict[str, Any] | None) -> Any:
        # One thread: only then do messages name the row.
        options = arrow_csv.ReadOptions(
            use_threads=False,
            block_size=_BLOCK_BYTES,
            column_names=[str(position) for position in range(width)],
            skip_rows_after_names=0 if headless else 1,
        )
        parsing = arrow_csv.ParseOptions(delimiter=separator, newlines_in_values=True)
        converting = arrow_csv.ConvertOptions(column_types=types, timestamp_parsers=[], strings_can_be_null=False)
        return arrow_csv.read_csv(path, read_options=options, parse_options=parsing, convert_options=converting)

    try:
        table = parse(None)
    except pa.ArrowInvalid as error:
        if "conversion error" not in str(error):
            raise
        # A column that begins with numbers and goes on with text; types are taken from all rows instead.
        table = parse({str(position): pa.string() for position in range(width)})
        return [_narrow(np.array(values.to_pylist(), dtype=object)) for values in table.columns]
    columns = []
    for position, values in enumerate(table.columns):
        plain = column(values)
        if plain is None and not pa.types.is_null(values.type):
            raise FormatError(
                f"column {position + 1} is not UTF-8 text", where=str(path), remedy="save the table as UTF-8"
            )
        columns.append(np.full(table.num_rows, None, dtype=object) if plain is None else plain)
    return columns


def _narrow(values: Column) -> Column:
    """Return a column of text as numbers where every entry is one."""
    try:
        numbers = np.array([np.nan if value in (None, "") else float(value) for value in values])
    except ValueError:
        return values
    finite = numbers[np.isfinite(numbers)]
    whole = len(finite) == len(numbers) and bool((finite == np.round(finite)).all())
    return numbers.astype(np.int64) if whole and bool((np.abs(finite) < 2**53).all()) else numbers


def _metadata_path(path: Path) -> Path | None:
    """Return the metadata file beside a projector's vectors: ``vectors.tsv`` goes with ``metadata.tsv``."""
    match = _VECTORS_STEM.fullmatch(path.stem)
    beside = path.with_name(f"{match['front']}metadata{path.suffix}") if match else None
    return beside if beside is not None and beside.is_file() else None


def read_metadata(path: Path) -> dict[str, Column]:
    """Read a projector's metadata: one column has no header, several have one; in a .tsv quotes are plain characters.

    Raises
    ------
    FormatError
        If the file is empty, or a line has more or fewer cells than the header.
    """
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    rows = list(
        csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL)
    )
    if not rows:
        raise FormatError("the file is empty", where=str(path), remedy="write the metadata again, or remove it")
    if len(rows[0]) <= 1:
        return {"label": _narrow(np.array([row[0] if row else "" for row in rows] + [None], dtype=object)[:-1])}
    names = _unique_names(rows[0])
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(names):
            raise FormatError(
                f"line {number} has {len(row)} cells, the header {len(names)}",
                where=str(path),
                allowed="as many cells as the header in every line",
            )
    return {
        name: _narrow(np.array([row[position] for row in rows[1:]] + [None], dtype=object)[:-1])
        for position, name in enumerate(names)
    }


def write(embedding_set: EmbeddingSet, path: Path) -> None:
    """Write one column per dimension (``view_0``, ``view_1``, ...), then the metadata columns.

    Raises
    ------
    InputError
        If the set has pairs, or views that differ in N or columns.
    """
    check_table_fits(embedding_set, path)
    pa = library("pyarrow", path)
    arrow_csv = library("pyarrow.csv", path)
    options = arrow_csv.WriteOptions(delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
    dimensions = [f"{view}_{k}" for view in embedding_set.view_names for k in range(embedding_set.dim)]
    columns = table_columns(embedding_set, path, [*embedding_set.view_names, *dimensions])
    stored = [column_to_store(values) for values in columns.values()]
    arrays = [as_supported(array) for array in embedding_set.views.values()]

    def table(rows: slice) -> Any:
        # Every float16 is a float32, which Arrow can write as decimals.
        blocks = [array[rows].astype(np.promote_types(array.dtype, np.float32)) if array.dtype == np.float16
                  else array[rows] for array in arrays]  # fmt: skip
        numbers = [pa.array(np.ascontiguousarray(block[:, k])) for block in blocks for k in range(block.shape[1])]
        texts = [pa.array(v[rows] if v.dtype.kind in "fiub" else v[rows].tolist()) for v in stored]
        return pa.table([*numbers, *texts], names=[*dimensions, *columns])

    with (
        replacing(path) as temporary,
        arrow_csv.CSVWriter(temporary, table(slice(0, 1)).schema, write_options=options) as writer,
    ):
        for rows in row_blocks(arrays[0]):
            writer.write_table(table(rows))


SPEC = FormatSpec(
    name="csv",
    label="CSV or TSV table",
    suffixes=(".csv", ".tsv"),
    sniff=sniff,
    read=read,
    write=write,
    description=(
        "One number column per dimension (`dim_0`, `dim_1`, ...; several names become several views), or one column "
        "with a list in each cell; the other columns are metadata. Where a table has both, the wider is guessed, and "
        "`views=` (`--view`, the Data page) takes the other. Tables without a header are numbered. "
        "`vectors.tsv` brings the `metadata.tsv` beside it, as TensorBoard's projector writes them. Roles are guessed "
        "from the names when such a file is read."
    ),
)

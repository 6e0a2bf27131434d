"""Parquet tables with list columns or one column per dimension."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.specs import FormatSpec, RawDump
from cl_viz.formats._arrow_columns import (
    all_leaves,
    arrow_table,
    column,
    is_binary,
    is_vector_type,
    part,
    schema_manifest,
    vectors,
)
from cl_viz.formats._guard import guarded_reader, library, replacing
from cl_viz.formats._limits import check_expansion
from cl_viz.formats._table import table_dump

_MAGIC = b"PAR1"
_BATCH_ENTRIES = 8 << 20


def sniff(path: Path, head: bytes) -> bool:
    """Recognise Parquet's magic bytes."""
    return head.startswith(_MAGIC)


@guarded_reader("Parquet file")
def read(path: Path) -> RawDump:
    """Read list columns batch by batch, the others whole.

    Raises
    ------
    FormatError, UnsafeFileError
        If the file is cut off or damaged, would unpack to far more than it holds, or vectors differ in dimension.
    """
    pq = library("pyarrow.parquet", path)
    found, columns, notes = {}, {}, []
    with pq.ParquetFile(path, memory_map=True) as file:
        _check_claims(file.metadata, path)
        # A struct is read part by part, so that the bytes of pictures beside their paths are not.
        for names, kind in all_leaves(file.schema_arrow, path):
            name = "/".join(names)
            if is_vector_type(kind):
                found[name] = vectors(_chunks(file, names, path), file.metadata.num_rows, name, path)
                continue
            plain = column(_whole(file, names)) if not _is_left_out(kind) else None
            if plain is None:
                notes.append(f"column {name!r} of type {kind} was left out")
            else:
                columns[name] = plain
        manifest = schema_manifest(file.schema_arrow)
    return table_dump(columns, path, vectors=found, manifest=manifest, notes=notes)


@guarded_reader("Parquet file")
def read_columns(path: Path) -> RawDump:
    """Read the plain columns alone, under their names: numbers stay columns and make no view.

    Raises
    ------
    FormatError, UnsafeFileError
        As `read`.
    """
    pq = library("pyarrow.parquet", path)
    with pq.ParquetFile(path, memory_map=True) as file:
        _check_claims(file.metadata, path)
        names = [field.name for field in file.schema_arrow if not _is_nested(field.type)]
        plain = {name: column(file.read(columns=[name]).column(0)) for name in names}
    return RawDump({}, {name: values for name, values in plain.items() if values is not None})


def _check_claims(metadata: Any, path: Path) -> None:
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    size = path.stat().st_size
    check_expansion(path, "the table", sum(group.total_byte_size for group in groups), size)
    # Repeated values are stored once: the number of rows can be far beyond the bytes. (The metadata of a column would
    # say more, but asking a damaged file for it ends the process: pyarrow does not catch the library's exception.)
    check_expansion(path, f"a table of {metadata.num_rows:,} rows", metadata.num_rows * metadata.num_columns * 8, size)


def _is_nested(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_nested(kind))


def _is_left_out(kind: Any) -> bool:
    return _is_nested(kind) or is_binary(kind)


def _whole(file: Any, names: Sequence[str]) -> Any:
    """Return a column, or the part of a struct column that `names` lead to."""
    return part(file.read(columns=[".".join(names)]).column(0), names[1:])


def _chunks(file: Any, names: Sequence[str], path: Path) -> Iterator[Any]:
    """Yield a list column in batches of about eight million entries, once the first row has said how wide it is."""
    asked = [".".join(names)]
    first = next(file.iter_batches(columns=asked, batch_size=1), None)
    entries = 1 if first is None else max(1, len(part(first.column(0), names[1:]).flatten()))
    check_expansion(path, f"column {'/'.join(names)!r}", file.metadata.num_rows * entries, path.stat().st_size)
    for batch in file.iter_batches(columns=asked, batch_size=max(1, min(8192, _BATCH_ENTRIES // entries))):
        yield part(batch.column(0), names[1:])


def write(embedding_set: EmbeddingSet, path: Path) -> None:
    """Write a list column per view; numbers are stored plain, because embeddings hardly compress.

    Raises
    ------
    InputError
        If the set has pairs, or views that differ in N or columns.
    """
    pq = library("pyarrow.parquet", path)
    table = arrow_table(embedding_set, path)
    with replacing(path) as temporary:
        pq.write_table(table, temporary, use_dictionary=list(embedding_set.columns()), compression="zstd")


SPEC = FormatSpec(
    name="parquet",
    label="Parquet file",
    suffixes=(".parquet", ".pq"),
    sniff=sniff,
    read=read,
    write=write,
    description=(
        "List and fixed-size-list columns of numbers become views by name; columns of one number per dimension "
        "(`dim_0`, `dim_1`, ...) are put together; the rest are metadata columns. Vectors are read batch by batch; "
        "what does not fit in memory goes to a mapped temporary file."
    ),
)

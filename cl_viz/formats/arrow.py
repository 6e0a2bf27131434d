"""Arrow IPC files and streams, among them Feather, memory-mapped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import FormatError
from cl_viz.core.specs import FormatSpec, RawDump
from cl_viz.formats._arrow_columns import (
    all_leaves,
    arrow_table,
    column,
    is_vector_type,
    part,
    schema_manifest,
    vectors,
)
from cl_viz.formats._arrow_messages import check_messages
from cl_viz.formats._guard import guarded_reader, library, replacing
from cl_viz.formats._table import table_dump

_FILE_MAGIC = b"ARROW1"
_FIRST_MESSAGE = 8
_FEATHER_1_MAGIC = b"FEA1"
# A stream begins with a continuation marker and the length of its schema.
_STREAM_MAGIC = b"\xff\xff\xff\xff"


def sniff(path: Path, head: bytes) -> bool:
    """Recognise an Arrow file, an Arrow stream, or Feather version 1."""
    return head.startswith((_FILE_MAGIC, _FEATHER_1_MAGIC, _STREAM_MAGIC))


@guarded_reader("Arrow or Feather file")
def read(path: Path) -> RawDump:
    """Map the file; a fixed-size list column in one uncompressed batch stays mapped.

    Raises
    ------
    FormatError
        If the file is cut off or damaged, or vectors differ in dimension.
    UnsafeFileError
        If it would unpack to far more than it holds.
    """
    pa = library("pyarrow", path)
    table = _open(pa, path)
    # Offsets inside the file are not trusted before this.
    table.validate(full=True)
    found, columns, notes = {}, {}, []
    for names, kind in all_leaves(table.schema, path):
        name, values = "/".join(names), part(table.column(names[0]), names[1:])
        if is_vector_type(kind):
            found[name] = vectors(values.chunks, len(values), name, path)
            continue
        plain = column(values)
        if plain is None:
            notes.append(f"column {name!r} of type {kind} was left out")
        else:
            columns[name] = plain
    return table_dump(columns, path, vectors=found, manifest=schema_manifest(table.schema), notes=notes)


def _open(pa: Any, path: Path) -> Any:
    source = pa.memory_map(str(path), "r")
    head = source.read(len(_FILE_MAGIC))
    source.seek(0)
    if head.startswith(_FEATHER_1_MAGIC):
        from pyarrow import feather

        return feather.read_table(source)
    start = _FIRST_MESSAGE if head == _FILE_MAGIC else 0
    promised = pa.ipc.open_file(source).num_record_batches if head == _FILE_MAGIC else None
    source.seek(start)
    batches = check_messages(pa, source, path)
    if promised is not None and promised != batches:
        raise FormatError(
            f"the footer lists {promised} batches, the file holds {batches}",
            where=str(path),
            allowed="a footer that agrees with the content",
            remedy="write or copy the file again",
        )
    # An Arrow file holds a stream between its magic bytes and its footer; what is read is what was checked.
    source.seek(start)
    return pa.ipc.open_stream(source).read_all()


def write(embedding_set: EmbeddingSet, path: Path) -> None:
    """Write one uncompressed batch, so that it can be mapped again.

    Raises
    ------
    InputError
        If the set has pairs, or views that differ in N or columns.
    """
    pa = library("pyarrow", path)
    table = arrow_table(embedding_set, path)
    with replacing(path) as temporary, pa.ipc.new_file(str(temporary), table.schema) as writer:
        writer.write_table(table)


SPEC = FormatSpec(
    name="arrow",
    label="Arrow or Feather file",
    suffixes=(".feather", ".arrow", ".ipc", ".arrows"),
    sniff=sniff,
    read=read,
    write=write,
    description=(
        "List and fixed-size-list columns of numbers become views by name; columns of one number per dimension "
        "(`dim_0`, `dim_1`, ...) are put together; the rest are metadata columns. The file is memory-mapped: "
        "fixed-size lists in one uncompressed batch are not copied. Files, streams and Feather are read."
    ),
)

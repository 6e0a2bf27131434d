"""One numpy array in a file, memory-mapped."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.specs import FormatSpec, RawDump
from cl_viz.formats._big_arrays import map_array
from cl_viz.formats._dump import sort_arrays
from cl_viz.formats._guard import TABLE_OR_ARRAY_FORMATS, cannot_carry, guarded_reader, replacing
from cl_viz.formats._limits import check_extent
from cl_viz.formats._npy_header import MAGIC, read_npy_header


def sniff(path: Path, head: bytes) -> bool:
    """Recognise numpy's magic bytes."""
    return head.startswith(MAGIC)


@guarded_reader(".npy file")
def read(path: Path) -> RawDump:
    """Map the array read-only.

    Raises
    ------
    FormatError, UnsafeFileError
        If the file is cut off, damaged, or holds Python objects.
    """
    with path.open("rb") as stream:
        header = read_npy_header(stream, path, "the array")
    check_extent(path, "the array", header.data_bytes, path.stat().st_size - header.offset)
    array = map_array(path, header.dtype, header.shape, header.offset, fortran=header.fortran)
    return sort_arrays({path.stem: array}, path)


def write(embedding_set: EmbeddingSet, path: Path) -> None:
    """Write the one view of a set without columns.

    Raises
    ------
    InputError
        If the set has several views or columns, which one array cannot hold.
    """
    if len(embedding_set.views) > 1:
        raise cannot_carry(path, f"{len(embedding_set.views)} views", TABLE_OR_ARRAY_FORMATS)
    if embedding_set.columns():
        raise cannot_carry(path, "metadata columns", TABLE_OR_ARRAY_FORMATS)
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, next(iter(embedding_set.views.values())), allow_pickle=False)


SPEC = FormatSpec(
    name="npy",
    label="numpy array",
    suffixes=(".npy",),
    sniff=sniff,
    read=read,
    write=write,
    description=(
        "One (N, D) array becomes the one view; it stays memory-mapped, so it may be larger than memory. A one-axis "
        "array is a column of labels. Arrays of Python objects are refused: reading them would run a pickle. Two-byte "
        "entries without a type are read as bfloat16, which is how numpy writes them."
    ),
)

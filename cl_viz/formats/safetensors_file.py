"""Named tensors in the safetensors format, memory-mapped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import FormatError, InputError
from cl_viz.core.specs import FormatSpec, RawDump
from cl_viz.formats._big_arrays import map_array
from cl_viz.formats._dump import MANIFEST_KEY, arrays_to_store, column_to_store, manifest_text, sort_arrays
from cl_viz.formats._guard import guarded_reader, library, replacing
from cl_viz.formats._limits import check_extent

_LENGTH_BYTES = 8
# The library's own limit for a header.
_LONGEST_HEADER = 100_000_000
# Text columns live in the header, as JSON under this prefix.
_TEXT_PREFIX = "column:"
_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1", "U64": "<u8",
    "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip


def sniff(path: Path, head: bytes) -> bool:
    """Recognise a length of 8 bytes that fits the file, followed by a JSON object."""
    length = int.from_bytes(head[:_LENGTH_BYTES], "little")
    return head[_LENGTH_BYTES : _LENGTH_BYTES + 1] == b"{" and 2 <= length <= _LONGEST_HEADER


@guarded_reader("safetensors file")
def read(path: Path) -> RawDump:
    """Map the tensors.

    Raises
    ------
    FormatError, UnsafeFileError
        If the file is cut off or damaged, or its header claims more than it holds.
    """
    safe_open = library("safetensors", path).safe_open
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        start = _LENGTH_BYTES + length
        check_extent(path, "the file", start, path.stat().st_size)
        entries: dict[str, Any] = json.loads(file.read(length))
    said = entries.pop("__metadata__", {})
    for name, entry in entries.items():
        check_extent(path, f"tensor {name!r}", start + entry["data_offsets"][1], path.stat().st_size)
    # The library checks the rest: no gaps, no overlaps, sizes that agree with shapes.
    with safe_open(str(path), framework="numpy") as checked:
        names = set(checked.keys())
    notes = []
    arrays: dict[str, NDArray[Any]] = {}
    for name in (name for name in entries if name in names):
        dtype = _dtype(entries[name]["dtype"])
        if dtype is None:
            notes.append(f"tensor {name!r} of type {entries[name]['dtype']} was left out")
            continue
        shape, offset = tuple(entries[name]["shape"]), start + entries[name]["data_offsets"][0]
        arrays[name] = map_array(path, dtype, shape, offset, fortran=False)
    for key, text in said.items():
        if key.startswith(_TEXT_PREFIX):
            arrays[key.removeprefix(_TEXT_PREFIX)] = _text_column(text, path, key)
    return sort_arrays(arrays, path, manifest=said.get(MANIFEST_KEY), notes=tuple(notes))


def _dtype(name: str) -> np.dtype[Any] | None:
    if name == "BF16":
        import ml_dtypes

        bfloat16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return bfloat16
    return np.dtype(_DTYPES[name]) if name in _DTYPES else None


def _text_column(text: str, path: Path, key: str) -> NDArray[np.str_]:
    values = json.loads(text)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise FormatError(f"{key!r} in the header is not a list of text", where=str(path), remedy="save the file again")
    return np.array(values, dtype=np.str_)


def write(embedding_set: EmbeddingSet, path: Path) -> None:
    """Write views, pairs and columns of numbers as tensors, text columns into the header.

    Raises
    ------
    InputError
        If the text columns are too long for a header.
    """
    save_file = library("safetensors.numpy", path).save_file
    arrays, columns = arrays_to_store(embedding_set, path)
    tensors = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    header = {MANIFEST_KEY: manifest_text(embedding_set)}
    for name, values in columns.items():
        stored = column_to_store(values)
        if stored.dtype.kind in "fiub":
            tensors[name] = np.ascontiguousarray(stored)
        else:
            header[f"{_TEXT_PREFIX}{name}"] = json.dumps(stored.tolist(), ensure_ascii=False)
    if sum(len(text.encode()) for text in header.values()) > _LONGEST_HEADER // 2:
        raise InputError(
            "the text columns are too long for the header of a safetensors file",
            where=str(path),
            allowed=f"{_LONGEST_HEADER // 2:,} bytes of text",
            remedy="save as .parquet, .npz or .h5",
        )
    with replacing(path) as temporary:
        save_file(tensors, str(temporary), metadata=header)


SPEC = FormatSpec(
    name="safetensors",
    label="safetensors file",
    suffixes=(".safetensors",),
    sniff=sniff,
    read=read,
    write=write,
    description=(
        "Tensors of two axes become views by name, tensors of one axis become columns. Everything stays "
        "memory-mapped; bfloat16 becomes float32. Text columns are kept in the header as JSON."
    ),
)

"""Datasets of an HDF5 file; contiguous ones are memory-mapped, links out of the file are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import UnsafeFileError
from cl_viz.core.specs import FormatSpec, RawDump
from cl_viz.core.validation import row_blocks
from cl_viz.formats._big_arrays import allocate, map_array
from cl_viz.formats._dump import (
    MANIFEST_KEY,
    arrays_to_store,
    column_to_store,
    manifest_text,
    plain_column,
    sort_arrays,
)
from cl_viz.formats._guard import guarded_reader, library, replacing
from cl_viz.formats._limits import check_expansion, check_extent

_MAGIC = b"\x89HDF\r\n\x1a\n"
_DEEPEST = 16
_LARGEST_FIXED_TEXT = 64 << 20


def sniff(path: Path, head: bytes) -> bool:
    """Recognise the signature of HDF5."""
    return head.startswith(_MAGIC)


@guarded_reader("HDF5 file")
def read(path: Path) -> RawDump:
    """Map or read the datasets; names of nested ones are joined with a slash.

    Raises
    ------
    FormatError
        If the file is cut off or damaged.
    UnsafeFileError
        If a link or a dataset points to another file, or a dataset claims more than is stored.
    """
    h5py = library("h5py", path)
    arrays: dict[str, NDArray[Any]] = {}
    notes: list[str] = []
    with h5py.File(path, "r") as file:
        datasets: dict[str, Any] = {}
        _collect(h5py, file, "", path, datasets, notes, set())
        for name, dataset in datasets.items():
            array = _read_dataset(h5py, dataset, name, path)
            if array is None:
                notes.append(f"dataset {name!r} of type {dataset.dtype} was left out")
            else:
                arrays[name] = array
    return sort_arrays(_with_categories(arrays, path), path, notes=tuple(notes))


def _with_categories(arrays: dict[str, NDArray[Any]], path: Path) -> dict[str, NDArray[Any]]:
    """Put the two datasets of a categorical column, ``name/codes`` and ``name/categories``, as AnnData writes them,
    into one; a code below 0 is a missing entry.
    """
    found = dict(arrays)
    for name in [name.removesuffix("/codes") for name in arrays if name.endswith("/codes")]:
        codes, values = arrays[f"{name}/codes"], arrays.get(f"{name}/categories")
        if values is None or name in arrays or codes.ndim != 1 or values.ndim != 1 or codes.dtype.kind not in "iu":
            continue
        check_expansion(path, f"column {name!r}", 8 * len(codes), path.stat().st_size)
        present = codes >= 0
        if not present.any() or int(codes.max()) >= len(values):
            continue
        entries = plain_column(values).astype(object)[np.where(present, codes, 0)]
        entries[~present] = None
        del found[f"{name}/codes"], found[f"{name}/categories"]
        found[name] = entries
    return found


def _collect(
    h5py: Any, group: Any, prefix: str, path: Path, found: dict[str, Any], notes: list[str], seen: set[int]
) -> None:
    """Walk over the hard links of a group; a group reached twice is not walked again."""
    for key in group:
        name = f"{prefix}{key}"
        link = group.get(key, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise UnsafeFileError(
                f"{name!r} is a link to another file ({link.filename!r}); it was not followed",
                where=str(path),
                allowed="datasets stored in the file itself",
                remedy="copy the data into the file (h5py: target.copy(source, name))",
            )
        if isinstance(link, h5py.SoftLink):
            notes.append(f"link {name!r} to {link.path!r} was not followed")
            continue
        entry = group[key]
        if isinstance(entry, h5py.Dataset):
            found[name] = entry
        elif isinstance(entry, h5py.Group):
            address = int(h5py.h5o.get_info(entry.id).addr)
            if address not in seen and name.count("/") < _DEEPEST:
                seen.add(address)
                _collect(h5py, entry, f"{name}/", path, found, notes, seen)


def _read_dataset(h5py: Any, dataset: Any, name: str, path: Path) -> NDArray[Any] | None:
    if dataset.is_virtual or dataset.external:
        raise UnsafeFileError(
            f"dataset {name!r} keeps its numbers in another file; it was not followed",
            where=str(path),
            allowed="datasets stored in the file itself",
            remedy="copy the data into the file",
        )
    if dataset.shape is None:
        return None
    text = h5py.check_string_dtype(dataset.dtype)
    if text is None and dataset.dtype.kind not in "fiub" and dataset.dtype.name != "bfloat16":
        return None
    stored = int(dataset.id.get_storage_size())
    claimed = int(np.prod([int(length) for length in dataset.shape], dtype=object)) * dataset.dtype.itemsize
    check_expansion(path, f"dataset {name!r}", claimed, stored)
    if text is not None:
        return _text(dataset) if dataset.ndim <= 1 else None
    offset = dataset.id.get_offset()
    if offset is not None and dataset.chunks is None and dataset.dtype.kind != "b":
        check_extent(path, f"dataset {name!r}", offset + claimed, path.stat().st_size)
        return map_array(path, dataset.dtype, dataset.shape, offset, fortran=False)
    if dataset.ndim < 2:
        return np.asarray(dataset[()])
    array = allocate(dataset.shape, dataset.dtype)
    for rows in row_blocks(array.reshape(len(array), -1)):
        array[rows] = dataset[rows]
    return array


def _text(dataset: Any) -> NDArray[Any]:
    if dataset.ndim == 0:
        return np.array(dataset.asstr("utf-8", errors="replace")[()])
    return np.array(dataset.asstr("utf-8", errors="replace")[:], dtype=np.str_)


def write(embedding_set: EmbeddingSet, path: Path) -> None:
    """Write every view, pair list and column as a contiguous dataset, and the roles as text."""
    h5py = library("h5py", path)
    arrays, columns = arrays_to_store(embedding_set, path)
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array)
        for name, values in columns.items():
            stored = column_to_store(values)
            if stored.dtype.kind in "fiub":
                file.create_dataset(name, data=stored)
                continue
            # Text of fixed width where it is compact: libhdf5 reads it more safely than text of variable length.
            encoded = [value.encode() for value in stored.tolist()]
            width = max(1, *(len(value) for value in encoded))
            compact = width * len(encoded) <= _LARGEST_FIXED_TEXT
            kind = h5py.string_dtype("utf-8", width if compact else None)
            file.create_dataset(name, data=encoded, dtype=kind)
        file.create_dataset(MANIFEST_KEY, data=np.bytes_(manifest_text(embedding_set).encode()))


SPEC = FormatSpec(
    name="hdf5",
    label="HDF5 file",
    suffixes=(".h5", ".hdf5", ".he5"),
    sniff=sniff,
    read=read,
    write=write,
    description=(
        "Datasets of two axes become views by name (groups are joined with a slash), datasets of one axis become "
        "columns; `.h5ad` of AnnData is read, with codes and categories as one column. Contiguous datasets stay "
        "memory-mapped; chunked ones are read block by block. Links and datasets that point to other files are refused."
    ),
)

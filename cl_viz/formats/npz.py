"""Several named numpy arrays in one zip archive; those stored uncompressed are memory-mapped."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import UnsafeFileError
from cl_viz.core.specs import FormatSpec, RawDump
from cl_viz.formats._big_arrays import allocate, map_array
from cl_viz.formats._dump import MANIFEST_KEY, arrays_to_store, column_to_store, manifest_text, sort_arrays
from cl_viz.formats._guard import guarded_reader, replacing
from cl_viz.formats._limits import check_expansion, check_extent
from cl_viz.formats._npy_header import NpyHeader, read_npy_header
from cl_viz.formats._zip_archive import check_archive, data_offset, first_member

_READ_BYTES = 16 << 20
# Each mapped array holds a file open, and a process may open about a thousand.
_MOST_MAPPED = 128


def sniff(path: Path, head: bytes) -> bool:
    """Recognise a zip archive whose first member is a .npy file."""
    return first_member(head).endswith(".npy")


@guarded_reader(".npz archive")
def read(path: Path) -> RawDump:
    """Map the uncompressed members, unpack the compressed ones.

    Raises
    ------
    FormatError, UnsafeFileError
        If the archive is cut off, holds Python objects, or would unpack to far more than it holds.
    """
    arrays: dict[str, NDArray[Any]] = {}
    notes: list[str] = []
    with zipfile.ZipFile(path) as archive:
        members = check_archive(archive, path)
        for member in members:
            if member.filename.endswith(".npy"):
                may_map = len(arrays) < _MOST_MAPPED
                arrays[member.filename.removesuffix(".npy")] = _read_member(archive, member, path, may_map=may_map)
            elif not member.is_dir():
                notes.append(f"archive member {member.filename!r} was left out: it is not a .npy file")
    return sort_arrays(arrays, path, notes=tuple(notes))


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, *, may_map: bool) -> NDArray[Any]:
    what = f"array {member.filename!r}"
    with archive.open(member) as stream:
        header = read_npy_header(stream, path, what)
        check_extent(path, what, header.data_bytes, member.file_size - header.offset)
        if member.compress_type != zipfile.ZIP_STORED or not may_map:
            check_expansion(path, what, header.data_bytes, member.compress_size)
            return _unpack(stream, header, path, what)
    return map_array(
        path, header.dtype, header.shape, data_offset(path, member) + header.offset, fortran=header.fortran
    )


def _unpack(stream: IO[bytes], header: NpyHeader, path: Path, what: str) -> NDArray[Any]:
    flat = allocate((header.data_bytes,), np.uint8)
    filled = 0
    while filled < len(flat):
        chunk = stream.read(min(_READ_BYTES, len(flat) - filled))
        if not chunk:
            raise UnsafeFileError(
                f"{what} ends after {filled:,} of {len(flat):,} bytes",
                where=str(path),
                remedy="write or copy the file again",
            )
        flat[filled : filled + len(chunk)] = np.frombuffer(chunk, dtype=np.uint8)
        filled += len(chunk)
    # Reading on to the end makes zipfile compare the checksum.
    stream.read(1)
    return flat.view(header.dtype).reshape(header.shape, order="F" if header.fortran else "C")


def write(embedding_set: EmbeddingSet, path: Path) -> None:
    """Write views, columns, pairs and roles, uncompressed, so that they can be mapped again."""
    arrays, columns = arrays_to_store(embedding_set, path)
    stored = {name: column_to_store(values) for name, values in columns.items()}
    manifest = np.array(manifest_text(embedding_set))
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, array in {**arrays, **stored, MANIFEST_KEY: manifest}.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asanyarray(array), allow_pickle=False)


SPEC = FormatSpec(
    name="npz",
    label="numpy archive",
    suffixes=(".npz",),
    sniff=sniff,
    read=read,
    write=write,
    description=(
        "Arrays of two axes become views by name, arrays of one axis become columns. Archives made with `numpy.savez` "
        "stay memory-mapped; those made with `numpy.savez_compressed` are unpacked, after their declared size was "
        "compared with what they hold. Arrays of Python objects are refused: reading them would run a pickle."
    ),
)

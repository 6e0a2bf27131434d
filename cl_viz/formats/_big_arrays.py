"""Arrays that may not fit in memory: room for them, and the number types every later room can work with."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cl_viz.core.errors import InputError
from cl_viz.core.validation import row_blocks
from cl_viz.formats._limits import format_bytes

# Larger arrays that have to be built (joined shards, converted bfloat16) are built in a mapped temporary file.
IN_MEMORY_BYTES = 1 << 30

_KEPT = frozenset({"float16", "float32", "float64", "int8", "uint8"})


def allocate(shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
    """Return a writable array: in memory while small, else mapped to a nameless temporary file.

    The temporary file lives in the folder of `tempfile.gettempdir` (TMPDIR) and disappears with the array.

    Raises
    ------
    InputError
        If that folder has too little space.
    """
    kind = np.dtype(dtype)
    needed = math.prod(shape) * kind.itemsize
    if needed <= IN_MEMORY_BYTES:
        return np.empty(tuple(shape), dtype=kind)
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"building the array takes {format_bytes(needed)}, the temporary folder has {format_bytes(free)} left",
            where=folder,
            remedy="set TMPDIR to a folder with more space, or save one .npy file, which is mapped as it is",
        )
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype=kind, mode="w+", shape=tuple(shape))


def in_temporary_file(array: NDArray[Any]) -> NDArray[Any]:
    """Return a copy of an array mapped to a nameless temporary file; a mapped array is returned as it is."""
    if isinstance(array, np.memmap) or not array.size:
        return array
    with tempfile.TemporaryFile() as file:
        copy = np.memmap(file, dtype=array.dtype, mode="w+", shape=array.shape)
        copy[:] = array
        return copy


def map_array(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int, *, fortran: bool) -> NDArray[Any]:
    """Map a contiguous array of a file read-only; an array without entries is made in memory."""
    if math.prod(shape) == 0:
        return np.empty(shape, dtype=dtype)
    return np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape, order="F" if fortran else "C")


def as_supported(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array in a type that numpy and torch both compute with, converted block by block where needed.

    float16, float32, float64, int8 and uint8 of the machine's byte order stay as they are (mapped ones stay mapped).
    bfloat16 and 16-bit integers become float32; wider integers and floats become float64; other byte orders are
    turned.

    Parameters
    ----------
    array : NDArray of numbers, shape (N, ...)
    """
    if array.dtype.name in _KEPT and array.dtype.isnative:
        return array
    if array.ndim == 0 or (array.dtype.kind not in "fiu" and array.dtype.name != "bfloat16"):
        return array
    target = _target(array.dtype)
    converted = allocate(array.shape, target)
    if array.ndim == 1:
        converted[:] = array
        return converted
    for rows in row_blocks(array.reshape(len(array), -1)):
        converted[rows] = array[rows]
    return converted


def _target(dtype: np.dtype[Any]) -> np.dtype[Any]:
    if dtype.name in _KEPT:
        return dtype.newbyteorder("=")
    if dtype.name in ("bfloat16", "int16", "uint16"):
        return np.dtype(np.float32)
    return np.dtype(np.float64)


def join_rows(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Concatenate arrays along their rows; one array is returned as it is, so that it stays mapped."""
    if len(parts) == 1:
        return parts[0]
    rows = sum(len(part) for part in parts)
    joined = allocate((rows, *parts[0].shape[1:]), np.result_type(*parts))
    start = 0
    for part in parts:
        for block in row_blocks(part.reshape(len(part), -1)):
            joined[start + block.start : start + block.stop] = part[block]
        start += len(part)
    return joined

"""The header of a .npy stream: what it claims, checked, without reading the array."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format

from cl_viz.core.errors import FormatError, UnsafeFileError

MAGIC = b"\x93NUMPY"


@dataclass(frozen=True)
class NpyHeader:
    """What a .npy stream says about its array.

    Attributes
    ----------
    shape : tuple of int
    dtype : np.dtype
    fortran : bool
        Column-major order.
    offset : int
        Bytes before the first entry.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    offset: int

    @property
    def data_bytes(self) -> int:
        """Bytes of the array."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_npy_header(stream: IO[bytes], path: Path, what: str) -> NpyHeader:
    """Read and check the header at the start of `stream`.

    Raises
    ------
    FormatError
        If it is not a .npy header, or holds records or negative sizes.
    UnsafeFileError
        If the array holds Python objects: they are stored as a pickle, which runs code when read.
    """
    version = npy_format.read_magic(stream)
    if version == (1, 0):
        shape, fortran, dtype = npy_format.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, fortran, dtype = npy_format.read_array_header_2_0(stream)
    else:
        raise FormatError(
            f"{what} has .npy version {version[0]}.{version[1]}",
            where=str(path),
            allowed="versions 1.0 and 2.0: plain arrays of numbers or text",
            remedy="save each field as an array of its own",
        )
    if dtype.hasobject:
        raise UnsafeFileError(
            f"{what} holds Python objects, stored as a pickle, which could run code; it was not opened",
            where=str(path),
            allowed="arrays of numbers or of text",
            remedy="save text with array.astype(str), and lists of vectors with numpy.stack(vectors)",
        )
    if any(length < 0 for length in shape):
        raise UnsafeFileError(f"{what} claims the shape {shape}", where=str(path), allowed="lengths of 0 or more")
    return NpyHeader(shape, _number_type(dtype, path, what), fortran, stream.tell())


def _number_type(dtype: np.dtype[Any], path: Path, what: str) -> np.dtype[Any]:
    if dtype.kind == "V" and dtype.names is None and dtype.subdtype is None and dtype.itemsize == 2:
        # numpy writes the bfloat16 of ml_dtypes as two bytes without a type; no other use of that is known.
        import ml_dtypes

        bfloat16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return bfloat16
    if dtype.kind not in "fiubUS":
        raise FormatError(
            f"{what} holds entries of type {dtype}",
            where=str(path),
            allowed="numbers, truth values or text",
            remedy="save each field as an array of its own" if dtype.names else "save it as float32",
        )
    return dtype

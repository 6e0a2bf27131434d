"""Which rows of an embedding array can be used: finite and non-zero ones; the others are counted, never mended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.errors import InputError

BLOCK_BYTES = 8 << 20
"""Of the float64 copy of a block of rows: a mapped file may be larger than memory, and a block this small stays in the
processor's cache."""
LARGEST_ENTRY = float(np.finfo(np.float32).max)
SMALLEST_ENTRY = float(np.finfo(np.float32).smallest_subnormal)
"""What single precision can hold. Encoders give no more, and in float64 the squares of squares of more overflow."""


@dataclass(frozen=True)
class RowQuality:
    """What is wrong with the rows of one (N, D) array.

    Attributes
    ----------
    has_nan, has_infinite, is_zero : NDArray[np.bool_], shape (N,)
        Rows with a NaN entry; with an entry that is infinite or beyond `LARGEST_ENTRY` (and no NaN); and rows that are
        all zeros, or below `SMALLEST_ENTRY` in every entry.
    norms : NDArray[np.float64], shape (N,)
        Euclidean norm of each row, in float64; NaN or infinite where the row is.
    """

    has_nan: NDArray[np.bool_]
    has_infinite: NDArray[np.bool_]
    is_zero: NDArray[np.bool_]
    norms: NDArray[np.float64]

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Rows that have a direction: finite and not zero, shape (N,)."""
        return ~(self.has_nan | self.has_infinite | self.is_zero)


def row_blocks(array: NDArray[np.generic], block_bytes: int = BLOCK_BYTES) -> Iterator[slice]:
    """Yield slices of rows whose float64 copies take about `block_bytes` each."""
    n_rows = array.shape[0]
    step = max(1, block_bytes // max(1, array.shape[1] * 8))
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))


def row_quality(array: NDArray[np.generic]) -> RowQuality:
    """Inspect every row of an (N, D) array, block by block.

    Norms are taken in float64 after dividing by the row's largest magnitude, so that neither float16 nor very
    large float32 rows overflow, and a row that is subnormal in float32 is not mistaken for a zero row.
    """
    n_rows = array.shape[0]
    has_nan = np.zeros(n_rows, dtype=np.bool_)
    has_infinite = np.zeros(n_rows, dtype=np.bool_)
    is_zero = np.zeros(n_rows, dtype=np.bool_)
    norms = np.zeros(n_rows, dtype=np.float64)
    for rows in row_blocks(array):
        with np.errstate(invalid="ignore"):  # a signalling NaN, as damaged files hold them, is a NaN too
            block = np.asarray(array[rows], dtype=np.float64)
        has_nan[rows] = np.isnan(block).any(axis=1)
        largest = np.abs(block).max(axis=1)  # NaN where the row has one: neither large nor small
        has_infinite[rows] = largest > LARGEST_ENTRY
        is_zero[rows] = largest < SMALLEST_ENTRY
        scale = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
        with np.errstate(invalid="ignore", over="ignore"):
            norms[rows] = scale * np.sqrt(np.square(block / scale[:, None]).sum(axis=1))
    return RowQuality(has_nan, has_infinite, is_zero, norms)


def check_matrix(array: NDArray[np.generic], where: str) -> None:
    """Raise `InputError` unless `array` is a numeric (N, D) matrix with N >= 2 and D >= 2."""
    if array.dtype.kind not in "fiu" and array.dtype.name != "bfloat16":
        raise InputError(
            f"the array holds {array.dtype} entries, not numbers",
            where=where,
            allowed="float16, bfloat16, float32, float64 or int8 embeddings",
            remedy="give a plain numeric array; a table with a column of vectors is read by cl_viz.load",
        )
    if array.ndim != 2:
        raise InputError(
            f"the array has {array.ndim} axes, shape {array.shape}",
            where=where,
            allowed="two axes: N rows (samples) by D columns (dimensions)",
            remedy="reshape or pool it to (N, D) first; several views go in as a tuple of arrays, or as arrays by name",
        )
    n_rows, dimension = array.shape
    if n_rows < 2:
        raise InputError(
            f"the array has {n_rows} row{'' if n_rows == 1 else 's'}",
            where=where,
            allowed="N >= 2: a pair needs two samples",
            remedy="embed more samples",
        )
    if dimension < 2:
        raise InputError(
            f"the array has {dimension} column{'' if dimension == 1 else 's'}",
            where=where,
            allowed="D >= 2: in one dimension every cosine similarity is +1 or -1",
            remedy="check that the array is (N, D) and not transposed or already reduced",
        )

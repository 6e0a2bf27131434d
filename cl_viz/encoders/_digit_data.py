"""The bundled digits: images, labels, a fixed split, and thumbnails."""

from __future__ import annotations

import base64
import struct
import zipfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.errors import FormatError, UnsafeFileError

# 5,000 digits take 4 MB; a file that unpacks to more than this is not the bundled one.
_LARGEST_UNPACKED = 256 << 20


@dataclass(frozen=True, eq=False)
class DigitData:
    """Images with their digits and the split.

    Attributes
    ----------
    images : NDArray[np.uint8], shape (N, 28, 28)
    digits : NDArray[np.int64], shape (N,), values 0..9
    is_evaluation : NDArray[np.bool_], shape (N,)
        Rows that no encoder was trained on.
    """

    images: NDArray[np.uint8]
    digits: NDArray[np.int64]
    is_evaluation: NDArray[np.bool_]

    @property
    def evaluation_rows(self) -> NDArray[np.int64]:
        """Rows of the evaluation split, ascending."""
        return np.flatnonzero(self.is_evaluation)

    @property
    def training_rows(self) -> NDArray[np.int64]:
        """Rows of the training split, ascending."""
        return np.flatnonzero(~self.is_evaluation)


def load_digits(path: Path) -> DigitData:
    """Read the digits; held in memory until the file changes.

    Raises
    ------
    FormatError
        If the file is missing, truncated, or does not hold images, digits and the split.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise FormatError(f"the images are missing ({error.strerror})", where=str(path),
                          remedy="restore the sample_models folder") from error  # fmt: skip
    return _load_digits(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=2)
def _load_digits(path: Path, modified: int, size: int) -> DigitData:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _LARGEST_UNPACKED:
                raise UnsafeFileError("the file claims to unpack to more than 256 MB", where=str(path))
        with np.load(path, allow_pickle=False) as stored:
            data = DigitData(stored["images"], stored["digits"].astype(np.int64), stored["is_evaluation"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"the images cannot be read ({error})", where=str(path),
                          remedy="restore the sample_models folder") from error  # fmt: skip
    count = len(data.images)
    fits = data.images.dtype == np.uint8 and data.images.shape == (count, 28, 28)
    if not fits or data.digits.shape != (count,) or data.is_evaluation.dtype != np.bool_:
        raise FormatError(
            f"images of shape {data.images.shape} and type {data.images.dtype}", where=str(path),
            allowed="images uint8 (N, 28, 28), digits (N,), is_evaluation bool (N,)",
        )  # fmt: skip
    return data


def thumbnails(images: NDArray[np.uint8]) -> NDArray[np.str_]:
    """Return each image as a PNG data URI, ready for a table or a page.

    Parameters
    ----------
    images : NDArray[np.uint8], shape (N, H, W) grey or (N, H, W, 3) red, green, blue

    Returns
    -------
    NDArray of str, shape (N,)
    """
    return np.array([thumbnail(image) for image in images])


def thumbnail(image: NDArray[np.uint8]) -> str:
    """Return one image, shape (H, W) or (H, W, 3), as a PNG data URI."""
    return f"data:image/png;base64,{base64.b64encode(_png(image)).decode('ascii')}"


def _png(image: NDArray[np.uint8]) -> bytes:
    """Encode one 8-bit image as PNG (no filter), so that no image library is needed."""
    height, width = image.shape[:2]
    colour_type = 2 if image.ndim == 3 else 0
    lines = np.zeros((height, 1 + image[0].size), dtype=np.uint8)  # each begins with 0: no filter
    lines[:, 1:] = image.reshape(height, -1)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(lines.tobytes(), 9))
        + chunk(b"IEND", b"")
    )

"""Pictures from files that anybody may have written, read with care: the only place that decodes one.

A path is followed to where it really leads, links included, and read only if that is inside a folder that was opened;
the file must be an ordinary one of moderate size; a picture is measured before it is unpacked, and comes out upright,
grey or in colour, as its first frame.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.errors import MissingDependencyError

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
"""How names of pictures end, in small letters."""
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
_LONGEST_PATH = 4096
_LONGEST_REASON = 120
# What decoders raise for damaged files.
_DAMAGED = (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, OverflowError, MemoryError, struct.error)


class Unreadable(Exception):
    """A picture, or another file, that is passed over; the message says why, in a few words."""


@dataclass(frozen=True)
class Limits:
    """What is still read.

    Attributes
    ----------
    file_bytes : int
    pixels : int
        Of the whole picture.
    side : int
        Pixels that the shorter side has at least.
    """

    file_bytes: int = 64 << 20
    pixels: int = 60_000_000
    side: int = 1


USUAL = Limits()


def find_file(entry: Any, folders: Sequence[Path]) -> Path:
    """Return where a path really leads, if that is inside an opened folder.

    Parameters
    ----------
    entry : str or path
        Relative paths are looked for in each folder, in order.
    folders : sequence of Path

    Raises
    ------
    Unreadable
        If it is no path, no folder is open, nothing is there, or it lies outside.
    """
    text = "" if entry is None or entry != entry else str(entry)
    if not text.strip() or "\0" in text or "://" in text[:32] or len(text) > _LONGEST_PATH:
        raise Unreadable("no path on this machine")
    if not folders:
        raise Unreadable("no folder is open that could hold it")
    roots = [Path(os.path.realpath(folder)) for folder in folders]
    outside = False
    for root in roots:
        found = Path(os.path.realpath(root / text))
        if not any(found.is_relative_to(opened) for opened in roots):
            outside = True
        elif found.is_file():
            return found
    raise Unreadable("the path leads out of the folder" if outside else "no such file")


def read_file(path: Path, most: int) -> bytes:
    """Read an ordinary file of at most so many bytes; the path has been resolved, so it is no link any more.

    Raises
    ------
    Unreadable
        If it is larger, a device, a link, or cannot be opened.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise Unreadable("cannot be read") from error
    with os.fdopen(handle, "rb") as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise Unreadable("not an ordinary file")
        if facts.st_size > most:
            raise Unreadable(f"larger than {most >> 20} MB")
        return file.read(most)


def picture_in(entry: Any, folders: Sequence[Path], limits: Limits = USUAL) -> Image.Image:
    """Return the picture of a file inside one of the folders, upright, in mode L or RGB.

    Raises
    ------
    Unreadable
        See `find_file`, `read_file` and `decoded`.
    """
    return decoded(read_file(find_file(entry, folders), limits.file_bytes), limits)


def decoded(content: bytes, limits: Limits = USUAL, side: int | None = None) -> Image.Image:
    """Return the picture that a file's bytes hold, upright, in mode L or RGB; what shines through becomes white.

    Parameters
    ----------
    content : bytes
    limits : Limits
    side : int, optional
        Pixels of the shorter side that suffice: a JPEG is then unpacked at a fraction of its size.

    Raises
    ------
    Unreadable
        If it has too many pixels, too few, or cannot be decoded.
    """
    pillow = _pillow()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pillow.open(io.BytesIO(content), formats=_FORMATS) as opened:
                width, height = opened.size  # from the header, before anything is unpacked
                if width * height > limits.pixels:
                    raise Unreadable(f"{width:,} x {height:,} pixels, more than {limits.pixels:,}")
                if min(width, height) < limits.side:
                    raise Unreadable(f"{width} x {height} pixels, smaller than {limits.side} x {limits.side}")
                if side is not None:
                    opened.draft("RGB", (side, side))
                return _plain(opened)
    except pillow.DecompressionBombError as error:
        raise Unreadable(f"more than {limits.pixels:,} pixels") from error
    except _DAMAGED as error:
        lines = str(error).splitlines()
        said = (lines[0] if lines else type(error).__name__)[:_LONGEST_REASON]
        raise Unreadable(f"cannot be read as an image ({said})") from error


def picture_of_array(values: NDArray[Any], scale: float) -> Image.Image:
    """Return the picture of an array of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); a fourth channel is dropped.

    Parameters
    ----------
    values : NDArray
    scale : float
        What entries are multiplied with to lie in 0..255.

    Raises
    ------
    Unreadable
        If an entry is NaN or infinite.
    """
    pixels = np.asarray(values)
    if pixels.dtype != np.uint8:
        scaled = pixels.astype(np.float32) * np.float32(scale)
        if not np.isfinite(scaled).all():
            raise Unreadable("NaN or infinite pixels")
        pixels = np.round(np.clip(scaled, 0, 255)).astype(np.uint8)
    if pixels.ndim == 3:
        pixels = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels[:, :, :3]
    picture: Image.Image = _pillow().fromarray(np.ascontiguousarray(pixels))
    return picture


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingDependencyError("pillow is not installed", where="images", remedy="pip install pillow") from error
    return Image


def _plain(opened: Image.Image) -> Image.Image:
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(opened)
    if "A" in image.getbands() or "transparency" in image.info:
        with_alpha = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", with_alpha.size, "white"), with_alpha).convert("RGB")
    if image.mode.startswith("I") or image.mode == "F":
        # 16-bit scans: their own range becomes black to white.
        values = np.asarray(image, dtype=np.float64)
        span = float(np.ptp(values)) or 1.0
        image = Image.fromarray(np.round(255 * (values - values.min()) / span).astype(np.uint8))
    return image.convert("L" if image.mode in ("1", "L") else "RGB")

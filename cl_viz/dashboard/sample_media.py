"""Pictures and sounds of samples, read with care: from the entry itself, or from a file inside an opened folder.

Entries come from files that anybody may have written: `cl_viz.core.pictures` decides what is read and decoded. What is
shown is a small copy made here, never the file itself.
"""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cl_viz.core.pictures import Limits, Unreadable, decoded, find_file, read_file

LIMITS = Limits(file_bytes=32 << 20, pixels=40_000_000)
"""What is still read of a picture or a sound, and decoded."""
_SMALLEST_SIDE = 112
_CELL_SIDE = 80
"""Pixels of a picture in a cell of a table."""
_SOUNDS: Mapping[str, str] = {".wav": "audio/wav", ".mp3": "audio/mpeg", ".flac": "audio/flac", ".ogg": "audio/ogg"}


@dataclass(frozen=True)
class Sound:
    """A sound for a player.

    Attributes
    ----------
    content : bytes
    media_type : str
        As its first bytes say, not its name.
    """

    content: bytes
    media_type: str


def is_missing(entry: object) -> bool:
    """Whether an entry of a column says nothing: None, NaN, empty text."""
    return entry is None or (isinstance(entry, float) and np.isnan(entry)) or (isinstance(entry, str) and not entry)


def names_sound(entry: object) -> bool:
    """Whether an entry is a sound: an address of one, or a path that ends as one."""
    text = str(entry)[:4096]
    return text.startswith("data:audio/") or Path(text).suffix.lower() in _SOUNDS


def thumbnail(entry: object, folders: Sequence[Path], side: int = 160) -> bytes:
    """Return a small copy of a sample's picture.

    Parameters
    ----------
    entry : object
        What the column holds: a data address, a path, encoded bytes, an array of shape (H, W), (H, W, 3) or (H, W, 4),
        or a mapping with ``bytes`` or ``path``.
    folders : sequence of Path
        Opened folders; relative paths are looked for in each, in order.
    side : int
        Largest side in pixels.

    Returns
    -------
    bytes
        PNG. Pictures of a few pixels are enlarged by whole numbers, so that pixels stay sharp.

    Raises
    ------
    Unreadable
        If there is no picture, or it may not or cannot be shown.
    """
    if isinstance(entry, np.ndarray):
        return _small_copy(_from_array(entry), side)
    if isinstance(entry, str) and entry and not entry.startswith("data:"):
        path = find_file(entry, folders)
        facts = path.stat()
        return _copy_of_file(path, facts.st_size, facts.st_mtime_ns, side)
    return _small_copy(decoded(entry_bytes(entry, folders), LIMITS, 2 * side), side)


@lru_cache(maxsize=1024)
def _copy_of_file(path: Path, size: int, written_ns: int, side: int) -> bytes:
    """Return the small copy of a file's picture; made again when the file is written again."""
    return _small_copy(decoded(read_file(path, LIMITS.file_bytes), LIMITS, 2 * side), side)


def _small_copy(picture: Image.Image, side: int) -> bytes:
    """Return a picture as PNG with at most `side` pixels a side."""
    largest = max(picture.size)
    if largest > side:
        picture.thumbnail((side, side))
    elif largest < _SMALLEST_SIDE:
        factor = max(1, min(_SMALLEST_SIDE, side) // largest)
        picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    target = io.BytesIO()
    picture.save(target, "PNG")
    return target.getvalue()


def thumbnail_address(entry: object, folders: Sequence[Path]) -> str:
    """Return the small copy as a data address, for a cell of a table; empty where there is none."""
    try:
        return "data:image/png;base64," + base64.b64encode(thumbnail(entry, folders, _CELL_SIDE)).decode()
    except Unreadable:
        return ""


def sound(entry: object, folders: Sequence[Path]) -> Sound:
    """Return a sample's sound, checked by its first bytes.

    Raises
    ------
    Unreadable
        If there is none, or it may not be read, or it is not WAV, MP3, FLAC or Ogg.
    """
    content = entry_bytes(entry, folders)
    kind = _sound_type(content)
    if kind is None:
        raise Unreadable("not a WAV, MP3, FLAC or Ogg file")
    return Sound(content, kind)


def entry_bytes(entry: object, folders: Sequence[Path]) -> bytes:
    """Return what an entry stands for: its own bytes, those of its data address, or those of its file.

    Raises
    ------
    Unreadable
        If it is empty, too large, or not inside an opened folder.
    """
    if isinstance(entry, Mapping):
        entry = entry.get("bytes") or entry.get("path")
    if is_missing(entry):
        raise Unreadable("missing")
    if isinstance(entry, (bytes, bytearray)):
        if len(entry) > LIMITS.file_bytes:
            raise Unreadable(f"larger than {LIMITS.file_bytes >> 20} MB")
        return bytes(entry)
    text = str(entry)
    return _of_address(text) if text.startswith("data:") else read_file(find_file(text, folders), LIMITS.file_bytes)


def _of_address(address: str) -> bytes:
    if len(address) > LIMITS.file_bytes:
        raise Unreadable(f"larger than {LIMITS.file_bytes >> 20} MB")
    head, _, body = address.partition(",")
    if not head.endswith(";base64"):
        raise Unreadable("a data address that is not base64")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unreadable("a damaged data address") from error


def _from_array(array: NDArray[Any]) -> Image.Image:
    """Make a picture of numbers: whole ones are 0 to 255, others 0 to 1 or, beyond that, stretched to their range."""
    values = np.asarray(array)
    if values.ndim == 3 and values.shape[0] in (1, 3, 4) and values.shape[2] not in (1, 3, 4):
        values = np.moveaxis(values, 0, 2)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    known = values.ndim == 2 or (values.ndim == 3 and values.shape[2] in (3, 4))
    if not known or not values.size or values.dtype.kind not in "buif":
        raise Unreadable(f"an array of shape {array.shape} is not a picture")
    if values.shape[0] * values.shape[1] > LIMITS.pixels:
        raise Unreadable(f"{values.shape[1]:,} x {values.shape[0]:,} pixels, more than {LIMITS.pixels:,}")
    if values.dtype.kind != "f" and values.dtype != np.bool_:
        return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    numbers = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=1.0, neginf=0.0)
    low, high = min(0.0, float(numbers.min())), max(1.0, float(numbers.max()))
    return Image.fromarray(np.round((numbers - low) * (255.0 / (high - low))).astype(np.uint8))


def _sound_type(content: bytes) -> str | None:
    head = content[:12]
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return _SOUNDS[".wav"]
    if head[:4] == b"fLaC":
        return _SOUNDS[".flac"]
    if head[:4] == b"OggS":
        return _SOUNDS[".ogg"]
    # An MP3 begins with its tags or with a frame: eleven bits set, then no reserved version and no reserved layer.
    frame = len(head) > 2 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x18 != 0x08 and head[1] & 0x06
    return _SOUNDS[".mp3"] if head[:3] == b"ID3" or frame else None

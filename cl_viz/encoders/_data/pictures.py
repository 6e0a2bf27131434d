"""One picture, read with care: measured before it is unpacked, never from outside its folder, upright, grey or RGB."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.errors import MissingDependencyError

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
MOST_FILE_BYTES = 64 << 20
MOST_PIXELS = 60_000_000
_LONGEST_REASON = 120


class Unreadable(Exception):
    """A row that is skipped; the message says why, in a few words."""


def read_picture(entry: Any, folder: Path) -> Image.Image:
    """Return the picture of a file inside `folder`.

    Raises
    ------
    Unreadable
        If there is none, it lies elsewhere, is too large, or cannot be decoded.
    """
    pillow = _pillow()
    file = _inside(entry, folder)
    try:
        size = file.stat().st_size
        if not file.is_file():
            raise Unreadable("no file")
        if size > MOST_FILE_BYTES:
            raise Unreadable(f"larger than {MOST_FILE_BYTES >> 20} MB")
        with pillow.open(file, formats=_FORMATS) as opened:
            width, height = opened.size  # from the header, before anything is unpacked
            if width * height > MOST_PIXELS:
                raise Unreadable(f"{width:,} x {height:,} pixels, more than {MOST_PIXELS:,}")
            return _plain(opened)
    except (pillow.DecompressionBombError, pillow.DecompressionBombWarning) as error:
        raise Unreadable(f"more than {MOST_PIXELS:,} pixels") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise Unreadable(_reason(error)) from error


def _inside(entry: Any, folder: Path) -> Path:
    text = "" if entry is None or entry != entry else str(entry)
    if not text.strip() or "\0" in text or len(text) > 4096:
        raise Unreadable("no path")
    try:
        resolved = (folder / text).resolve()
    except (OSError, RuntimeError) as error:
        raise Unreadable(_reason(error)) from error
    if not resolved.is_relative_to(folder.resolve()):
        raise Unreadable("the path leads out of the folder")
    return resolved


def _reason(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    lines = str(error).splitlines()
    return f"cannot be read as an image ({(lines[0] if lines else type(error).__name__)[:_LONGEST_REASON]})"


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingDependencyError(
            "pillow is not installed", where="images", remedy="pip install pillow"
        ) from error  # fmt: skip
    return Image


def _plain(opened: Image.Image) -> Image.Image:
    """Return a picture upright in mode L or RGB; what shines through becomes white."""
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


def picture_of_array(values: NDArray[Any], scale: float) -> Image.Image:
    """Return the picture of an array of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); a fourth channel is dropped.

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

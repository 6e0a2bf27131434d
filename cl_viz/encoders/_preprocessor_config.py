"""How a folder wants its images: preprocessor_config.json of Hugging Face's image processors, read as facts."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from cl_viz.core.encoder import ImageInput
from cl_viz.core.errors import FormatError

LARGEST_JSON = 8 << 20
_LARGEST_SIDE = 4096
# Numbers of Pillow's filters, as the library stores them.
_RESAMPLING: Mapping[int, Literal["nearest", "bilinear", "bicubic", "lanczos"]] = {
    0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic",
}  # fmt: skip
# The processor of ConvNeXt and ResNet shrinks below this size to a larger image, and takes its centre.
_CROPPED_BELOW = 384


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object of a folder.

    Raises
    ------
    FormatError
        If the file is missing, too large, or holds no JSON object.
    """
    content = _json(path)
    if not isinstance(content, dict):
        raise FormatError("the file holds no JSON object", where=str(path))
    return content


def read_json_list(path: Path) -> list[Any]:
    """Return a JSON list of a folder; raises as `read_json`."""
    content = _json(path)
    if not isinstance(content, list):
        raise FormatError("the file holds no JSON list", where=str(path))
    return content


def _json(path: Path) -> Any:
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise FormatError("the file is too large", where=str(path), allowed=f"up to {LARGEST_JSON:,} bytes")
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"the file cannot be read as JSON ({error})", where=str(path)) from error


def image_input(
    folder: Path, side: int, channels: int, default: tuple[tuple[float, ...], tuple[float, ...]]
) -> tuple[ImageInput, tuple[str, ...]]:
    """Return how a folder wants its images, and what had to be guessed.

    Parameters
    ----------
    folder : Path
    side : int
        Height and width that the configuration of the network names.
    channels : int
    default : (mean, std)
        Used where the folder says nothing.

    Raises
    ------
    FormatError
        If the configuration of the images is damaged or cannot be followed.
    """
    path = folder / "preprocessor_config.json"
    if channels not in (1, 3):
        raise FormatError(f"the network takes images of {channels} channels", where=str(folder), allowed="1 or 3")
    _check_side(side, folder)
    if not path.is_file():
        mean, std = (default[0][:channels], default[1][:channels])
        guess = f"there is no {path.name}: images are resized to {side} x {side}, mean {mean[0]:g}, std {std[0]:g}"
        kind: Literal[1, 3] = 3 if channels == 3 else 1
        return ImageInput((side, side), kind, (side, side), "bicubic", mean, std), (guess,)
    try:
        return _followed(read_json(path), side, channels, default, path)
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"the way images are prepared cannot be read ({error})", where=str(path)) from error


def _followed(
    said: Mapping[str, Any], side: int, channels: int, default: tuple[tuple[float, ...], tuple[float, ...]], path: Path
) -> tuple[ImageInput, tuple[str, ...]]:
    resize = _resize(said, side)
    crop = _height_and_width(said["crop_size"], side) if said.get("do_center_crop") and "crop_size" in said else None
    if "crop_pct" in said and isinstance(resize, int) and crop is None:
        # A crop is only taken of smaller images; larger ones are squeezed.
        crop = (resize, resize)
        resize = int(resize / float(said["crop_pct"])) if resize < _CROPPED_BELOW else crop
    size = crop or (resize if isinstance(resize, tuple) else (side, side))
    notes: tuple[str, ...] = ()
    if size != (side, side):
        notes = (f"{path.name} asks for {size[0]} x {size[1]}, the network was made for {side} x {side}",)
    for length in (*size, *(resize if isinstance(resize, tuple) else (size[0] if resize is None else resize,))):
        _check_side(length, path)
    # The library multiplies whole numbers 0..255 by a factor, where we start from 0..1.
    scale = 255 * (float(said.get("rescale_factor", 1 / 255)) if said.get("do_rescale", True) else 1.0)
    mean, std = (0.0,) * channels, (1.0,) * channels
    if said.get("do_normalize", True):
        mean = _channels(said.get("image_mean"), default[0], channels)
        std = _channels(said.get("image_std"), default[1], channels)
    if not all(math.isfinite(value) for value in (scale, *mean, *std)) or 0.0 in std:
        raise ValueError("means and standard deviations are not finite, or a standard deviation is 0")
    offset = 1.0 if said.get("rescale_offset") else 0.0
    kind: Literal[1, 3] = 3 if channels == 3 else 1
    prepared = ImageInput(
        size, kind, resize, _RESAMPLING.get(int(said.get("resample", 2)), "bilinear"),
        tuple((value + offset) / scale for value in mean), tuple(value / scale for value in std),
    )  # fmt: skip
    return prepared, notes


def _resize(said: Mapping[str, Any], side: int) -> tuple[int, int] | int | None:
    """Return an exact size, the length of the shorter edge, or None where images are not resized."""
    if not said.get("do_resize", True):
        return None
    size = said.get("size", {"height": side, "width": side})
    if isinstance(size, Mapping) and "shortest_edge" in size:
        return int(size["shortest_edge"])
    # A bare number is the shorter edge to the processors that crop afterwards, an exact size to the others.
    if isinstance(size, int) and (said.get("do_center_crop") or "crop_pct" in said):
        return size
    return _height_and_width(size, side)


def _height_and_width(size: Any, side: int) -> tuple[int, int]:
    if isinstance(size, Mapping):
        return int(size.get("height", side)), int(size.get("width", side))
    if isinstance(size, list | tuple):
        return int(size[0]), int(size[1])
    return int(size), int(size)


def _channels(values: Any, default: tuple[float, ...], channels: int) -> tuple[float, ...]:
    if values is None:
        return default[:channels]
    listed = [float(value) for value in values] if isinstance(values, list | tuple) else [float(values)]
    if len(listed) not in (1, channels):
        raise ValueError(f"{len(listed)} means or standard deviations for {channels} channels")
    return tuple(listed * channels if len(listed) == 1 else listed)


def _check_side(length: int, where: Path) -> None:
    if not isinstance(length, int) or not 1 <= length <= _LARGEST_SIDE:
        raise FormatError(
            f"images would be {length} pixels high or wide", where=str(where), allowed=f"1 to {_LARGEST_SIDE} pixels"
        )

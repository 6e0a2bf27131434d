"""An array of images in a .npy file, mapped."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import Column, Role
from cl_viz.core.errors import FormatError
from cl_viz.encoders._data.contract import ArrayImages, EncodingData
from cl_viz.formats import npy

_LOOKED_AT = 64
_LARGEST_UNIT = 1.0 + 1e-6
_LABEL_NAMES = ("label", "labels", "target", "targets", "y")


def open_image_array(path: Path) -> EncodingData:
    """Map an array of shape (N, H, W) or (N, H, W, C); C is 1, 3 or 4.

    Floating-point pixels lie in 0..1 or in 0..255, as their largest entry says. ``labels.npy`` beside it (or
    ``NAME_labels.npy``) with N entries is the label.

    Raises
    ------
    FormatError
        If the file is damaged, or of another shape or type.
    """
    array = next(iter(npy.read(path).arrays.values()), None)
    channels_fit = array is not None and (array.ndim == 3 or (array.ndim == 4 and array.shape[3] in (1, 3, 4)))
    if array is None or not channels_fit or len(array) < 2 or 0 in array.shape or array.dtype.kind not in "uf":
        found = "no array of numbers" if array is None else f"an array of shape {array.shape} and type {array.dtype}"
        swapped = array is not None and array.ndim == 4 and array.shape[1] in (1, 3, 4)
        raise FormatError(
            f"the file holds {found}", where=str(path),
            allowed="images of shape (N, H, W) or (N, H, W, C) with C 1, 3 or 4, uint8 or floating point, N >= 2",
            remedy="move the channels to the end: array.transpose(0, 2, 3, 1)" if swapped else None,
        )  # fmt: skip
    scale, notes = _scale(array)
    columns: dict[str, Column] = {}
    roles: dict[Role, str] = {}
    labels = _labels(path, len(array))
    if labels is not None:
        columns["label"], roles["label"] = labels, "label"
    with path.open("rb") as file:
        fingerprint = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    return EncodingData(
        name=path.stem, source=str(path), kind=f"array of images, {' x '.join(map(str, array.shape[1:]))}",
        n=len(array), inputs={"image": ArrayImages(array, scale)}, columns=columns, roles=roles,
        fingerprint=fingerprint, notes=notes,
    )  # fmt: skip


def _scale(array: NDArray[Any]) -> tuple[float, tuple[str, ...]]:
    """Return what brings the entries to 0..255, from images spread over the whole array."""
    if array.dtype == np.uint8:
        return 1.0, ()
    looked = np.asarray(array[:: max(1, len(array) // _LOOKED_AT)], dtype=np.float32)
    finite = looked[np.isfinite(looked)]
    largest = float(finite.max()) if finite.size else 0.0
    if array.dtype.kind == "u":
        bits = 8 * array.dtype.itemsize
        return 255.0 / (2**bits - 1), (f"{bits}-bit pixels are read with 8 bits",)
    if finite.size and float(finite.min()) < 0:
        return 255.0, ("pixels below 0 are read as black: are the images normalised already?",)
    if largest <= _LARGEST_UNIT:
        return 255.0, ("pixels in 0..1 are read with 8 bits",)
    return 1.0, ("pixels in 0..255 are read with 8 bits",)


def _labels(path: Path, n: int) -> Column | None:
    for name in _LABEL_NAMES:
        for beside in (path.with_name(f"{path.stem}_{name}.npy"), path.with_name(f"{name}.npy")):
            if beside != path and beside.is_file():
                found = next(iter(npy.read(beside).columns.values()), None)
                if found is not None and len(found) == n:
                    return found
    return None

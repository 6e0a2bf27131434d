"""Many points as a picture of their density that keeps their colours: each pixel has the mean colour of its points.

A picture is made of the window in view, so that zooming in shows more; its size does not depend on the number of
points. Opacity follows the rank of a pixel's count among all counts (histogram equalisation), as datashader does.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Window = tuple[float, float, float, float]
"""Left, right, low, high, in the units of the map."""

_MARGIN = 0.04
_FAINTEST = 0.3
"""Opacity of a pixel with one point among pixels with many."""
_NOT_CHOSEN = 0.22
"""What is left of the opacity of points beside a selection."""
LARGEST = (1000, 620)
"""Pixels of a picture at most, across and upwards."""


@dataclass(frozen=True)
class Picture:
    """A picture of points.

    Attributes
    ----------
    png : bytes
    window : Window
        What it covers.
    n : int
        Points in it.
    most : int
        Points in its fullest pixel.
    """

    png: bytes
    window: Window
    n: int
    most: int


def whole_window(points: NDArray[np.floating]) -> Window:
    """Return the window that holds all points of shape (N, 2), with a margin; points are finite."""
    if not len(points):
        return (-1.0, 1.0, -1.0, 1.0)
    low, high = points.min(axis=0).astype(float), points.max(axis=0).astype(float)
    size = float(max(high - low)) or 1.0
    pad = _MARGIN * size
    # A map whose points share a coordinate, or one point alone, still has a window with an area.
    room = np.maximum(pad, (0.2 * size - (high - low)) / 2)
    return float(low[0] - room[0]), float(high[0] + room[0]), float(low[1] - room[1]), float(high[1] + room[1])


def within(points: NDArray[np.floating], window: Window) -> NDArray[np.bool_]:
    """Return which points lie in a window, shape (N,)."""
    left, right, low, high = window
    x, y = points[:, 0], points[:, 1]
    seen: NDArray[np.bool_] = (x >= left) & (x <= right) & (y >= low) & (y <= high)
    return seen


def paint(
    points: NDArray[np.floating],
    colours: NDArray[np.uint8],
    codes: NDArray[np.integer],
    window: Window,
    size: tuple[int, int],
    chosen: NDArray[np.bool_] | None = None,
) -> Picture:
    """Paint points into a window.

    Parameters
    ----------
    points : NDArray of shape (N, 2)
        All of them lie in the window; see `within`.
    colours : NDArray[np.uint8], shape (C, 3)
        Red, green and blue of each code.
    codes : NDArray of int, shape (N,)
        Which colour a point has.
    window : Window
    size : tuple of int
        Pixels across and upwards; at most `LARGEST`.
    chosen : NDArray[np.bool_], shape (N,), optional
        Points of a selection: they are painted over the others, which become faint.

    Returns
    -------
    Picture
    """
    width, height = (max(1, min(asked, most)) for asked, most in zip(size, LARGEST, strict=True))
    pixels = _pixels(points, window, width, height)
    canvas, counts = _layer(pixels, codes, colours, width * height)
    if chosen is not None:
        canvas[:, 3] = (canvas[:, 3] * _NOT_CHOSEN).astype(np.uint8)
        top, top_counts = _layer(pixels[chosen], codes[chosen], colours, width * height)
        canvas[top_counts > 0] = top[top_counts > 0]
    file = io.BytesIO()
    Image.fromarray(canvas.reshape(height, width, 4)[::-1]).save(file, "png", compress_level=1)
    return Picture(file.getvalue(), window, len(points), int(counts.max(initial=0)))


def _pixels(points: NDArray[np.floating], window: Window, width: int, height: int) -> NDArray[np.int64]:
    """Return the number of the pixel of each point, counted from the low left, row by row."""
    left, right, low, high = window
    x = ((points[:, 0].astype(np.float64) - left) * (width / (right - left))).astype(np.int64)
    y = ((points[:, 1].astype(np.float64) - low) * (height / (high - low))).astype(np.int64)
    return np.minimum(y, height - 1) * width + np.minimum(x, width - 1)


def _layer(
    pixels: NDArray[np.int64], codes: NDArray[np.integer], colours: NDArray[np.uint8], n_pixels: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return red, green, blue and opacity of each pixel, shape (n_pixels, 4), and its count."""
    counts = np.bincount(pixels, minlength=n_pixels)
    used = counts > 0
    layer = np.zeros((n_pixels, 4), dtype=np.uint8)
    for channel in range(3):
        total = np.bincount(pixels, weights=colours[codes, channel], minlength=n_pixels)
        layer[used, channel] = np.rint(total[used] / counts[used])
    # How many pixels have each count, and so the rank of a count among the pixels that hold points.
    pixels_with = np.bincount(counts[used], minlength=2)
    rank = np.cumsum(pixels_with) / max(1, int(used.sum()))
    layer[used, 3] = np.rint(255 * (_FAINTEST + (1 - _FAINTEST) * rank[counts[used]]))
    return layer, counts

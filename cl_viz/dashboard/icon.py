"""The icon of the browser tab, drawn here so that nothing is fetched."""

from __future__ import annotations

import numpy as np
from PIL import Image


def image(size: int = 64) -> Image.Image:
    """Return two overlapping humps, positives in blue and negatives in vermilion, `size` pixels wide."""
    x = np.linspace(0, 1, size)[None, :]
    height = 1 - np.linspace(0, 1, size)[:, None]
    picture = np.zeros((size, size, 4), dtype=np.uint8)
    for centre, colour in ((0.34, (213, 94, 0)), (0.68, (0, 114, 178))):
        under = height < 0.9 * np.exp(-(((x - centre) / 0.17) ** 2))
        picture[under] = (*colour, 255)
    return Image.fromarray(picture)

"""SimCLR's random views of a picture: crop, flip, colour, grey, blur; each picture has a seed of its own.

Settings are those of Chen et al. 2020, appendix A, for ImageNet at strength 1. The paper's blur has a kernel of a tenth
of the picture's side and a deviation of 0.1 to 2 pixels at 224 pixels; for other sizes it grows in proportion.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from cl_viz.core.encoder import ImageInput
from cl_viz.encoders._image_preparing import mode_of

if TYPE_CHECKING:
    from PIL import Image

STRENGTH = 1.0
SETTINGS: Mapping[str, Any] = {
    "crop_area": [0.08, 1.0], "crop_ratio": [3 / 4, 4 / 3], "flip": 0.5, "jitter": 0.8, "brightness": 0.8 * STRENGTH,
    "contrast": 0.8 * STRENGTH, "saturation": 0.8 * STRENGTH, "hue": 0.2 * STRENGTH, "grey": 0.2, "blur": 0.5,
    "blur_deviation_at_224": [0.1, 2.0], "source": "Chen et al. 2020, A simple framework for contrastive learning",
}  # fmt: skip
"""What is done, with which probability and how strongly; goes into the card."""

_TRIES = 10


def generator_of(seed: int, key: str, draw: int) -> np.random.Generator:
    """Return the generator of one view of one picture: it depends on nothing else, so order and batches do not matter.

    Parameters
    ----------
    seed : int
    key : str
        Names the picture.
    draw : int
        Number of the view.
    """
    digest = hashlib.blake2b(f"{seed}\0{draw}\0{key}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little")))


def augmented(image: Image.Image, wanted: ImageInput, random: np.random.Generator) -> Image.Image:
    """Return one random view of a picture, of the size and mode that the network takes.

    Parameters
    ----------
    image : Image
        Mode L or RGB.
    wanted : ImageInput
    random : Generator
    """
    from PIL import Image, ImageFilter

    view = _random_crop(image.convert(mode_of(wanted)), wanted.size, random)
    if random.random() < SETTINGS["flip"]:
        view = view.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    jittered, greyed, blurred = random.random(3)
    if jittered < SETTINGS["jitter"]:
        view = _jitter(view, random)
    if greyed < SETTINGS["grey"] and view.mode == "RGB":
        view = view.convert("L").convert("RGB")
    if blurred < SETTINGS["blur"]:
        low, high = SETTINGS["blur_deviation_at_224"]
        deviation = random.uniform(low, high) * min(view.size) / 224
        view = view.filter(ImageFilter.GaussianBlur(deviation))
    return view


def _random_crop(image: Image.Image, size: tuple[int, int], random: np.random.Generator) -> Image.Image:
    """Return a random part of the picture, resized; where none of ten tries fits, the largest part at the centre."""
    from PIL import Image

    width, height = image.size
    low, high = SETTINGS["crop_area"]
    narrow, wide = SETTINGS["crop_ratio"]
    box = None
    for _ in range(_TRIES):
        area = width * height * random.uniform(low, high)
        ratio = math.exp(random.uniform(math.log(narrow), math.log(wide)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left, top = int(random.integers(0, width - w + 1)), int(random.integers(0, height - h + 1))
            box = (left, top, left + w, top + h)
            break
    if box is None:
        w = min(width, round(height * wide))
        h = min(height, round(w / narrow)) or 1
        left, top = (width - w) // 2, (height - h) // 2
        box = (left, top, left + w, top + h)
    return image.resize((size[1], size[0]), Image.Resampling.BICUBIC, box=box)


def _jitter(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Change brightness, contrast, saturation and hue in random order."""
    from PIL import ImageEnhance

    def factor(name: str) -> float:
        return float(random.uniform(max(0.0, 1 - SETTINGS[name]), 1 + SETTINGS[name]))

    changes: list[Callable[[Image.Image], Image.Image]] = [
        lambda picture: ImageEnhance.Brightness(picture).enhance(factor("brightness")),
        lambda picture: ImageEnhance.Contrast(picture).enhance(factor("contrast")),
        lambda picture: ImageEnhance.Color(picture).enhance(factor("saturation")),
        lambda picture: _turn_hue(picture, random.uniform(-SETTINGS["hue"], SETTINGS["hue"])),
    ]
    for place in random.permutation(len(changes)):
        image = changes[place](image)
    return image


def _turn_hue(image: Image.Image, share: float) -> Image.Image:
    """Turn the hue by a share of the circle; grey stays grey."""
    if image.mode != "RGB":
        return image
    turn = round(share * 256)
    # Pillow's table of 3 x 256 entries: hues go round, saturation and value stay.
    table = [(hue + turn) % 256 for hue in range(256)] + 2 * list(range(256))
    return image.convert("HSV").point(table).convert("RGB")

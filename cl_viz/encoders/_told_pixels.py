"""How images are prepared where a person knows it and the checkpoint does not say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from cl_viz.core.encoder import Recognised
from cl_viz.core.errors import InputError
from cl_viz.core.normalisation import NAMED, MeanAndDeviation

Pixels = str | MeanAndDeviation
_LARGEST_SIDE = 4096


def told(found: Recognised, pixels: Pixels | None, size: int | None) -> Recognised:
    """Return what a checkpoint is, with images prepared as a person says.

    Parameters
    ----------
    found : Recognised
    pixels : str, (mean, standard deviation) or None
        A name in `cl_viz.core.normalisation.NAMED`, or a number a channel of each, of pixels in 0..1.
    size : int or None
        Height and width that enter the network; the shorter edge is resized to it, and the centre cut out.

    Raises
    ------
    InputError
        If the checkpoint takes no images, or what is told is no name, no finite number a channel, or out of range.
    """
    if pixels is None and size is None:
        return found
    if found.image is None:
        raise InputError("pixels or size are told of a checkpoint that takes no images", where="encode")
    image, said = found.image, []
    if size is not None:
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= _LARGEST_SIDE:
            raise InputError(f"size is {size!r}", where="encode", allowed=f"1 to {_LARGEST_SIDE:,} pixels")
        image = replace(image, size=(size, size), resize=size)
        said.append(f"{size} pixels")
    if pixels is not None:
        mean, deviation = _numbers(pixels, image.channels)
        image = replace(image, mean=mean, std=deviation)
        said.append(f"mean {_listed(mean)} and deviation {_listed(deviation)} of values in 0..1")
    return replace(found, image=image, notes=(*found.notes, f"Told for this encoding: images of {', '.join(said)}."))


def _numbers(pixels: Pixels, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    allowed = f"one of {', '.join(NAMED)}, or (mean, standard deviation) of {channels} finite numbers each"
    if isinstance(pixels, str) and pixels not in NAMED:
        raise InputError(f"no pixels are called {pixels!r}", where="encode", allowed=allowed)
    try:
        mean, deviation = NAMED[pixels] if isinstance(pixels, str) else pixels
        made = tuple(map(float, mean)), tuple(map(float, deviation))
    except (TypeError, ValueError):
        raise InputError(f"pixels are {pixels!r}", where="encode", allowed=allowed) from None
    if isinstance(pixels, str):
        # The names speak of colour; a grey image has the mean of its channels.
        made = made if channels == 3 else ((sum(made[0]) / 3,), (sum(made[1]) / 3,))
    fits = all(len(part) == channels and all(map(math.isfinite, part)) for part in made) and min(made[1], default=0) > 0
    if not fits:
        raise InputError(f"pixels are {pixels!r}", where="encode", allowed=f"{allowed}, deviations above 0")
    return made


def _listed(numbers: Sequence[float]) -> str:
    return "(" + ", ".join(f"{number:.4g}" for number in numbers) + ")"

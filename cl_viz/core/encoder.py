"""What a family of checkpoints declares, and what an encoder of it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Modality = Literal["image", "text"]
Layers = Mapping[str, NDArray[np.float32]]
"""One (B, D) array per layer."""


@dataclass(frozen=True)
class ImageInput:
    """How an encoder wants its images, in the order of the steps.

    Attributes
    ----------
    size : (int, int)
        Height and width that enter the network.
    channels : {1, 3}
    resize : (int, int), int or None
        An exact (height, width), the length of the shorter edge, or nothing, before the crop to `size` at the centre.
    resample : {"nearest", "bilinear", "bicubic", "lanczos"}
    mean, std : tuple of float, one per channel
        Taken from pixels in 0..1 after the crop.
    """

    size: tuple[int, int]
    channels: Literal[1, 3] = 3
    resize: tuple[int, int] | int | None = None
    resample: Literal["nearest", "bilinear", "bicubic", "lanczos"] = "bilinear"
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Recognised:
    """What a checkpoint turned out to be, from its keys and configuration alone.

    Attributes
    ----------
    family : str
        Name of the `EncoderSpec`.
    architecture : str
        Shown to people, for example ``"ResNet-50 in a MoCo v2 checkpoint"``.
    modalities : tuple of {"image", "text"}
        What it embeds; two make two towers.
    layers : tuple of str
        Names of the outputs; the first is shown by default.
    parameters : int
        Numbers in the part that will run.
    unmatched : tuple of str
        Keys of the file that no part of the encoder takes, for example a classifier or a momentum encoder.
    notes : tuple of str
        What a person should know: guesses, what was left out, which library runs it.
    image : ImageInput or None
    dropout : bool or None
        Whether two passes of one text differ with dropout switched on; None where that shows only once it is built.
    """

    family: str
    architecture: str
    modalities: tuple[Modality, ...]
    layers: tuple[str, ...]
    parameters: int = 0
    unmatched: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    image: ImageInput | None = None
    dropout: bool | None = None


class Encoder(Protocol):
    """A built encoder, in evaluation mode, on the CPU in float32 until it is moved."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the outputs of `encode`; the first is shown by default."""
        ...

    def encode(self, batch: Any, view: str) -> Layers:
        """Embed a batch; `view` is the modality, ``"image"`` or ``"text"``.

        Images come as float32 of shape (B, C, H, W), resized, cropped and normalised as the encoder's `ImageInput`
        says; texts as a list of B str.
        """
        ...


class MovableEncoder(Encoder, Protocol):
    """An encoder that can leave the CPU, and that can be asked for a second view of a text."""

    def to(self, device: str, half: bool) -> MovableEncoder:
        """Return the encoder on a device; `half` lets matrix products run in half precision there (autocast)."""
        ...

    def dropout(self, active: bool) -> None:
        """Switch dropout on (two passes of one text are then two views, as in SimCSE) or off."""
        ...


@dataclass(frozen=True)
class EncoderSpec:
    """One family of checkpoints.

    Attributes
    ----------
    name, label : str
    recognise : callable
        ``recognise(path) -> Recognised or None`` from the file's own keys or configuration, never by executing it.
        Cheap on files of other kinds; a file of this family that cannot be used raises `FormatError` in `build`.
    build : callable
        ``build(path) -> Encoder``.
    description : str
    runs_code : bool
        Running it executes code from the file: offered by the command line behind ``--trust`` alone.
    """

    REQUIRED: ClassVar[tuple[str, ...]] = ("name", "label", "description")

    name: str
    label: str
    recognise: Callable[[Path], Recognised | None]
    build: Callable[[Path], Encoder]
    description: str
    runs_code: bool = False

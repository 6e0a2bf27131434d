"""Tiny encoders of 28 x 28 images: three convolutions, a projector, and for two towers a bag of words.

A checkpoint is one safetensors file whose metadata names the family and the architecture; nothing in it is executed.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cl_viz.core.encoder import EncoderSpec, ImageInput, Recognised
from cl_viz.core.errors import FormatError, InputError
from cl_viz.encoders._digit_captions import WORDS, caption_numbers
from cl_viz.encoders._network_encoder import no_dropout

FAMILY = "cl_viz.tiny"
LAYERS = ("projector", "backbone")
"""The projector comes first: it is the layer the losses act on."""

# The header of a checkpoint of this family takes a few kilobytes; a longer one is somebody else's.
_LARGEST_HEADER = 1 << 20
# Bounds what a header can make us allocate to a few hundred megabytes.
_LARGEST_WIDTH = 512
_MOST_WORDS = 4096
_ENCODE_BATCH = 500
# Three convolutions of stride 2 leave 4 x 4 of the 28 x 28 pixels.
_PIXELS_LEFT = 16

Projector = Literal["mlp", "deep_linear"]


@dataclass(frozen=True)
class TinyArchitecture:
    """Shape of a tiny encoder.

    Attributes
    ----------
    channels : int
        Colour channels of the images: 1 or 3.
    widths : tuple of int
        Channels of the three convolutions.
    backbone_width : int
        The backbone's D.
    projector : {"mlp", "deep_linear"}
        Two layers with a ReLU between them, or four linear layers with nothing between.
    projector_width : int
        The projector's D.
    words : int
        Vocabulary of the text tower, index 0 being padding; 0 where there is none.
    """

    channels: int = 1
    widths: tuple[int, int, int] = (16, 32, 32)
    backbone_width: int = 64
    projector: Projector = "mlp"
    projector_width: int = 32
    words: int = 0

    def __post_init__(self) -> None:
        sizes = (*self.widths, self.backbone_width, self.projector_width)
        usable = (
            self.channels in (1, 3)
            and len(self.widths) == 3
            and all(isinstance(size, int) and 8 <= size <= _LARGEST_WIDTH and size % 8 == 0 for size in sizes)
            and self.projector in ("mlp", "deep_linear")
            and isinstance(self.words, int)
            and 0 <= self.words <= _MOST_WORDS
        )
        if not usable:
            raise InputError(
                f"{self} cannot be built", where="TinyArchitecture",
                allowed="1 or 3 channels; three widths, a backbone and a projector width, multiples of 8 up to "
                f"{_LARGEST_WIDTH}; "
                f"projector mlp or deep_linear; up to {_MOST_WORDS} words",
            )  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """Return names and values, ready for JSON."""
        return {**asdict(self), "widths": list(self.widths)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TinyArchitecture:
        """Build from a mapping as written by `as_dict`.

        Raises
        ------
        InputError
            On unknown names or values that cannot be built.
        """
        try:
            return cls(**{**values, "widths": tuple(values.get("widths", cls.widths))})
        except TypeError as error:
            raise InputError(f"unknown architecture: {error}", where="TinyArchitecture") from error


class TinyNetwork(nn.Module):
    """The trainable network: a tower of images, one of texts where there are words, each with its projector.

    Parameters
    ----------
    architecture : TinyArchitecture
    """

    def __init__(self, architecture: TinyArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        first, second, last = architecture.widths
        self.image_tower = nn.Sequential(
            nn.Conv2d(architecture.channels, first, 3, stride=2, padding=1), nn.GroupNorm(4, first), nn.ReLU(),
            nn.Conv2d(first, second, 3, stride=2, padding=1), nn.GroupNorm(4, second), nn.ReLU(),
            nn.Conv2d(second, last, 3, stride=2, padding=1), nn.GroupNorm(4, last), nn.ReLU(),
            nn.Flatten(), nn.Linear(_PIXELS_LEFT * last, architecture.backbone_width), nn.ReLU(),
        )  # fmt: skip
        self.projector = _projector(architecture)
        self.text_tower: nn.Module | None = None
        self.text_projector: nn.Module | None = None
        if architecture.words:
            self.text_tower = nn.Sequential(
                nn.EmbeddingBag(architecture.words, architecture.backbone_width, mode="mean", padding_idx=0),
                nn.Linear(architecture.backbone_width, architecture.backbone_width), nn.ReLU(),
            )  # fmt: skip
            self.text_projector = _projector(architecture)

    def forward(self, inputs: Tensor, view: str) -> tuple[Tensor, Tensor]:
        """Return projector and backbone outputs.

        Parameters
        ----------
        inputs : Tensor
            Images of shape (B, C, 28, 28) with values in 0..1; for the view ``"text"`` word numbers, shape (B, W).
        view : str
            ``"text"`` takes the text tower where there is one, any other view the image tower.

        Returns
        -------
        projector : Tensor, shape (B, projector_width)
        backbone : Tensor, shape (B, backbone_width)
        """
        if view == "text" and self.text_tower is not None and self.text_projector is not None:
            backbone = self.text_tower(inputs)
            return self.text_projector(backbone), backbone
        backbone = self.image_tower(inputs)
        return self.projector(backbone), backbone


def _projector(architecture: TinyArchitecture) -> nn.Sequential:
    width, out = architecture.backbone_width, architecture.projector_width
    if architecture.projector == "deep_linear":
        linear = [nn.Linear(width, width, bias=False) for _ in range(3)]
        return nn.Sequential(*linear, nn.Linear(width, out, bias=False))
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, out))


@dataclass(frozen=True, eq=False)
class TinyEncoder:
    """A built tiny encoder, in evaluation mode.

    Attributes
    ----------
    network : TinyNetwork
    device : str
    half : bool
        Matrix products run in half precision.
    """

    network: TinyNetwork
    device: str = "cpu"
    half: bool = False

    @property
    def layers(self) -> tuple[str, ...]:
        """Projector, then backbone."""
        return LAYERS

    def to(self, device: str, half: bool) -> TinyEncoder:
        """Move the network to a device."""
        return TinyEncoder(self.network.to(device), device, half)

    def dropout(self, active: bool) -> None:
        """Do nothing: there is no dropout in these networks, so two passes of one text are the same.

        Raises
        ------
        InputError
            If it is switched on.
        """
        if active:
            raise no_dropout()

    def encode(self, batch: NDArray[np.generic] | Sequence[str], view: str) -> Mapping[str, NDArray[np.float32]]:
        """Embed images, word numbers, or texts of digits; see `TinyNetwork.forward` for shapes.

        Of a text the words of the bundled captions are read; others are passed over.

        Returns
        -------
        Mapping from layer to NDArray[np.float32] of shape (B, D)
        """
        inputs = batch if isinstance(batch, np.ndarray) else self._word_numbers(batch)
        projected, features = [], []
        kind = self.device.split(":")[0]
        with torch.inference_mode(), torch.autocast(kind, torch.float16, enabled=self.half and kind != "cpu"):
            for start in range(0, len(inputs), _ENCODE_BATCH):
                chunk = torch.from_numpy(np.ascontiguousarray(inputs[start : start + _ENCODE_BATCH]))
                projector, backbone = self.network(chunk.to(self.device), view)
                projected.append(projector.float().cpu().numpy())
                features.append(backbone.float().cpu().numpy())
        return {"projector": np.concatenate(projected), "backbone": np.concatenate(features)}

    def _word_numbers(self, texts: Sequence[str]) -> NDArray[np.int64]:
        numbers = caption_numbers(texts)
        if self.network.architecture.words <= int(numbers.max(initial=0)):
            raise InputError(
                f"the text tower knows {self.network.architecture.words} words, captions of digits have {len(WORDS)}",
                where="tiny", remedy="give word numbers",
            )  # fmt: skip
        return numbers


def write_checkpoint(path: Path, network: TinyNetwork) -> None:
    """Write the weights in half precision; to a temporary file first, which is then renamed."""
    description = {"family": FAMILY, "version": 1, "architecture": network.architecture.as_dict()}
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in network.state_dict().items()}
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        save_file(tensors, temporary, metadata={"cl_viz": json.dumps(description, sort_keys=True)})
        # The writer makes private files; a bundled checkpoint is for everybody.
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def recognise(path: Path) -> Recognised | None:
    """Return what a checkpoint of this family is, from its header alone; None for any other file."""
    try:
        header = _header(path)
        description = _description(header, path)
        if description.get("family") != FAMILY:
            return None
        architecture = TinyArchitecture.from_dict(description["architecture"])
    except (FormatError, OSError):
        return None
    except (InputError, KeyError, TypeError):
        # It is one of ours and damaged: `build` says how.
        return Recognised("tiny", "an architecture that cannot be read", ("image",), LAYERS)
    channels: Literal[1, 3] = 3 if architecture.channels == 3 else 1
    return Recognised(
        family="tiny",
        architecture=f"three convolutions and a projector, D = {architecture.projector_width}",
        modalities=("image", "text") if architecture.words else ("image",),
        layers=LAYERS,
        parameters=sum(math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__"),
        image=ImageInput((28, 28), channels, (28, 28), mean=(0.0,) * channels, std=(1.0,) * channels),
        dropout=False,
    )


def build(path: Path) -> TinyEncoder:
    """Build the encoder of a checkpoint; weights are widened to float32.

    Raises
    ------
    FormatError
        If the file is missing, truncated, of another family, or its weights do not fit its architecture.
    """
    try:
        description = _description(_header(path), path)
        if description.get("family") != FAMILY or not isinstance(description.get("architecture"), dict):
            raise FormatError("not a tiny encoder", where=str(path), allowed=f"a checkpoint of the family {FAMILY}")
        network = TinyNetwork(TinyArchitecture.from_dict(description["architecture"]))
        weights = {name: tensor.float() for name, tensor in load_file(path).items()}
        network.load_state_dict(weights)
    except (OSError, SafetensorError, RuntimeError, InputError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(
            f"the checkpoint cannot be read ({error})", where=str(path),
            allowed="a complete safetensors file written by cl_viz", remedy="restore the file or train it again",
        ) from error  # fmt: skip
    return TinyEncoder(network.eval().requires_grad_(False))


def _header(path: Path) -> Mapping[str, Any]:
    """Read the header of a safetensors file: name, type and shape of each tensor."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        size = path.stat().st_size
        if not 2 <= length <= min(_LARGEST_HEADER, size - 8):
            raise FormatError(
                f"the header claims {length} bytes, the file has {size}", where=str(path),
                allowed="a complete safetensors file",
            )  # fmt: skip
        content = file.read(length)
    try:
        header = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"the header is no JSON ({error})", where=str(path)) from error
    return MappingProxyType(header if isinstance(header, dict) else {})


def _description(header: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """Return what the header's metadata says; an empty mapping where it is another program's file."""
    try:
        description = json.loads(header.get("__metadata__", {}).get("cl_viz", "{}"))
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise FormatError(f"the header is no JSON ({error})", where=str(path)) from error
    return MappingProxyType(description if isinstance(description, dict) else {})


SPEC = EncoderSpec(
    name="tiny",
    label="Tiny digit encoder",
    recognise=recognise,
    build=build,
    description="The bundled sample models: three convolutions and a projector for 28 x 28 images (grey or colour), "
    "for two-tower models also a bag of words. Weights are float16 on disk and float32 when they run.",
)

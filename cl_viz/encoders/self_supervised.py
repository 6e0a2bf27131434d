"""Backbones and projectors in the checkpoints of self-supervised projects: recognised by key names and shapes.

The networks are rebuilt here (`_residual_network`, `_vision_transformer`, `_projection_head`), so neither torchvision
nor timm is needed; how each project names its weights stands in `_checkpoint_layouts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cl_viz.core.encoder import EncoderSpec, Recognised
from cl_viz.core.errors import FormatError, InputError
from cl_viz.encoders import _checkpoint_layouts as layouts
from cl_viz.encoders._checkpoint_reading import find_layout, read_layout
from cl_viz.encoders._network_encoder import NetworkEncoder, image_batch
from cl_viz.encoders._residual_network import ResidualNetwork
from cl_viz.encoders._torch_weights import StateDict, as_float32, is_weights, state_dict
from cl_viz.encoders._vision_transformer import VisionTransformer

FAMILY = "self_supervised"

_MOST_LISTED = 3


class BackboneAndProjector(nn.Module):
    """A backbone and, where the checkpoint has one, its projector.

    Parameters
    ----------
    backbone : ResidualNetwork or VisionTransformer
    projector : nn.Sequential or None
    """

    def __init__(self, backbone: ResidualNetwork | VisionTransformer, projector: nn.Sequential | None) -> None:
        super().__init__()
        self.backbone, self.projector = backbone, projector

    def forward(self, batch: Any, device: torch.device) -> dict[str, Tensor]:
        """Embed images of shape (B, C, H, W), prepared as the checkpoint's `ImageInput` says.

        Returns
        -------
        dict from layer to Tensor of shape (B, D)

        Raises
        ------
        InputError
            If the batch has another shape.
        """
        shape, channels = np.shape(batch), self.backbone.channels
        if len(shape) != 4 or shape[1] != channels:
            raise InputError(
                f"a batch of shape {shape}", where="encode", allowed=f"images of shape (B, {channels}, H, W)"
            )
        outputs = {"backbone": self.backbone(image_batch(batch, device))}
        if self.projector is not None:
            outputs["projector"] = self.projector(outputs["backbone"])
        return outputs


def recognise(path: Path) -> Recognised | None:
    """Return what a checkpoint of a self-supervised project is, from key names and shapes; None for any other file."""
    if not path.is_file() or not is_weights(path):
        return None
    try:
        weights = state_dict(path)
    except (FormatError, OSError):
        return None
    found = find_layout(weights)
    if found is None:
        return None
    try:
        reading = read_layout(weights, *found)
    except FormatError as error:
        # It is of this family and cannot be used: `build` says the same.
        name = f"a {found[0].name} checkpoint" if found[0].name else "a backbone"
        return Recognised(
            FAMILY, f"{name} whose shapes fit no known architecture", ("image",), ("backbone",),
            unmatched=tuple(weights), notes=(str(error),),
        )  # fmt: skip
    used = {*reading.backbone_names.values(), *reading.projector_names.values()}
    parts = [reading.backbone, *([reading.projector] if reading.projector is not None else [])]
    layout = reading.layout
    return Recognised(
        family=FAMILY,
        architecture=f"{reading.name} in a {layout.name} checkpoint" if layout.name else f"{reading.name}, on its own",
        modalities=("image",),
        layers=reading.layers,
        parameters=sum(values.numel() for part in parts for values in part.parameters()),
        unmatched=tuple(key for key in weights if key not in used),
        notes=reading.notes,
        image=reading.image,
    )


def build(path: Path) -> NetworkEncoder:
    """Build the encoder of a checkpoint, in float32 on the CPU.

    Raises
    ------
    FormatError
        If the file cannot be read, holds no backbone under a known name, or its shapes fit no known architecture.
    """
    weights = state_dict(path)
    found = find_layout(weights)
    if found is None:
        raise FormatError(
            f"no backbone is known among keys like {', '.join(list(weights)[:_MOST_LISTED])}", where=str(path),
            allowed="a ResNet or vision transformer under the key names of "
            + ", ".join(dict.fromkeys(layout.name for layout in layouts.LAYOUTS if layout.name))
            + ", torchvision or timm",
        )  # fmt: skip
    try:
        reading = read_layout(weights, *found)
    except FormatError as error:
        raise FormatError(error.what, where=str(path), allowed=error.allowed, remedy=error.remedy) from error
    _fill(reading.backbone, weights, reading.backbone_names)
    if reading.projector is not None:
        _fill(reading.projector, weights, reading.projector_names)
    network = BackboneAndProjector(reading.backbone, reading.projector)
    return NetworkEncoder(network, reading.layers, {"image": network})


def _fill(network: nn.Module, weights: StateDict, names: Mapping[str, str]) -> None:
    """Give a network without values those of the file."""
    values: dict[str, Tensor] = as_float32({name: weights[key] for name, key in names.items()})
    for name in network.state_dict():
        if name not in values:
            values[name] = torch.zeros((), dtype=torch.long)
    network.load_state_dict(values, assign=True)


SPEC = EncoderSpec(
    name=FAMILY,
    label="Self-supervised ResNet or vision transformer",
    recognise=recognise,
    build=build,
    description="Checkpoints of MoCo v1, v2 and v3, SimCLR (four PyTorch ports), SimCLR v2 (the PyTorch conversions), "
    "SupContrast, lightly, solo-learn, VICReg, Barlow Twins, DINO, DINOv2, BYOL, SimSiam, SwAV, and bare torchvision "
    "or timm weights. Prefixes are taken off, the architecture is read off the shapes: any ResNet of basic or "
    "bottleneck blocks (also wide, grouped, with a stem for CIFAR, a deep stem or selective kernels), any vision "
    "transformer with fused qkv (also with LayerScale, register tokens, SwiGLU in DINOv2's and timm's layout, MoCo "
    "v3's stem). Two layers come out: `backbone` is what is transferred, `projector` what the "
    "loss saw, rebuilt from its keys with the project's activation between its layers. The branch is the one the "
    "project itself evaluates: the query, base or online encoder; the teacher for DINO and DINOv2. Keys that nothing "
    "takes (momentum encoder, predictor, prototypes, queue, classifier) are listed. What no shape tells is said as a "
    "guess: attention heads, the size and normalisation of the images. Neither torchvision nor timm is needed, and "
    "nothing in the file is executed.",
)

"""A checkpoint of a self-supervised project, read: its layout, its networks without values, how it wants its images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from cl_viz.core.encoder import ImageInput
from cl_viz.core.errors import FormatError
from cl_viz.core.normalisation import IN_WORDS
from cl_viz.encoders import _checkpoint_layouts as layouts
from cl_viz.encoders._checkpoint_layouts import Layout
from cl_viz.encoders._projection_head import build_projector, projector_names
from cl_viz.encoders._residual_keys import residual_keys
from cl_viz.encoders._residual_network import ResidualNetwork
from cl_viz.encoders._residual_shape import residual_shape
from cl_viz.encoders._torch_weights import StateDict
from cl_viz.encoders._transformer_shape import gated_names, transformer_keys, transformer_shape
from cl_viz.encoders._vision_transformer import VisionTransformer

_SMALL_IMAGE = 32
# Evaluations on ImageNet resize the shorter edge to 256 and keep the middle 224.
_RESIZED, _KEPT = 256, 224
# Counts batches during training; older and converted checkpoints lack it, and nothing here needs it.
_COUNTER = "num_batches_tracked"
_MOST_LISTED = 3
_UNSAID = (
    "the file does not say. A wrong guess can look like a collapse: where you know better, tell pixels and size "
    "(pixels=, size=; --pixels, --size; the page Checkpoint)."
)
# What begins like this belongs to the forward pass: if it is not used, the network is another one.
_ESSENTIAL = (
    "conv1.", "bn1.", "maxpool.", "layer", "cls_token", "pos_embed", "patch_embed.", "blocks.", "norm.", "fc_norm.",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Reading:
    """What names and shapes alone tell about a checkpoint; the networks have no values yet.

    Attributes
    ----------
    layout : Layout
    name : str
        The architecture's name.
    backbone : ResidualNetwork or VisionTransformer
    projector : nn.Sequential or None
    backbone_names, projector_names : Mapping[str, str]
        The key in the file by the network's own key.
    notes : tuple of str
    image : ImageInput
    """

    layout: Layout
    name: str
    backbone: ResidualNetwork | VisionTransformer
    projector: nn.Sequential | None
    backbone_names: Mapping[str, str]
    projector_names: Mapping[str, str]
    notes: tuple[str, ...]
    image: ImageInput

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the outputs, projector first."""
        return ("projector", "backbone") if self.projector is not None else ("backbone",)


def find_layout(weights: StateDict) -> tuple[Layout, str, Mapping[str, str]] | None:
    """Return the first layout whose backbone is there, its prefix, and the key in the file by its unwrapped name."""
    names = layouts.unwrapped(weights)
    for layout in layouts.candidates(names):
        for prefix in layout.backbones:
            inside = _below(names, prefix)
            if residual_keys(inside) is not None or transformer_keys(inside) is not None:
                return layout, prefix, names
    return None


def _below(names: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): key for name, key in names.items() if name.startswith(prefix)}


def read_layout(weights: StateDict, layout: Layout, prefix: str, names: Mapping[str, str]) -> Reading:
    """Read a checkpoint of which `find_layout` returned the layout, the backbone's prefix and the names.

    Raises
    ------
    FormatError
        If shapes fit no known architecture, or weights of the forward pass are missing or left over.
    """
    inside = _below(names, prefix)
    backbone, name, own = _backbone(weights, layout, inside)
    kept = _fitting(backbone, weights, own)
    strangers = [own[part] for part in own if part.startswith(_ESSENTIAL) and part not in kept]
    if strangers:
        more = f" and {len(strangers) - _MOST_LISTED} more" if len(strangers) > _MOST_LISTED else ""
        raise FormatError(
            f"{name} has no {', '.join(strangers[:_MOST_LISTED])}{more}",
            allowed="plain residual blocks or transformer blocks, every one of them, numbered without gaps",
        )
    projector, projector_kept = None, {}
    found = _projector_keys(layout, names, own)
    if found:
        closing = _below(names, layout.closing) if layout.closing else {}
        with torch.device("meta"):
            projector = build_projector(
                _shapes(weights, found), backbone.width, layout.activation, _shapes(weights, closing)
            )
        found |= {f"closing.{ending}": key for ending, key in closing.items()}
        projector_kept = _fitting(projector, weights, found)
    image, guesses = _image(layout, backbone, name)
    notes = (_branch(layout, weights), *_left_out(layout, names, {*kept.values(), *projector_kept.values()}), *guesses)
    return Reading(layout, name, backbone, projector, kept, projector_kept, notes, image)


def _backbone(
    weights: StateDict, layout: Layout, inside: Mapping[str, str]
) -> tuple[ResidualNetwork | VisionTransformer, str, dict[str, str]]:
    """Return the backbone without values, its name, and the key in the file by the network's own names."""
    residual = residual_keys(inside)
    if residual is not None:
        own = {name: inside[key] for name, key in residual.names.items()}
        shape = residual_shape(_shapes(weights, own), between=residual.between, small_padding=layout.small_padding)
        with torch.device("meta"):
            return ResidualNetwork(shape), shape.name, own
    own = {name: inside[key] for name, key in (transformer_keys(inside) or {}).items()}
    own = gated_names(own, _shapes(weights, own))
    transformer = transformer_shape(_shapes(weights, own), heads=layout.heads, offset=layout.offset)
    with torch.device("meta"):
        return VisionTransformer(transformer), transformer.name, own


def _shapes(weights: StateDict, names: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(weights[key].shape) for name, key in names.items()}


def _projector_keys(layout: Layout, names: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Return the key in the file by its numbered name in the projector; empty where there is none."""
    for prefix in layout.projectors:
        if found := projector_names(_below(names, prefix)):
            return found
    for prefix in layout.inner:
        inner = _below(own, prefix)
        found = projector_names(inner)
        # A single linear layer in the place of the classifier is the classifier, but for the projects that say so.
        if found and (layout.single or len({part.partition(".")[0] for part in found}) > 1):
            return found
    return {}


def _fitting(network: nn.Module, weights: StateDict, names: Mapping[str, str]) -> dict[str, str]:
    """Return the key in the file of every value of `network`, which must all be there in the right shape."""
    wanted = {name: tuple(values.shape) for name, values in network.state_dict().items()}
    wrong = [
        f"{names[name]} is {tuple(weights[names[name]].shape)} and should be {shape}" if name in names
        else f"{name} {shape} is missing"
        for name, shape in wanted.items()
        if (name not in names and not name.endswith(_COUNTER)) or (
            name in names and tuple(weights[names[name]].shape) != shape)
    ]  # fmt: skip
    if wrong:
        more = f"; and {len(wrong) - _MOST_LISTED} more" if len(wrong) > _MOST_LISTED else ""
        raise FormatError(
            f"{len(wrong)} of {len(wanted)} weights do not fit the architecture that the others tell: "
            f"{'; '.join(wrong[:_MOST_LISTED])}{more}",
            allowed="the weights of one network, complete and as its training code saved them",
        )
    return {name: names[name] for name in wanted if name in names}


def _branch(layout: Layout, weights: StateDict) -> str:
    beneath = weights.taken.split(".")
    if not layout.beneath or layout.beneath in beneath:
        return f"Branch: {layout.branch}."
    if "student" in beneath:
        return f"Branch: the student, because the file has no {layout.beneath}."
    return f"Branch: the only one in the file, which does not say whether it is the {layout.beneath}."


def _left_out(layout: Layout, names: Mapping[str, str], used: Iterable[str]) -> tuple[str, ...]:
    """Say what the layout calls the keys that are not used."""
    taken = set(used)
    words: dict[str, int] = {}
    for name, key in names.items():
        word = next((word for start, word in layout.left_out.items() if name.startswith(start)), None)
        if key not in taken and word is not None:
            words[word] = words.get(word, 0) + 1
    if not words:
        return ()
    return (f"Left out: {', '.join(f'{word} (N = {number} weights)' for word, number in words.items())}.",)


def _image(
    layout: Layout, backbone: ResidualNetwork | VisionTransformer, name: str
) -> tuple[ImageInput, tuple[str, ...]]:
    """Return how images are to be prepared, and notes that say how much of it is a guess."""
    notes = [layout.note] if layout.note else []
    size = layout.size
    if isinstance(backbone, VisionTransformer):
        shape = backbone.shape
        taken = "mean of the patch tokens" if shape.pooled else "class token"
        notes.append(f"The backbone's output is the {taken}. No shape tells attention heads: {shape.heads} is a guess.")
        if layout.keeps_grid or size % shape.patch:
            size = shape.size
        small = size <= 2 * _SMALL_IMAGE
    else:
        small = backbone.for_small_images
        size = _SMALL_IMAGE if small else size
    mean, deviation = layout.small_pixels if small else layout.pixels
    if backbone.channels not in (1, 3):
        raise FormatError(f"the network takes images of {backbone.channels} channels", allowed="1 or 3 channels")
    channels: Literal[1, 3] = 3
    if backbone.channels == 1:
        channels, mean, deviation = 1, (0.0,), (1.0,)
    # Only the evaluations on ImageNet crop.
    resized = round(size * _RESIZED / _KEPT) if size > 96 else size
    notes.append(_guess(layout, small, size, channels))
    return ImageInput((size, size), channels, resized, layout.resample, mean, deviation), tuple(notes)


def _guess(layout: Layout, small: bool, size: int, channels: int) -> str:
    if channels == 1:
        return f"Images of {size} pixels with values in 0..1 are a guess: {_UNSAID}"
    if small:
        return (
            f"Images of {size} pixels and {IN_WORDS[layout.small_pixels]} are a guess from the small input: {_UNSAID}"
        )
    of_project = f"as in the evaluation of {layout.name}" if layout.name else "as is usual"
    return f"Images of {size} pixels and {IN_WORDS[layout.pixels]} are taken, {of_project}: {_UNSAID}"

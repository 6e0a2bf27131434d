"""Projectors rebuilt from their keys: a Sequential of linear layers, normalisations and activations.

Activations leave no keys. Between two numbered layers a skipped number is one (or one and a dropout, which does nothing
here); what comes after the last numbered layer cannot be known, and no project here has anything there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from torch import nn

from cl_viz.core.errors import FormatError
from cl_viz.encoders._weight_shapes import Shapes

Activation = Literal["relu", "gelu"]

ALLOWED = "a projector of numbered linear layers, batch or layer normalisations, and activations between them"
_ACTIVATIONS: Mapping[Activation, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU}
_BATCH = {"running_mean", "running_var"}
_ENDINGS = {"weight", "bias", "num_batches_tracked", *_BATCH}
_KEY = re.compile(r"(\d+)\.(\w+)")


def projector_names(keys: Mapping[str, str]) -> dict[str, str]:
    """Return the key in the file by its numbered name; one linear layer without a number becomes number 0.

    Parameters
    ----------
    keys : Mapping[str, str]
        The key in the file by its name without the projector's prefix.

    Returns
    -------
    dict
        Empty where these keys are no numbered layers.
    """
    if keys and set(keys) <= {"weight", "bias"}:
        return {f"0.{name}": key for name, key in keys.items()}
    numbered = all((match := _KEY.fullmatch(name)) and match[2] in _ENDINGS for name in keys)
    return dict(keys) if numbered else {}


def build_projector(
    shapes: Shapes, inputs: int, activation: Activation, closing: Shapes | None = None
) -> nn.Sequential:
    """Build a projector, without values.

    Parameters
    ----------
    shapes : Mapping
        Shapes by numbered name, for example ``"0.weight"``.
    inputs : int
        Width of the backbone.
    activation : {"relu", "gelu"}
    closing : Mapping, optional
        Shapes of a normalisation applied after the last layer.

    Returns
    -------
    nn.Sequential
        Its keys are those of `shapes`; the closing normalisation is called ``closing``.

    Raises
    ------
    FormatError
        If a layer does not take what the layer before gives.
    """
    parts: dict[int, dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        place, _, ending = name.partition(".")
        parts.setdefault(int(place), {})[ending] = shape
    projector = nn.Sequential()
    width, previous = inputs, -1
    for number in sorted(parts):
        if number > previous + 1 and previous >= 0:
            projector.add_module(str(number - 1), _ACTIVATIONS[activation]())
        layer, width = _layer(parts[number], width, f"projector layer {number}")
        projector.add_module(str(number), layer)
        previous = number
    if closing:
        layer, width = _layer(closing, width, "the projector's closing normalisation")
        projector.add_module("closing", layer)
    return projector


def _layer(part: Mapping[str, tuple[int, ...]], width: int, where: str) -> tuple[nn.Module, int]:
    """Return a layer that takes `width` numbers, and how many it gives."""
    weight = part.get("weight")
    if part.keys() >= _BATCH and (weight is None or len(weight) == 1):
        layer: nn.Module = nn.BatchNorm1d(width, affine=weight is not None)
    elif weight is not None and len(weight) == 1 and not part.keys() & _BATCH:
        layer = nn.LayerNorm(width)
    elif weight is not None and len(weight) == 2 and weight[1] == width:
        return nn.Linear(width, weight[0], bias="bias" in part), weight[0]
    else:
        found = ", ".join(f"{name} {shape}" for name, shape in part.items())
        raise FormatError(f"{where} has {found}, after a layer of {width} numbers", allowed=ALLOWED)
    return layer, width

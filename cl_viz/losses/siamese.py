"""Losses without negatives: negative cosine, SimSiam and BYOL."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cl_viz.core.errors import InputError
from cl_viz.core.params import Params, param
from cl_viz.core.result import Source
from cl_viz.core.specs import LossFamily, LossInputs, LossSpec
from cl_viz.losses._views import two_views


@dataclass(frozen=True)
class NegativeCosineParams(Params):
    """Parameters of the plain negative cosine: none."""


@dataclass(frozen=True)
class SiameseParams(Params):
    """Parameters of SimSiam and BYOL."""

    stop_gradient: bool = param(True, "Hold the target branch constant; without it the encoder may collapse.")


def negative_cosine(inputs: LossInputs, params: NegativeCosineParams) -> Tensor:
    """Return minus the cosine of each pair, shape (N,); gradient flows into both views."""
    return -_cosine(*two_views(inputs, "negative_cosine"))


def simsiam(inputs: LossInputs, params: SiameseParams) -> Tensor:
    """Return minus cos(prediction, target), the mean of both directions, shape (N,)."""
    predictions, targets = _branches(inputs, params, "simsiam")
    return -(_cosine(predictions[0], targets[1]) + _cosine(predictions[1], targets[0])) / 2


def byol(inputs: LossInputs, params: SiameseParams) -> Tensor:
    """Return 2 - 2 cos(prediction, target), the sum of both directions, shape (N,)."""
    return 4 + 4 * simsiam(inputs, params)


def _cosine(first: Tensor, second: Tensor) -> Tensor:
    """Return the cosine of each pair of rows, shape (N,); 0 for rows of length 0."""
    lengths = torch.linalg.vector_norm(first, dim=1) * torch.linalg.vector_norm(second, dim=1)
    cosine: Tensor = (first * second).sum(dim=1) / lengths.clamp_min(torch.finfo(first.dtype).tiny)
    return cosine


def _branches(
    inputs: LossInputs, params: SiameseParams, loss: str
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Split (p1, p2, z1, z2) into predictions and targets; with two views each plays both parts."""
    if len(inputs.views) == 3:
        raise InputError("3 views given", where=loss, allowed="two views, or four: p1, p2, z1, z2")
    first, second = two_views(inputs, loss)
    targets = two_views(LossInputs(views=inputs.views[2:]), loss) if len(inputs.views) > 2 else (first, second)
    return (first, second), (targets[0].detach(), targets[1].detach()) if params.stop_gradient else targets


_SIMSIAM = Source("Chen and He 2021, SimSiam", "https://arxiv.org/abs/2011.10566")
_BYOL = Source("Grill and others 2020, BYOL", "https://arxiv.org/abs/2006.07733")
_BRANCHES = (
    "Give the four views (p1, p2, z1, z2) where there is a predictor; with two views each is its own prediction."
)

SPEC = LossFamily(
    name="siamese",
    label="Without negatives",
    losses=(
        LossSpec(
            name="negative_cosine",
            label="Negative cosine",
            compute=negative_cosine,
            params=NegativeCosineParams,
            needs=("two_views",),
            rows="raw",
            formula=r"-\frac{1}{N}\sum_i \cos(x_i, y_i)",
            traps="Without a stopped gradient or another term it is minimal for a constant encoder: complete collapse.",
            sources=(_SIMSIAM,),
            peer="lightly NegativeCosineSimilarity",
        ),
        LossSpec(
            name="simsiam",
            label="SimSiam",
            compute=simsiam,
            params=SiameseParams,
            needs=("two_views",),
            rows="raw",
            formula=r"-\frac{1}{2N}\sum_i \big(\cos(p^1_i, \mathrm{sg}\,z^2_i) + \cos(p^2_i, \mathrm{sg}\,z^1_i)\big)",
            traps=_BRANCHES,
            sources=(_SIMSIAM,),
            peer="lightly NegativeCosineSimilarity, one call a direction",
        ),
        LossSpec(
            name="byol",
            label="BYOL",
            compute=byol,
            params=SiameseParams,
            needs=("two_views",),
            rows="raw",
            formula=r"\frac{1}{N}\sum_i \big(4 - 2\cos(p^1_i, \mathrm{sg}\,z^2_i)"
            r" - 2\cos(p^2_i, \mathrm{sg}\,z^1_i)\big)",
            traps=_BRANCHES + " The targets come from the moving average of the encoder, which is the caller's work.",
            sources=(_BYOL,),
            peer="lightly NegativeCosineSimilarity, scaled",
        ),
    ),
)

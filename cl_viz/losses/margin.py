"""NT-Xent with a margin on the positive: additive (CosFace) and additive angular (ArcFace)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from cl_viz.core.params import Params, param
from cl_viz.core.result import Source
from cl_viz.core.specs import LossFamily, LossInputs, LossSpec
from cl_viz.losses._tiled_softmax import LeftOut, log_sum_exp
from cl_viz.losses._views import sums_over_negatives, temperature_param, two_views


@dataclass(frozen=True)
class MarginParams(Params):
    """Parameters of the margin losses; defaults of the speaker-verification toolkit they come from (scale 33.33)."""

    temperature: float = temperature_param(0.03)
    margin: float = param(0.1, "Taken from the positive's cosine, or added to its angle (radians).", low=0.0, high=3.0)
    symmetric: bool = param(True, "Both views are anchors and candidates; else view 1 asks and view 2 answers.")


def ntxent_additive_margin(inputs: LossInputs, params: MarginParams) -> Tensor:
    """Return NT-Xent with s - margin as the positive's score, shape (2N,), or (N,) from one side."""
    return _with_positive(inputs, params, "ntxent_additive_margin", lambda cosine: cosine - params.margin)


def ntxent_angular_margin(inputs: LossInputs, params: MarginParams) -> Tensor:
    """Return NT-Xent with cos(angle + margin) as the positive's score, shape (2N,), or (N,) from one side.

    Where the angle plus the margin would pass 180 degrees the score goes on as s - margin * sin(margin).
    """

    def widened(cosine: Tensor) -> Tensor:
        # The slope of the sine is infinite at 1, and rounding may put a cosine above 1.
        sine = (1 - cosine.square()).clamp_min(torch.finfo(cosine.dtype).tiny).sqrt()
        rotated = cosine * math.cos(params.margin) - sine * math.sin(params.margin)
        beyond = cosine - params.margin * math.sin(params.margin)
        return torch.where(cosine > math.cos(math.pi - params.margin), rotated, beyond)

    return _with_positive(inputs, params, "ntxent_angular_margin", widened)


def _with_positive(inputs: LossInputs, params: MarginParams, loss: str, change: Callable[[Tensor], Tensor]) -> Tensor:
    first, second = two_views(inputs, loss)
    positive = change((first * second).sum(dim=1)) / params.temperature
    if params.symmetric:
        positive = positive.repeat(2)
        _, negatives = sums_over_negatives(first, second, params.temperature, inputs.tile)
    else:
        negatives = log_sum_exp(first / params.temperature, second, LeftOut(len(first)), inputs.tile)
    return softplus(negatives - positive)


_SSLSV = Source(
    "Lepage and Dehak 2024, Additive margin in contrastive self-supervised frameworks",
    "https://arxiv.org/abs/2404.14913",
)

SPEC = LossFamily(
    name="margin",
    label="Margin on the positive",
    losses=(
        LossSpec(
            name="ntxent_additive_margin",
            label="NT-Xent, additive margin",
            compute=ntxent_additive_margin,
            params=MarginParams,
            needs=("two_views",),
            rows="unit",
            formula=r"-\frac{1}{2N}\sum_a \log\frac{e^{(s_{a\,p(a)} - m)/\tau}}"
            r"{e^{(s_{a\,p(a)} - m)/\tau} + \sum_{b\neq a,\,p(a)} e^{s_{ab}/\tau}}",
            traps="The margin is taken from the cosine, before the temperature divides it. The one-sided form compares "
            "view 1 with view 2 only, so it has N - 1 negatives instead of 2N - 2. Margin 0 is NT-Xent.",
            sources=(_SSLSV, Source("Wang and others 2018, CosFace", "https://arxiv.org/abs/1801.09414")),
            peer="theolepage/sslsv SimCLRMarginsLoss",
        ),
        LossSpec(
            name="ntxent_angular_margin",
            label="NT-Xent, angular margin",
            compute=ntxent_angular_margin,
            params=MarginParams,
            needs=("two_views",),
            rows="unit",
            formula=r"-\frac{1}{2N}\sum_a \log\frac{e^{\psi(s_{a\,p(a)})/\tau}}"
            r"{e^{\psi(s_{a\,p(a)})/\tau} + \sum_{b\neq a,\,p(a)} e^{s_{ab}/\tau}},\quad "
            r"\psi(s) = \begin{cases}\cos(\arccos s + m) & s > \cos(\pi - m)\\ s - m\sin m & \text{else}\end{cases}",
            traps="The score jumps where the angle and the margin together reach 180 degrees. For a pair that "
            "coincides the slope is infinite; it is held finite here. Margin 0 is NT-Xent.",
            sources=(_SSLSV, Source("Deng and others 2019, ArcFace", "https://arxiv.org/abs/1801.07698")),
            peer="theolepage/sslsv SimCLRMarginsLoss",
        ),
    ),
)

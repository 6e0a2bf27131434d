"""Decoupled contrastive losses (DCL): the positive leaves the denominator."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cl_viz.core.params import Params, param
from cl_viz.core.result import Source
from cl_viz.core.specs import LossFamily, LossInputs, LossSpec
from cl_viz.losses._views import sums_over_negatives, temperature_param, two_views


@dataclass(frozen=True)
class DCLParams(Params):
    """Parameters of DCL; the authors' default."""

    temperature: float = temperature_param(0.1)


@dataclass(frozen=True)
class DCLWParams(Params):
    """Parameters of weighted DCL; the authors' defaults."""

    temperature: float = temperature_param(0.1)
    sigma: float = param(
        0.5, "Width of the weight: lower makes hard positives weigh more.", low=1e-3, high=1e2, log=True
    )
    stop_gradient: bool = param(True, "Hold the weight constant; the authors' first code lets gradient through.")


def dcl(inputs: LossInputs, params: DCLParams) -> Tensor:
    """Return DCL of every anchor, first those of view 1, then of view 2; shape (2N,).

    Raises
    ------
    InputError
        For N < 2, where no negatives are left.
    """
    first, second = two_views(inputs, "dcl", smallest=2)
    positive, negatives = sums_over_negatives(first, second, params.temperature, inputs.tile)
    return negatives - positive


def dcl_one_way(inputs: LossInputs, params: DCLParams) -> Tensor:
    """Return DCL of the anchors of view 1 only, shape (N,); raises as `dcl`."""
    both = dcl(inputs, params)
    return both[: len(both) // 2]


def dclw(inputs: LossInputs, params: DCLWParams) -> Tensor:
    """Return DCL with weighted positives, anchors of view 1, then of view 2; shape (2N,); raises as `dcl`."""
    first, second = two_views(inputs, "dclw", smallest=2)
    positive, negatives = sums_over_negatives(first, second, params.temperature, inputs.tile)
    cosine = (first * second).sum(dim=1)
    weight = 2 - len(first) * torch.softmax(cosine / params.sigma, dim=0)
    if params.stop_gradient:
        weight = weight.detach()
    return negatives - weight.repeat(2) * positive


def dclw_one_way(inputs: LossInputs, params: DCLWParams) -> Tensor:
    """Return DCL with weighted positives for the anchors of view 1 only, shape (N,); raises as `dcl`."""
    both = dclw(inputs, params)
    return both[: len(both) // 2]


_YEH = Source("Yeh and others 2022, Decoupled contrastive learning", "https://arxiv.org/abs/2110.06848")
_SUM = (
    "A sum, not a mean, stands inside the logarithm: the loss may be negative, down to "
    "log(2N - 2) - 2 / temperature. With N = 1 no negatives are left."
)
_WEIGHT = (
    "The weights have mean 1 over the batch; one becomes negative where its pair holds more than 2 / N of the softmax. "
    "They use the cosine, not the cosine over the temperature. Implementations agree in value but not in gradient: "
    "lightly stops the gradient at the weight, the authors' first code does not."
)

SPEC = LossFamily(
    name="decoupled",
    label="Decoupled",
    losses=(
        LossSpec(
            name="dcl",
            label="DCL, both directions",
            compute=dcl,
            params=DCLParams,
            needs=("two_views",),
            rows="unit",
            formula=r"\frac{1}{2N}\sum_{a}\Big(\log\sum_{b\neq a,\,p(a)} e^{s_{ab}/\tau} - s_{a\,p(a)}/\tau\Big)",
            traps=_SUM,
            sources=(_YEH,),
            peer="lightly DCLLoss",
        ),
        LossSpec(
            name="dcl_one_way",
            label="DCL, one direction",
            compute=dcl_one_way,
            params=DCLParams,
            needs=("two_views",),
            rows="unit",
            formula=r"\frac1N\sum_i\Big(\log\sum_{j\neq i}\big(e^{x_i\cdot x_j/\tau} + e^{x_i\cdot y_j/\tau}\big)"
            r" - x_i\cdot y_i/\tau\Big)",
            traps=_SUM + " Anchors are view 1 only.",
            sources=(_YEH,),
            peer="raminnakhli/Decoupled-Contrastive-Learning DCL",
        ),
        LossSpec(
            name="dclw",
            label="DCLW, weighted positives",
            compute=dclw,
            params=DCLWParams,
            needs=("two_views",),
            rows="unit",
            formula=r"\frac{1}{2N}\sum_{a}\Big(\log\sum_{b\neq a,\,p(a)} e^{s_{ab}/\tau} - w_a\,s_{a\,p(a)}/\tau\Big),"
            r"\quad w_i = 2 - N\,\frac{e^{x_i\cdot y_i/\sigma}}{\sum_j e^{x_j\cdot y_j/\sigma}}",
            traps=_WEIGHT,
            sources=(_YEH,),
            peer="lightly DCLWLoss",
        ),
        LossSpec(
            name="dclw_one_way",
            label="DCLW, one direction",
            compute=dclw_one_way,
            params=DCLWParams,
            needs=("two_views",),
            rows="unit",
            formula=r"\frac1N\sum_i\Big(\log\sum_{j\neq i}\big(e^{x_i\cdot x_j/\tau} + e^{x_i\cdot y_j/\tau}\big)"
            r" - w_i\,x_i\cdot y_i/\tau\Big)",
            traps=_WEIGHT,
            sources=(_YEH,),
            peer="raminnakhli/Decoupled-Contrastive-Learning DCLW",
        ),
    ),
)

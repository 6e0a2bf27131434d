"""Losses that set their own targets or temperature from the batch: adaptive soft (ASCL), model-aware (MACL)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, logsigmoid, one_hot, softmax, softplus

from cl_viz.core.errors import InputError
from cl_viz.core.params import Params, param
from cl_viz.core.result import Source
from cl_viz.core.specs import LossFamily, LossInputs, LossSpec
from cl_viz.losses._views import queue_of, sums_over_negatives, temperature_param, two_views


@dataclass(frozen=True)
class ASCLParams(Params):
    """Parameters of adaptive soft contrastive learning; the authors' defaults."""

    temperature: float = temperature_param(0.1)
    teacher_temperature: float = param(0.05, "Divides the key's scores with the queue.", low=1e-3, high=1e2, log=True)
    targets: str = param(
        "soft",
        "Pseudo-labels of the queue: soft (ascl), confidence on the nearest (ahcl), 1 on the nearest (hard), or none.",
        choices=("soft", "confident", "hard", "none"),
    )
    neighbours: int = param(1, "Number of neighbours that count as positives.", low=1)


@dataclass(frozen=True)
class MACLParams(Params):
    """Parameters of model-aware contrastive learning; the authors' defaults."""

    temperature: float = temperature_param(0.1)
    alpha: float = param(0.5, "How strongly the temperature follows alignment.", low=0.0, high=10.0)
    reference: float = param(0.0, "Mean positive cosine at which the temperature is as given.", low=-1.0, high=1.0)
    epsilon: float = param(0.0, "Added to 1 - P in the weight; lightly has 1e-8.", low=0.0, high=1e-2)


def ascl(inputs: LossInputs, params: ASCLParams) -> Tensor:
    """Return the cross-entropy of each query of view 1 against soft targets, shape (N,).

    View 2 holds the keys. The targets are constants: gradient flows into queries, keys and queue by the scores alone.

    Raises
    ------
    MissingInputError
        Without a second view or a queue.
    InputError
        If the queue has fewer than two items, or fewer than the neighbours asked for.
    """
    queries, keys = two_views(inputs, "ascl")
    queue = queue_of(inputs, "ascl", smallest=max(2, params.neighbours))
    scores = torch.cat([(queries * keys).sum(dim=1, keepdim=True), queries @ queue.T], dim=1) / params.temperature
    with torch.no_grad():
        weights = _pseudo_labels(keys @ queue.T / params.teacher_temperature, params)
        targets = torch.cat([torch.ones_like(weights[:, :1]), weights], dim=1)
        targets = targets / targets.sum(dim=1, keepdim=True)
    return -(targets * log_softmax(scores, dim=1)).sum(dim=1)


def macl(inputs: LossInputs, params: MACLParams) -> Tensor:
    """Return the loss of every anchor, first those of view 1, then of view 2; shape (2N,).

    Raises
    ------
    InputError
        For N < 2, or where the temperature would not be positive.
    """
    first, second = two_views(inputs, "macl", smallest=2)
    alignment = (first * second).sum(dim=1).mean().detach()
    temperature = params.temperature * (1 + params.alpha * (alignment - params.reference))
    if not bool(temperature > 0):
        raise InputError(
            f"the temperature becomes {float(temperature):.3g}", where="macl", allowed="above 0", remedy="lower alpha"
        )
    positive, negatives = sums_over_negatives(first, second, float(temperature), inputs.tile)
    # With d = log(sum over negatives) - positive, -log P = softplus(d) and 1 - P = sigmoid(d). The weight is a
    # constant, so the slope of the loss in d is that of softplus times the weight, which stays near 1 where both
    # the loss and 1 - P vanish.
    difference = negatives - positive
    held = difference.detach()
    one_minus_share = torch.sigmoid(held)
    weight_times_share = one_minus_share / (one_minus_share + params.epsilon) if params.epsilon else 1.0
    value = torch.where(held < -30, torch.ones_like(held), softplus(held) * torch.exp(-logsigmoid(held).clamp_min(-60)))
    return weight_times_share * (value + (difference - held))


def _pseudo_labels(teacher_scores: Tensor, params: ASCLParams) -> Tensor:
    n_queue = teacher_scores.shape[1]
    if params.targets == "none":
        return torch.zeros_like(teacher_scores)
    share = softmax(teacher_scores, dim=1)
    confidence = 1 + (share * log_softmax(teacher_scores, dim=1)).sum(dim=1, keepdim=True) / math.log(n_queue)
    if params.targets == "soft":
        return (params.neighbours * confidence * share).clamp_max(1.0)
    nearest = one_hot(share.topk(params.neighbours, dim=1).indices, n_queue).sum(dim=1).to(share.dtype)
    return nearest * confidence if params.targets == "confident" else nearest


SPEC = LossFamily(
    name="adaptive",
    label="Adaptive targets and temperature",
    losses=(
        LossSpec(
            name="ascl",
            label="Adaptive soft contrastive (ASCL)",
            compute=ascl,
            params=ASCLParams,
            needs=("two_views", "queue"),
            rows="unit",
            formula=r"\frac1N\sum_i \mathrm{CE}\Big(\tfrac{[1, w_i]}{1 + \sum_j w_{ij}},\,"
            r"\mathrm{softmax}\big([q_i\cdot k_i, q_i\cdot Q]/\tau\big)\Big),\quad "
            r"w_{ij} = \min\big(1,\, K\,c_i\,p_{ij}\big),\quad p_i = \mathrm{softmax}(k_i\cdot Q/\tau'),"
            r"\quad c_i = 1 - \frac{H(p_i)}{\log M}",
            traps="Neighbours are told by the key, at a temperature below the student's; near collapse they are noise. "
            "Targets 'none' is InfoNCE with a queue. The targets get no gradient.",
            sources=(
                Source("Feng and Patras 2022, Adaptive soft contrastive learning", "https://arxiv.org/abs/2207.11163"),
            ),
            peer="MrChenFeng/ASCL_ICPR2022",
        ),
        LossSpec(
            name="macl",
            label="Model-aware (MACL)",
            compute=macl,
            params=MACLParams,
            needs=("two_views",),
            rows="unit",
            formula=r"-\frac{1}{2N}\sum_a \frac{\log P_a}{\mathrm{sg}(1 - P_a)},\quad "
            r"P_a = \frac{e^{s_{a\,p(a)}/\tau}}{\sum_{b\neq a} e^{s_{ab}/\tau}},"
            r"\quad \tau = \tau_0\big(1 + \alpha(\bar s_{pos} - A_0)\big)",
            traps="Each anchor's value is at least 1 and goes to 1 as its share goes to 1: only the gradient is "
            "meaningful. The weight and the temperature are constants. Where the share rounds to 1 the authors' code "
            "gives infinity times 0; here it gives the limit.",
            sources=(
                Source("Huang and others 2023, Model-aware contrastive learning", "https://arxiv.org/abs/2207.07874"),
            ),
            peer="chenhaoxing/MACL; lightly MACLLoss",
        ),
    ),
)

"""Supervised contrastive losses: several positives an anchor, told by labels.

They differ in where the mean over positives stands, and in whether other positives are in the denominator.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from cl_viz.core.params import Params, param
from cl_viz.core.result import Source
from cl_viz.core.specs import LossFamily, LossInputs, LossSpec
from cl_viz.losses._tiled_softmax import LeftOut, log_sum_exp_among
from cl_viz.losses._views import (
    labels_of_points,
    same_points,
    scores_without_self,
    sums_without_self,
    temperature_param,
)


@dataclass(frozen=True)
class SupConParams(Params):
    """Parameters of SupCon; the paper's temperature."""

    temperature: float = temperature_param(0.1)
    anchors: str = param(
        "all", "Which rows are anchors: those of all views, or of the first.", choices=("all", "first_view")
    )
    without_positive: str = param(
        "zero",
        "An anchor whose label nobody shares counts as 0 in the mean (the authors' code), or is dropped from it where "
        "others are left.",
        choices=("zero", "drop"),
    )


@dataclass(frozen=True)
class PerPositiveParams(Params):
    """Parameters of the per-positive form; the temperature of SupCon's paper."""

    temperature: float = temperature_param(0.1)


@dataclass(frozen=True)
class FocalSupConParams(Params):
    """Parameters of focal SupCon; the authors' temperature."""

    temperature: float = temperature_param(0.07)


def supcon_out(inputs: LossInputs, params: SupConParams) -> Tensor:
    """Return SupCon-out of every anchor, view after view; shape (VN,), (N,), or fewer where anchors are dropped.

    Raises
    ------
    MissingInputError
        Without labels.
    InputError
        If labels and rows differ in number.
    """
    points, labels = labels_of_points(inputs, "supcon_out")
    sums = sums_without_self(points, params.temperature, inputs.tile)
    classes, n_positive = _classes(labels)
    # The sum of an anchor's scores with its class is its product with the sum of the class.
    of_class = points.new_zeros(int(classes.max()) + 1, points.shape[1]).index_add(0, classes, points)
    with_positives = (points * (of_class[classes] - points)).sum(dim=1) / params.temperature
    mean_positive = with_positives / n_positive.clamp(min=1)
    # A single row has no candidates at all: its sum is -inf.
    per_anchor = (sums - mean_positive).where(n_positive > 0, torch.zeros_like(sums))
    return _chosen_anchors(per_anchor, n_positive, len(inputs.views[0]), params)


def supcon_in(inputs: LossInputs, params: SupConParams) -> Tensor:
    """Return SupCon-in of every anchor: the mean over positives inside the logarithm; shapes and errors as out."""
    points, labels = labels_of_points(inputs, "supcon_in")
    everything = sums_without_self(points, params.temperature, inputs.tile)
    own_class = LeftOut(len(points), labels, labels)
    numerator = log_sum_exp_among(points, params.temperature, own_class, inputs.tile)
    _, n_positive = _classes(labels)
    log_count = n_positive.clamp(min=1).to(points.dtype).log()
    # An anchor without positives has nothing to sum: 0, and no gradient.
    has_positive = n_positive > 0
    zero = torch.zeros_like(everything)
    per_anchor = everything.where(has_positive, zero) - numerator.where(has_positive, zero) + log_count
    return _chosen_anchors(per_anchor, n_positive, len(inputs.views[0]), params)


def supcon_per_positive(inputs: LossInputs, params: PerPositiveParams) -> Tensor:
    """Return each anchor's share of the mean over all (anchor, positive) pairs, shape (VN,).

    The values are scaled so that their mean is the mean over pairs; without any pair they are 0. Errors as out.
    """
    points, labels = labels_of_points(inputs, "supcon_per_positive")
    scores = points @ points.T / params.temperature
    same = labels[:, None] == labels[None, :]
    negatives = torch.logsumexp(scores.masked_fill(same, -torch.inf), dim=1, keepdim=True)
    is_positive = same & ~same_points(len(points), points.device)
    per_pair = softplus(negatives - scores).masked_fill(~is_positive, 0.0)
    return per_pair.sum(dim=1) * len(points) / is_positive.sum().clamp(min=1)


def focal_supcon(inputs: LossInputs, params: FocalSupConParams) -> Tensor:
    """Return each anchor's focal loss over positives, shape (VN,), scaled so that the mean is the authors' sum.

    The authors divide each anchor's sum by the number of rows, not of positives, and the total by the number of
    anchors that have positives. Errors as out.
    """
    scores, is_positive = _scores_and_positives(inputs, "focal_supcon", params.temperature)
    log_share = (scores - torch.logsumexp(scores, dim=1, keepdim=True)).masked_fill(~is_positive, 0.0)
    per_anchor = (torch.expm1(log_share) * log_share).sum(dim=1)
    return per_anchor / (is_positive.any(dim=1).sum().clamp(min=1))


def _classes(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return labels numbered from 0, and how many others share each row's, both of shape (M,)."""
    _, classes, counts = torch.unique(labels, return_inverse=True, return_counts=True)
    return classes, counts[classes] - 1


def _scores_and_positives(inputs: LossInputs, loss: str, temperature: float) -> tuple[Tensor, Tensor]:
    points, labels = labels_of_points(inputs, loss)
    itself = same_points(len(points), points.device)
    return scores_without_self(points, temperature), (labels[:, None] == labels[None, :]) & ~itself


def _chosen_anchors(per_anchor: Tensor, n_positive: Tensor, n_samples: int, params: SupConParams) -> Tensor:
    if params.anchors == "first_view":
        per_anchor, n_positive = per_anchor[:n_samples], n_positive[:n_samples]
    has_positive = n_positive > 0
    # Where nobody has a positive nobody is dropped: the zeros have a mean, no values have none.
    return per_anchor[has_positive] if params.without_positive == "drop" and has_positive.any() else per_anchor


_KHOSLA = Source("Khosla and others 2020, Supervised contrastive learning", "https://arxiv.org/abs/2004.11362")

SPEC = LossFamily(
    name="supervised",
    label="Supervised contrastive",
    losses=(
        LossSpec(
            name="supcon_out",
            label="SupCon (out)",
            compute=supcon_out,
            params=SupConParams,
            needs=("labels",),
            rows="unit",
            formula=r"\frac{1}{|A|}\sum_a \frac{-1}{|P(a)|}\sum_{p\in P(a)}\Big(s_{ap}/\tau"
            r" - \log\sum_{b\neq a} e^{s_{ab}/\tau}\Big)",
            traps="The authors' code multiplies by temperature / base temperature; here the factor is 1. Peers differ "
            "in what an anchor without positives counts.",
            sources=(_KHOSLA,),
            peer="HobbitLong/SupContrast SupConLoss; pytorch-metric-learning SupConLoss",
        ),
        LossSpec(
            name="supcon_in",
            label="SupCon (in)",
            compute=supcon_in,
            params=SupConParams,
            needs=("labels",),
            rows="unit",
            formula=r"-\frac{1}{|A|}\sum_a \log\frac{1}{|P(a)|}\sum_{p\in P(a)}"
            r"\frac{e^{s_{ap}/\tau}}{\sum_{b\neq a} e^{s_{ab}/\tau}}",
            traps="Never above SupCon (out), by Jensen's inequality; one near positive is enough to make it small, and "
            "the paper finds it the worse of the two. Anchors without positives as in SupCon (out).",
            sources=(_KHOSLA,),
            peer="its definition and the inequality with SupCon (out); no code in torch is known",
        ),
        LossSpec(
            name="supcon_per_positive",
            label="SupCon, decoupled per positive",
            compute=supcon_per_positive,
            params=PerPositiveParams,
            needs=("labels",),
            rows="unit",
            formula=r"\frac{1}{|\{(a,p)\}|}\sum_{(a,p)}\Big(-s_{ap}/\tau"
            r" + \log\big(e^{s_{ap}/\tau} + \sum_{n:\,c_n\neq c_a} e^{s_{an}/\tau}\big)\Big)",
            traps="Often taken for SupCon, but other positives are not in the denominator, and the mean is over pairs: "
            "large classes weigh more. An anchor without positives is in no pair.",
            sources=(
                Source("Musgrave and others 2020, PyTorch metric learning", "https://arxiv.org/abs/2008.09164"),
                _KHOSLA,
            ),
            peer="pytorch-metric-learning NTXentLoss with labels",
        ),
        LossSpec(
            name="focal_supcon",
            label="SupCon, focal (core tuning)",
            compute=focal_supcon,
            params=FocalSupConParams,
            needs=("labels",),
            rows="unit",
            formula=r"\frac{1}{|\{a: P(a)\neq\emptyset\}|}\sum_a \frac{-1}{M}\sum_{p\in P(a)}(1 - q_{ap})\log q_{ap},"
            r"\quad q_{ap} = \frac{e^{s_{ap}/\tau}}{\sum_{b\neq a} e^{s_{ab}/\tau}}",
            traps="The authors' code divides by the number of rows M and not by that of positives, so the value falls "
            "with the number of classes. The focal weight carries gradient.",
            sources=(Source("Zhang and others 2021, Core-tuning", "https://arxiv.org/abs/2102.06605"),),
            peer="Vanint/Core-tuning focal_SupConLoss",
        ),
    ),
)

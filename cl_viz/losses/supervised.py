"""Supervised contrastive loss (SupCon), with the mean over positives outside the logarithm."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cl_viz.core.errors import InputError, MissingInputError
from cl_viz.core.params import Params, param
from cl_viz.core.result import Source
from cl_viz.core.specs import LossFamily, LossInputs, LossSpec
from cl_viz.losses._views import scores_without_self


@dataclass(frozen=True)
class SupConParams(Params):
    """Parameters of SupCon; the paper's temperature."""

    temperature: float = param(
        0.1,
        "Divides the cosine scores; lower weights the hardest negatives more.",
        low=1e-3,
        high=100.0,
        log=True,
        card_key="temperature",
    )
    anchors: str = param(
        "all", "Which rows are anchors: those of all views, or of the first.", choices=("all", "first_view")
    )
    without_positive: str = param(
        "zero",
        "An anchor whose label nobody shares counts as 0 in the mean (the authors' code), or is dropped from it.",
        choices=("zero", "drop"),
    )


def supcon_out(inputs: LossInputs, params: SupConParams) -> Tensor:
    """Return SupCon-out of every anchor, view after view; shape (VN,), (N,), or fewer where anchors are dropped.

    Raises
    ------
    MissingInputError
        Without labels.
    InputError
        If labels and rows differ in number.
    """
    if inputs.labels is None:
        raise MissingInputError("no labels given", where="supcon_out", allowed="one integer label a sample")
    n_samples = len(inputs.views[0])
    if len(inputs.labels) != n_samples:
        raise InputError(f"{len(inputs.labels)} labels for {n_samples} samples", where="supcon_out")
    labels = inputs.labels.repeat(len(inputs.views))
    scores = scores_without_self(torch.cat(list(inputs.views)), params.temperature)
    itself = torch.eye(len(labels), dtype=torch.bool, device=scores.device)
    is_positive = (labels[:, None] == labels[None, :]) & ~itself
    log_share = scores - torch.logsumexp(scores, dim=1, keepdim=True)
    n_positive = is_positive.sum(dim=1)
    per_anchor = -log_share.masked_fill(~is_positive, 0.0).sum(dim=1) / n_positive.clamp(min=1)
    if params.anchors == "first_view":
        per_anchor, n_positive = per_anchor[:n_samples], n_positive[:n_samples]
    return per_anchor[n_positive > 0] if params.without_positive == "drop" else per_anchor


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
            sources=(
                Source("Khosla and others 2020, Supervised contrastive learning", "https://arxiv.org/abs/2004.11362"),
            ),
            peer="HobbitLong/SupContrast SupConLoss; pytorch-metric-learning SupConLoss",
        ),
    ),
)

"""Decoupled contrastive loss (DCL): the positive leaves the denominator."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cl_viz.core.params import Params, param
from cl_viz.core.result import Source
from cl_viz.core.specs import LossFamily, LossInputs, LossSpec
from cl_viz.losses._views import scores_without_self, two_views


@dataclass(frozen=True)
class DCLParams(Params):
    """Parameters of DCL; the authors' default."""

    temperature: float = param(
        0.1,
        "Divides the cosine scores; lower weights the hardest negatives more.",
        low=1e-3,
        high=100.0,
        log=True,
        card_key="temperature",
    )


def dcl(inputs: LossInputs, params: DCLParams) -> Tensor:
    """Return DCL of every anchor, first those of view 1, then of view 2; shape (2N,).

    Raises
    ------
    InputError
        For N < 2, where no negatives are left.
    """
    first, second = two_views(inputs, "dcl", smallest=2)
    n_samples = len(first)
    scores = scores_without_self(torch.cat([first, second]), params.temperature)
    anchor = torch.arange(2 * n_samples, device=first.device)
    is_positive = anchor[None, :] == (anchor[:, None] + n_samples) % (2 * n_samples)
    negatives = torch.logsumexp(scores.masked_fill(is_positive, -torch.inf), dim=1)
    positive = (first * second).sum(dim=1) / params.temperature
    return negatives - torch.cat([positive, positive])


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
            traps="A sum, not a mean, stands inside the logarithm: the loss may be negative, down to "
            "log(2N - 2) - 2 / temperature. With N = 1 no negatives are left.",
            sources=(
                Source("Yeh and others 2022, Decoupled contrastive learning", "https://arxiv.org/abs/2110.06848"),
            ),
            peer="lightly DCLLoss",
        ),
    ),
)

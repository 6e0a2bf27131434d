"""Softmax losses: InfoNCE from one side, NT-Xent (SimCLR) and the symmetric loss of CLIP.

All three are a cross-entropy over scores divided by a temperature; they differ in which pairs are candidates.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from cl_viz.core.params import Params
from cl_viz.core.result import Source
from cl_viz.core.specs import LossFamily, LossInputs, LossSpec
from cl_viz.losses._tiled_softmax import log_sum_exp, log_sum_exp_both_ways
from cl_viz.losses._views import queue_of, sums_without_self, temperature_param, two_views


@dataclass(frozen=True)
class NTXentParams(Params):
    """Parameters of NT-Xent; SimCLR's default for CIFAR."""

    temperature: float = temperature_param(0.5)


@dataclass(frozen=True)
class InfoNCEParams(Params):
    """Parameters of one-sided InfoNCE; MoCo's default."""

    temperature: float = temperature_param(0.07)


@dataclass(frozen=True)
class ClipParams(Params):
    """Parameters of the symmetric loss; CLIP's initial temperature (logit scale 1 / 0.07)."""

    temperature: float = temperature_param(0.07)


def ntxent(inputs: LossInputs, params: NTXentParams) -> Tensor:
    """Return NT-Xent of every anchor, first those of view 1, then of view 2; shape (2N,)."""
    first, second = two_views(inputs, "ntxent")
    positive = (first * second).sum(dim=1) / params.temperature
    sums = sums_without_self(torch.cat([first, second]), params.temperature, inputs.tile)
    return sums - torch.cat([positive, positive])


def infonce_one_sided(inputs: LossInputs, params: InfoNCEParams) -> Tensor:
    """Return InfoNCE of the anchors of view 1, shape (N,).

    Candidates are all rows of view 2; with a queue they are the own positive and the queue (the form of MoCo).
    """
    first, second = two_views(inputs, "infonce_one_sided")
    positive = (first * second).sum(dim=1) / params.temperature
    queries = first / params.temperature
    if inputs.queue is None:
        return log_sum_exp(queries, second, tile=inputs.tile) - positive
    queue = queue_of(inputs, "infonce_one_sided", smallest=0)
    return softplus(log_sum_exp(queries, queue, tile=inputs.tile) - positive)


def clip(inputs: LossInputs, params: ClipParams) -> Tensor:
    """Return the cross-entropies of the rows of view 1, then of view 2, shape (2N,)."""
    first, second = two_views(inputs, "clip")
    positive = (first * second).sum(dim=1) / params.temperature
    of_rows, of_columns = log_sum_exp_both_ways(first / params.temperature, second, inputs.tile)
    return torch.cat([of_rows - positive, of_columns - positive])


_SIMCLR = Source("Chen, Kornblith, Norouzi, Hinton 2020, SimCLR", "https://arxiv.org/abs/2002.05709")
_CPC = Source("van den Oord, Li, Vinyals 2018, Contrastive predictive coding", "https://arxiv.org/abs/1807.03748")
_MOCO = Source("He, Fan, Wu, Xie, Girshick 2020, Momentum contrast", "https://arxiv.org/abs/1911.05722")
_CLIP = Source("Radford and others 2021, CLIP", "https://arxiv.org/abs/2103.00020")

SPEC = LossFamily(
    name="softmax",
    label="Softmax (InfoNCE)",
    losses=(
        LossSpec(
            name="ntxent",
            label="NT-Xent (SimCLR)",
            compute=ntxent,
            params=NTXentParams,
            needs=("two_views",),
            rows="unit",
            formula=r"\frac{1}{2N}\sum_{a}\Big(\log\sum_{b\neq a} e^{s_{ab}/\tau} - s_{a\,p(a)}/\tau\Big)",
            traps="Same-view negatives are candidates: 2N - 1 in all, the positive among them. With N = 1 the loss and "
            "its gradient are 0.",
            sources=(_SIMCLR,),
            peer="lightly NTXentLoss; pytorch-metric-learning SelfSupervisedLoss(NTXentLoss)",
        ),
        LossSpec(
            name="infonce_one_sided",
            label="InfoNCE, one side",
            compute=infonce_one_sided,
            params=InfoNCEParams,
            needs=("two_views",),
            rows="unit",
            formula=r"\frac{1}{N}\sum_i\Big(\log\sum_j e^{x_i\cdot y_j/\tau} - x_i\cdot y_i/\tau\Big)",
            traps="Anchors are view 1 only and candidates view 2 only. With a queue the other rows of the batch are no "
            "candidates. The bound on mutual information, log N - L, cannot exceed log N.",
            sources=(_CPC, _MOCO),
            peer="info-nce-pytorch InfoNCE",
        ),
        LossSpec(
            name="clip",
            label="Symmetric InfoNCE (CLIP)",
            compute=clip,
            params=ClipParams,
            needs=("two_views",),
            rows="unit",
            formula=r"\tfrac12\big(\mathrm{CE}_{rows} + \mathrm{CE}_{columns}"
            r"\big)\ \text{of}\ x_i\cdot y_j/\tau",
            traps="Only pairs across the two modalities are candidates. open_clip takes the logit scale "
            "1 / temperature, not its logarithm; in training the scale is learnt and clipped at 100.",
            sources=(_CLIP,),
            peer="open_clip ClipLoss",
        ),
    ),
)

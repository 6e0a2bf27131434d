"""Losses of queries against embeddings of many labels: softmax, decoupled softmax, binary, and soft top-k."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid, softplus

from cl_viz.core.errors import InputError, MissingInputError
from cl_viz.core.params import Params, param
from cl_viz.core.result import Source
from cl_viz.core.specs import LossFamily, LossInputs, LossSpec
from cl_viz.losses._views import first_view, prototypes_of, temperature_param


@dataclass(frozen=True)
class ManyLabelsParams(Params):
    """Parameters of the losses over labels; the authors' temperature."""

    temperature: float = temperature_param(0.05)


@dataclass(frozen=True)
class SoftTopKParams(Params):
    """Parameters of soft top-k; the authors' defaults."""

    temperature: float = temperature_param(0.05)
    k: int = param(0, "Number of labels to come out on top; 0 takes each query's own number of positives.", low=0)
    alpha: float = param(2.0, "Steepness of the soft step.", low=1e-2, high=100.0, log=True)
    iterations: int = param(32, "Steps of the bisection that finds the threshold.", low=1, high=200)


def label_softmax(inputs: LossInputs, params: ManyLabelsParams) -> Tensor:
    """Return each query's sum over positives of the cross-entropy against all labels, shape (N,).

    Raises
    ------
    MissingInputError
        Without prototypes (embeddings of labels), or without labels.
    InputError
        If shapes do not fit.
    """
    scores, is_positive = _scores_and_positives(inputs, "label_softmax", params.temperature)
    per_pair = torch.logsumexp(scores, dim=1, keepdim=True) - scores
    return per_pair.masked_fill(~is_positive, 0.0).sum(dim=1)


def label_decoupled_softmax(inputs: LossInputs, params: ManyLabelsParams) -> Tensor:
    """Return each query's mean over positives without the other positives, shape (N,); errors as softmax."""
    scores, is_positive = _scores_and_positives(inputs, "label_decoupled_softmax", params.temperature)
    negatives = torch.logsumexp(scores.masked_fill(is_positive, -torch.inf), dim=1, keepdim=True)
    return _mean_over_positives(softplus(negatives - scores), is_positive)


def label_binary(inputs: LossInputs, params: ManyLabelsParams) -> Tensor:
    """Return each query's mean binary cross-entropy over all labels, shape (N,); errors as softmax."""
    scores, is_positive = _scores_and_positives(inputs, "label_binary", params.temperature)
    return binary_cross_entropy_with_logits(scores, is_positive.to(scores.dtype), reduction="none").mean(dim=1)


def soft_top_k(inputs: LossInputs, params: SoftTopKParams) -> Tensor:
    """Return each query's mean over positives of -log of the soft membership among the top k, shape (N,).

    Memberships are sigmoids of the scaled scores plus one threshold for each query, which makes them sum to k.

    Raises
    ------
    MissingInputError
        Without prototypes (embeddings of labels), or without labels.
    InputError
        Unless 0 < k < number of labels.
    """
    scores, is_positive = _scores_and_positives(inputs, "soft_top_k", params.temperature)
    n_labels = scores.shape[1]
    # A query without positives contributes nothing; any k does.
    wanted = torch.full_like(is_positive.sum(dim=1), params.k) if params.k else is_positive.sum(dim=1).clamp(min=1)
    if int(wanted.max()) >= n_labels:
        raise InputError(f"k = {int(wanted.max())} of {n_labels} labels", where="soft_top_k", allowed="0 < k < labels")
    threshold = _threshold(scores.detach(), wanted.to(scores.dtype), params.alpha, params.iterations)
    membership = torch.sigmoid(params.alpha * (scores + threshold))
    # The threshold moves so that the sum stays k: its slope by the implicit function theorem, its value unchanged.
    slope = (params.alpha * membership * (1 - membership)).sum(dim=1, keepdim=True).detach()
    moved = -membership.sum(dim=1, keepdim=True) / slope.clamp_min(torch.finfo(scores.dtype).tiny)
    threshold = threshold + (moved - moved.detach())
    return _mean_over_positives(-logsigmoid(params.alpha * (scores + threshold)), is_positive)


def _threshold(scores: Tensor, wanted: Tensor, alpha: float, iterations: int) -> Tensor:
    """Return t with sum_j sigmoid(alpha * (score_j + t)) = wanted, by bisection, shape (N, 1)."""
    low = -scores.max(dim=1, keepdim=True).values - 10 / alpha
    high = -scores.min(dim=1, keepdim=True).values + 10 / alpha
    for _ in range(iterations):
        middle = (low + high) / 2
        too_few = torch.sigmoid(alpha * (scores + middle)).sum(dim=1, keepdim=True) < wanted[:, None]
        low, high = torch.where(too_few, middle, low), torch.where(too_few, high, middle)
    return (low + high) / 2


def _mean_over_positives(per_pair: Tensor, is_positive: Tensor) -> Tensor:
    return per_pair.masked_fill(~is_positive, 0.0).sum(dim=1) / is_positive.sum(dim=1).clamp(min=1)


def _scores_and_positives(inputs: LossInputs, loss: str, temperature: float) -> tuple[Tensor, Tensor]:
    """Return scaled scores of queries (view 1) with labels (prototypes), and which are positive, both (N, K)."""
    prototypes = prototypes_of(inputs, loss)
    queries = first_view(inputs, loss)
    shape = (len(queries), len(prototypes))
    if inputs.label_matrix is not None:
        if tuple(inputs.label_matrix.shape) != shape:
            raise InputError(
                f"label matrix of shape {tuple(inputs.label_matrix.shape)}", where=loss, allowed=f"shape {shape}"
            )
        is_positive = inputs.label_matrix != 0
    elif inputs.labels is not None:
        if len(inputs.labels) != len(queries):
            raise InputError(f"{len(inputs.labels)} labels for {len(queries)} samples", where=loss)
        columns = torch.arange(len(prototypes), device=queries.device)
        is_positive = inputs.labels[:, None] == columns[None, :]
    else:
        raise MissingInputError("no labels given", where=loss, allowed="one integer label a sample, or a label matrix")
    return queries @ prototypes.T / temperature, is_positive


_GUPTA = Source("Gupta and others 2024, Dual-encoders for many labels (DEXML)", "https://arxiv.org/abs/2310.10636")
_INPUT = " View 1 holds queries, prototypes hold the labels' embeddings; labels index prototypes."

SPEC = LossFamily(
    name="many_labels",
    label="Many labels",
    losses=(
        LossSpec(
            name="label_softmax",
            label="Softmax over labels",
            compute=label_softmax,
            params=ManyLabelsParams,
            needs=("labels", "prototypes"),
            rows="unit",
            formula=r"\frac1N\sum_q\sum_{p\in P_q}\Big(\log\sum_l e^{s_{ql}/\tau} - s_{qp}/\tau\Big)",
            traps="A sum over positives, not a mean. Positives compete with each other, so with several it cannot "
            "reach 0." + _INPUT,
            sources=(_GUPTA,),
            peer="nilesh2797/DEXML SimLoss, softmax",
        ),
        LossSpec(
            name="label_decoupled_softmax",
            label="Decoupled softmax over labels",
            compute=label_decoupled_softmax,
            params=ManyLabelsParams,
            needs=("labels", "prototypes"),
            rows="unit",
            formula=r"\frac1N\sum_q\frac{1}{|P_q|}\sum_{p\in P_q}\Big(\log\big(e^{s_{qp}/\tau}"
            r" + \sum_{n\notin P_q} e^{s_{qn}/\tau}\big) - s_{qp}/\tau\Big)",
            traps="A mean over positives; other positives are left out of the denominator. A query without positives "
            "counts 0." + _INPUT,
            sources=(_GUPTA,),
            peer="nilesh2797/DEXML SimLoss, decoupled-softmax",
        ),
        LossSpec(
            name="label_binary",
            label="Binary cross-entropy over labels",
            compute=label_binary,
            params=ManyLabelsParams,
            needs=("labels", "prototypes"),
            rows="unit",
            formula=r"\frac{1}{N K}\sum_q\sum_l\Big(\log\big(1 + e^{s_{ql}/\tau}\big) - [l\in P_q]\,s_{ql}/\tau\Big)",
            traps="The mean over all labels is dominated by negatives. Without a bias the decision is at cosine 0."
            + _INPUT,
            sources=(_GUPTA,),
            peer="nilesh2797/DEXML SimLoss, bce",
        ),
        LossSpec(
            name="soft_top_k",
            label="Soft top-k over labels",
            compute=soft_top_k,
            params=SoftTopKParams,
            needs=("labels", "prototypes"),
            rows="unit",
            formula=r"-\frac1N\sum_q\frac{1}{|P_q|}\sum_{p\in P_q}\log\sigma\big(\alpha(s_{qp}/\tau + t_q)\big),"
            r"\quad \sum_l \sigma\big(\alpha(s_{ql}/\tau + t_q)\big) = k",
            traps="Needs 0 < k < number of labels. The threshold has about nine digits after 32 steps. The authors' "
            "code draws positives at random where k is below their number; here all positives count." + _INPUT,
            sources=(_GUPTA,),
            peer="nilesh2797/DEXML SimLoss, topk",
        ),
    ),
)

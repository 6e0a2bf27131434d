"""NT-Xent with another weight on negatives: debiased, reweighted towards hard ones, or the hardest alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from cl_viz.core.errors import InputError
from cl_viz.core.params import Params, param
from cl_viz.core.result import Source
from cl_viz.core.specs import LossFamily, LossInputs, LossSpec
from cl_viz.losses._views import same_samples, sums_over_negatives, temperature_param, two_views

_PRIOR_HELP = "Assumed share of negatives that are of the anchor's class."


@dataclass(frozen=True)
class DebiasedParams(Params):
    """Parameters of the debiased loss; the authors' defaults."""

    temperature: float = temperature_param(0.5)
    class_prior: float = param(0.1, _PRIOR_HELP, low=0.0, high=0.999)


@dataclass(frozen=True)
class ReweightedParams(Params):
    """Parameters of hard-negative reweighting; the authors' defaults."""

    temperature: float = temperature_param(0.5)
    class_prior: float = param(0.1, _PRIOR_HELP, low=0.0, high=0.999)
    concentration: float = param(1.0, "Beta: how strongly hard negatives weigh more; 0 is debiased.", low=0.0, high=1e2)


@dataclass(frozen=True)
class TopNegativesParams(Params):
    """Parameters of the truncated loss; the share is our choice, the paper has one for each data set."""

    temperature: float = temperature_param(0.5)
    share: float = param(
        0.1, "Share of an anchor's negatives that are kept, the hardest; rounded up.", low=0.0, high=1.0
    )
    count: int = param(0, "Number of negatives kept, in place of the share; 0 takes the share.", low=0)


def debiased(inputs: LossInputs, params: DebiasedParams) -> Tensor:
    """Return the debiased loss of every anchor, first those of view 1, then of view 2; shape (2N,); 0 for N = 1."""
    first, second = two_views(inputs, "debiased")
    positive, log_sum = sums_over_negatives(first, second, params.temperature, inputs.tile)
    if len(first) == 1:
        return (positive - positive.detach()) * 0
    return _corrected(positive, log_sum, 2 * len(first) - 2, params)


def hard_negative_reweighting(inputs: LossInputs, params: ReweightedParams) -> Tensor:
    """Return the loss of every anchor with negatives weighted by exp(beta s / temperature), shape (2N,); 0 for N = 1.

    Weights have mean 1 over an anchor's negatives; gradient flows through them.
    """
    first, second = two_views(inputs, "hard_negative_reweighting")
    # exp(beta s / t) exp(s / t) is the exponential of scores at another temperature.
    sharpened = params.temperature / (1 + params.concentration)
    _, log_sum = sums_over_negatives(first, second, sharpened, inputs.tile)
    positive = (first * second).sum(dim=1).repeat(2) / params.temperature
    if len(first) == 1:
        return (positive - positive.detach()) * 0
    n_negatives = 2 * len(first) - 2
    if params.concentration > 0:
        weighting = params.temperature / params.concentration
        log_weights = sums_over_negatives(first, second, weighting, inputs.tile)[1]
        log_sum = log_sum - log_weights + math.log(n_negatives)
    return _corrected(positive, log_sum, n_negatives, params)


def top_negatives(inputs: LossInputs, params: TopNegativesParams) -> Tensor:
    """Return NT-Xent with each anchor's hardest negatives only, shape (2N,); 0 for N = 1.

    Raises
    ------
    InputError
        If more negatives are asked for than there are.
    """
    first, second = two_views(inputs, "top_negatives")
    n_negatives = 2 * len(first) - 2
    kept = params.count or math.ceil(params.share * n_negatives)
    if kept > n_negatives and len(first) > 1:
        raise InputError(f"count = {kept}", where="top_negatives", allowed=f"at most 2N - 2 = {n_negatives}")
    points = torch.cat([first, second])
    scores = points @ points.T / params.temperature
    positive = (first * second).sum(dim=1).repeat(2) / params.temperature
    excluded = same_samples(len(first), 2, first.device)
    hardest = scores.masked_fill(excluded, -torch.inf).topk(min(kept, n_negatives), dim=1).values
    return torch.logsumexp(torch.cat([positive[:, None], hardest], dim=1), dim=1) - positive


def _corrected(
    positive: Tensor, log_sum: Tensor, n_negatives: int, params: DebiasedParams | ReweightedParams
) -> Tensor:
    """Take the expected false negatives out of the sum over negatives, hold it above its least value, and add up.

    Everything is a logarithm, so that low temperatures overflow in no precision.
    """
    log_least = math.log(n_negatives) - 1 / params.temperature
    shift = torch.maximum(log_sum, positive).detach()
    rest = torch.exp(log_sum - shift) - n_negatives * params.class_prior * torch.exp(positive - shift)
    is_positive = rest > 0
    log_rest = rest.where(is_positive, torch.ones_like(rest)).log() + shift - math.log1p(-params.class_prior)
    log_negatives = log_rest.where(is_positive, torch.full_like(log_rest, -torch.inf)).clamp_min(log_least)
    return softplus(log_negatives - positive)


_CHUANG = Source("Chuang and others 2020, Debiased contrastive learning", "https://arxiv.org/abs/2007.00224")
_ROBINSON = Source(
    "Robinson and others 2021, Contrastive learning with hard negatives", "https://arxiv.org/abs/2010.04592"
)
_WANG = Source("Wang and Liu 2021, Understanding the behaviour of contrastive loss", "https://arxiv.org/abs/2012.09740")
_CORRECTED = (
    r"-\frac{1}{2N}\sum_a \log\frac{e^{s_{a\,p(a)}/\tau}}{e^{s_{a\,p(a)}/\tau} + g_a},\quad "
    r"g_a = \max\Big(\frac{%s - K\tau^+ e^{s_{a\,p(a)}/\tau}}{1 - \tau^+},\, K e^{-1/\tau}\Big),\quad K = 2N - 2"
)

SPEC = LossFamily(
    name="hard_negatives",
    label="Weights on negatives",
    losses=(
        LossSpec(
            name="debiased",
            label="Debiased",
            compute=debiased,
            params=DebiasedParams,
            needs=("two_views",),
            rows="unit",
            formula=_CORRECTED % r"\sum_{b\neq a,\,p(a)} e^{s_{ab}/\tau}",
            traps="Where the corrected sum falls below its least possible value it is held there, and negatives of "
            "that anchor get no gradient. Class prior 0 is NT-Xent. The prior is a guess about the data.",
            sources=(_CHUANG,),
            peer="chingyaoc/DCL; joshr17/HCL with beta 0; ShadeAlsha/ICon debiased_loss",
        ),
        LossSpec(
            name="hard_negative_reweighting",
            label="Hard-negative reweighting",
            compute=hard_negative_reweighting,
            params=ReweightedParams,
            needs=("two_views",),
            rows="unit",
            formula=_CORRECTED % r"\sum_{b} w_{ab}\, e^{s_{ab}/\tau}"
            + r",\quad w_{ab} = \frac{e^{\beta s_{ab}/\tau}}{\frac1K\sum_c e^{\beta s_{ac}/\tau}}",
            traps="Beta multiplies the score over the temperature, not the score: it sharpens like a lower temperature "
            "of the negatives alone. False negatives are the hardest and gain most weight. Gradient flows through the "
            "weights. Beta 0 is debiased; with class prior 0 as well it is NT-Xent.",
            sources=(_ROBINSON,),
            peer="joshr17/HCL",
        ),
        LossSpec(
            name="top_negatives",
            label="Hardest negatives only",
            compute=top_negatives,
            params=TopNegativesParams,
            needs=("two_views",),
            rows="unit",
            formula=r"-\frac{1}{2N}\sum_a \log\frac{e^{s_{a\,p(a)}/\tau}}"
            r"{e^{s_{a\,p(a)}/\tau} + \sum_{b\in\mathrm{top}_k(a)} e^{s_{ab}/\tau}},"
            r"\quad k = \lceil\alpha(2N - 2)\rceil",
            traps="Which negatives are kept has no gradient, and jumps. The paper's upper quantile is taken as the k "
            "highest scores, rounded up; the rounding is our choice. With all negatives it is NT-Xent.",
            sources=(_WANG,),
            peer="ninatu/learning_by_sorting NT_Xent with topk_neg",
        ),
    ),
)

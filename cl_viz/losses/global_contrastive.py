"""Global contrastive losses (SogCLR, iSogCLR): the exact objectives, and the surrogates that training code returns."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from cl_viz.core.errors import InputError
from cl_viz.core.params import Params, param
from cl_viz.core.result import Source
from cl_viz.core.specs import LossFamily, LossInputs, LossSpec
from cl_viz.losses._tiled_softmax import LeftOut, log_sum_exp
from cl_viz.losses._views import pair_scores, same_points, temperature_param, two_views


@dataclass(frozen=True)
class GlobalParams(Params):
    """Parameters of the exact global loss; the authors' temperature."""

    temperature: float = temperature_param(0.1)


@dataclass(frozen=True)
class RobustParams(Params):
    """Parameters of the exact robust loss; the authors' library's defaults."""

    temperature: float = temperature_param(0.1)
    rho: float = param(
        0.3, "Weight of the temperature: how far from uniform its negatives may be.", low=0.0, high=100.0
    )


@dataclass(frozen=True)
class SurrogateParams(Params):
    """Parameters of the surrogates; the authors' library's defaults."""

    temperature: float = temperature_param(0.1)
    gamma: float = param(0.9, "Weight of the batch in the moving average, where one is given.", low=0.0, high=1.0)


@dataclass(frozen=True)
class BimodalParams(Params):
    """Parameters of the bimodal surrogate; the authors' library's temperature."""

    temperature: float = temperature_param(0.01)


def gcl(inputs: LossInputs, params: GlobalParams) -> Tensor:
    """Return temperature * log mean exp of (s_an - s_ap) / temperature over each anchor's negatives, shape (2N,).

    Raises
    ------
    InputError
        For N < 2, or temperatures that are not one positive number a sample.
    """
    return rgcl(inputs, RobustParams(temperature=params.temperature, rho=0.0))


def rgcl(inputs: LossInputs, params: RobustParams) -> Tensor:
    """Return the global loss plus temperature * rho, shape (2N,); differentiable in each sample's temperature.

    The slope in a temperature is rho minus the divergence of the anchor's weights on negatives from uniform. Errors as
    `gcl`.
    """
    first, second = two_views(inputs, "rgcl", smallest=2)
    points = torch.cat([first, second])
    positive = (first * second).sum(dim=1).repeat(2)
    temperatures = _temperatures(inputs, len(first), params.temperature, "rgcl").repeat(2)
    sums = log_sum_exp(points / temperatures[:, None], points, LeftOut(len(first)), inputs.tile)
    return temperatures * (sums - math.log(2 * len(first) - 2) + params.rho) - positive


def sogclr(inputs: LossInputs, params: SurrogateParams) -> Tensor:
    """Return the surrogate of each sample, both directions added, shape (N,).

    Its gradient is that of both directions' global loss; its value is not the global loss. With a moving average
    weights are divided by ``(1 - gamma) * average + gamma * batch``. Errors as `gcl`.
    """
    first, second = two_views(inputs, "sogclr", smallest=2)
    positive, negatives = pair_scores(first, second, 1.0)
    temperatures = _temperatures(inputs, len(first), params.temperature, "sogclr").repeat(2)
    n_negatives = 2 * len(first) - 2
    with torch.no_grad():
        scaled = negatives / temperatures[:, None]
        log_mean = torch.logsumexp(scaled, dim=1) - math.log(n_negatives)
        if inputs.moving_average is not None:
            old, new = (
                ((1 - params.gamma) * inputs.moving_average.repeat(2)).log(),
                log_mean.new_tensor(params.gamma).log(),
            )
            log_mean = torch.logaddexp(old, new + log_mean)
        weights = torch.exp(scaled - log_mean[:, None]) / n_negatives
    finite = negatives.masked_fill(negatives.isinf(), 0.0)
    per_anchor = (weights * finite).sum(dim=1) - positive
    return per_anchor[: len(first)] + per_anchor[len(first) :]


def sogclr_bimodal(inputs: LossInputs, params: BimodalParams) -> Tensor:
    """Return the surrogate over the other modality, the mean of both directions, shape (N,); errors as `gcl`."""
    first, second = two_views(inputs, "sogclr_bimodal", smallest=2)
    scores = first @ second.T
    itself = same_points(len(first), first.device)
    total = torch.zeros_like(first[:, 0])
    for direction in (scores, scores.T):
        difference = direction - direction.diagonal()[:, None]
        scaled = (difference / params.temperature).masked_fill(itself, -torch.inf)
        total = total + (torch.softmax(scaled, dim=1).detach() * difference).sum(dim=1)
    return total / 2


def _temperatures(inputs: LossInputs, n_samples: int, default: float, loss: str) -> Tensor:
    given = inputs.temperatures
    if given is None:
        return inputs.views[0].new_full((n_samples,), default)
    if given.shape != (n_samples,) or not bool((given > 0).all()):
        raise InputError(f"temperatures of shape {tuple(given.shape)}", where=loss, allowed=f"{n_samples} above 0")
    return given


_SOGCLR = Source("Yuan and others 2022, SogCLR", "https://arxiv.org/abs/2202.12387")
_ISOGCLR = Source("Qiu and others 2023, iSogCLR", "https://arxiv.org/abs/2305.11965")
_MEAN = "A mean over negatives, not a sum, and the positive is not among them: the value may be negative. "

SPEC = LossFamily(
    name="global_contrastive",
    label="Global contrastive (SogCLR)",
    losses=(
        LossSpec(
            name="gcl",
            label="Global contrastive, exact on the batch",
            compute=gcl,
            params=GlobalParams,
            needs=("two_views",),
            rows="unit",
            formula=r"\frac{1}{2N}\sum_a \tau\log\frac{1}{2N - 2}\sum_{b\neq a,\,p(a)} e^{(s_{ab} - s_{a\,p(a)})/\tau}",
            traps=_MEAN + "Over a batch the mean is not that over the data set, which SogCLR tracks.",
            sources=(_SOGCLR,),
            peer="its gradient: libauc GCLoss_v1",
        ),
        LossSpec(
            name="rgcl",
            label="Robust global contrastive (iSogCLR), exact on the batch",
            compute=rgcl,
            params=RobustParams,
            needs=("two_views",),
            rows="unit",
            formula=r"\frac{1}{2N}\sum_a\Big(\tau_a\log\frac{1}{2N - 2}\sum_{b\neq a,\,p(a)}"
            r" e^{(s_{ab} - s_{a\,p(a)})/\tau_a} + \tau_a\rho\Big)",
            traps=_MEAN + "Convex in each temperature; where rho exceeds log(2N - 2) the best temperature is 0.",
            sources=(_ISOGCLR,),
            peer="its temperature gradient: libauc GCLoss_v1 with iSogCLR",
        ),
        LossSpec(
            name="sogclr",
            label="SogCLR / iSogCLR surrogate",
            compute=sogclr,
            params=SurrogateParams,
            needs=("two_views",),
            rows="unit",
            formula=r"\frac1N\sum_{a}\Big(\sum_{b\neq a,\,p(a)} \mathrm{sg}(p_{ab})\,s_{ab} - s_{a\,p(a)}\Big),\quad "
            r"p_{ab} = \frac{e^{s_{ab}/\tau_a}}{(2N - 2)\,u_a},\quad "
            r"u_a = (1 - \gamma)\bar u_a + \gamma\,\frac{1}{2N - 2}\sum_b e^{s_{ab}/\tau_a}",
            traps="An estimator of the gradient: its value must not be compared with the global loss. On the first "
            "step, without a moving average, its gradient is that of both directions' global loss. Temperatures of "
            "samples make it that of iSogCLR.",
            sources=(_SOGCLR, _ISOGCLR),
            peer="libauc GCLoss_v1",
        ),
        LossSpec(
            name="sogclr_bimodal",
            label="SogCLR surrogate, two modalities",
            compute=sogclr_bimodal,
            params=BimodalParams,
            needs=("two_views",),
            rows="unit",
            formula=r"\frac{1}{2N}\sum_i\sum_{j\neq i}\Big(\mathrm{sg}(p_{ij})(x_i\cdot y_j - x_i\cdot y_i)"
            r" + \mathrm{sg}(p'_{ij})(x_j\cdot y_i - x_i\cdot y_i)\Big)",
            traps="Weights sum to 1 over an anchor's negatives; libauc's sum to N - 1, so its value and gradient are "
            "N - 1 times these. An estimator of the gradient, not a loss to compare.",
            sources=(_SOGCLR,),
            peer="libauc GCLoss_v2",
        ),
    ),
)

"""Spectral contrastive loss, and NT-Xent with other kernels than the Gaussian (Kernel-InfoNCE)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from cl_viz.core.errors import InputError
from cl_viz.core.params import Params, param
from cl_viz.core.result import Source
from cl_viz.core.specs import LossFamily, LossInputs, LossSpec
from cl_viz.losses._views import same_points, two_views

_GAMMA_HELP = "Power of the distance: 2 is Gaussian, 1 Laplacian."
_TEMPERATURE_HELP = "Divides the power of the distance; NT-Xent's temperature is half of it."
_EPSILON_HELP = "Least sum over candidates, and added to it."


@dataclass(frozen=True)
class SpectralParams(Params):
    """Parameters of the spectral loss; the authors' code's default (their paper takes 3 and 10)."""

    mu: float = param(1.0, "Square of the largest norm a row may have; divides the loss.", low=1e-3, high=1e3, log=True)


@dataclass(frozen=True)
class KernelSpectralParams(Params):
    """Parameters of Kernel-InfoNCE's spectral loss; the authors' default."""

    epsilon: float = param(1e-6, "Least sum of squares an anchor has.", low=0.0, high=1e-2)


@dataclass(frozen=True)
class KernelInfoNCEParams(Params):
    """Parameters of Kernel-InfoNCE; the authors' code's defaults."""

    gamma: float = param(2.0, _GAMMA_HELP, low=0.05, high=8.0)
    temperature: float = param(0.1, _TEMPERATURE_HELP, low=1e-3, high=100.0, log=True)
    norm: float = param(2.0, "Norm that measures the distance.", low=1.0, high=10.0)
    epsilon: float = param(1e-6, _EPSILON_HELP, low=0.0, high=1e-2)


@dataclass(frozen=True)
class KernelMixtureParams(Params):
    """Parameters of the mixtures; Laplacian and Gaussian in equal shares, the rest as the authors' defaults."""

    gamma: float = param(1.0, _GAMMA_HELP, low=0.05, high=8.0)
    temperature: float = param(0.1, _TEMPERATURE_HELP, low=1e-3, high=100.0, log=True)
    norm: float = param(2.0, "Norm that measures the distance.", low=1.0, high=10.0)
    epsilon: float = param(1e-6, _EPSILON_HELP, low=0.0, high=1e-2)
    share: float = param(
        0.5, "Lambda: weight of the kernel with power gamma; the Gaussian has the rest.", low=0.0, high=1.0
    )


def spectral(inputs: LossInputs, params: SpectralParams) -> Tensor:
    """Return each sample's -2 x_i.y_i plus its mean squared score with the others, over mu, shape (N,).

    Rows longer than sqrt(mu) are shortened to it; others keep their length.

    Raises
    ------
    InputError
        For N < 2, where no negatives are left.
    """
    first, second = (_shortened(view, math.sqrt(params.mu)) for view in two_views(inputs, "spectral", smallest=2))
    itself = same_points(len(first), first.device)
    others = (first @ second.T).square().masked_fill(itself, 0.0).sum(dim=1) / (len(first) - 1)
    return (others - 2 * (first * second).sum(dim=1)) / params.mu


def kernel_spectral(inputs: LossInputs, params: KernelSpectralParams) -> Tensor:
    """Return the spectral loss over both views' points, positives among the squares, shape (2N,); N < 2 is an error."""
    first, second = two_views(inputs, "kernel_spectral", smallest=2)
    points = torch.cat([first, second])
    itself = same_points(len(points), points.device)
    squares = (points @ points.T).square().masked_fill(itself, 0.0).sum(dim=1)
    positive = (first * second).sum(dim=1).repeat(2)
    return 2 / (len(first) - 1) * squares.clamp_min(params.epsilon) - 2 * positive


def kernel_infonce(inputs: LossInputs, params: KernelInfoNCEParams) -> Tensor:
    """Return NT-Xent with logits -distance^gamma / temperature, view 1, then view 2; shape (2N,)."""
    return _power_loss(*two_views(inputs, "kernel_infonce"), params.gamma, params)


def kernel_infonce_sum(inputs: LossInputs, params: KernelMixtureParams) -> Tensor:
    """Return the weighted sum of the losses with power gamma and with the Gaussian, shape (2N,)."""
    first, second = two_views(inputs, "kernel_infonce_sum")
    powered, gaussian = (_power_loss(first, second, power, params) for power in (params.gamma, 2.0))
    return params.share * powered + (1 - params.share) * gaussian


def kernel_infonce_product(inputs: LossInputs, params: KernelMixtureParams) -> Tensor:
    """Return the loss with power gamma on the first half of the coordinates, Gaussian on the second, shape (2N,).

    Raises
    ------
    InputError
        For fewer than two coordinates.
    """
    first, second = two_views(inputs, "kernel_infonce_product")
    half = first.shape[1] // 2
    if half == 0:
        raise InputError("one coordinate cannot be halved", where="kernel_infonce_product", allowed="D >= 2")
    powered = _power_loss(first[:, :half], second[:, :half], params.gamma, params)
    gaussian = _power_loss(first[:, half:], second[:, half:], 2.0, params)
    return params.share * powered + (1 - params.share) * gaussian


def _power_loss(
    first: Tensor, second: Tensor, gamma: float, params: KernelInfoNCEParams | KernelMixtureParams
) -> Tensor:
    points = torch.cat([first, second])
    itself = same_points(len(points), points.device)
    distances = torch.cdist(points, points, p=params.norm, compute_mode="donot_use_mm_for_euclid_dist")
    # Where points coincide the slope of a power below 1 is infinite: such distances are held above 0.
    floor = torch.finfo(points.dtype).eps
    logits = -(distances.masked_fill(itself, 1.0).clamp_min(floor) ** gamma) / params.temperature
    candidates = torch.logsumexp(logits.masked_fill(itself, -torch.inf), dim=1)
    if params.epsilon > 0:
        least = torch.full_like(candidates, math.log(params.epsilon))
        candidates = torch.logaddexp(torch.maximum(candidates, least), least)
    apart: Tensor = torch.linalg.vector_norm(first - second, ord=params.norm, dim=1).clamp_min(floor) ** gamma
    return candidates + apart.repeat(2) / params.temperature


def _shortened(points: Tensor, longest: float) -> Tensor:
    length = torch.linalg.vector_norm(points, dim=1, keepdim=True)
    return torch.where(length < longest, points, points * (longest / length.clamp_min(torch.finfo(points.dtype).tiny)))


_HAOCHEN = Source("HaoChen and others 2021, Spectral contrastive loss", "https://arxiv.org/abs/2106.04156")
_TAN = Source("Tan and others 2024, Contrastive learning is spectral clustering", "https://arxiv.org/abs/2303.15103")
_POWER = (
    r"\frac{1}{2N}\sum_a\Big(\log\sum_{b\neq a} e^{-\lVert z_a - z_b\rVert^{\gamma}/\tau}"
    r" + \lVert z_a - z_{p(a)}\rVert^{\gamma}/\tau\Big)"
)
_POWER_TRAPS = "With gamma 2 it is NT-Xent at half the temperature, but for epsilon. "

SPEC = LossFamily(
    name="kernel_infonce",
    label="Spectral and kernel InfoNCE",
    losses=(
        LossSpec(
            name="spectral",
            label="Spectral contrastive",
            compute=spectral,
            params=SpectralParams,
            needs=("two_views",),
            rows="raw",
            formula=r"\frac1\mu\Big(-\frac2N\sum_i x_i\cdot y_i + \frac{1}{N(N-1)}\sum_{i\neq j}(x_i\cdot y_j)^2\Big)",
            traps="Norms are clipped at the root of mu, not set to it: short rows stay short. Squares punish strongly "
            "negative scores as much as positive ones.",
            sources=(_HAOCHEN,),
            peer="jhaochenz/spectral_contrastive_learning",
        ),
        LossSpec(
            name="kernel_spectral",
            label="Spectral contrastive, both views' points",
            compute=kernel_spectral,
            params=KernelSpectralParams,
            needs=("two_views",),
            rows="unit",
            formula=r"\frac{1}{N(N-1)}\sum_a\sum_{b\neq a} s_{ab}^2 - \frac2N\sum_i x_i\cdot y_i",
            traps="Not the spectral contrastive loss: 2N points, positives among the squares, and 2N(2N - 1) pairs "
            "over N(N - 1), so the squares weigh about four times as much.",
            sources=(_TAN,),
            peer="yifanzhang-pro/Kernel-InfoNCE, spectral",
        ),
        LossSpec(
            name="kernel_infonce",
            label="Kernel InfoNCE",
            compute=kernel_infonce,
            params=KernelInfoNCEParams,
            needs=("two_views",),
            rows="unit",
            formula=_POWER,
            traps=_POWER_TRAPS + "Below gamma 1 the slope is infinite where points coincide.",
            sources=(_TAN,),
            peer="yifanzhang-pro/Kernel-InfoNCE, origin",
        ),
        LossSpec(
            name="kernel_infonce_sum",
            label="Kernel InfoNCE, sum",
            compute=kernel_infonce_sum,
            params=KernelMixtureParams,
            needs=("two_views",),
            rows="unit",
            formula=r"\lambda L_\gamma + (1 - \lambda) L_2,\quad L_\gamma = " + _POWER,
            traps="A mixture of losses, as in the authors' code; their paper also speaks of mixing kernels.",
            sources=(_TAN,),
            peer="yifanzhang-pro/Kernel-InfoNCE, sum",
        ),
        LossSpec(
            name="kernel_infonce_product",
            label="Kernel InfoNCE, concatenated",
            compute=kernel_infonce_product,
            params=KernelMixtureParams,
            needs=("two_views",),
            rows="unit",
            formula=r"\lambda L_\gamma(z_{1..D/2}) + (1 - \lambda) L_2(z_{D/2+1..D}),\quad L_\gamma = " + _POWER,
            traps="Each kernel sees half of the coordinates: the result depends on their order. Halves of unit rows "
            "are no unit rows.",
            sources=(_TAN,),
            peer="yifanzhang-pro/Kernel-InfoNCE, product",
        ),
    ),
)

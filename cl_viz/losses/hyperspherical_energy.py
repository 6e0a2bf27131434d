"""Decoupled hyperspherical energy (DHEL) and kernel contrastive losses: negatives within each view only."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from cl_viz.core.params import Params, param
from cl_viz.core.result import Source
from cl_viz.core.specs import LossFamily, LossInputs, LossSpec
from cl_viz.losses._views import all_views, same_points, sums_without_self, temperature_param, two_views


@dataclass(frozen=True)
class DHELParams(Params):
    """Parameters of DHEL; the authors' defaults."""

    temperature: float = temperature_param(0.3)
    second_view: bool = param(True, "Negatives within view 2 count too; else those of view 1 alone.")


@dataclass(frozen=True)
class PairwiseDHELParams(Params):
    """Parameters of DHEL over pairs of views; the authors' temperature for two."""

    temperature: float = temperature_param(0.3)


@dataclass(frozen=True)
class KernelParams(Params):
    """Parameters of the kernel contrastive loss; the authors' defaults."""

    kernel: str = param("gaussian", "Kernel of the distance.", choices=("gaussian", "log", "imq", "riesz"))
    t: float = param(
        2.0, "Width: t of the Gaussian and log kernels, c of imq, the power of Riesz.", low=-2.0, high=100.0
    )
    energy_weight: float = param(16.0, "Gamma: weight of the energy of negatives.", low=0.0, high=1000.0)


def dhel(inputs: LossInputs, params: DHELParams) -> Tensor:
    """Return the loss of each pair, shape (N,).

    Raises
    ------
    InputError
        For N < 2, where no negatives are left.
    """
    first, second = two_views(inputs, "dhel", smallest=2)
    energy = sums_without_self(first, params.temperature, inputs.tile)
    if params.second_view:
        energy = energy + sums_without_self(second, params.temperature, inputs.tile)
    return energy - (first * second).sum(dim=1) / params.temperature


def dhel_pairwise_views(inputs: LossInputs, params: PairwiseDHELParams) -> Tensor:
    """Return each sample's mean of DHEL over all pairs of views, shape (N,); errors as `dhel`."""
    views = all_views(inputs, "dhel_pairwise_views", smallest=2)
    two = DHELParams(temperature=params.temperature)
    pairs = [dhel(LossInputs(views=pair, tile=inputs.tile), two) for pair in combinations(views.unbind(), 2)]
    return torch.stack(pairs).mean(dim=0)


def kernel_contrastive(inputs: LossInputs, params: KernelParams) -> Tensor:
    """Return -2 k(x_i, y_i) + gamma * (mean kernel to the others, within each view), shape (N,); errors as `dhel`."""
    first, second = two_views(inputs, "kernel_contrastive", smallest=2)
    # The authors' log kernel has a factor 1/2 in the energy and none in the alignment.
    half = 0.5 if params.kernel == "log" else 1.0
    energy = half * (_mean_kernel(first, params) + _mean_kernel(second, params))
    squared = (first - second).square().sum(dim=1)
    return params.energy_weight * energy - 2 * _kernel(squared, params)


def _mean_kernel(points: Tensor, params: KernelParams) -> Tensor:
    """Return each point's mean kernel to the other points, shape (N,)."""
    squared = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist").square()
    itself = same_points(len(points), points.device)
    # The diagonal takes any distance but 0 before it is left out: a Riesz kernel is infinite there.
    values = _kernel(squared.masked_fill(itself, 1.0), params)
    return values.masked_fill(itself, 0.0).sum(dim=1) / (len(points) - 1)


def _kernel(squared: Tensor, params: KernelParams) -> Tensor:
    t = params.t
    if params.kernel == "gaussian":
        return torch.exp(-t * squared)
    if params.kernel == "log":
        return -torch.log1p(t * squared)
    if params.kernel == "imq":
        return t / torch.sqrt(t**2 + squared)
    # Below 0 the power is taken of the distance itself, with a minus sign, so that near is still high.
    floor = torch.finfo(squared.dtype).tiny
    return squared.clamp_min(floor) ** (-t / 2) * (1.0 if t >= 0 else -1.0)


_KOROMILAS = Source(
    "Koromilas and others 2024, Bridging mini-batch and asymptotic analysis in contrastive learning",
    "https://arxiv.org/abs/2405.18045",
)

SPEC = LossFamily(
    name="hyperspherical_energy",
    label="Energy within views",
    losses=(
        LossSpec(
            name="dhel",
            label="DHEL",
            compute=dhel,
            params=DHELParams,
            needs=("two_views",),
            rows="unit",
            formula=r"\frac1N\sum_i\Big(-x_i\cdot y_i/\tau + \log\sum_{j\neq i} e^{x_i\cdot x_j/\tau}"
            r" + \log\sum_{j\neq i} e^{y_i\cdot y_j/\tau}\Big)",
            traps="A mean over N, not 2N: two logarithms stand against one positive. No negatives across views, and "
            "sums inside the logarithms, so the value may have any sign.",
            sources=(_KOROMILAS,),
            peer="pakoromilas/DHEL-KCL DHEL",
        ),
        LossSpec(
            name="dhel_pairwise_views",
            label="DHEL over pairs of views",
            compute=dhel_pairwise_views,
            params=PairwiseDHELParams,
            needs=("two_views",),
            rows="unit",
            formula=r"\frac{2}{V(V-1)}\sum_{u<v}\mathrm{DHEL}(z^u, z^v)",
            traps="Each pair of views is looked at alone: MV-DHEL takes all views at once. With two views it is DHEL.",
            sources=(_KOROMILAS,),
            peer="pakoromilas/Multi-View-CL MVDHEL(pwe)",
        ),
        LossSpec(
            name="kernel_contrastive",
            label="Kernel contrastive (KCL)",
            compute=kernel_contrastive,
            params=KernelParams,
            needs=("two_views",),
            rows="unit",
            formula=r"-\frac2N\sum_i k(x_i, y_i) + \gamma\Big(\tfrac{2}{N(N-1)}\sum_{i<j} k(x_i, x_j)"
            r" + \tfrac{2}{N(N-1)}\sum_{i<j} k(y_i, y_j)\Big),\quad k = e^{-t d^2},\ -\log(1 + t d^2),\ "
            r"\tfrac{t}{\sqrt{t^2 + d^2}},\ d^{-t}",
            traps="No logarithm outside: minibatches give an unbiased estimate. The authors' log kernel is halved in "
            "the energy but not in the alignment, and so here. The Riesz kernel is unbounded where points meet, "
            "positives too.",
            sources=(_KOROMILAS,),
            peer="pakoromilas/DHEL-KCL KCL",
        ),
    ),
)

"""Alignment of positives and uniformity on the sphere, alone, added, and of the views' centroids."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cl_viz.core.errors import InputError
from cl_viz.core.params import Params, param
from cl_viz.core.result import Source
from cl_viz.core.specs import LossFamily, LossInputs, LossSpec
from cl_viz.losses._views import all_views, first_view, two_views

_ALPHA_HELP = "Power of the distance between positives."
_T_HELP = "Width of the Gaussian potential: larger looks at nearer neighbours."


@dataclass(frozen=True)
class AlignmentParams(Params):
    """Parameters of alignment; the authors' default."""

    alpha: float = param(2.0, _ALPHA_HELP, low=0.1, high=10.0)


@dataclass(frozen=True)
class UniformityParams(Params):
    """Parameters of uniformity; the authors' default."""

    t: float = param(2.0, _T_HELP, low=1e-3, high=100.0, log=True)


@dataclass(frozen=True)
class AlignUniformParams(Params):
    """Parameters of the sum; the authors' defaults."""

    alpha: float = param(2.0, _ALPHA_HELP, low=0.1, high=10.0)
    t: float = param(2.0, _T_HELP, low=1e-3, high=100.0, log=True)
    uniformity_weight: float = param(1.0, "Weight of uniformity; alignment has weight 1.", low=0.0, high=1000.0)


def alignment(inputs: LossInputs, params: AlignmentParams) -> Tensor:
    """Return the distance of each pair to the power alpha, shape (N,)."""
    first, second = two_views(inputs, "alignment")
    distance: Tensor = torch.linalg.vector_norm(first - second, dim=1)
    return distance**params.alpha


def uniformity(inputs: LossInputs, params: UniformityParams) -> Tensor:
    """Return the log mean Gaussian potential over unordered pairs of the first view, shape ()."""
    return _log_mean_potential(first_view(inputs, "uniformity"), params.t)


def align_uniform(inputs: LossInputs, params: AlignUniformParams) -> Tensor:
    """Return mean alignment + weight * (uniformity of view 1 + of view 2) / 2, shape ()."""
    first, second = two_views(inputs, "align_uniform", smallest=2)
    spread = (_log_mean_potential(first, params.t) + _log_mean_potential(second, params.t)) / 2
    return alignment(inputs, AlignmentParams(alpha=params.alpha)).mean() + params.uniformity_weight * spread


def decoupled_uniformity(inputs: LossInputs, params: UniformityParams) -> Tensor:
    """Return the uniformity of the samples' centroids over views, shape (); centroids are not normalised again."""
    return _log_mean_potential(all_views(inputs, "decoupled_uniformity", smallest=2).mean(dim=0), params.t)


def _log_mean_potential(points: Tensor, t: float) -> Tensor:
    n_samples = len(points)
    if n_samples < 2:
        raise InputError(f"N = {n_samples}: there are no pairs", where="uniformity", allowed="N >= 2")
    squared = torch.nn.functional.pdist(points).square()
    n_pairs = torch.tensor(squared.numel(), dtype=points.dtype, device=points.device)
    return torch.logsumexp(-t * squared, dim=0) - torch.log(n_pairs)


_WANG = Source("Wang and Isola 2020, Alignment and uniformity", "https://arxiv.org/abs/2005.10242")

SPEC = LossFamily(
    name="alignment_uniformity",
    label="Alignment and uniformity",
    losses=(
        LossSpec(
            name="alignment",
            label="Alignment",
            compute=alignment,
            params=AlignmentParams,
            needs=("two_views",),
            rows="unit",
            formula=r"\frac{1}{N}\sum_i \lVert x_i - y_i\rVert^{\alpha}",
            traps="Alone it is minimal for a constant encoder. With alpha below 2 the gradient does not vanish at 0.",
            sources=(_WANG,),
            peer="SsnL/align_uniform align_loss",
        ),
        LossSpec(
            name="uniformity",
            label="Uniformity",
            compute=uniformity,
            params=UniformityParams,
            needs=(),
            rows="unit",
            formula=r"\log\frac{2}{N(N-1)}\sum_{i<j} e^{-t\lVert x_i - x_j\rVert^2}",
            traps="The mean is over unordered pairs of one view, positives are not part of it; it is 0 at complete "
            "collapse and cannot be below -4t.",
            sources=(_WANG,),
            peer="SsnL/align_uniform uniform_loss",
        ),
        LossSpec(
            name="align_uniform",
            label="Alignment + uniformity",
            compute=align_uniform,
            params=AlignUniformParams,
            needs=("two_views",),
            rows="unit",
            formula=r"\frac{1}{N}\sum_i \lVert x_i - y_i\rVert^{\alpha} + \lambda\,\tfrac12\big(U(x) + U(y)\big)",
            traps="lightly's HypersphereLoss has t = 1 by default, the paper t = 2.",
            sources=(_WANG,),
            peer="SsnL/align_uniform; lightly HypersphereLoss",
        ),
        LossSpec(
            name="decoupled_uniformity",
            label="Decoupled uniformity",
            compute=decoupled_uniformity,
            params=UniformityParams,
            needs=("two_views",),
            rows="unit",
            formula=r"\log\frac{2}{N(N-1)}\sum_{i<j} e^{-t\lVert\mu_i - \mu_j\rVert^2},"
            r"\quad \mu_i = \tfrac1V\sum_v z_i^v",
            traps="Centroids are not normalised: views that disagree have short centroids, which lie close together, "
            "so alignment is in the loss without a term of its own.",
            sources=(
                Source("Dufumier and others 2023, Integrating prior knowledge", "https://arxiv.org/abs/2206.01646"),
            ),
            peer="Duplums/contrastive-decoupled-uniformity",
        ),
    ),
)

"""VICReg: invariance of pairs, variance and covariance of coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cl_viz.core.params import Params, param
from cl_viz.core.result import Source
from cl_viz.core.specs import LossFamily, LossInputs, LossSpec
from cl_viz.losses._views import two_views


@dataclass(frozen=True)
class VICRegParams(Params):
    """Parameters of VICReg; the authors' defaults."""

    invariance_weight: float = param(25.0, "Weight of the distance between positives.", low=0.0, high=1000.0)
    variance_weight: float = param(25.0, "Weight of the hinge on each coordinate's spread.", low=0.0, high=1000.0)
    covariance_weight: float = param(1.0, "Weight of the squared covariances between coordinates.", low=0.0, high=1e3)
    epsilon: float = param(1e-4, "Added to a variance before its square root.", low=0.0, high=1.0)


def vicreg(inputs: LossInputs, params: VICRegParams) -> Tensor:
    """Return the weighted sum of the three terms, shape (); rows are raw, not normalised."""
    first, second = two_views(inputs, "vicreg", smallest=2)
    invariance = (first - second).square().mean()
    variance = (_variance_hinge(first, params.epsilon) + _variance_hinge(second, params.epsilon)) / 2
    covariance = _covariance_penalty(first) + _covariance_penalty(second)
    return (
        params.invariance_weight * invariance
        + params.variance_weight * variance
        + params.covariance_weight * covariance
    )


def _variance_hinge(points: Tensor, epsilon: float) -> Tensor:
    return torch.relu(1 - torch.sqrt(points.var(dim=0, unbiased=True) + epsilon)).mean()


def _covariance_penalty(points: Tensor) -> Tensor:
    centred = points - points.mean(dim=0)
    covariance = centred.T @ centred / (len(points) - 1)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / points.shape[1]


SPEC = LossFamily(
    name="variance_covariance",
    label="Variance and covariance",
    losses=(
        LossSpec(
            name="vicreg",
            label="VICReg",
            compute=vicreg,
            params=VICRegParams,
            needs=("two_views",),
            rows="raw",
            formula=r"25\,\frac{1}{ND}\lVert X - Y\rVert_F^2"
            r" + 25\,\tfrac12\sum_{Z}\frac1D\sum_k \mathrm{relu}\big(1 - \sqrt{\mathrm{Var}\,z_k + \epsilon}\big)"
            r" + \sum_{Z}\frac1D\sum_{k\neq l}\mathrm{Cov}(z)_{kl}^2",
            traps="Rows must be raw: normalised rows cannot reach unit variance in every coordinate. The invariance "
            "term is a mean over N and D; variances and covariances divide by N - 1.",
            sources=(Source("Bardes, Ponce, LeCun 2022, VICReg", "https://arxiv.org/abs/2105.04906"),),
            peer="lightly VICRegLoss; pytorch-metric-learning VICRegLoss",
        ),
    ),
)

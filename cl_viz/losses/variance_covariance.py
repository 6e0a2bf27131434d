"""Losses on the statistics of coordinates: VICReg, Barlow Twins and whitening (W-MSE)."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import torch
from torch import Tensor

from cl_viz.core.errors import InputError
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


@dataclass(frozen=True)
class BarlowTwinsParams(Params):
    """Parameters of Barlow Twins; the authors' defaults."""

    redundancy_weight: float = param(0.005, "Weight of correlations between coordinates.", low=0.0, high=10.0)
    epsilon: float = param(1e-5, "Added to a variance before its square root.", low=0.0, high=1.0)


@dataclass(frozen=True)
class WMSEParams(Params):
    """Parameters of W-MSE; the authors' default."""

    shrinkage: float = param(0.0, "Share of the identity mixed into each covariance.", low=0.0, high=1.0)


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


def barlow_twins(inputs: LossInputs, params: BarlowTwinsParams) -> Tensor:
    """Return the distance of the views' cross-correlation to the identity, shape (); rows are raw."""
    first, second = two_views(inputs, "barlow_twins", smallest=2)
    correlation = _standardised(first, params.epsilon).T @ _standardised(second, params.epsilon) / len(first)
    own = correlation.diagonal()
    between = correlation.square().sum() - own.square().sum()
    return (1 - own).square().sum() + params.redundancy_weight * between


def w_mse(inputs: LossInputs, params: WMSEParams) -> Tensor:
    """Return 2 - 2 cos of each pair after whitening each view by its own covariance, shape (N,); rows are raw.

    Raises
    ------
    InputError
        If there are not more samples than dimensions, or a covariance has no inverse.
    """
    first, second = two_views(inputs, "w_mse", smallest=2)
    white = [_whitened(view, params.shrinkage) for view in (first, second)]
    return 2 - 2 * torch.nn.functional.cosine_similarity(white[0], white[1], dim=1)


def _standardised(points: Tensor, epsilon: float) -> Tensor:
    # One fused operation, without running statistics; it wants an epsilon above 0, as small as it may be.
    return torch.nn.functional.batch_norm(points, None, None, training=True, eps=max(epsilon, sys.float_info.min))


def _whitened(points: Tensor, shrinkage: float) -> Tensor:
    n_samples, dimension = points.shape
    if n_samples <= dimension and shrinkage == 0:
        raise InputError(
            f"N = {n_samples} samples of dimension {dimension}: the covariance has no inverse", where="w_mse",
            allowed="N > D", remedy="use a larger batch, or shrinkage above 0",
        )  # fmt: skip
    centred = points - points.mean(dim=0)
    identity = torch.eye(dimension, dtype=points.dtype, device=points.device)
    covariance = (1 - shrinkage) * (centred.T @ centred / (n_samples - 1)) + shrinkage * identity
    lower, failed = torch.linalg.cholesky_ex(covariance)
    if failed:
        raise InputError(
            "the covariance has no inverse", where="w_mse", allowed="views that vary in every direction",
            remedy="use shrinkage above 0",
        )  # fmt: skip
    white: Tensor = torch.linalg.solve_triangular(lower, centred.T, upper=False)
    return white.T


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
        LossSpec(
            name="barlow_twins",
            label="Barlow Twins",
            compute=barlow_twins,
            params=BarlowTwinsParams,
            needs=("two_views",),
            rows="raw",
            formula=r"\sum_k (1 - C_{kk})^2 + \lambda\sum_{k\neq l} C_{kl}^2,\quad C = \tfrac1N \hat X^\top \hat Y",
            traps="Coordinates are standardised with the biased variance, as batch normalisation does. A sum over "
            "coordinates: the value grows with the dimension.",
            sources=(Source("Zbontar and others 2021, Barlow Twins", "https://arxiv.org/abs/2103.03230"),),
            peer="lightly BarlowTwinsLoss",
        ),
        LossSpec(
            name="w_mse",
            label="W-MSE (whitening)",
            compute=w_mse,
            params=WMSEParams,
            needs=("two_views",),
            rows="raw",
            formula=r"\frac1N\sum_i\big(2 - 2\cos(\tilde x_i, \tilde y_i)\big),\quad \tilde x = L^{-1}(x - \bar x),"
            r"\quad LL^\top = (1 - \epsilon)\,\mathrm{Cov}(X) + \epsilon I",
            traps="The inverse is that of the Cholesky factor, not the symmetric root: the result depends on the order "
            "of coordinates. Needs more samples than dimensions. The whole batch is one slice here; the authors whiten "
            "random slices where the batch is larger than the slice.",
            sources=(
                Source("Ermolov and others 2021, Whitening for self-supervision", "https://arxiv.org/abs/2007.06346"),
            ),
            peer="htdt/self-supervised Whitening2d; lightly WMSELoss",
        ),
    ),
)

"""Poly-view losses: one positive view at a time, the sample's other views in neither numerator nor denominator."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from cl_viz.core.params import Params
from cl_viz.core.result import Source
from cl_viz.core.specs import LossFamily, LossInputs, LossSpec
from cl_viz.losses._views import all_views, same_points, same_samples, temperature_param


@dataclass(frozen=True)
class PolyViewParams(Params):
    """Parameters of the poly-view losses; the temperature of their code."""

    temperature: float = temperature_param(0.2)


def poly_view_geometric(inputs: LossInputs, params: PolyViewParams) -> Tensor:
    """Return each row's mean over positive views of -log share, view after view, shape (VN,)."""
    minus_log_share, is_positive = _shares(inputs, params, "poly_view_geometric")
    return minus_log_share.masked_fill(~is_positive, 0.0).sum(dim=1) / (len(inputs.views) - 1)


def poly_view_arithmetic(inputs: LossInputs, params: PolyViewParams) -> Tensor:
    """Return -log of each row's mean share over positive views, view after view, shape (VN,)."""
    minus_log_share, is_positive = _shares(inputs, params, "poly_view_arithmetic")
    log_share = (-minus_log_share).masked_fill(~is_positive, -torch.inf)
    return math.log(len(inputs.views) - 1) - log_share.logsumexp(dim=1)


def _shares(inputs: LossInputs, params: PolyViewParams, loss: str) -> tuple[Tensor, Tensor]:
    """Return -log share of every pair of rows as if it were a positive, and which are, both (VN, VN)."""
    views = all_views(inputs, loss)
    n_views, n_samples, _ = views.shape
    points = views.flatten(0, 1)
    scores = points @ points.T / params.temperature
    same = same_samples(n_samples, n_views, views.device)
    negatives = scores.masked_fill(same, -torch.inf).logsumexp(dim=1, keepdim=True)
    return softplus(negatives - scores), same & ~same_points(len(points), views.device)


_SHIDANI = Source("Shidani and others 2024, Poly-view contrastive learning", "https://arxiv.org/abs/2403.05490")
_SHARE = (
    r"\ell_{iab} = \frac{e^{z_i^a\cdot z_i^b/\tau}}"
    r"{e^{z_i^a\cdot z_i^b/\tau} + \sum_{j\neq i}\sum_c e^{z_i^a\cdot z_j^c/\tau}}"
)

SPEC = LossFamily(
    name="poly_view",
    label="Poly-view",
    losses=(
        LossSpec(
            name="poly_view_geometric",
            label="Poly-view, geometric",
            compute=poly_view_geometric,
            params=PolyViewParams,
            needs=("two_views",),
            rows="unit",
            formula=r"-\frac{1}{NV}\sum_{i,a}\frac{1}{V-1}\sum_{b\neq a}\log\ell_{iab},\quad " + _SHARE,
            traps="The sample's other views are left out of the denominator, unlike in NT-Xent with several positives. "
            "With two views it is NT-Xent.",
            sources=(_SHIDANI,),
            peer="pakoromilas/Multi-View-CL PVCLoss",
        ),
        LossSpec(
            name="poly_view_arithmetic",
            label="Poly-view, arithmetic (the paper's form)",
            compute=poly_view_arithmetic,
            params=PolyViewParams,
            needs=("two_views",),
            rows="unit",
            formula=r"-\frac{1}{NV}\sum_{i,a}\log\Big(\frac{1}{V-1}\sum_{b\neq a}\ell_{iab}\Big),\quad " + _SHARE,
            traps="The paper's form, from its text: the code that is known returns another quantity, with another "
            "sign, order and constant. Never above the geometric form.",
            sources=(_SHIDANI,),
            peer="its definition and the inequality with the geometric form; known code differs",
        ),
    ),
)

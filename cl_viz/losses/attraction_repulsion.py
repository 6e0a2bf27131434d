"""Contrastive attraction and repulsion (CACR): distances weighted by how far positives and how near negatives are."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from cl_viz.core.params import Params, param
from cl_viz.core.result import Source
from cl_viz.core.specs import LossFamily, LossInputs, LossSpec
from cl_viz.losses._views import all_views, same_points

_WEIGHTING_HELP = "Weights by distance (conditional), or all alike (the authors' ablation)."


@dataclass(frozen=True)
class CACRParams(Params):
    """Parameters of CACR; the authors' defaults."""

    attraction_weight: float = param(1.0, "Alpha: weight of the attraction.", low=0.0, high=1000.0)
    repulsion_weight: float = param(1.0, "Beta: weight of the repulsion.", low=0.0, high=1000.0)
    positive_sharpness: float = param(1.0, "How much far positives weigh more.", low=0.0, high=100.0)
    negative_sharpness: float = param(1.0, "How much near negatives weigh more.", low=0.0, high=100.0)
    weighting: str = param("conditional", _WEIGHTING_HELP, choices=("conditional", "uniform"))
    stop_gradient: bool = param(False, "Hold the attraction's weights constant, as the authors' ImageNet code does.")


def cacr(inputs: LossInputs, params: CACRParams) -> Tensor:
    """Return each sample's attraction plus repulsion, shape (N,).

    Raises
    ------
    InputError
        For N < 2, where no negatives are left.
    """
    return cacr_attraction(inputs, params) + cacr_repulsion(inputs, params)


def cacr_attraction(inputs: LossInputs, params: CACRParams) -> Tensor:
    """Return each sample's weighted mean squared distance between its views, shape (N,)."""
    views = all_views(inputs, "cacr_attraction")
    n_views = len(views)
    squared = (views[:, None] - views[None, :]).square().sum(dim=-1)
    itself = same_points(n_views, views.device)[:, :, None]
    if params.weighting == "uniform":
        mean = squared.sum(dim=1) / (n_views - 1)
    else:
        weights = torch.softmax((params.positive_sharpness * squared).masked_fill(itself, -torch.inf), dim=1)
        if params.stop_gradient:
            weights = weights.detach()
        mean = (weights * squared).sum(dim=1)
    return params.attraction_weight * mean.mean(dim=0)


def cacr_repulsion(inputs: LossInputs, params: CACRParams) -> Tensor:
    """Return each sample's minus weighted mean squared distance to later views' others, shape (N,); errors as cacr."""
    views = all_views(inputs, "cacr_repulsion", smallest=2)
    itself = same_points(views.shape[1], views.device)
    total = torch.zeros_like(views[0, :, 0])
    pairs = list(combinations(views.unbind(), 2))
    for anchor, other in pairs:
        squared = torch.cdist(anchor, other, compute_mode="donot_use_mm_for_euclid_dist").square()
        if params.weighting == "uniform":
            total = total - squared.masked_fill(itself, 0.0).sum(dim=1) / (len(anchor) - 1)
        else:
            weights = torch.softmax((-params.negative_sharpness * squared).masked_fill(itself, -torch.inf), dim=1)
            total = total - (weights * squared).sum(dim=1)
    return params.repulsion_weight * total / len(pairs)


_ZHENG = Source("Zheng and others 2021, Contrastive attraction and repulsion", "https://arxiv.org/abs/2105.03746")
_ATTRACTION = (
    r"\frac{\alpha}{NV}\sum_{i,a}\sum_{b\neq a} w_{iab}\lVert z_i^a - z_i^b\rVert^2,"
    r"\quad w_{iab} \propto e^{\tau^+ \lVert z_i^a - z_i^b\rVert^2}"
)
_REPULSION = (
    r"-\frac{2\beta}{NV(V-1)}\sum_{i,\,a<b}\sum_{j\neq i} w_{iabj}\lVert z_i^a - z_j^b\rVert^2,"
    r"\quad w_{iabj} \propto e^{-\tau^- \lVert z_i^a - z_j^b\rVert^2}"
)

SPEC = LossFamily(
    name="attraction_repulsion",
    label="Attraction and repulsion (CACR)",
    losses=(
        LossSpec(
            name="cacr",
            label="CACR",
            compute=cacr,
            params=CACRParams,
            needs=("two_views",),
            rows="unit",
            formula=_ATTRACTION + r"\quad " + _REPULSION,
            traps="Far positives weigh most, so a false positive does too. The repulsion is a negative cost: the value "
            "may be negative. Only the earlier view of a pair is an anchor of repulsion. Weights carry gradient here; "
            "the authors' ImageNet code holds those of the attraction.",
            sources=(_ZHENG,),
            peer="JegZheng/CACR-SSL",
        ),
        LossSpec(
            name="cacr_attraction",
            label="CACR, attraction alone",
            compute=cacr_attraction,
            params=CACRParams,
            needs=("two_views",),
            rows="unit",
            formula=_ATTRACTION,
            traps="With two views there is one positive, whose weight is 1: it is plain alignment, whatever the "
            "sharpness. Alone it is minimal at collapse.",
            sources=(_ZHENG,),
            peer="JegZheng/CACR-SSL our_loss1",
        ),
        LossSpec(
            name="cacr_repulsion",
            label="CACR, repulsion alone",
            compute=cacr_repulsion,
            params=CACRParams,
            needs=("two_views",),
            rows="unit",
            formula=_REPULSION,
            traps="Negatives are those of the other view only; only the earlier view of a pair is an anchor.",
            sources=(_ZHENG,),
            peer="JegZheng/CACR-SSL our_loss2",
        ),
    ),
)

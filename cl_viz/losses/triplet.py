"""Triplet and N-pairs losses.

All triplets of a labelled batch are looked at without making them: for an anchor and a positive, the negatives of a
kind are those whose distance lies between two bounds, so counts and sums come from sorted distances.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize, triplet_margin_loss

from cl_viz.core.params import Params, param
from cl_viz.core.result import Source
from cl_viz.core.specs import LossFamily, LossInputs, LossSpec
from cl_viz.losses._tiled_softmax import log_sum_exp
from cl_viz.losses._views import all_views, labels_of_points, same_points, two_views

_MARGIN_HELP = "By how much a negative must be farther than the positive, as a distance."


@dataclass(frozen=True)
class TripletParams(Params):
    """Parameters of the triplet loss; pytorch-metric-learning's defaults."""

    margin: float = param(0.05, _MARGIN_HELP, low=0.0, high=2.0)
    mining: str = param(
        "all",
        "Triplets counted: all; the mined ones with a negative nearer than the positive (hard), farther by up to the "
        "miner's margin (semihard), either (mined), or farther than that (easy); or the hardest of each anchor.",
        choices=("all", "mined", "hard", "semihard", "easy", "batch_hard"),
    )
    miner_margin: float = param(0.2, "Margin that the kinds of triplets are told by.", low=0.0, high=2.0)


@dataclass(frozen=True)
class ExplicitTripletParams(Params):
    """Parameters of the loss of given triplets; torch's defaults."""

    margin: float = param(1.0, _MARGIN_HELP, low=0.0, high=100.0)
    power: float = param(2.0, "Norm that measures the distance.", low=1.0, high=10.0)
    epsilon: float = param(1e-6, "Added to each coordinate of a difference, as torch does.", low=0.0, high=1e-2)


@dataclass(frozen=True)
class NPairsParams(Params):
    """Parameters of the N-pairs loss; raw rows as in the paper, TensorFlow's weight of the norms."""

    normalise: bool = param(False, "Divide rows by their norms first, as pytorch-metric-learning does.")
    norm_weight: float = param(0.002, "Weight of the penalty on squared norms.", low=0.0, high=10.0)


def triplet(inputs: LossInputs, params: TripletParams) -> Tensor:
    """Return each anchor's share of the mean over triplets whose loss is positive, shape (VN,).

    The values are scaled so that their mean is that mean; without any such triplet they are 0.

    Raises
    ------
    MissingInputError
        Without labels.
    InputError
        If labels and rows differ in number.
    """
    points, labels = labels_of_points(inputs, "triplet")
    if params.mining == "batch_hard":
        sums, counts = _hardest(points, labels, params.margin)
        return sums * len(points) / counts.sum().clamp(min=1)
    distances = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    same = labels[:, None] == labels[None, :]
    is_positive = same & ~same_points(len(points), points.device)
    sums, counts = _between_bounds(distances, same, is_positive, params)
    return sums * len(points) / counts.sum().clamp(min=1)


def triplet_explicit(inputs: LossInputs, params: ExplicitTripletParams) -> Tensor:
    """Return the loss of each triplet (row of view 1, of view 2, of view 3), shape (N,)."""
    anchor, positive, negative = all_views(inputs, "triplet_explicit", fewest=3)[:3]
    value: Tensor = triplet_margin_loss(
        anchor, positive, negative, margin=params.margin, p=params.power, eps=params.epsilon, reduction="none"
    )
    return value


def npairs(inputs: LossInputs, params: NPairsParams) -> Tensor:
    """Return the N-pairs loss of the anchors of view 1, shape (N,); each pair is a class of its own."""
    first, second = two_views(inputs, "npairs")
    if params.normalise:
        first, second = normalize(first, dim=1), normalize(second, dim=1)
    norms = (first.square() + second.square()).sum(dim=1)
    positive = (first * second).sum(dim=1)
    return log_sum_exp(first, second, tile=inputs.tile) - positive + params.norm_weight / 4 * norms


def _hardest(points: Tensor, labels: Tensor, margin: float) -> tuple[Tensor, Tensor]:
    """Return the loss of each anchor's farthest positive and nearest negative, and whether it is positive."""
    with torch.no_grad():
        # Ordering squared distances by a matrix product is enough; the two that count are measured exactly below.
        half_squared = torch.addmm(points.square().sum(dim=1) / 2, points, points.T, alpha=-1)
        same = labels[:, None] == labels
        nearest, negative = half_squared.masked_fill(same, torch.inf).min(dim=1)
        farthest, positive = half_squared.masked_fill_(~same.fill_diagonal_(False), -torch.inf).max(dim=1)
        has_both = farthest.isfinite() & nearest.isfinite()
    norm = torch.linalg.vector_norm
    gap = norm(points - points[positive], dim=1) - norm(points - points[negative], dim=1)
    loss = torch.relu(gap + margin).masked_fill(~has_both, 0.0)
    return loss, loss > 0


def _between_bounds(
    distances: Tensor, same: Tensor, is_positive: Tensor, params: TripletParams
) -> tuple[Tensor, Tensor]:
    """Return each anchor's sum of positive losses and their number, over the triplets of the kind asked for."""
    # Sums of many distances are differenced below: double precision, whatever the rows have.
    ordered = distances.double().masked_fill(same, torch.inf).sort(dim=1).values
    before = torch.nn.functional.pad(ordered.masked_fill(ordered.isinf(), 0.0).cumsum(dim=1), (1, 0))
    to_positive = distances.double()

    def how_many(bound: Tensor, *, up_to: bool) -> Tensor:
        return torch.searchsorted(ordered.detach(), bound.detach().contiguous(), right=up_to)

    reach = to_positive + params.margin
    last = how_many(reach, up_to=False)
    first = torch.zeros_like(last)
    if params.mining == "hard":
        last = last.minimum(how_many(to_positive, up_to=True))
    elif params.mining == "semihard":
        first = how_many(to_positive, up_to=True)
        last = last.minimum(how_many(to_positive + params.miner_margin, up_to=True))
    elif params.mining == "mined":
        last = last.minimum(how_many(to_positive + params.miner_margin, up_to=True))
    elif params.mining == "easy":
        first = how_many(to_positive + params.miner_margin, up_to=True)
    last = last.maximum(first)
    counts = (last - first).masked_fill(~is_positive, 0)
    sums = counts * reach - (before.gather(1, last) - before.gather(1, first))
    return sums.masked_fill(~is_positive, 0.0).sum(dim=1).to(distances.dtype), counts.sum(dim=1)


_FACENET = Source("Schroff and others 2015, FaceNet", "https://arxiv.org/abs/1503.03832")
_HERMANS = Source("Hermans and others 2017, In defense of the triplet loss", "https://arxiv.org/abs/1703.07737")
_SOHN = Source(
    "Sohn 2016, Improved deep metric learning with multi-class N-pair loss",
    "https://papers.nips.cc/paper/2016/hash/6b180037abbebea991d8b1232f8a8ca9-Abstract.html",
)

SPEC = LossFamily(
    name="triplet",
    label="Triplets and N-pairs",
    losses=(
        LossSpec(
            name="triplet",
            label="Triplet",
            compute=triplet,
            params=TripletParams,
            needs=("labels",),
            rows="unit",
            formula=r"\frac{1}{|\{\ell > 0\}|}\sum_{(a,p,n)}\ell_{apn},"
            r"\quad \ell_{apn} = \big[\lVert z_a - z_p\rVert - \lVert z_a - z_n\rVert + m\big]_+",
            traps="The mean is over triplets whose loss is positive, not over all: the value does not fall as triplets "
            "are solved. Distances are Euclidean; FaceNet's margin 0.2 belongs to squared ones. Hard: the negative is "
            "at most as far as the positive; semi-hard: farther, by at most the miner's margin. Without a triplet of "
            "the kind the loss is 0.",
            sources=(_FACENET, _HERMANS),
            peer="pytorch-metric-learning TripletMarginLoss, TripletMarginMiner, BatchHardMiner",
        ),
        LossSpec(
            name="triplet_explicit",
            label="Triplet, given triplets",
            compute=triplet_explicit,
            params=ExplicitTripletParams,
            needs=("three_views",),
            rows="raw",
            formula=r"\frac1N\sum_i\big[\lVert x_i - y_i + \epsilon\rVert_p - \lVert x_i - w_i + \epsilon\rVert_p"
            r" + m\big]_+",
            traps="The third view holds the negatives. The mean is over all triplets, solved ones too; torch adds "
            "epsilon to every coordinate of a difference.",
            sources=(_FACENET,),
            peer="torch.nn.TripletMarginLoss",
        ),
        LossSpec(
            name="npairs",
            label="N-pairs",
            compute=npairs,
            params=NPairsParams,
            needs=("two_views",),
            rows="raw",
            formula=r"\frac1N\sum_i\Big(\log\sum_j e^{x_i\cdot y_j} - x_i\cdot y_i"
            r" + \tfrac{\lambda}{4}\big(\lVert x_i\rVert^2 + \lVert y_i\rVert^2\big)\Big)",
            traps="One-sided and without a temperature: on unit rows it is InfoNCE at temperature 1, which hardly "
            "separates. The paper keeps raw rows and penalises their norms; pytorch-metric-learning normalises.",
            sources=(_SOHN,),
            peer="pytorch-metric-learning NPairsLoss",
        ),
    ),
)

"""Mean-shifted contrastive loss: angles are measured around the centre of the data, not around the origin."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from cl_viz.core.errors import InputError
from cl_viz.core.params import Params, param
from cl_viz.core.result import Source
from cl_viz.core.specs import LossFamily, LossInputs, LossSpec
from cl_viz.losses._views import sums_over_negatives, temperature_param, two_views


@dataclass(frozen=True)
class MeanShiftedParams(Params):
    """Parameters of the mean-shifted loss; the authors' temperature."""

    temperature: float = temperature_param(0.25)
    angular: bool = param(False, "Use the centre's direction, and add squared distances to it.")


def mean_shifted(inputs: LossInputs, params: MeanShiftedParams) -> Tensor:
    """Return NT-Xent of the normalised differences from the centre, view 1, then view 2; shape (2N,).

    Raises
    ------
    InputError
        If the centre has another dimension, or a row lies on it.
    """
    first, second = two_views(inputs, "mean_shifted")
    points = torch.cat([first, second])
    center = (points.mean(dim=0) if inputs.center is None else inputs.center).detach()
    if center.shape != first.shape[1:]:
        raise InputError(
            f"center of shape {tuple(center.shape)}", where="mean_shifted", allowed=f"shape ({first.shape[1]},)"
        )
    if params.angular:
        center = torch.nn.functional.normalize(center, dim=0)
    away = points - center
    length = torch.linalg.vector_norm(away, dim=1, keepdim=True)
    if bool((length == 0).any()):
        raise InputError("a row lies on the centre: it has no direction from there", where="mean_shifted")
    directions = away / length
    halves = directions[: len(first)], directions[len(first) :]
    positive, negatives = sums_over_negatives(*halves, params.temperature, inputs.tile)
    value = softplus(negatives - positive)
    return value + 2 * away.square().sum(dim=1) if params.angular else value


SPEC = LossFamily(
    name="mean_shifted",
    label="Mean-shifted",
    losses=(
        LossSpec(
            name="mean_shifted",
            label="Mean-shifted NT-Xent",
            compute=mean_shifted,
            params=MeanShiftedParams,
            needs=("two_views",),
            rows="unit",
            formula=r"\text{NT-Xent of}\ \frac{z - c}{\lVert z - c\rVert}"
            r"\quad \big(+ \tfrac1N\sum_i \lVert x_i - c\rVert^2 + \lVert y_i - c\rVert^2\ \text{if angular}\big)",
            traps="The centre is a constant: the authors' is the mean of the pretrained features of the training set, "
            "the batch's mean stands in where none is given. Rows near the centre have no stable direction.",
            sources=(
                Source("Reiss and Hoshen 2023, Mean-shifted contrastive loss", "https://arxiv.org/abs/2106.03844"),
            ),
            peer="talreiss/Mean-Shifted-Anomaly-Detection",
        ),
    ),
)

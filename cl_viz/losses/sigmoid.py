"""SigLIP: each pair of the two modalities is a binary question of its own."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import softplus

from cl_viz.core.params import Params, param
from cl_viz.core.result import Source
from cl_viz.core.specs import LossFamily, LossInputs, LossSpec
from cl_viz.losses._tiled_softmax import LeftOut, softplus_sum
from cl_viz.losses._views import two_views


@dataclass(frozen=True)
class SigLIPParams(Params):
    """Parameters of SigLIP; the authors' initial values."""

    logit_scale: float = param(10.0, "Multiplies the cosine; learnt in training.", low=1e-2, high=1000.0, log=True)
    logit_bias: float = param(-10.0, "Added to the scaled cosine; learnt in training.", low=-1000.0, high=1000.0)


def siglip(inputs: LossInputs, params: SigLIPParams) -> Tensor:
    """Return the sum of binary losses over each row of view 1, shape (N,)."""
    first, second = two_views(inputs, "siglip")
    scaled = params.logit_scale * first
    of_negatives = softplus_sum(scaled, second, params.logit_bias, LeftOut(len(first)), inputs.tile)
    return of_negatives + softplus(-(scaled * second).sum(dim=1) - params.logit_bias)


SPEC = LossFamily(
    name="sigmoid",
    label="Sigmoid",
    losses=(
        LossSpec(
            name="siglip",
            label="SigLIP",
            compute=siglip,
            params=SigLIPParams,
            needs=("two_views",),
            rows="unit",
            formula=r"\frac1N\sum_i\sum_j \log\big(1 + e^{-m_{ij}(g\,x_i\cdot y_j + b)}\big),"
            r"\quad m_{ij} = \begin{cases}1 & i = j\\ -1 & i\neq j\end{cases}",
            traps="The sum over all N squared pairs is divided by N, not by N squared: the value grows with the batch. "
            "The scale g itself is given; in training its logarithm, at first log 10, is learnt.",
            sources=(Source("Zhai and others 2023, Sigmoid loss (SigLIP)", "https://arxiv.org/abs/2303.15343"),),
            peer="open_clip SigLipLoss",
        ),
    ),
)

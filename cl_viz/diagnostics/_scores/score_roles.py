"""What every diagnostic of scores lets one choose, and the paper they all begin from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cl_viz.core.params import Params, param
from cl_viz.core.result import Source

ZHU = Source(
    "Zhu et al. 2021, Improving Contrastive Learning by Visualizing Feature Transformation",
    "https://arxiv.org/abs/2108.02982",
)


@dataclass(frozen=True)
class RoleParams(Params):
    """Which pairs are positives and negatives."""

    positives: Literal["auto", "views", "labels"] = param(
        "auto",
        "Positives: two views of one sample, or two samples of one label. auto: views where there are two.",
        choices=("auto", "views", "labels"),
    )
    negatives: Literal["cross", "all"] = param(
        "cross",
        "Negatives: across views only (CLIP, MoCo), or within views too (SimCLR). With one view the two are the same.",
        choices=("cross", "all"),
    )

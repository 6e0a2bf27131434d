"""Thresholds of temperature and hardness."""

from __future__ import annotations

from cl_viz.core.result import Source
from cl_viz.core.threshold import Threshold

_WANG_LIU = Source(
    "Wang and Liu 2021, Understanding the Behaviour of Contrastive Loss", "https://arxiv.org/abs/2012.09740"
)
_YEH = Source("Yeh et al. 2022, Decoupled Contrastive Learning", "https://arxiv.org/abs/2110.06848")

FEW_NEGATIVES = Threshold(
    what="Negatives that share the push (effective sample size)",
    watch=10.0,
    worse="lower",
    why="Towards temperature 0 the loss sees the hardest one alone. A sparse push is a choice.",
    source=_WANG_LIU,
)

EVEN_PUSH = Threshold(
    what="Share of the negatives that carry the push (exp of the entropy over their number)",
    watch=0.95,
    worse="higher",
    why="Towards infinite temperature all are pushed alike and hardness no longer counts.",
    source=_WANG_LIU,
)

SIGNAL = Threshold(
    what="Mean of 1 - P of the positive, which multiplies every gradient",
    watch=0.5,
    worse="lower",
    why="Where it is small the batch is too easy.",
    source=_YEH,
)

UNIFORMITY_SHARE = Threshold(
    what="Uniformity over that of random directions in the same dimension",
    watch=0.5,
    bad=0.05,
    worse="lower",
    why="At 0 all embeddings are one point, and samples of one label are alike because all samples are.",
    source=Source(
        "Wang and Isola 2020, Understanding Contrastive Representation Learning through Alignment and Uniformity",
        "https://arxiv.org/abs/2005.10242",
    ),
)

CLAMPED = Threshold(
    what="Share of the positives at which the debiased estimate falls below its least possible value",
    watch=0.05,
    bad=0.5,
    worse="higher",
    why="There its gradient in the negatives is 0.",
    source=Source("Chuang et al. 2020, Debiased Contrastive Learning", "https://arxiv.org/abs/2007.00224"),
)

AT_END = Threshold(
    what="Share of the rows whose best temperature is an end of the allowed range",
    watch=0.5,
    worse="higher",
    why="There ρ, not the row, decides.",
    source=Source(
        "Qiu et al. 2023, Not All Semantics are Created Equal (iSogCLR)",
        "https://arxiv.org/abs/2305.11965",
    ),
)

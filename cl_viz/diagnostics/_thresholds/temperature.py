"""Thresholds of temperature and hardness."""

from __future__ import annotations

from cl_viz.core.result import Source
from cl_viz.diagnostics._thresholds.threshold import Threshold

_WANG_LIU = Source(
    "Wang and Liu 2021, Understanding the Behaviour of Contrastive Loss", "https://arxiv.org/abs/2012.09740"
)
_YEH = Source("Yeh et al. 2022, Decoupled Contrastive Learning", "https://arxiv.org/abs/2110.06848")

FEW_NEGATIVES = Threshold(10.0, 0.0, _WANG_LIU)
"""Negatives that share the push (effective sample size). Towards temperature 0 the loss sees the hardest one alone
(their limit); ten is a rule of thumb. Never bad: a sparse push is a choice."""

EVEN_PUSH = Threshold(0.95, 2.0, _WANG_LIU)
"""Share of the negatives that carry the push (exp of the entropy over their number). Towards temperature infinity all
are pushed alike and hardness no longer counts (their limit). Never bad: it is a share."""

SIGNAL = Threshold(0.5, 0.0, _YEH)
"""Mean of 1 - P of the positive, which multiplies every gradient: below half, the batch is too easy. Never bad."""

UNIFORMITY_SHARE = Threshold(
    0.5,
    0.05,
    Source(
        "Wang and Isola 2020, Understanding Contrastive Representation Learning through Alignment and Uniformity",
        "https://arxiv.org/abs/2005.10242",
    ),
)
"""Uniformity over that of random directions in the same dimension: at 0 all embeddings are one point, and samples of
one label are alike because all samples are."""

CLAMPED = Threshold(
    0.05,
    0.5,
    Source("Chuang et al. 2020, Debiased Contrastive Learning", "https://arxiv.org/abs/2007.00224"),
)
"""Share of the positives at which the debiased estimate falls below its least possible value, where its gradient in
the negatives is 0."""

AT_END = Threshold(
    0.5,
    2.0,
    Source(
        "Qiu et al. 2023, Not All Semantics are Created Equal (iSogCLR)",
        "https://arxiv.org/abs/2305.11965",
    ),
)
"""Share of the rows whose best temperature is an end of the allowed range: rho, not the row, then decides."""

"""Thresholds of the score distribution."""

from __future__ import annotations

from cl_viz.core.result import Source
from cl_viz.diagnostics._thresholds.threshold import Threshold

AUC = Threshold(
    0.9,
    0.7,
    Source("Swets 1988, Measuring the accuracy of diagnostic systems", "https://doi.org/10.1126/science.3287615"),
)
"""Swets: 0.5 to 0.7 low accuracy, 0.7 to 0.9 useful, above 0.9 high."""

NEGATIVE_MEAN = Threshold(
    0.5,
    0.9,
    Source("Liang et al. 2022, Mind the Gap (the cone effect)", "https://arxiv.org/abs/2203.02053"),
)
"""Mean cosine of different samples: random directions have 0; above 0.5 the embeddings fill a narrow cone."""

NEGATIVE_SPREAD = Threshold(
    0.1,
    0.01,
    Source(
        "Wang and Isola 2020, Understanding Contrastive Representation Learning through Alignment and Uniformity",
        "https://arxiv.org/abs/2005.10242",
    ),
)
"""Variance of the negatives as a share of that of random directions (1/D): near 0 all pairs score alike."""

FALSE_NEGATIVE_PUSH = Threshold(
    0.5,
    0.75,
    Source("Chuang et al. 2020, Debiased Contrastive Learning", "https://arxiv.org/abs/2007.00224"),
)
"""Share of the repulsion on samples of the same label, beyond their share of the negatives and as a part of what is
left of it: half, and three quarters."""

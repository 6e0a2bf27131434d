"""Thresholds of collapse and neural collapse."""

from __future__ import annotations

from cl_viz.core.result import Source
from cl_viz.diagnostics._thresholds.threshold import Threshold

CHEN_HE = Source(
    "Chen and He 2021, Exploring Simple Siamese Representation Learning", "https://arxiv.org/abs/2011.10566"
)
JING = Source(
    "Jing et al. 2022, Understanding Dimensional Collapse in Contrastive Self-supervised Learning",
    "https://arxiv.org/abs/2110.09348",
)
ROY = Source(
    "Roy and Vetterli 2007, The effective rank: a measure of effective dimensionality",
    "https://infoscience.epfl.ch/record/110188",
)
GARRIDO = Source(
    "Garrido et al. 2023, RankMe: assessing the downstream performance of pretrained self-supervised representations "
    "by their rank",
    "https://arxiv.org/abs/2210.02885",
)
AGRAWAL = Source(
    "Agrawal et al. 2022, alpha-ReQ: assessing representation quality by measuring eigenspectrum decay",
    "https://openreview.net/forum?id=ii9X4vtZGTZ",
)
THILAK = Source(
    "Thilak et al. 2023, LiDAR: sensing linear probing performance in joint embedding SSL architectures",
    "https://arxiv.org/abs/2312.04000",
)
PAPYAN = Source(
    "Papyan, Han and Donoho 2020, Prevalence of neural collapse during the terminal phase of deep learning training",
    "https://arxiv.org/abs/2008.08186",
)
KINI = Source(
    "Kini et al. 2023, Supervised-contrastive loss learns orthogonal frames and batching matters",
    "https://arxiv.org/abs/2306.07960",
)

TOTAL_VARIANCE = Threshold(0.1, 0.01, CHEN_HE)
"""Sum of the variances of the unit rows: 1 on the uniform sphere, 0 where all rows are one direction."""

CLIFF_DECADES = 1.0
"""A fall to a tenth between neighbouring eigenvalues, and more than any in the null at the same N and D."""

LOST_DIMENSIONS = Threshold(0.1, 0.5, JING)
"""Share of the dimensions that lie behind the cliff."""

FILLED_DIMENSIONS = Threshold(0.25, 0.1, ROY)
"""Covariance entropy rank as a share of that of the uniform sphere at the same N and D."""

RANK_KEPT = Threshold(0.5, 0.2, GARRIDO)
"""Covariance entropy rank at the last step as a share of the largest at any step."""

POWER_LAW_FIT = Threshold(0.9, -1e9, AGRAWAL)
"""R² below which the exponent describes no line; never bad by itself."""

ALPHA = Threshold(2.0, 1e9, AGRAWAL)
"""Exponent above which few dimensions hold the variance; never bad by itself. The authors find the best near 1."""

DELTA_SHARE = Threshold(0.1, 1e9, THILAK)
"""Regulariser as a share of the mean variance between views: above it the regulariser decides with the data."""

PROJECTOR_BETTER = Threshold(
    0.05,
    -1.0,
    Source(
        "Chen et al. 2020, A Simple Framework for Contrastive Learning of Visual Representations",
        "https://arxiv.org/abs/2002.05709",
    ),
)
"""p-value of the exact McNemar test that the projector's neighbours are no better than the backbone's; never bad."""

CLASS_SHARE = Threshold(0.05, -1e9, PAPYAN)
"""Share of the variance that is left within classes; collapse of classes is wanted by some, so never bad by itself."""

AGREEMENT = Threshold(0.5, -1e9, PAPYAN)
"""Share of rows on which head and nearest class mean agree; no embedding must have it, so never bad."""

SHUFFLED_LABELS = Threshold(0.01, 2.0, PAPYAN)
"""p-value that shuffled labels would leave as little variance within classes: above it they are chance."""

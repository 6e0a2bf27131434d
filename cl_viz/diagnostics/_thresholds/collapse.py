"""Thresholds of collapse and neural collapse."""

from __future__ import annotations

from cl_viz.core.result import Source
from cl_viz.core.threshold import Condition, Threshold

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

TOTAL_VARIANCE = Threshold(
    what="Total variance of the unit rows",
    watch=0.1,
    bad=0.01,
    worse="lower",
    why="It is 1 on the uniform sphere and 0 where all rows are one direction.",
    source=CHEN_HE,
)

CLIFF = Condition(
    what="Fall to the next eigenvalue at the cliff, in decades",
    limit=1.0,
    worse="higher",
    why="A fall to a tenth, with under 5 % of the variance beyond; it must also be as far as any of the null at the "
    "same N and D.",
    source=JING,
)

LOST_DIMENSIONS = Threshold(
    what="Share of the dimensions that lie behind the cliff",
    watch=0.1,
    bad=0.5,
    worse="higher",
    why="Where there is no cliff, none are lost.",
    source=JING,
)

FILLED_DIMENSIONS = Threshold(
    what="Covariance entropy rank, as a share of that of the uniform sphere at the same N and D",
    watch=0.25,
    bad=0.1,
    worse="lower",
    why="The uniform sphere fills all dimensions that N rows can.",
    source=ROY,
)

RANK_KEPT = Threshold(
    what="Covariance entropy rank at the last step, as a share of the largest at any step",
    watch=0.5,
    bad=0.2,
    worse="lower",
    why="The authors find that rank and accuracy fall together.",
    source=GARRIDO,
)

POWER_LAW_FIT = Threshold(
    what="R² of the line that gives the exponent",
    watch=0.9,
    worse="lower",
    why="Below it the exponent describes no line.",
    source=AGRAWAL,
)

ALPHA = Threshold(
    what="Exponent α of the spectrum",
    watch=2.0,
    worse="higher",
    why="A steep spectrum leaves the variance to few dimensions; the authors find the best encoders near 1.",
    source=AGRAWAL,
)

DELTA_SHARE = Threshold(
    what="Regulariser as a share of the mean variance between views",
    watch=0.1,
    worse="higher",
    why="Above it the regulariser decides with the data.",
    source=THILAK,
)

PROJECTOR_BETTER = Threshold(
    what="P-value of the exact McNemar test that the projector's neighbours are no better than the backbone's",
    watch=0.05,
    worse="lower",
    why="The authors find the backbone better; a small value says that here the projector is.",
    source=Source(
        "Chen et al. 2020, A Simple Framework for Contrastive Learning of Visual Representations",
        "https://arxiv.org/abs/2002.05709",
    ),
)

CLASS_SHARE = Threshold(
    what="Share of the variance that is left within classes",
    watch=0.05,
    worse="lower",
    why="Towards 0 every class is one point. Some want that, so it is never bad by itself.",
    source=PAPYAN,
)

AGREEMENT = Threshold(
    what="Share of rows on which head and nearest class mean agree",
    watch=0.5,
    worse="lower",
    why="Under neural collapse it is 1; no embedding must have it.",
    source=PAPYAN,
)

SHUFFLED_LABELS = Threshold(
    what="P-value that shuffled labels would leave as little variance within classes",
    watch=0.01,
    worse="higher",
    why="Above it the classes may be chance.",
    source=PAPYAN,
)

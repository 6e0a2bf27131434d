"""Thresholds of the score distribution."""

from __future__ import annotations

from cl_viz.core.result import Source
from cl_viz.core.threshold import Threshold
from cl_viz.diagnostics._scores.score_roles import ZHU

AUC = Threshold(
    what="Probability that a positive scores above a negative (AUC)",
    watch=0.9,
    bad=0.7,
    worse="lower",
    why="The author calls 0.5 to 0.7 low accuracy, 0.7 to 0.9 useful, above 0.9 high.",
    source=Source(
        "Swets 1988, Measuring the accuracy of diagnostic systems", "https://doi.org/10.1126/science.3287615"
    ),
    from_source=True,
)

OVERLAP = Threshold(
    what="Overlap of positives and negatives at the last step",
    watch=0.5,
    worse="higher",
    included=False,
    why="A good AUC does not go with it: normal distributions of AUC 0.9 and one width share 0.37.",
    source=ZHU,
)

GAP_KEPT = Threshold(
    what="Mean score of positives less that of negatives at the last step, as a share of the largest at any step",
    watch=0.8,
    bad=0.1,
    worse="lower",
    included=False,
    why="Near 0 all scores have become alike.",
    source=ZHU,
)

NEGATIVE_MEAN = Threshold(
    what="Mean score of different samples",
    watch=0.5,
    bad=0.9,
    worse="higher",
    why="Random directions have 0; above 0.5 the embeddings fill a narrow cone.",
    source=Source("Liang et al. 2022, Mind the Gap (the cone effect)", "https://arxiv.org/abs/2203.02053"),
)

NEGATIVE_SPREAD = Threshold(
    what="Variance of the negatives as a share of that of random directions (1/D)",
    watch=0.1,
    bad=0.01,
    worse="lower",
    why="Near 0 all pairs score alike.",
    source=Source(
        "Wang and Isola 2020, Understanding Contrastive Representation Learning through Alignment and Uniformity",
        "https://arxiv.org/abs/2005.10242",
    ),
)

FALSE_NEGATIVE_PUSH = Threshold(
    what="Share of the push on samples of the same label, beyond their share of the negatives and as a part of "
    "what is left of it",
    watch=0.5,
    bad=0.75,
    worse="higher",
    why="Beyond it, a loss pushes samples apart mostly for being alike.",
    source=Source("Chuang et al. 2020, Debiased Contrastive Learning", "https://arxiv.org/abs/2007.00224"),
)

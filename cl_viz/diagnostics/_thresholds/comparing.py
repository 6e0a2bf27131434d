"""Thresholds of the comparison of runs. Conventions, all of them: how alike two runs should be is for the user."""

from __future__ import annotations

from cl_viz.core.result import Source
from cl_viz.core.threshold import Threshold

KORNBLITH = Source(
    "Kornblith et al. 2019, Similarity of Neural Network Representations Revisited", "https://arxiv.org/abs/1905.00414"
)
KLABUNDE = Source(
    "Klabunde et al. 2025, Similarity of Neural Network Models: A Survey of Functional and Representational Measures",
    "https://arxiv.org/abs/2305.06329",
)

UNRELATED = Threshold(
    what="Share of neighbours kept, as a multiple of that of unrelated embeddings",
    watch=2.0,
    worse="lower",
    why="At so few the runs are no more alike than chance; so they are where debiased CKA is not above 0.",
    source=KLABUNDE,
)

MEASURES_DISAGREE = Threshold(
    what="Debiased CKA less the share of neighbours kept",
    watch=0.4,
    worse="higher",
    why="Runs that are alike in the large and not in the small.",
    source=KLABUNDE,
)

"""Thresholds of feature transformation."""

from __future__ import annotations

from cl_viz.core.result import Source
from cl_viz.core.threshold import Threshold

BURIED_POSITIVES = Threshold(
    what="Share of transformed positives below the mean of their own negatives",
    watch=0.05,
    bad=0.25,
    worse="higher",
    why="Hard positives are wanted, lost ones are not.",
    source=Source(
        "Zhu et al. 2021, Improving Contrastive Learning by Visualizing Feature Transformation",
        "https://arxiv.org/abs/2108.02982",
    ),
)

MIXED_FALSE_NEGATIVES = Threshold(
    what="Share of the anchor's label among the queue items that mixtures are made of",
    watch=0.25,
    bad=0.5,
    worse="higher",
    why="Mixtures of false negatives push the anchor's own class away.",
    source=Source(
        "Kalantidis et al. 2020, Hard Negative Mixing for Contrastive Learning", "https://arxiv.org/abs/2010.01028"
    ),
)

"""Thresholds of feature transformation."""

from __future__ import annotations

from cl_viz.core.result import Source
from cl_viz.diagnostics._thresholds.threshold import Threshold

BURIED_POSITIVES = Threshold(
    0.05,
    0.25,
    Source(
        "Zhu et al. 2021, Improving Contrastive Learning by Visualizing Feature Transformation",
        "https://arxiv.org/abs/2108.02982",
    ),
)
"""Share of transformed positives below the mean of their own negatives: hard positives are wanted, lost ones not."""

MIXED_FALSE_NEGATIVES = Threshold(
    0.25,
    0.5,
    Source("Kalantidis et al. 2020, Hard Negative Mixing for Contrastive Learning", "https://arxiv.org/abs/2010.01028"),
)
"""Share of the anchor's label among the queue items that mixtures are made of."""

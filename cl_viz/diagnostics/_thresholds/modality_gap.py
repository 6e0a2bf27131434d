"""Thresholds of the modality gap."""

from __future__ import annotations

from cl_viz.core.result import Source
from cl_viz.core.threshold import Condition, Threshold

LIANG = Source(
    "Liang et al. 2022, Mind the Gap: Understanding the Modality Gap in Multi-modal Representation Learning",
    "https://arxiv.org/abs/2203.02053",
)
FAHIM = Source(
    "Fahim et al. 2024, It's Not a Modality Gap: Characterizing and Addressing the Contrastive Gap",
    "https://arxiv.org/abs/2405.18570",
)
SEPARABLE = Threshold(
    what="AUC of a plane between two views",
    watch=0.7,
    bad=0.9,
    worse="higher",
    why="Below 0.7 the author calls accuracy low, above 0.9 high.",
    source=Source(
        "Swets 1988, Measuring the accuracy of diagnostic systems", "https://doi.org/10.1126/science.3287615"
    ),
    from_source=True,
)

BEYOND_EXCHANGE = Condition(
    what="Share of exchanged views whose centres lie as far apart, times the pairs of views that were compared",
    limit=0.05,
    worse="lower",
    included=False,
    why="Without a gap beyond chance there is nothing to tell apart, and nothing to close.",
    source=LIANG,
)

CLOSING_HELPS = Threshold(
    what="P-value of the exact McNemar test that closing the gap changes retrieval, times the two directions",
    watch=0.05,
    worse="lower",
    included=False,
    why="Only a direction in which retrieval gets better counts.",
    source=FAHIM,
)

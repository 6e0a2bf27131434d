"""Thresholds of representation and allocation harm, and of groups."""

from __future__ import annotations

from cl_viz.core.result import Source
from cl_viz.core.threshold import Condition, Threshold

MAITY = Source(
    "Maity et al. 2024, An Investigation of Representation and Allocation Harms in Contrastive Learning",
    "https://arxiv.org/abs/2310.01583",
)

REPRESENTATION_HARM = Threshold(
    what="Representation harm (RH) towards one class",
    watch=0.95,
    bad=0.9,
    worse="lower",
    why="Unrelated classes have 1; the authors' figure of CIFAR10 calls out values from 0.78 to 0.95.",
    source=MAITY,
)

INDIRECT_EFFECT = Threshold(
    what="Accuracy of a class that the encoder adds although the probe is balanced",
    watch=-0.02,
    bad=-0.05,
    worse="lower",
    why="The authors' figure shows losses of 0.08 to 0.16.",
    source=MAITY,
)

WORST_GROUP = Source(
    "Sagawa et al. 2020, Distributionally Robust Neural Networks for Group Shifts", "https://arxiv.org/abs/1911.08731"
)

UNEQUAL_GROUPS = Condition(
    what="Share of equal groups of these sizes whose gap is as large",
    limit=0.05,
    worse="lower",
    why="The worst of several groups is below the rest by chance alone.",
    source=WORST_GROUP,
)

GROUP_GAP = Threshold(
    what="Accuracy of the best group less that of the worst, beyond what chance makes of equal groups of these sizes",
    watch=0.05,
    bad=0.2,
    worse="higher",
    why="The source argues that the worst group counts.",
    source=WORST_GROUP,
)

GRETTON = Source("Gretton et al. 2012, A Kernel Two-Sample Test", "https://jmlr.org/papers/v13/gretton12a.html")

SEPARATE_MEANS = Threshold(
    what="P-value that the two classes told apart least have one mean",
    watch=0.05,
    worse="higher",
    included=False,
    why="Above it they lie no further apart than chance; where that may be for want of samples, the level is unknown.",
    source=GRETTON,
)

ONE_DIRECTION = Threshold(
    what="Mean cosine of the two classes farthest apart",
    watch=0.9,
    bad=0.99,
    worse="higher",
    why="Near 1 the classes share one direction, whatever tells them apart.",
    source=Source("Liang et al. 2022, Mind the Gap (the cone effect)", "https://arxiv.org/abs/2203.02053"),
)

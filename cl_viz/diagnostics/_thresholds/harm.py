"""Thresholds of representation and allocation harm, and of groups."""

from __future__ import annotations

from cl_viz.core.result import Source
from cl_viz.diagnostics._thresholds.threshold import Threshold

MAITY = Source(
    "Maity et al. 2024, An Investigation of Representation and Allocation Harms in Contrastive Learning",
    "https://arxiv.org/abs/2310.01583",
)

REPRESENTATION_HARM = Threshold(0.95, 0.9, MAITY)
"""RH towards one class: the authors' CIFAR10 figure calls out values from 0.78 to 0.95; unrelated classes have 1."""

INDIRECT_EFFECT = Threshold(-0.02, -0.05, MAITY)
"""Accuracy of a class lost to the encoder although the probe is balanced: 0.08 to 0.16 in the authors' figure."""

WORST_GROUP = Source(
    "Sagawa et al. 2020, Distributionally Robust Neural Networks for Group Shifts", "https://arxiv.org/abs/1911.08731"
)

GROUP_GAP = Threshold(0.05, 0.2, WORST_GROUP)
"""Accuracy of the best group less that of the worst, beyond what chance makes of equal groups of these sizes."""

ONE_DIRECTION = Threshold(
    0.9,
    0.99,
    Source("Liang et al. 2022, Mind the Gap (the cone effect)", "https://arxiv.org/abs/2203.02053"),
)
"""Mean cosine of the two classes farthest apart: near 1 the classes share one direction, whatever tells them apart."""

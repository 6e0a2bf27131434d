"""Thresholds of class collapse and feature suppression."""

from __future__ import annotations

from cl_viz.core.result import Source
from cl_viz.diagnostics._thresholds.downstream import LANDIS_KOCH
from cl_viz.diagnostics._thresholds.threshold import Threshold

XUE = Source(
    "Xue et al. 2023, Which Features are Learnt by Contrastive Learning? On the Role of Simplicity Bias in Class "
    "Collapse and Feature Suppression",
    "https://arxiv.org/abs/2305.16536",
)
NESTED_VARIANCE = Threshold(
    0.1,
    0.01,
    Source(
        "Papyan et al. 2020, Prevalence of Neural Collapse during the terminal phase of deep learning training",
        "https://doi.org/10.1073/pnas.2015509117",
    ),
)
"""Variance between subclasses over that between classes: under neural collapse variability inside classes vanishes
against that between them, and by rule of thumb 0.1 to 0.01 is where supervised training ends."""

SUPPRESSED = Threshold(0.6, 0.2, LANDIS_KOCH)
"""Skill of a label while another column is read well: Landis and Koch call below 0.2 slight, above 0.6 substantial."""

"""Thresholds of class collapse and feature suppression."""

from __future__ import annotations

from cl_viz.core.result import Source
from cl_viz.core.threshold import Threshold
from cl_viz.diagnostics._thresholds.downstream import LANDIS_KOCH

XUE = Source(
    "Xue et al. 2023, Which Features are Learnt by Contrastive Learning? On the Role of Simplicity Bias in Class "
    "Collapse and Feature Suppression",
    "https://arxiv.org/abs/2305.16536",
)
NESTED_VARIANCE = Threshold(
    what="Variance between subclasses over that between classes",
    watch=0.1,
    bad=0.01,
    worse="lower",
    why="Under neural collapse what varies inside classes vanishes against what varies between them; 0.1 to "
    "0.01 is where supervised training ends.",
    source=Source(
        "Papyan et al. 2020, Prevalence of Neural Collapse during the terminal phase of deep learning training",
        "https://doi.org/10.1073/pnas.2015509117",
    ),
)

SUBCLASS_BY_CHANCE = Threshold(
    what="P-value that a probe reads shuffled subclasses as well",
    watch=0.05,
    worse="higher",
    included=False,
    why="Above it the subclass is read no better than chance. That is bad where the class itself is read well, unless "
    "samples are too few to tell.",
    source=XUE,
)

SUPPRESSED = Threshold(
    what="Skill of a label while another column is read well",
    watch=0.6,
    bad=0.2,
    worse="lower",
    why="Below 0.2 the authors call agreement slight, above 0.6 substantial.",
    source=LANDIS_KOCH,
    from_source=True,
)

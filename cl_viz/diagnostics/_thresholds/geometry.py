"""Thresholds of geometry. Conventions, all of them: no paper tests where trouble begins."""

from __future__ import annotations

from cl_viz.core.result import Source
from cl_viz.diagnostics._thresholds.threshold import Threshold

WANG_ISOLA = Source(
    "Wang and Isola 2020, Understanding Contrastive Representation Learning through Alignment and Uniformity",
    "https://arxiv.org/abs/2005.10242",
)
LIANG = Source("Liang et al. 2022, Mind the Gap (the cone effect)", "https://arxiv.org/abs/2203.02053")
RUDMAN = Source(
    "Rudman et al. 2022, IsoScore: Measuring the Uniformity of Embedding Space Utilization",
    "https://arxiv.org/abs/2108.07344",
)
RADOVANOVIC = Source(
    "Radovanović, Nanopoulos and Ivanović 2010, Hubs in Space: Popular Nearest Neighbors in High-Dimensional Data",
    "https://jmlr.org/papers/v11/radovanovic10a.html",
)
LEVINA_BICKEL = Source(
    "Levina and Bickel 2005, Maximum Likelihood Estimation of Intrinsic Dimension",
    "https://papers.nips.cc/paper/2577-maximum-likelihood-estimation-of-intrinsic-dimension",
)

ALIGNMENT = Threshold(0.5, 0.9, WANG_ISOLA)
"""Squared distance of the views of a sample over that of different samples: 1 where views are strangers."""

UNIFORMITY = Threshold(0.5, 0.1, WANG_ISOLA)
"""Uniformity as a share of that of the uniform sphere in the same D at the same t: 0 where all rows are equal."""

ANISOTROPY = Threshold(0.5, 0.9, LIANG)
"""Mean cosine of different rows of a view: 0 for random directions; above 0.5 a narrow cone."""

ISOSCORE = Threshold(0.1, 0.01, RUDMAN)
"""IsoScore: about the share of the dimensions that carry the variance, evenly."""

HUBNESS = Threshold(1.0, 2.0, RADOVANOVIC)
"""Skewness of the k-occurrence beyond that of a uniform sphere in the same D."""

DISAGREEMENT = Threshold(2.0, float("inf"), LEVINA_BICKEL)
"""Larger over smaller of two estimates of the intrinsic dimension: where they differ, it depends on the scale."""

FEW_DIMENSIONS = Threshold(2.0, 1.0, LEVINA_BICKEL)
"""Intrinsic dimension: at 1 the rows lie on a curve."""

SHARE_OF_SPHERE = 0.5
"""Intrinsic dimension or IsoScore as a share of that of a uniform sphere of the same N and D: above it, good."""

"""Thresholds of geometry. Conventions, all of them: no paper tests where trouble begins."""

from __future__ import annotations

from cl_viz.core.result import Source
from cl_viz.core.threshold import Condition, Threshold

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
FACCO = Source(
    "Facco et al. 2017, Estimating the intrinsic dimension of datasets by a minimal neighborhood information",
    "https://doi.org/10.1038/s41598-017-11873-y",
)
LEVINA_BICKEL = Source(
    "Levina and Bickel 2005, Maximum Likelihood Estimation of Intrinsic Dimension",
    "https://papers.nips.cc/paper/2577-maximum-likelihood-estimation-of-intrinsic-dimension",
)

ALIGNMENT = Threshold(
    what="Squared distance of the views of a sample over that of different samples",
    watch=0.5,
    bad=0.9,
    worse="higher",
    why="It is 0 where views agree and 1 where they are strangers.",
    source=WANG_ISOLA,
)

UNIFORMITY = Threshold(
    what="Uniformity as a share of that of the uniform sphere in the same D at the same t",
    watch=0.5,
    bad=0.1,
    worse="lower",
    why="At 0 all rows are equal.",
    source=WANG_ISOLA,
)

ANISOTROPY = Threshold(
    what="Mean cosine of different rows of a view",
    watch=0.5,
    bad=0.9,
    worse="higher",
    why="It is 0 for random directions; above 0.5 the rows fill a narrow cone.",
    source=LIANG,
)

ISOSCORE = Threshold(
    what="IsoScore",
    watch=0.1,
    bad=0.01,
    worse="lower",
    why="It is about the share of the dimensions that carry the variance, evenly.",
    source=RUDMAN,
)

HUBNESS = Threshold(
    what="Skewness of the k-occurrence beyond that of a uniform sphere in the same D",
    watch=1.0,
    bad=2.0,
    worse="higher",
    why="The sphere of this D has hubs of its own; what is beyond is the encoder's.",
    source=RADOVANOVIC,
)

DISAGREEMENT = Threshold(
    what="Larger over smaller of two estimates of the intrinsic dimension",
    watch=2.0,
    worse="higher",
    why="Where they differ the dimension depends on the scale.",
    source=LEVINA_BICKEL,
)

FEW_DIMENSIONS = Threshold(
    what="Intrinsic dimension",
    watch=2.0,
    bad=1.0,
    worse="lower",
    why="At 1 the rows lie on a curve.",
    source=LEVINA_BICKEL,
)

ISOSCORE_OF_SPHERE = Condition(
    what="IsoScore as a share of that of a uniform sphere of the same N and D",
    limit=0.5,
    worse="lower",
    why="Few samples use few dimensions, whatever the encoder: what they can reach is what counts.",
    source=RUDMAN,
)

DIMENSION_OF_SPHERE = Condition(
    what="Intrinsic dimension as a share of that of a uniform sphere of the same N and D",
    limit=0.5,
    worse="lower",
    why="Where the space itself has few dimensions, the sphere says how many can be had. Only that the estimates "
    "differ counts all the same.",
    source=LEVINA_BICKEL,
)

REPEATED_ROWS = Threshold(
    what="Share of rows within a millionth of the median nearest distance of another row",
    watch=0.01,
    worse="higher",
    included=False,
    why="They are taken out of the estimates.",
    source=FACCO,
)

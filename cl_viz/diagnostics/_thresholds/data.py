"""Thresholds of data quality."""

from __future__ import annotations

from cl_viz.core.result import Source
from cl_viz.core.threshold import Threshold

UNUSABLE_ROWS = Threshold(
    what="Share of rows that are NaN, infinite or zero",
    watch=0.0,
    bad=0.01,
    worse="higher",
    included=False,
    why="Such rows have no direction: already one is told.",
    source=Source(
        "Goldberg 1991, What Every Computer Scientist Should Know About Floating-Point Arithmetic",
        "https://doi.org/10.1145/103162.103163",
    ),
)

DUPLICATE_ROWS = Threshold(
    what="Share of rows that repeat an earlier row exactly",
    watch=0.01,
    bad=0.2,
    worse="higher",
    why="Distances of 0 break what is estimated from nearest neighbours.",
    source=Source(
        "Facco et al. 2017, Estimating the intrinsic dimension (zero distances break neighbour statistics)",
        "https://doi.org/10.1038/s41598-017-11873-y",
    ),
)

"""Thresholds of data quality."""

from __future__ import annotations

from cl_viz.core.result import Source
from cl_viz.diagnostics._thresholds.threshold import Threshold

UNUSABLE_ROWS = Threshold(
    1e-9,
    0.01,
    Source(
        "Goldberg 1991, What Every Computer Scientist Should Know About Floating-Point Arithmetic",
        "https://doi.org/10.1145/103162.103163",
    ),
)
"""Share of rows that are NaN, infinite or zero."""

DUPLICATE_ROWS = Threshold(
    0.01,
    0.2,
    Source(
        "Facco et al. 2017, Estimating the intrinsic dimension (zero distances break neighbour statistics)",
        "https://doi.org/10.1038/s41598-017-11873-y",
    ),
)
"""Share of rows that repeat an earlier row exactly."""

"""Thresholds of downstream proxies."""

from __future__ import annotations

import math

from cl_viz.core.result import Source
from cl_viz.diagnostics._thresholds.threshold import Threshold

NEVER = -math.inf

LANDIS_KOCH = Source(
    "Landis and Koch 1977, The Measurement of Observer Agreement for Categorical Data",
    "https://doi.org/10.2307/2529310",
)

SKILL = Threshold(0.6, NEVER, LANDIS_KOCH)
"""Share of the way from chance to certainty: Landis and Koch call above 0.6 substantial. Never bad in itself: the
labels may be ones that nobody trained for."""

RELATIVE_RECALL = Threshold(
    0.8,
    NEVER,
    Source(
        "Uniform Guidelines on Employee Selection Procedures 1978 (the four-fifths rule)",
        "https://www.ecfr.gov/current/title-29/subtitle-B/chapter-XIV/part-1607",
    ),
)
"""Lowest share of any group over the highest: below four fifths is taken as evidence of adverse impact."""

SILHOUETTE = Threshold(
    0.25,
    NEVER,
    Source(
        "Kaufman and Rousseeuw 1990, Finding Groups in Data, chapter 2",
        "https://doi.org/10.1002/9780470316801",
    ),
)
"""Kaufman and Rousseeuw: above 0.25 a structure, above 0.5 a reasonable one, below no substantial structure."""

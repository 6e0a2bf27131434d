"""Thresholds of downstream proxies."""

from __future__ import annotations

from cl_viz.core.result import Source
from cl_viz.core.threshold import Threshold

LANDIS_KOCH = Source(
    "Landis and Koch 1977, The Measurement of Observer Agreement for Categorical Data",
    "https://doi.org/10.2307/2529310",
)

SKILL = Threshold(
    what="Skill, the share of the way from chance to certainty",
    watch=0.6,
    worse="lower",
    why="Above 0.6 the authors call agreement substantial. The labels may be ones that nobody trained for, so "
    "it is never bad by itself.",
    source=LANDIS_KOCH,
    from_source=True,
)

RELATIVE_RECALL = Threshold(
    what="Lowest share of any group over the highest",
    watch=0.8,
    worse="lower",
    why="Below four fifths is taken as evidence of adverse impact.",
    source=Source(
        "Uniform Guidelines on Employee Selection Procedures 1978 (the four-fifths rule)",
        "https://www.ecfr.gov/current/title-29/subtitle-B/chapter-XIV/part-1607",
    ),
    from_source=True,
)

SILHOUETTE = Threshold(
    what="Mean silhouette",
    watch=0.25,
    worse="lower",
    why="Up to 0.25 the authors see no substantial structure, above 0.5 a reasonable one.",
    source=Source(
        "Kaufman and Rousseeuw 1990, Finding Groups in Data, chapter 2",
        "https://doi.org/10.1002/9780470316801",
    ),
    from_source=True,
)

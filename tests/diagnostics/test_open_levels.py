"""A message says where the interval of its number reaches over the limit of its level, in one way everywhere."""

from __future__ import annotations

import numpy as np
import pytest

import cl_viz
from cl_viz.core.result import Interval, Quantity, Source
from cl_viz.core.threshold import Threshold
from cl_viz.diagnostics._thresholds.downstream import SILHOUETTE
from cl_viz.diagnostics._thresholds.open_level import open_level
from cl_viz.testing import clusters

LIMITS = Threshold(what="share", watch=0.5, bad=0.8, worse="higher", why="", source=Source("a rule of thumb"))


@pytest.mark.parametrize(
    ("value", "ends", "told"),
    [
        (0.3, (0.2, 0.4), ""),
        (0.3, (0.2, 0.6), " The interval reaches into 'watch'."),
        (0.6, (0.4, 0.9), " The interval reaches into 'bad' and 'good'."),
        (0.9, (0.7, 0.95), " The interval reaches into 'watch'."),
        (0.9, None, ""),
        (None, (0.1, 0.9), ""),
    ],
)
def test_what_the_interval_reaches(value: float | None, ends: tuple[float, float] | None, told: str) -> None:
    interval = None if ends is None else Interval(*ends)
    assert open_level(Quantity("share", "Share", value, interval=interval), LIMITS.level) == told


def test_a_silhouette_says_so_where_its_interval_reaches_the_limit_and_nowhere_else() -> None:
    told = []
    for noise in np.linspace(0.4, 1.6, 9):
        found = cl_viz.diagnose("class_separation", clusters(60, 8, 3, float(noise), seed=1))
        silhouette, (finding,) = found["silhouette_cosine"], found.findings
        assert silhouette.interval is not None
        assert silhouette.value is not None
        levels = {SILHOUETTE.level(end) for end in (silhouette.interval.low, silhouette.interval.high)}
        assert finding.level == SILHOUETTE.level(silhouette.value)
        assert ("The interval reaches into" in finding.message) == (len(levels) > 1)
        told.append(len(levels) > 1)
    assert set(told) == {False, True}

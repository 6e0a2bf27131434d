"""The interval of uniformity, from the influence of each sample on it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.result import Interval, influence_interval
from cl_viz.engine.anchor_sketch import AnchorSketch
from cl_viz.engine.statistics import Statistics

Values = NDArray[np.float64]


def uniformity_interval(statistics: Statistics, t: float, by_view: dict[str, float], aligned: bool) -> Interval:
    """Return the interval of the mean over views, from the influence of the anchors.

    A sample is in all pairs of its row: its influence on the log of a mean over pairs is twice its own mean over that
    mean, less two.
    """
    influences = [
        2 * (_own_mean(sketch, t) / math.exp(by_view[view]) - 1) / len(by_view)
        for view, sketch in statistics.anchors.items()
    ]
    populations = [sketch.population for sketch in statistics.anchors.values()]
    value = float(np.mean(list(by_view.values())))
    limits = (-math.inf, 0.0)
    if aligned:
        return influence_interval(value, np.sum(influences, axis=0), sizes=populations[:1], limits=limits)
    return influence_interval(value, *influences, sizes=populations, limits=limits)


def _own_mean(sketch: AnchorSketch, t: float) -> Values:
    """Return each anchor's mean of exp(-t d²) over the other rows of its view, shape (A,)."""
    cells = sketch.candidates[sketch.view].cells
    anchor = np.repeat(np.arange(len(sketch.rows)), np.diff(cells.offsets))
    mass = cells.counts * np.exp(2 * t * (cells.sums / cells.counts - 1))
    total = np.bincount(anchor, weights=mass, minlength=len(sketch.rows))
    count = np.bincount(anchor, weights=cells.counts, minlength=len(sketch.rows))
    found: Values = total / np.maximum(count, 1)
    return found

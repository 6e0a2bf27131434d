"""Intervals of a temperature that follows alignment, and of what it does to the loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from cl_viz.core.influences import Influences
from cl_viz.core.result import Interval
from cl_viz.diagnostics._scores.influence import PairInfluence
from cl_viz.diagnostics._temperature.anchor_noise import UNIT, AnchorNoise, Floats
from cl_viz.diagnostics._temperature.anchor_questions import Anchors

_STEP = 1e-2
"""Of the temperature, to see how a mean moves with it."""


def multiplier(margin: Floats) -> Floats:
    """Return 1 - P of the positive, from the margin of the negatives over it."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -margin)))


def weighted_loss(margin: Floats) -> Floats:
    """Return -log P / (1 - P), which goes to 1 where P does."""
    loss, left = np.logaddexp(0.0, margin), multiplier(margin)
    return np.asarray(np.divide(loss, left, out=np.ones_like(loss), where=left > 0))


def adaptive_intervals(anchors: Anchors, alignment: float, adapted: float, slope: float) -> dict[str, Interval | None]:
    """Return the intervals of the quantities of `adaptive_temperature`, by name.

    Parameters
    ----------
    anchors : Anchors
    alignment, adapted : float
        Mean score of the positives, and the temperature that follows it.
    slope : float
        Of the temperature in the alignment: both move with the same samples.
    """
    pairs, roles = anchors.statistics.pairs, anchors.roles
    counts = pairs.positives(roles).count, pairs.negatives(roles).count
    influence = PairInfluence(anchors.statistics, roles, anchors.inputs.embedding_set.aligned, *counts)
    of_alignment = influence.interval(
        alignment, influence.positive(lambda scores: scores, alignment), limits=(-1.0, 1.0)
    )
    found: dict[str, Interval | None] = {"alignment": of_alignment.with_width}
    found["adapted_temperature"] = _scaled(of_alignment, alignment, adapted, slope) if slope and adapted > 0 else None
    noise = AnchorNoise.of(anchors, adapted) if adapted > 0 else None
    if noise is not None:
        found["coupling"] = _at_adapted(noise, multiplier, alignment, slope, UNIT)
        found["loss"] = _at_adapted(noise, weighted_loss, alignment, slope, (1.0, math.inf))
    return found


def _scaled(interval: Interval, alignment: float, adapted: float, slope: float) -> Interval | None:
    """Return the interval of the temperature, a line in the alignment."""
    if interval.with_width is None:
        return None
    low, high = (max(0.0, adapted + slope * (end - alignment)) for end in (interval.low, interval.high))
    kept = interval.influences
    scaled = None if kept is None else Influences(
        tuple((slope * group).astype(np.float32) for group in kept.groups), kept.sizes
    )  # fmt: skip
    return replace(interval, low=low, high=high, influences=scaled)


def _at_adapted(
    noise: AnchorNoise, change: Callable[[Floats], Floats], alignment: float, slope: float, limits: tuple[float, float]
) -> Interval | None:
    """Return the interval of a mean over positives at a temperature that the same samples move."""
    each = noise.positives_each
    if each is None:
        return None
    anchors, tau = noise.anchors, noise.temperature
    above, below = (float(change(anchors.margins(tau * (1 + step))).mean()) for step in (_STEP, -_STEP))
    by_sample = np.mean([sketch.positives.reshape(-1, each).mean(axis=1) for sketch in anchors.sketches], axis=0)
    return noise.of_margin(change, limits, (above - below) / (2 * _STEP * tau) * slope * (by_sample - alignment))

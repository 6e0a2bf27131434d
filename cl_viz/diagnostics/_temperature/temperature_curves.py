"""What anchors answer at every temperature of a grid: the curves that several diagnostics draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.diagnostics._temperature.fewer_anchors import at_most
from cl_viz.engine.pair_sketch import PairRoles
from cl_viz.engine.queries import AnchorQueries
from cl_viz.engine.statistics import Statistics

Values = NDArray[np.float64]

TEMPERATURES: Values = 0.005 * 2.0 ** (np.arange(21) / 2)
"""Temperatures of every curve, half an octave apart: 0.005 to 5.12."""
_OCTAVE = 2
_WITH_HALVES: Values = 0.0025 * 2.0 ** (np.arange(21 + _OCTAVE) / 2)
MOST = 256
"""Anchors of one view behind a curve."""


@dataclass(frozen=True)
class Curves:
    """Means over anchors (over positives for `loss` and `npc_multiplier`) at each of `TEMPERATURES`, shape (T,).

    NaN throughout where the input cannot support a curve.

    Attributes
    ----------
    effective_share : NDArray[np.float64]
        Exp of the entropy of the relative penalties over the number of negatives.
    sample_size, sample_share : NDArray[np.float64]
        1 over the sum of squared relative penalties; the same over the number of negatives.
    loss, npc_multiplier : NDArray[np.float64]
    false_negative_push : NDArray[np.float64]
    n : int
        Samples that are anchors of these curves.
    """

    effective_share: Values
    sample_size: Values
    sample_share: Values
    loss: Values
    npc_multiplier: Values
    false_negative_push: Values
    n: int


def curves(statistics: Statistics, roles: PairRoles, aligned: bool) -> Curves:
    """Return the curves of a set under these roles; made once a set."""
    return statistics.remember(("temperature curves", roles), lambda: _make(statistics, roles, aligned))


def _make(statistics: Statistics, roles: PairRoles, aligned: bool) -> Curves:
    sketches = [at_most(sketch, MOST) for sketch in statistics.anchors.values()]
    parts = [_of_view(AnchorQueries.of(sketch, roles)) for sketch in sketches]
    joined = {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}
    counts = [len(sketch.rows) for sketch in sketches]
    return Curves(**{name: _mean(values) for name, values in joined.items()}, n=counts[0] if aligned else sum(counts))


def _of_view(queries: AnchorQueries) -> dict[str, Values]:
    log_sum = queries.log_sum_exp(_WITH_HALVES)
    n_negatives = np.where(queries.n_negatives > 0, queries.n_negatives, np.nan)
    sketch = queries.sketch
    margin = log_sum[_OCTAVE:, sketch.anchor_of_positive()] - sketch.positives / TEMPERATURES[:, None]
    with np.errstate(invalid="ignore"):
        # The sum of exp(2 s / tau) is that of exp(s / (tau / 2)).
        size = np.clip(np.exp(2 * log_sum[_OCTAVE:] - log_sum[:-_OCTAVE]), 1.0, n_negatives)
        share = np.clip(queries.effective_negatives(TEMPERATURES) / n_negatives, 0.0, 1.0)
    return {
        "effective_share": share,
        "sample_size": size,
        "sample_share": size / n_negatives,
        "loss": np.logaddexp(0.0, margin),
        "npc_multiplier": np.exp(-np.logaddexp(0.0, -margin)),
        "false_negative_push": queries.false_negative_mass(TEMPERATURES),
    }


def _mean(values: Values) -> Values:
    """Return the mean of each row over what is defined; NaN where nothing is."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(axis=1)
    found: Values = np.divide(total, known.sum(axis=1), out=np.full(len(total), np.nan), where=known.any(axis=1))
    return found


def at(temperature: float, curve: Values) -> float:
    """Return a curve's value between its temperatures, along a straight line over the logarithm of temperature."""
    return float(np.interp(np.log(temperature), np.log(TEMPERATURES), curve))

"""Total variance and standard deviation of unit rows, with intervals from each sample's influence."""

from __future__ import annotations

import numpy as np

from cl_viz.core.result import Interval, influence_interval
from cl_viz.diagnostics._collapse.spectrum import scaled_rows
from cl_viz.engine.inputs import SetInputs

Estimate = tuple[float, Interval]


def spread_of_unit_rows(inputs: SetInputs, view: str) -> tuple[Estimate, Estimate]:
    """Return the sum of the variances (ddof = 1) of a view's unit rows, and the mean standard deviation."""
    return inputs.remember(("spread of unit rows", view), lambda: _spread(inputs, view))


def _spread(inputs: SetInputs, view: str) -> tuple[Estimate, Estimate]:
    count, mean, square = 0, np.zeros(inputs.embedding_set.dim), np.zeros(inputs.embedding_set.dim)
    for _, block in scaled_rows(inputs.embedding_set, view, "unit"):
        # Merged without the cancellation of raw sums (Chan, Golub and LeVeque 1979).
        total = count + len(block)
        own = block.mean(axis=0)
        square += np.square(block - own).sum(axis=0) + np.square(own - mean) * (count * len(block) / total)
        mean += (own - mean) * (len(block) / total)
        count = total
    variances = square / (count - 1)
    deviations = np.sqrt(variances)
    slope = np.divide(1.0, 2 * deviations * len(mean), out=np.zeros(len(mean)), where=deviations > 0)
    of_total, of_deviation = [], []
    for _, block in scaled_rows(inputs.embedding_set, view, "unit"):
        squares = np.square(block - mean)
        of_total.append(squares.sum(axis=1))
        of_deviation.append(squares @ slope)
    estimates = float(variances.sum()), float(deviations.mean())
    centres = float(variances.sum()), float(variances @ slope)
    found = [
        (value, influence_interval(value, np.concatenate(parts) - centre, limits=(0.0, np.inf)))
        for value, centre, parts in zip(estimates, centres, (of_total, of_deviation), strict=True)
    ]
    return found[0], found[1]

"""Intervals of IsoScore and IsoScore* from the influence of each sample on the eigenvalues."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.result import Interval, influence_interval
from cl_viz.diagnostics._collapse import spectral_slopes as slopes
from cl_viz.diagnostics._collapse.spectrum import RowScale, moved_by, of_drawn, spectrum_of
from cl_viz.engine.inputs import SetInputs

Values = NDArray[np.float64]


def isoscore_interval(
    inputs: SetInputs, rows: RowScale, value: float, zeta: float = 0.0, rescale: bool = True
) -> Interval | None:
    """Return the interval of the mean over views.

    Parameters
    ----------
    inputs : SetInputs
    rows : {"unit", "raw"}
    value : float
        The mean of the views' scores.
    zeta, rescale
        As in `cl_viz.diagnostics._geometry.isotropy_measures.isoscore_of`.

    Returns
    -------
    Interval or None
        None where N < 10 D or D > 1,024, or at an end of the range.
    """
    names, influences, sizes = inputs.embedding_set.view_names, [], []
    if not 0 < value < 1:
        return None
    for view in names:
        found = spectrum_of(inputs, view, rows)
        slope = _slope(found.values, zeta, rescale) / (found.dim - 1) / len(names)
        moved = moved_by(inputs, found, slope[:, None])
        if moved is None:
            return None
        influences.append(moved[:, 0])
        sizes.append(found.n)
    if inputs.embedding_set.aligned:
        influences, sizes = [np.sum(influences, axis=0)], sizes[:1]
    made = influence_interval(value, *influences, sizes=sizes, limits=(0.0, 1.0))
    return of_drawn(made, max(sizes)) if math.isfinite(made.low) and made.low < value < made.high else None


def _slope(eigenvalues: Values, zeta: float, rescale: bool) -> Values:
    """Return the slope of the shrunk covariance's participation ratio in each eigenvalue, shape (D,)."""
    trace = float(eigenvalues.sum())
    if not trace > 0:
        return np.zeros(len(eigenvalues))
    scale = len(eigenvalues) / trace if rescale else 1.0
    of_shrunk = (1 - zeta) * scale * slopes.participation_ratio((1 - zeta) * scale * eigenvalues + zeta)
    # A longer eigenvalue also makes the trace longer, by which all are divided.
    found: Values = of_shrunk - (of_shrunk @ eigenvalues / trace if rescale else 0.0)
    return found

"""How a linear probe is fitted: what every diagnostic that fits one asks for."""

from __future__ import annotations

from cl_viz.core.params import param
from cl_viz.diagnostics._groups.probes import Scaling


def probe_regularisation() -> float:
    """Declare the C of a logistic regression."""
    return param(1.0, "C of the logistic regression: low holds the coefficients near 0.", low=1e-4, high=1e4, log=True)


def probe_scaling() -> Scaling:
    """Declare the rows that a probe is given."""
    return param(
        "standardised",
        "Rows given to the probe: columns of mean 0 and variance 1 over the training part, unit length, or as stored.",
        choices=("standardised", "unit", "stored"),
    )

"""`SeparatingPlane`: a logistic regression that tells the rows of two sides apart.

It is that of scikit-learn (L2, C = 1, L-BFGS from zero), which takes seconds to import the first time: longer than all
the rest of what a checkup asks of two modalities.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]
_MOST_ITERATIONS = 1000
_GRADIENT = 1e-4
"""Largest derivative of the mean loss at which the fit ends: the tolerance of scikit-learn."""


@dataclass(frozen=True)
class SeparatingPlane:
    """A plane between rows of two sides.

    Attributes
    ----------
    normal : NDArray[np.float64], shape (D,)
    intercept : float
    """

    normal: Rows
    intercept: float

    @classmethod
    def between(cls, first: Rows, second: Rows) -> SeparatingPlane:
        """Fit the plane to rows of both sides, shapes (n, D) and (m, D); those of the second lie above it."""
        from scipy.optimize import minimize
        from scipy.special import expit

        rows = np.concatenate([first, second])
        above = np.repeat([0.0, 1.0], [len(first), len(second)])

        def loss(plane: Rows) -> tuple[float, Rows]:
            normal, logits = plane[:-1], rows @ plane[:-1] + plane[-1]
            value = float((np.logaddexp(0, logits) - above * logits).mean() + normal @ normal / 2 / len(rows))
            slopes = (expit(logits) - above) / len(rows)
            return value, np.append(slopes @ rows + normal / len(rows), slopes.sum())

        found = minimize(
            loss, np.zeros(rows.shape[1] + 1), jac=True, method="L-BFGS-B",
            options={"maxiter": _MOST_ITERATIONS, "maxls": 50, "gtol": _GRADIENT, "ftol": 64 * np.finfo(float).eps},
        ).x  # fmt: skip
        return cls(found[:-1], float(found[-1]))

    def distances(self, rows: Rows) -> Rows:
        """Return the signed distance of each row, shape (n,); of a plane without a direction, the intercept."""
        length = float(np.linalg.norm(self.normal))
        found: Rows = (rows @ self.normal + self.intercept) / (length if length > 0 else 1.0)
        return found

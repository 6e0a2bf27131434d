"""The intrinsic dimension from the distances to near rows, by two estimators."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from cl_viz.diagnostics._dense import neighbors as dense
from cl_viz.diagnostics._geometry.dimension_distances import DimensionDistances

if TYPE_CHECKING:
    from cl_viz.diagnostics.intrinsic_dimension import IntrinsicDimensionParams

Values = NDArray[np.float64]
Estimator = Literal["two_nn", "levina_bickel"]
ESTIMATORS: tuple[Estimator, Estimator] = ("two_nn", "levina_bickel")


def estimate(distances: Values, estimator: Estimator, params: IntrinsicDimensionParams) -> float:
    """Estimate from ascending distances, (A, 2) for TwoNN and (A, k) for maximum likelihood; NaN from fewer than 3."""
    if len(distances) < 3 or (distances[:, 0] <= 0).any():
        return math.nan
    if estimator == "two_nn":
        return dense.two_nn(distances, params.discard)
    return dense.levina_bickel(distances, distances.shape[1])


def columns_of(estimator: Estimator, params: IntrinsicDimensionParams) -> int:
    """Return how many distances of a row an estimator looks at."""
    return 2 if estimator == "two_nn" else params.neighbours


def mean_estimate(
    views: list[DimensionDistances], keep: list[NDArray[np.bool_]], estimator: Estimator,
    params: IntrinsicDimensionParams,
) -> float:  # fmt: skip
    """Return the mean over views of an estimate among the kept rows of each."""
    columns = columns_of(estimator, params)
    return float(
        np.mean(
            [estimate(view.among(kept, columns), estimator, params) for view, kept in zip(views, keep, strict=True)]
        )
    )


def local_dimensions(views: list[DimensionDistances], params: IntrinsicDimensionParams) -> Values:
    """Return the maximum likelihood estimate of every anchor on its own, of all views."""
    found = []
    for view in views:
        distances = view.among(np.ones(view.n_rows, dtype=np.bool_), params.neighbours)
        if len(distances) and (distances > 0).all():
            means = dense.log_ratios(distances, params.neighbours)
            found.append(1 / means[means > 0])
    return np.concatenate(found) if found else np.zeros(0)

"""The intrinsic dimension as figures: over parts of the set, and of single rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cl_viz.core.result import Quantity, format_number
from cl_viz.core.view import Axis, Histogram, Lines, Series, View
from cl_viz.diagnostics._geometry.dimension_distances import DimensionDistances
from cl_viz.diagnostics._geometry.dimension_estimates import (
    ESTIMATORS,
    Estimator,
    columns_of,
    estimate,
    local_dimensions,
)
from cl_viz.engine.inputs import SetInputs

if TYPE_CHECKING:
    from cl_viz.diagnostics.intrinsic_dimension import IntrinsicDimensionParams

_PARTS = (1, 2, 4, 8, 16)


def views_of(
    views: list[DimensionDistances], quantities: dict[str, Quantity], params: IntrinsicDimensionParams,
    inputs: SetInputs,
) -> dict[str, View]:  # fmt: skip
    """Return the estimates over the size of the set, and the local dimensions."""
    two, many = (quantities[name].value for name in ESTIMATORS)
    text = " and ".join(
        f"{format_number(value)} ({label})"
        for value, label in ((two, "TwoNN"), (many, "maximum likelihood"))
        if value is not None
    )
    shown: dict[str, View] = {}
    series = [_curve(views, estimator, label, params, inputs.run) for estimator, label in _CURVES]
    if any(len(entry.x) for entry in series):
        shown["by_size"] = Lines(
            f"Intrinsic dimension {text or 'not defined'} of {inputs.embedding_set.dim}",
            Axis("Rows", "N, parts of the set", log=True),
            Axis("Intrinsic dimension", "dimensions"),
            tuple(entry for entry in series if len(entry.x)),
        )
    local = local_dimensions(views, params)
    if len(local):
        edges = np.linspace(0.0, float(np.quantile(local, 0.99)) * 1.1, 61)
        share = np.histogram(local, edges)[0] / len(local)
        shown["local"] = Histogram(
            f"Half of the rows have a local dimension from {format_number(float(np.quantile(local, 0.25)))} to "
            f"{format_number(float(np.quantile(local, 0.75)))}",
            Axis("Local dimension of a row", f"maximum likelihood, k = {params.neighbours}"),
            Axis("Rows", "share"),
            (Series("rows", edges, share, "other", inputs.run, n=len(local)),),
        )
    return shown


_CURVES: tuple[tuple[Estimator, str], ...] = (("two_nn", "TwoNN"), ("levina_bickel", "maximum likelihood"))


def _curve(
    views: list[DimensionDistances], estimator: Estimator, label: str, params: IntrinsicDimensionParams, run: str
) -> Series:
    """Return the estimate on ever smaller random parts of the set: mean over the parts, and their extremes.

    The neighbours in a part are those of the whole that lie in it, so no pass is needed; where fewer than 95 % of the
    anchors have enough of them in their list the curve ends.
    """
    columns = columns_of(estimator, params)
    sizes, means, lows, highs = [], [], [], []
    for parts in _PARTS:
        estimates = []
        for place in range(parts):
            values = []
            for view in views:
                keep = np.random.default_rng(0).permutation(view.n_rows) % parts == place
                found = view.among(keep, columns)
                if len(found) < 0.95 * keep[view.anchors].sum():
                    break
                values.append(estimate(found, estimator, params))
            estimates += [float(np.mean(values))] if len(values) == len(views) else []
        estimates = [value for value in estimates if math.isfinite(value)]
        if len(estimates) < parts or views[0].n_distinct // parts < 30:
            break
        sizes.append(float(views[0].n_distinct // parts))
        means.append(float(np.mean(estimates)))
        lows.append(min(estimates))
        highs.append(max(estimates))
    order = slice(None, None, -1)
    arrays = [np.array(values)[order] for values in (sizes, means, lows, highs)]
    return Series(label, arrays[0], arrays[1], "other", run, arrays[2], arrays[3], n=views[0].n_rows)

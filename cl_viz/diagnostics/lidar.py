"""How many dimensions tell samples apart, beyond what augmentation moves?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.errors import MissingInputError
from cl_viz.core.params import Params, param
from cl_viz.core.result import Finding, Interval, Quantity, Result, format_number, influence_interval
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.core.validation import row_blocks
from cl_viz.core.view import Axis, Lines, Reference, Series
from cl_viz.diagnostics._collapse import spectral_ranks as ranks
from cl_viz.diagnostics._collapse import spectral_slopes as slopes
from cl_viz.diagnostics._collapse.spectrum import (
    INFLUENCE_ROWS,
    INFLUENCE_SEED,
    INTERVAL_DIMENSIONS,
    ROWS_PER_DIMENSION,
    of_drawn,
)
from cl_viz.diagnostics._thresholds import collapse as _thresholds
from cl_viz.engine.inputs import SetInputs
from cl_viz.engine.moments import SCATTER_DIMENSIONS

Values = NDArray[np.float64]
_CURVE_DIMENSIONS = 512
EPSILON = 1e-8
"""Added to each share, as in RankMe."""


@dataclass(frozen=True)
class LidarParams(Params):
    """The regulariser, and what it is measured against."""

    delta: float = param(
        1e-4, "Added to the variance within samples in every direction; absolute, so it depends on scale.",
        low=1e-10, high=10.0, log=True,
    )  # fmt: skip
    scaling: Literal["raw", "unit"] = param(
        "raw", "Rows as they are stored, as the authors do, or of unit length.", choices=("raw", "unit")
    )


@dataclass(frozen=True)
class SampleScatter:
    """Covariance of the samples' means, and of the views around them.

    Attributes
    ----------
    between, within : NDArray, shape (D, D)
        With n - 1 and n (q - 1) in the denominators.
    n, q : int
        Samples; views of each.
    """

    between: Values
    within: Values
    n: int
    q: int

    @property
    def within_mean(self) -> float:
        """Mean variance of a dimension within samples."""
        return float(np.trace(self.within)) / len(self.within)


def sample_scatter(inputs: SetInputs, scaling: Literal["raw", "unit"]) -> SampleScatter:
    """Return the scatter of samples and of their views, computed once.

    Raises
    ------
    MissingInputError
        With one view, views that are not aligned, fewer than two usable samples, or too many dimensions.
    """
    embedding_set = inputs.embedding_set
    if len(embedding_set.views) < 2 or not embedding_set.aligned:
        raise MissingInputError(
            "LiDAR compares views of each sample", where=inputs.run, remedy="add a second view, row by row (Data page)"
        )
    if embedding_set.dim > SCATTER_DIMENSIONS:
        raise MissingInputError(
            f"D = {embedding_set.dim:,} is too large for scatter matrices",
            where=inputs.run,
            remedy=f"use a layer of at most {SCATTER_DIMENSIONS:,} dimensions",
        )
    if int(next(iter(embedding_set.usable_rows.values())).sum()) < 2:
        raise MissingInputError(
            "fewer than two samples are usable", where=inputs.run, remedy="look at the Data page for what is wrong"
        )
    return inputs.remember(("sample scatter", scaling), lambda: _scatter(inputs, scaling))


def _scatter(inputs: SetInputs, scaling: Literal["raw", "unit"]) -> SampleScatter:
    embedding_set = inputs.embedding_set
    names, dim = embedding_set.view_names, embedding_set.dim
    usable = embedding_set.usable_rows[names[0]]
    between, within = np.zeros((dim, dim)), np.zeros((dim, dim))
    mean, count = np.zeros(dim), 0
    for rows in row_blocks(embedding_set.views[names[0]]):
        keep = usable[rows]
        if not keep.any():
            continue
        views = []
        for view in names:
            block = np.asarray(embedding_set.views[view][rows][keep], dtype=np.float64)
            norms = embedding_set.quality[view].norms[rows][keep][:, None]
            views.append(block / norms if scaling == "unit" else block)
        centre = sum(views[1:], views[0]) / len(views)
        if len(views) == 2:
            # Two views stand on opposite sides of their mean.
            half = (views[0] - views[1]) / 2
            within += 2 * (half.T @ half)
        else:
            for block in views:
                within += (block - centre).T @ (block - centre)
        # Blocks merge without the cancellation of raw sums (Chan, Golub and LeVeque 1979).
        total, own = count + len(centre), centre.mean(axis=0)
        between += (centre - own).T @ (centre - own)
        between += np.outer(own - mean, own - mean) * (count * len(centre) / total)
        mean += (own - mean) * (len(centre) / total)
        count = total
    return SampleScatter(between / (count - 1), within / (count * (len(names) - 1)), count, len(names))


def compute(inputs: SetInputs, params: LidarParams) -> Result:
    """Compute LiDAR with the views as augmentations of their sample."""
    scatter = sample_scatter(inputs, params.scaling)
    share = params.delta / scatter.within_mean if scatter.within_mean > 0 else np.inf
    possible = min(inputs.embedding_set.dim, scatter.n - 1)
    deltas, curve = _curve(inputs, params, scatter)
    value = float(curve[deltas == params.delta][0])
    key = ("lidar interval", params.scaling, params.delta)
    quantities = {
        "lidar": _quantity(
            "lidar", value, scatter.n, inputs.remember(key, lambda: _interval(inputs, params, scatter, value))
        ),
        "delta_share": _quantity("delta_share", share, scatter.n),
    }
    embedding_set = inputs.embedding_set
    notes = (
        f"views taken as the {scatter.q} augmentations of a sample: {', '.join(embedding_set.view_names)}",
        f"delta {params.delta:g}, mean variance of a dimension within samples {format_number(scatter.within_mean)}",
        "the paper takes about 1,000 samples with 50 augmentations each",
        "intervals: how samples of this N vary; what a finite N adds is not in them"
        if quantities["lidar"].interval is not None
        else f"no intervals: they are given where N ≥ {ROWS_PER_DIMENSION} D and D ≤ {INTERVAL_DIMENSIONS:,}",
    )
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views={"delta": _view(deltas, curve, params.delta, value, possible, scatter.n, inputs.run)},
        findings=(_finding(quantities, params.delta, possible, scatter),),
        caveats=inputs.plain_caveats(
            scatter.n, embedding_set.n - scatter.n, normalised=params.scaling == "unit", centred=True, notes=notes
        ),
        params=params.as_dict(),
    )


def _curve(inputs: SetInputs, params: LidarParams, scatter: SampleScatter) -> tuple[Values, Values]:
    decades = np.arange(-8.0, 1.0) if len(scatter.within) <= _CURVE_DIMENSIONS else np.array([-6.0, -4.0, -2.0])
    deltas = np.unique(np.append(10.0**decades, params.delta))

    key = ("lidar curve", params.scaling, params.delta)
    return deltas, inputs.remember(key, lambda: ranks.lda_ranks(scatter.between, scatter.within, deltas, EPSILON))


def _interval(inputs: SetInputs, params: LidarParams, scatter: SampleScatter, value: float) -> Interval | None:
    """Return the interval of LiDAR from the influence of samples on both scatters.

    With ``v' W v = 1``, the eigenvalue l of B v = l W v moves by ``v'(dB - l dW) v`` to first order.
    """
    from scipy.linalg import eigh

    dim = len(scatter.within)
    if dim > INTERVAL_DIMENSIONS or scatter.n < ROWS_PER_DIMENSION * dim or not math.isfinite(value):
        return None
    values, directions = eigh(scatter.between, scatter.within + params.delta * np.eye(dim))
    weights = np.maximum(values, 0.0)
    slope = slopes.rankme(weights, EPSILON)
    embedding_set, names = inputs.embedding_set, inputs.embedding_set.view_names
    places = np.flatnonzero(embedding_set.usable_rows[names[0]])
    if len(places) > INFLUENCE_ROWS:
        places = np.sort(np.random.default_rng(INFLUENCE_SEED).choice(places, INFLUENCE_ROWS, replace=False))
    views = []
    for view in names:
        rows = np.asarray(embedding_set.views[view][places], dtype=np.float64)
        norms = embedding_set.quality[view].norms[places][:, None]
        views.append(rows / norms if params.scaling == "unit" else rows)
    centre = sum(views[1:], views[0]) / len(views)
    between = np.square((centre - centre.mean(axis=0)) @ directions) @ slope
    within = sum(np.square((rows - centre) @ directions) @ (slope * weights) for rows in views) / (len(views) - 1)
    moved = between - within
    found = influence_interval(value, moved - moved.mean(), sizes=[scatter.n], limits=(0.0, np.inf))
    return of_drawn(found, scatter.n).around(value)


def _quantity(name: str, value: float, n: int, interval: Interval | None = None) -> Quantity:
    spec = SPEC.quantity(name)
    defined = np.isfinite(value)
    return Quantity(
        name,
        spec.label,
        value if defined else None,
        spec.unit,
        interval if defined else None,
        n=n,
        range=spec.range,
        missing="" if defined else "use views that differ: the two views of every sample are equal",
    )


def _view(deltas: Values, curve: Values, delta: float, value: float, possible: int, n: int, run: str) -> Lines:
    near = curve[(deltas >= delta / 11) & (deltas <= delta * 11)]
    title = (
        f"LiDAR {format_number(value)} of {possible} at delta {delta:g}, {format_number(near.min())} to "
        f"{format_number(near.max())} within a factor of 10"
    )
    return Lines(
        title,
        Axis("delta", "squared length", log=True),
        Axis("LiDAR", "dimensions", (0.0, 1.05 * possible)),
        (Series("LiDAR", deltas, curve, run=run, n=n),),
        (Reference(f"possible: {possible}", float(possible), "y"),),
    )


def _finding(quantities: dict[str, Quantity], delta: float, possible: int, scatter: SampleScatter) -> Finding:
    source, share = _thresholds.DELTA_SHARE.source, quantities["delta_share"]
    value = quantities["lidar"].text()
    rest = f"N = {scatter.n:,}, {scatter.q} views, delta {delta:g}"
    singular = scatter.n * (scatter.q - 1) < len(scatter.within)
    if share.value is None or singular or _thresholds.DELTA_SHARE.level(share.value) != "good":
        why = (
            f"{scatter.n * (scatter.q - 1):,} differences of views cannot span {len(scatter.within)} dimensions"
            if singular
            else f"delta is {share.text()} of the mean variance within samples"
            if share.value is not None
            else "the views of each sample are equal"
        )
        message = f"LiDAR {value} of {possible} rests on its regulariser: {why} ({rest})."
        return Finding(
            "lidar", "watch", message, "Choose a smaller delta, or add samples or views.", source, "delta_share"
        )
    message = f"LiDAR counts {value} of {possible} dimensions that tell samples apart ({rest})."
    return Finding("lidar", "good", message, source=source, quantity="lidar")


SPEC = DiagnosticSpec(
    name="lidar",
    title="LiDAR",
    question="How many dimensions tell samples apart, beyond what augmentation moves?",
    section="Geometry",
    page="geometry/collapse",
    needs="set",
    params=LidarParams,
    compute=compute,
    quantities=(
        QuantitySpec(
            "lidar",
            "LiDAR",
            "Exp of the entropy of the eigenvalues of between-sample over within-sample scatter.",
            "dimensions",
            None,
            "higher",
        ),
        QuantitySpec(
            "delta_share",
            "delta, relative",
            "delta over the mean variance of a dimension within samples.",
            "ratio",
            None,
            "lower",
        ),
    ),
    definition=(
        "LiDAR is a rank of the directions in which samples differ, measured against what the views of one sample "
        "differ by: linear discriminant analysis with every sample as a class of its own. Noise that augmentation adds "
        "to a dimension does not count as a filled dimension, as it does in RankMe."
    ),
    formula=(
        r"\Sigma_b = \frac{1}{n-1}\sum_i (\mu_i - \mu)(\cdot)^\top, \quad"
        r" \Sigma_w = \frac{1}{n(q-1)}\sum_{ij} (x_{ij} - \mu_i)(\cdot)^\top + \delta I, \quad"
        r" \exp H\Big(\frac{\lambda}{\sum\lambda} + \epsilon\Big),"
        r"\ \lambda = \mathrm{eig}(\Sigma_w^{-1/2}\Sigma_b\Sigma_w^{-1/2})"
    ),
    reading=(
        "Between 1 and the smaller of D and n - 1. Compare runs with the same views, the same number of samples and "
        "the same delta. The curve shows how much of the number is delta's doing: where it is flat, none."
    ),
    traps=(
        "delta is absolute: embeddings ten times as long are regularised a hundred times less. With q views there are "
        "n (q - 1) differences; where they are fewer than D, the scatter within samples is singular and delta decides. "
        "The paper has 50 views of a sample, a dump usually 2. Two modalities are not two augmentations: then the gap "
        "between them is part of the variance within samples. One library takes a PCA of the LDA matrix, which centres "
        "and squares its eigenvalues: 6.6 in place of 10.4 on one input. The limit on delta is a rule of thumb."
    ),
    sources=(_thresholds.THILAK,),
    thresholds=(_thresholds.DELTA_SHARE,),
)

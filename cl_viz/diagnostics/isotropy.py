"""Do embeddings point everywhere, or fill a cone or a few directions?"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.params import Params, param
from cl_viz.core.result import Interval, Quantity, Result, Source, influence_interval
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.diagnostics._collapse.spectrum import spectrum_of
from cl_viz.diagnostics._geometry.isoscore_interval import isoscore_interval
from cl_viz.diagnostics._geometry.isotropy_measures import (
    Partition,
    RowKind,
    ViewIsotropy,
    isoscore_of,
    isoscore_of_sphere,
    mean_cosines,
    partition,
    view_scatter,
)
from cl_viz.diagnostics._geometry.isotropy_reading import findings, views_of
from cl_viz.diagnostics._thresholds import geometry as _thresholds
from cl_viz.engine.inputs import SetInputs

MU = Source(
    "Mu and Viswanath 2018, All-but-the-Top: Simple and Effective Postprocessing for Word Representations",
    "https://arxiv.org/abs/1702.01417",
)
STAR = Source(
    "Rudman and Eickhoff 2024, Stable Anisotropic Regularization (IsoScore*)", "https://arxiv.org/abs/2305.19358"
)
ETHAYARAJH = Source(
    "Ethayarajh 2019, How Contextual are Contextualized Word Representations?", "https://arxiv.org/abs/1909.00512"
)


@dataclass(frozen=True)
class IsotropyParams(Params):
    """Which rows, and how IsoScore* shrinks."""

    rows: Literal["unit", "raw"] = param(
        "unit",
        "IsoScore and mean removal of unit rows, as losses see them, or of the rows as stored.",
        choices=("unit", "raw"),
    )
    zeta: float = param(
        0.2, "IsoScore*: weight of the identity in the covariance; 0 is IsoScore itself.", low=0.0, high=1.0
    )
    rescale: bool = param(
        True, "IsoScore*: give the covariance trace D first, so that the scale of the embeddings does not matter."
    )


def compute(inputs: SetInputs, params: IsotropyParams) -> Result:
    """Compute the isotropy of one embedding set, every view on its own; numbers are means over views."""
    views = [_measure(inputs, view, params) for view in inputs.embedding_set.view_names]
    quantities = _quantities(views, inputs, params)
    counts = [inputs.moments.views[view.name].count for view in views]
    used = counts[0] if inputs.embedding_set.aligned else sum(counts)
    total = inputs.embedding_set.n if inputs.embedding_set.aligned else sum(inputs.embedding_set.sizes)
    notes = (
        "mean over views of each view's own number",
        f"IsoScore of {params.rows} rows, covariance centred; IsoScore* at zeta = {params.zeta:g}"
        + (", trace rescaled to D" if params.rescale else ", scale as it is"),
        "partition function of uncentred rows, both signs of every eigenvector: an extreme of many directions, which "
        "has no interval; nor has the mean cosine without the mean, whose spread is that of the mean itself",
    )
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views=views_of(views, quantities, params.rows, inputs.run),
        findings=findings(quantities),
        caveats=inputs.plain_caveats(used, total - used, normalised=params.rows == "unit", notes=notes),
        params=params.as_dict(),
    )


def seconds(inputs: SetInputs, params: IsotropyParams) -> float:
    """Return about how long `compute` takes: eigenvectors, and one product of all rows with them, twice a view."""
    dim, rows = inputs.embedding_set.dim, sum(inputs.embedding_set.sizes)
    return 2 * (len(inputs.embedding_set.views) * 2e-9 * dim**3 + rows * dim * (2e-10 * dim + 3e-8))


def _measure(inputs: SetInputs, view: str, params: IsotropyParams) -> ViewIsotropy:
    moments = inputs.moments.views[view]
    _, scatter = view_scatter(moments, params.rows)
    place, count = inputs.embedding_set.view_names.index(view), len(inputs.embedding_set.views)

    def report(half: int, done: float, message: str) -> None:
        inputs.progress((place + (half + done) / 2) / count, message)

    partitions: dict[RowKind, Partition] = {}
    for half, kind in enumerate(_KINDS):
        vectors = _eigenvectors(inputs, view, kind)
        make = partial(partition, inputs.embedding_set, view, moments, kind, partial(report, half), vectors)
        partitions[kind] = inputs.remember(("partition", view, kind), make)
    kind = params.rows
    return ViewIsotropy(
        view,
        partitions,
        inputs.remember(("mean cosines", view, kind), lambda: mean_cosines(inputs.embedding_set, view, moments, kind)),
        isoscore_of(scatter),
        isoscore_of(scatter, params.zeta, count=moments.count, rescale=params.rescale),
    )


def _eigenvectors(inputs: SetInputs, view: str, kind: RowKind) -> NDArray[np.float64] | None:
    """Return the eigenvectors that the ranks of raw rows had to find, and None where they did not."""
    if kind == "unit" or inputs.moments.views[view].raw_scatter is None:
        return None
    found = spectrum_of(inputs, view, kind, centred=False)
    return found.directions if found.directions is not None and found.directions.shape[1] == found.dim else None


_KINDS: tuple[RowKind, RowKind] = ("unit", "raw")
_MEASURES: dict[str, Callable[[ViewIsotropy], float]] = {
    "mean_cosine": lambda view: view.cosines.mean,
    "mean_cosine_centred": lambda view: view.cosines.centred,
    "cosine_regularizer": lambda view: view.cosines.mean * (len(view.cosines.own) - 1) / len(view.cosines.own),
    "isoscore": lambda view: view.isoscore,
    "isoscore_star": lambda view: view.isoscore_star,
    "partition_unit": lambda view: view.partitions["unit"].isotropy,
    "partition_raw": lambda view: view.partitions["raw"].isotropy,
}


def _quantities(views: list[ViewIsotropy], inputs: SetInputs, params: IsotropyParams) -> dict[str, Quantity]:
    counts = [len(view.cosines.own) for view in views]
    n_used = counts[0] if inputs.embedding_set.aligned else sum(counts)
    sphere = float(np.mean([isoscore_of_sphere(count, inputs.embedding_set.dim) for count in counts]))
    found = {}
    for spec in SPEC.quantities:
        value = float(np.mean([_MEASURES[spec.name](view) for view in views]))
        known = math.isfinite(value)
        if known and spec.range is not None:
            # Rounding can push a mean of cosines a little beyond its range.
            value = min(max(value, spec.range[0]), spec.range[1])
        interval = _interval(spec.name, value, views, inputs, params) if known else None
        reference = {"mean_cosine": 0.0, "mean_cosine_centred": 0.0, "isoscore": sphere}.get(spec.name)
        found[spec.name] = Quantity(
            spec.name,
            spec.label,
            value if known else None,
            spec.unit,
            interval,
            n=n_used,
            range=spec.range,
            reference=reference,
            reference_label="" if reference is None else "uniform sphere, same N and D",
            missing="" if known else "not defined where rows do not differ, or one row is the mean",
        )
    return found


def _interval(
    name: str, value: float, views: list[ViewIsotropy], inputs: SetInputs, params: IsotropyParams
) -> Interval | None:
    if name == "mean_cosine":
        return _cosine_interval(value, views, inputs.embedding_set.aligned)
    if name.startswith("isoscore"):
        zeta = params.zeta if name == "isoscore_star" else 0.0
        rows = params.rows
        rescale = params.rescale or zeta == 0.0
        return inputs.remember(
            ("interval of IsoScore", rows, zeta, rescale),
            lambda: isoscore_interval(inputs, rows, value, zeta, rescale),
        )
    return None


def _cosine_interval(value: float, views: list[ViewIsotropy], aligned: bool) -> Interval | None:
    influences = [2 * (view.cosines.own - view.cosines.mean) / len(views) for view in views]
    groups = [np.sum(influences, axis=0)] if aligned else influences
    found = influence_interval(value, *groups, limits=(-1.0, 1.0))
    return found if found.low < found.high and found.low <= value <= found.high else None


def _share(name: str, label: str, definition: str, low: float = 0.0) -> QuantitySpec:
    return QuantitySpec(name, label, definition, "", (low, 1.0), "higher" if low == 0 else "lower")


SPEC = DiagnosticSpec(
    name="isotropy",
    title="Isotropy",
    question="Do embeddings point everywhere, or fill a cone or a few directions?",
    section="Geometry",
    page="geometry/alignment_uniformity",
    needs="set",
    params=IsotropyParams,
    compute=compute,
    seconds=seconds,
    quantities=(
        QuantitySpec(
            "mean_cosine",
            "Anisotropy: mean cosine",
            "Mean cosine of two different rows of a view, (|sum z|² - N) / (N (N - 1)).",
            "cosine",
            (-1.0, 1.0),
            "lower",
        ),
        QuantitySpec(
            "mean_cosine_centred",
            "Mean cosine without the mean",
            "The same once the mean row is taken off and rows are of unit length again.",
            "cosine",
            (-1.0, 1.0),
        ),
        QuantitySpec(
            "cosine_regularizer",
            "Cosine regulariser",
            "Sum of the cosines of all pairs of different rows over N²: the mean cosine with another denominator.",
            "cosine",
            (-1.0, 1.0),
            "lower",
        ),
        _share(
            "isoscore",
            "IsoScore",
            "(PR - 1) / (D - 1), PR the participation ratio of the covariance's eigenvalues.",
        ),
        _share("isoscore_star", "IsoScore*", "IsoScore of the covariance shrunk to the identity by zeta."),
        _share(
            "partition_unit",
            "Partition isotropy, unit rows",
            "Smallest over largest sum of exp(c . z) over both signs c of the eigenvectors of Z'Z, unit rows.",
        ),
        _share(
            "partition_raw",
            "Partition isotropy, raw rows",
            "The same for the rows as stored; it depends on their scale.",
        ),
    ),
    definition=(
        "Isotropic rows have no preferred direction. There are two ways to lose that. A cone: all rows share a mean "
        "direction, and different samples have a positive cosine; taking the mean off mends it. Few directions: the "
        "covariance has a few large eigenvalues, and no shift mends that. The mean cosine sees the first, IsoScore "
        "(which is centred) the second, and the partition function both."
    ),
    formula=(
        r"\bar s = \frac{\|\sum_i z_i\|^2 - N}{N(N-1)}, \quad"
        r" \mathrm{IsoScore} = \frac{\mathrm{PR} - 1}{D - 1}, \ \mathrm{PR} = \frac{(\sum_k \lambda_k)^2}{\sum_k"
        r" \lambda_k^2}, \quad I = \frac{\min_c Z(c)}{\max_c Z(c)}, \ Z(c) = \sum_i e^{c^\top x_i}, \ c \in \{\pm"
        r" v_k\}, \quad \Sigma_\zeta = (1 - \zeta)\,\Sigma + \zeta I"
    ),
    reading=(
        "Mean cosine near 0: no cone; above 0.5 a narrow one, as many encoders have at their start (Liang et al.). "
        "IsoScore is about the share of the dimensions that carry the variance evenly: 0 one direction, 1 all alike. "
        "Its published steps (a normalised distance of the eigenvalues to the diagonal) come to (PR - 1) / (D - 1) "
        "exactly. Partition isotropy is 1 where every direction sees the same sum."
    ),
    traps=(
        "IsoScore is too low where N is not far above D (rank is at most N - 1): the reference is a uniform sphere of "
        "this N and D. IsoScore* shrinks to the identity, so without rescaling it depends on the units of the "
        "embeddings (unit rows: covariance of trace 1 beside an identity of trace D); the peer's code does not "
        "rescale. The partition function sees scale too: raw rows of large norm give values near 0 whatever their "
        "directions, so it is given for unit rows as well. The sign of an eigenvector is arbitrary while Z(c) is not "
        "Z(-c): both count here. The function `partition_score` of the IsoScore repository is another quantity: it "
        "walks over rows of the eigenvector matrix and sums exponentials of products of entries, and gives 0.99 "
        "where the definition gives 0.57; we do not follow it. The cosine regulariser divides by N², not N (N - 1)."
    ),
    sources=(MU, _thresholds.RUDMAN, STAR, ETHAYARAJH, _thresholds.LIANG),
    thresholds=(
        _thresholds.ANISOTROPY,
        _thresholds.ISOSCORE_OF_SPHERE,
        _thresholds.ISOSCORE,
    ),
)

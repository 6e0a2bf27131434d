"""How many dimensions do the embeddings really have?"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.errors import MissingInputError
from cl_viz.core.params import Params, param
from cl_viz.core.result import Finding, Interval, Level, Quantity, Result, Source, format_number
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.diagnostics._dense import neighbors as dense
from cl_viz.diagnostics._geometry.dimension_distances import MOST_ANCHORS, DimensionDistances, dimension_distances
from cl_viz.diagnostics._geometry.dimension_estimates import ESTIMATORS, Estimator, mean_estimate
from cl_viz.diagnostics._geometry.dimension_views import views_of
from cl_viz.diagnostics._geometry.isotropy_measures import view_scatter
from cl_viz.diagnostics._geometry.near_rows import near_rows
from cl_viz.diagnostics._geometry.sphere_null import dimension_of_sphere
from cl_viz.diagnostics._group_jackknife import group_jackknife
from cl_viz.diagnostics._thresholds import geometry as _thresholds
from cl_viz.engine.inputs import SetInputs

MACKAY = Source(
    "MacKay and Ghahramani 2005, Comments on 'Maximum Likelihood Estimation of Intrinsic Dimension'",
    "https://www.inference.org.uk/mackay/dimension/",
)
FUKUNAGA = Source(
    "Fukunaga and Olsen 1971, An Algorithm for Finding Intrinsic Dimensionality of Data",
    "https://doi.org/10.1109/T-C.1971.223208",
)


@dataclass(frozen=True)
class IntrinsicDimensionParams(Params):
    """What the estimators look at."""

    neighbours: int = param(20, "Maximum likelihood: neighbours of each row.", low=3, high=60)
    discard: float = param(0.1, "TwoNN: share of the largest ratios left out of the fit.", low=0.0, high=0.5)
    pca_threshold: float = param(
        0.05, "Local PCA's rule on the whole set: an eigenvalue counts above this share of the largest.",
        low=0.001, high=0.5, log=True,
    )  # fmt: skip


def compute(inputs: SetInputs, params: IntrinsicDimensionParams) -> Result:
    """Estimate the intrinsic dimension of one embedding set, every view on its own; numbers are means over views."""
    views = _distances(inputs)
    quantities = _quantities(views, inputs, params)
    embedding_set = inputs.embedding_set
    used = views[0].n_rows if embedding_set.aligned else sum(view.n_rows for view in views)
    total = embedding_set.n if embedding_set.aligned else sum(embedding_set.sizes)
    notes = (
        "distances of unit rows within each view, repeated rows taken out; mean over views",
        "anchors: " + ", ".join(f"{len(view.anchors):,} of {view.n_distinct:,} rows of {view.view}" for view in views),
        "seed: of anchors, parts, groups left out for intervals, and the uniform sphere",
    )
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views=views_of(views, quantities, params, inputs),
        findings=_findings(quantities, inputs),
        caveats=inputs.plain_caveats(used, total - used, seed=0, notes=notes),
        params=params.as_dict(),
    )


def seconds(inputs: SetInputs, params: IntrinsicDimensionParams) -> float:
    """Return about how long `compute` takes: the anchors' distances, and those of a uniform sphere."""
    embedding_set = inputs.embedding_set
    anchors = sum(min(size, MOST_ANCHORS) for size in embedding_set.sizes)
    return 0.3 + 1e-6 * anchors * embedding_set.dim + 5e-8 * sum(embedding_set.sizes) * (512 + embedding_set.dim)


def _distances(inputs: SetInputs) -> list[DimensionDistances]:
    names = inputs.embedding_set.view_names
    # The pass over neighbours is the first half of the work, as the progress says it.
    first = replace(inputs, progress=lambda done, message: inputs.progress(done / 2, message))
    nears = [near_rows(inputs.embedding_set, first.neighbors, view, 2) for view in names]

    def made(place: int) -> DimensionDistances:
        def report(done: float, message: str) -> None:
            inputs.progress((1 + (place + done) / len(names)) / 2, message)

        return dimension_distances(inputs.embedding_set, nears[place], report)

    return [inputs.remember(("dimension distances", view), partial(made, place)) for place, view in enumerate(names)]


def _quantities(
    views: list[DimensionDistances], inputs: SetInputs, params: IntrinsicDimensionParams
) -> dict[str, Quantity]:
    everything = [np.ones(view.n_rows, dtype=np.bool_) for view in views]
    aligned = inputs.embedding_set.aligned or len(views) == 1
    values: dict[str, float] = {}
    intervals: dict[str, Interval | None] = {}
    for estimator in ESTIMATORS:
        value = mean_estimate(views, everything, estimator, params)
        values[estimator] = value
        if aligned and math.isfinite(value):

            def without(keep: NDArray[np.bool_], estimator: Estimator = estimator) -> float:
                return mean_estimate(views, [keep] * len(views), estimator, params)

            intervals[estimator] = group_jackknife(value, without, views[0].n_rows, limits=(0.0, math.inf))
    spheres = [
        dimension_of_sphere(view.n_distinct, inputs.embedding_set.dim, params.neighbours, params.discard)
        for view in views
        if view.n_distinct > params.neighbours
    ]
    references = dict(zip(ESTIMATORS, np.mean(spheres, axis=0), strict=True)) if spheres else {}
    values |= _spectral(inputs, params)
    values["repeated_share"] = sum(view.n_repeats for view in views) / sum(view.n_rows for view in views)
    n_used = views[0].n_rows if inputs.embedding_set.aligned else sum(view.n_rows for view in views)
    found = {}
    for spec in SPEC.quantities:
        value = values.get(spec.name, math.nan)
        defined = math.isfinite(value)
        reference = references.get(spec.name)
        found[spec.name] = Quantity(
            spec.name,
            spec.label,
            value if defined else None,
            spec.unit,
            intervals.get(spec.name),
            n=sum(view.n_rows for view in views) if spec.name == "repeated_share" else n_used,
            unit_of_n="rows over all views" if spec.name == "repeated_share" else "samples",
            range=spec.range,
            reference=None if reference is None else float(reference),
            reference_label="" if reference is None else "uniform sphere, same N and D",
            missing="" if defined else "add samples: there are too few different rows for so many neighbours",
        )
    return found


def _spectral(inputs: SetInputs, params: IntrinsicDimensionParams) -> dict[str, float]:
    """Return the two estimates from the covariance's eigenvalues, mean over views; nothing in very many dimensions."""
    counts, ratios = [], []
    try:
        for name, moments in inputs.moments.views.items():
            _, scatter = view_scatter(moments, "unit")
            values = inputs.remember(("eigenvalues of unit rows", name), partial(np.linalg.eigvalsh, scatter))
            counts.append(dense.pca_dimension(values, params.pca_threshold) if values.max() > 0 else math.nan)
            squares = float(np.square(scatter).sum())
            ratios.append(float(np.trace(scatter)) ** 2 / squares if squares > 0 else math.nan)
    except MissingInputError:
        return {}
    return {"fukunaga_olsen": float(np.mean(counts)), "participation_ratio": float(np.mean(ratios))}


def _findings(quantities: dict[str, Quantity], inputs: SetInputs) -> tuple[Finding, ...]:
    two, many, repeated = (quantities[name] for name in ("two_nn", "levina_bickel", "repeated_share"))
    known = [quantity for quantity in (two, many) if quantity.value is not None]
    if not known:
        return (
            Finding(
                SPEC.name,
                "unknown",
                "Unknown: the intrinsic dimension.",
                f"To see it, {two.missing}.",
                _thresholds.FACCO,
                "two_nn",
            ),
        )
    values = [float(quantity.value) for quantity in known if quantity.value is not None]
    few = _few_dimensions(known)
    differ = _thresholds.DISAGREEMENT.level(max(values) / min(values))
    level = few if few != "good" else differ
    labels = {"two_nn": "TwoNN", "levina_bickel": "maximum likelihood"}
    text = ", ".join(f"{quantity.text()} by {labels[quantity.name]}" for quantity in known)
    sphere = known[0].reference
    null = "" if sphere is None else f" (a uniform sphere of this N and D measures {format_number(sphere)} by TwoNN)"
    advice = ""
    if few != "good":
        advice = "The rows lie near a curve: look at the spectrum and at collapse."
    elif differ != "good":
        advice = (
            "The dimension depends on the scale: look at its curve over N; clusters or noise at small radii do this."
        )
    main = Finding(
        SPEC.name,
        level,
        f"The intrinsic dimension is {text}, of {inputs.embedding_set.dim}{null} (N = {known[0].n:,}).",
        advice,
        _thresholds.FACCO,
        known[0].name,
    )
    return (main, _repeats(repeated, repeated.value)) if repeated.value else (main,)


def _repeats(repeated: Quantity, share: float) -> Finding:
    level = _thresholds.REPEATED_ROWS.level(share)
    return Finding(
        SPEC.name,
        level,
        f"{format_number(100 * share)} % of the rows repeat another and were taken out "
        f"(N = {repeated.n:,} rows over all views).",
        "Remove repeated inputs; with them the estimate would fall towards 0." if level != "good" else "",
        _thresholds.FACCO,
        "repeated_share",
    )


def _few_dimensions(known: list[Quantity]) -> Level:
    """Return whether the dimensions are few. Where the space itself has few, a uniform sphere sets what can be had."""
    values = [(float(quantity.value), quantity.reference) for quantity in known if quantity.value is not None]
    if all(null is not None and not _thresholds.DIMENSION_OF_SPHERE.met(value / null) for value, null in values):
        return "good"
    return _thresholds.FEW_DIMENSIONS.level(min(value for value, _ in values))


def _dimension(name: str, label: str, definition: str) -> QuantitySpec:
    return QuantitySpec(name, label, definition, "dimensions", (0.0, math.inf))


SPEC = DiagnosticSpec(
    name="intrinsic_dimension",
    title="Intrinsic dimension",
    question="How many dimensions do the embeddings really have?",
    section="Geometry",
    page="geometry/alignment_uniformity",
    needs="set",
    params=IntrinsicDimensionParams,
    compute=compute,
    passes=("neighbors",),
    seconds=seconds,
    quantities=(
        _dimension("two_nn", "TwoNN", "From the ratio of each row's two nearest distances, largest ratios left out."),
        _dimension(
            "levina_bickel",
            "Maximum likelihood",
            "Levina-Bickel estimate from each row's k nearest distances, reciprocals averaged over rows.",
        ),
        _dimension(
            "fukunaga_olsen",
            "PCA count",
            "Eigenvalues of the covariance of the unit rows above a share of the largest (Fukunaga-Olsen).",
        ),
        _dimension(
            "participation_ratio",
            "Participation ratio",
            "(Sum of the eigenvalues)² over the sum of their squares, covariance of the unit rows.",
        ),
        QuantitySpec(
            "repeated_share",
            "Repeated rows",
            "Share of the rows within a millionth of the median nearest distance of another row.",
            "share",
            (0.0, 1.0),
            "lower",
        ),
    ),
    definition=(
        "Rows may fill a curved surface of few dimensions inside R^D. Close to a row, the number of neighbours within "
        "a radius grows as the radius to the power of that dimension. TwoNN reads it from the two nearest neighbours, "
        "maximum likelihood from k of them. The PCA count and the participation ratio are linear: they count the "
        "dimensions of the flat space that holds the surface, and are never much smaller."
    ),
    formula=(
        r"\mu_i = r_2 / r_1, \quad -\log(1 - F(\mu)) = d \log \mu; \qquad"
        r" \hat d^{-1} = \frac1N \sum_i \frac{1}{k-1} \sum_{j<k} \log \frac{r_k(i)}{r_j(i)}"
    ),
    reading=(
        "On a uniform sphere of R^D the truth is D - 1. Both estimators are too low above about 15 dimensions, because "
        "no sample is dense enough: read them against the uniform sphere of the same N and D, and trust differences "
        "between runs of one N more than the number. A curve over N that rises says that more samples would show "
        "more; one that is flat says that the number can be trusted at this scale."
    ),
    traps=(
        "Repeated rows have distance 0 and drive TwoNN to 0; in other packages their distances are 1e-8 from rounding "
        "and not 0, so that 100 repeats gave 0.04. Here they are found relative to the median nearest distance and "
        "taken out. Noise fills all dimensions at the smallest radii: TwoNN, which looks there, then says more than "
        "maximum likelihood. The peer (scikit-dimension) works on rows as they are; here rows are of unit length, "
        "since scores see only directions. Above 8,192 rows the distances of a random 8,192 are used, to neighbours "
        "among all. 'PCA count' uses the rule that scikit-dimension calls lPCA FO, on the whole set."
    ),
    sources=(_thresholds.FACCO, _thresholds.LEVINA_BICKEL, MACKAY, FUKUNAGA),
    thresholds=(
        _thresholds.DISAGREEMENT,
        _thresholds.DIMENSION_OF_SPHERE,
        _thresholds.FEW_DIMENSIONS,
        _thresholds.REPEATED_ROWS,
    ),
)

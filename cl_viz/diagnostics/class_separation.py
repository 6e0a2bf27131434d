"""Do the classes stand apart as clusters?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.params import param
from cl_viz.core.result import Finding, Interval, Quantity, Result, Source, format_number, influence_interval
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.core.view import Axis, Bars, Histogram, Reference, Series, View
from cl_viz.diagnostics._groups.class_silhouettes import Silhouettes, euclidean_silhouette
from cl_viz.diagnostics._groups.class_spread import Spread
from cl_viz.diagnostics._groups.judgement import BARS, percent
from cl_viz.diagnostics._groups.labelled_view import LabelledView, ViewParams, labelled_view
from cl_viz.diagnostics._groups.probes import Scaling, probe_rows, stratified_sample
from cl_viz.diagnostics._proportions import share_of_hits
from cl_viz.diagnostics._thresholds import downstream as _thresholds
from cl_viz.diagnostics._thresholds.open_level import open_level
from cl_viz.engine.inputs import SetInputs

Array = NDArray[np.float64]
ROUSSEEUW = Source(
    "Rousseeuw 1987, Silhouettes: a graphical aid to the interpretation and validation of cluster analysis",
    "https://doi.org/10.1016/0377-0427(87)90125-7",
)
DAVIES = Source("Davies and Bouldin 1979, A Cluster Separation Measure", "https://doi.org/10.1109/TPAMI.1979.4766909")
CALINSKI = Source(
    "Calinski and Harabasz 1974, A dendrite method for cluster analysis", "https://doi.org/10.1080/03610927408827101"
)
EUCLIDEAN_ROWS = 2000


@dataclass(frozen=True)
class ClassSeparationParams(ViewParams):
    """Which rows the Euclidean measures are taken on."""

    rows: str = param(
        "unit",
        "Rows of the Euclidean measures; the cosine silhouette does not see lengths.",
        choices=("unit", "stored"),
    )
    seed: int = param(0, "Seed of the draw for the Euclidean silhouette of large sets.", low=0, high=10_000)


def compute(inputs: SetInputs, params: ClassSeparationParams) -> Result:
    """Measure how far the classes of one view stand apart."""
    found = labelled_view(inputs.embedding_set, params.view)
    judged = found.of_classes(2)
    scaling: Scaling = "unit" if params.rows == "unit" else "stored"
    measured = inputs.remember(("cosine silhouettes", params.view), lambda: Silhouettes.of(inputs, judged))
    silhouettes = measured.values
    spread = inputs.remember(("class spread", params.view, scaling), lambda: Spread.of(inputs, judged, scaling))
    drawn = judged.keep(stratified_sample(judged.codes, EUCLIDEAN_ROWS, params.seed))
    key = ("euclidean silhouette", params.view, scaling, params.seed)
    values: dict[str, tuple[float | None, Interval | None, int]] = {
        "silhouette_cosine": (float(silhouettes.mean()), _mean_interval(measured), len(judged.rows)),
        "negative_share": (float((silhouettes < 0).mean()), share_of_hits(silhouettes < 0), len(judged.rows)),
        "silhouette_euclidean": (
            *inputs.remember(key, lambda: _euclidean(inputs, drawn, scaling)), len(drawn.rows)),
        "davies_bouldin": (*spread.davies_bouldin(), len(judged.rows)),
        "calinski_harabasz": (*spread.calinski_harabasz(), len(judged.rows)),
    }  # fmt: skip
    missing = "look for collapse: class centres or the rows of a class coincide"
    quantities = {
        spec.name: Quantity(
            spec.name, spec.label, values[spec.name][0], spec.unit, values[spec.name][1], values[spec.name][2],
            range=spec.range,
            missing=missing if values[spec.name][0] is None else "",
        )
        for spec in SPEC.quantities
    }  # fmt: skip
    sampled = len(drawn.rows) < len(judged.rows)
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views=_views(silhouettes, judged, inputs.run),
        findings=(_finding(quantities, judged),),
        caveats=inputs.plain_caveats(
            len(judged.rows),
            found.excluded,
            normalised=scaling == "unit",
            seed=params.seed if sampled else None,
            notes=(
                *found.notes(judged),
                f"Euclidean silhouette on {len(drawn.rows):,} samples{', drawn by class' if sampled else ''}; "
                f"Euclidean measures on rows {'of unit length' if scaling == 'unit' else 'as stored'}",
                "intervals over samples: each counts by itself and by where it pulls the centre of its class; that of "
                "the share nearer to another class takes the centres as they are",
            ),
        ),
        params=params.as_dict(),
    )


def _mean_interval(measured: Silhouettes) -> Interval | None:
    mean = float(measured.values.mean())
    if not -1 < mean < 1:
        return None
    found = influence_interval(mean, measured.influence, limits=(-1.0, 1.0))
    return found.around(mean)


def _euclidean(inputs: SetInputs, drawn: LabelledView, scaling: Scaling) -> tuple[float | None, Interval | None]:
    rows = probe_rows(inputs.embedding_set, drawn.view, drawn.rows, scaling)
    n_classes = len(np.unique(drawn.codes))
    if not np.ptp(rows, axis=0).max() > 0 or not 2 <= n_classes < len(rows):
        return None, None
    return euclidean_silhouette(rows, drawn.codes)


def _finding(quantities: dict[str, Quantity], judged: LabelledView) -> Finding:
    mean, negative = quantities["silhouette_cosine"], quantities["negative_share"]
    level = _thresholds.SILHOUETTE.level(mean.value or 0.0)
    nearer = percent(negative.value or 0.0)
    message = (
        f"The mean silhouette of the classes is {mean.text()}; {nearer} of the samples are nearer to another "
        f"class than to their own (cosine, N = {len(judged.rows):,}).{open_level(mean, _thresholds.SILHOUETTE.level)}"
    )
    advice = "Classes may still be separable by a hyperplane: see the linear probe."
    return Finding(
        SPEC.name, level, message, "" if level == "good" else advice, _thresholds.SILHOUETTE.source, "silhouette_cosine"
    )


def _views(silhouettes: Array, judged: LabelledView, run: str) -> dict[str, View]:
    edges = np.linspace(-1, 1, 81)
    mean = float(silhouettes.mean())
    share = np.histogram(silhouettes, edges)[0] / len(silhouettes)
    histogram = Histogram(
        f"Mean silhouette {format_number(mean)}, {percent(float((silhouettes < 0).mean()))} below 0",
        Axis("Silhouette", "cosine distances", (-1.0, 1.0)),
        Axis("Samples", "share"),
        (Series("samples", edges, share, run=run, n=len(silhouettes)),),
        (Reference("nearer to another class", 0.0),),
    )
    counts = judged.counts
    means = np.bincount(judged.codes, silhouettes, len(counts)) / np.maximum(1, counts)
    present = np.flatnonzero(counts)
    order = present[np.argsort(means[present], kind="stable")][:BARS]
    more = f" (the {BARS} lowest of {len(present):,})" if len(present) > BARS else ""
    bars = Bars(
        f"{judged.names[order[0]]} stands apart least: silhouette {format_number(float(means[order[0]]))}{more}",
        Axis("Class"),
        Axis("Silhouette", "mean over samples", (-1.0, 1.0)),
        (Series("silhouette", np.array([judged.names[i] for i in order], dtype=object), means[order], run=run,
                n=len(silhouettes)),),
    )  # fmt: skip
    return {"silhouettes": histogram, "by_class": bars}


SPEC = DiagnosticSpec(
    name="class_separation",
    title="Class separation",
    question="Do the classes stand apart as clusters?",
    section="Groups",
    page="groups/downstream",
    needs="set",
    tells="outcome",
    params=ClassSeparationParams,
    compute=compute,
    quantities=(
        QuantitySpec(
            "silhouette_cosine",
            "Silhouette, cosine",
            "Mean over samples of (b - a) / max(a, b): a is the mean distance 1 - cosine to the others of its class, b "
            "that to the nearest other class.",
            "silhouette",
            (-1.0, 1.0),
            "higher",
        ),
        QuantitySpec(
            "negative_share",
            "Nearer to another class",
            "Share of the samples with a negative cosine silhouette.",
            "share",
            (0.0, 1.0),
            "lower",
        ),
        QuantitySpec(
            "silhouette_euclidean",
            "Silhouette, Euclidean",
            f"As before with Euclidean distances, on at most about {EUCLIDEAN_ROWS:,} samples.",
            "silhouette",
            (-1.0, 1.0),
            "higher",
        ),
        QuantitySpec(
            "davies_bouldin",
            "Davies-Bouldin index",
            "Mean over classes of the largest ratio of the two mean distances to the centre to the distance of the "
            "two centres.",
            "ratio",
            better="lower",
        ),
        QuantitySpec(
            "calinski_harabasz",
            "Calinski-Harabasz index",
            "Sum of squares between the classes over that within them, each over its degrees of freedom.",
            "ratio",
            better="higher",
        ),
    ),
    definition=(
        "The silhouette of a sample compares its mean distance to its own class with that to the nearest other class. "
        "With cosine distances it needs no pairs: the mean distance to a class is 1 minus the product with the class's "
        "mean. Davies-Bouldin and Calinski-Harabasz compare spread within classes with distances between their centres."
    ),
    formula=(
        r"s_i = \frac{b_i - a_i}{\max(a_i, b_i)}, \quad a_i = \frac{n_{y_i}\,(1 - z_i \cdot m_{y_i})}{n_{y_i} - 1},"
        r" \quad b_i = \min_{c \neq y_i} (1 - z_i \cdot m_c), \quad m_c = \frac{1}{n_c}\sum_{y_j = c} z_j"
    ),
    reading=(
        "Silhouettes run from -1 to 1; 0 means that a sample is as near to another class as to its own, and labels "
        "without any structure give slightly negative means. Kaufman and Rousseeuw call a mean above 0.25 a structure "
        "and above 0.5 a reasonable one. Classes that are spread out and share borders have low silhouettes although "
        "neighbours and probes find them."
    ),
    traps=(
        "Cosine and Euclidean silhouettes of the same embedding differ (0.49 and 0.29 on one of the tests' sets), "
        "also on unit rows, where Euclidean distances are roots of cosine distances. A class of one sample "
        "has a silhouette of 0 by convention; here such classes are left out. Calinski-Harabasz grows with the "
        "number of samples, and both indices favour round classes; compare runs on the same samples only."
    ),
    sources=(ROUSSEEUW, DAVIES, CALINSKI),
    thresholds=(_thresholds.SILHOUETTE,),
)

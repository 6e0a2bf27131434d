"""Are the views of a sample close, and is the whole sphere used?"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cl_viz.core.errors import MissingInputError
from cl_viz.core.lazily import lazily
from cl_viz.core.params import Params, param
from cl_viz.core.result import Finding, Interval, Quantity, Result, format_number
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.core.view import Axis, Histogram, Lines, Reference, Scatter, Series, Table, View
from cl_viz.diagnostics._dense.geometry import uniformity_of_sphere
from cl_viz.diagnostics._geometry.positive_distances import PositiveDistances, positive_distances
from cl_viz.diagnostics._geometry.view_uniformity import uniformity_interval
from cl_viz.diagnostics._made_views import OWN_VIEWS, views_are_made
from cl_viz.diagnostics._sample_columns import sample_columns
from cl_viz.diagnostics._thresholds import geometry as _thresholds
from cl_viz.diagnostics._thresholds.open_level import open_level
from cl_viz.engine.inputs import SetInputs
from cl_viz.engine.pair_sketch import PairRoles

FARTHEST = 200
"""Rows of the table of farthest views."""
_EQUAL = 1e-14
"""Mean squared distance below which rows are equal: 2 - 2s of equal rows is off 0 by rounding alone."""
_T_SHOWN = np.geomspace(0.1, 10.0, 41)


@dataclass(frozen=True)
class AlignmentUniformityParams(Params):
    """The sharpness of uniformity."""

    sharpness: float = param(
        2.0,
        "t of uniformity, exp(-t d²): higher looks at nearer neighbours. The authors use 2.",
        low=0.1,
        high=20.0,
        unit="t",
        log=True,
    )


@dataclass(frozen=True)
class Measured:
    """Alignment and uniformity of one set.

    Attributes
    ----------
    positives : PositiveDistances or None
        None where no sample has two views.
    chance : float
        Mean squared distance of different samples across views (within the only view); NaN where there are none.
    uniformity : float
        Mean over views.
    by_view : dict
    make_interval : callable
        Returns the interval of the uniformity, or None.
    """

    positives: PositiveDistances | None
    missing: str
    chance: float
    uniformity: float
    by_view: dict[str, float]
    make_interval: Callable[[], Interval | None]

    @lazily
    def interval(self) -> Interval | None:
        """That of the uniformity: curves over training do not show it."""
        return self.make_interval()


def measure(inputs: SetInputs, t: float) -> Measured:
    """Measure one set; what a change of `t` does not touch is kept."""
    positives, missing = None, ""
    try:
        positives = inputs.remember("positive distances", lambda: positive_distances(inputs.embedding_set))
    except MissingInputError as error:
        missing = error.remedy or error.what
    statistics = inputs.statistics
    by_view = {view: min(0.0, float(values[0])) for view, values in statistics.uniformity([t]).items()}
    return Measured(
        positives,
        missing,
        2 - 2 * statistics.pairs.negatives(PairRoles()).mean,
        float(np.mean(list(by_view.values()))),
        by_view,
        lambda: uniformity_interval(statistics, t, by_view, inputs.embedding_set.aligned),
    )


def compute(inputs: SetInputs, params: AlignmentUniformityParams) -> Result:
    """Compute alignment and uniformity of one embedding set."""
    found = measure(inputs, params.sharpness)
    perfect = uniformity_of_sphere(inputs.embedding_set.dim, params.sharpness)
    quantities = _quantities(found, perfect, inputs)
    notes = (
        f"uniformity at t = {params.sharpness:g}, mean over views: "
        + ", ".join(f"{view} {format_number(value)}" for view, value in found.by_view.items()),
        "alignment from the rows themselves, uniformity from the sketch of all pairs",
    )
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views=_views(found, quantities, perfect, params.sharpness, inputs),
        findings=_findings(quantities, inputs),
        caveats=inputs.caveats(notes=notes),
        params=params.as_dict(),
    )


def _quantities(found: Measured, perfect: float, inputs: SetInputs) -> dict[str, Quantity]:
    values: dict[str, tuple[float, Interval | None]] = {}
    n_pairs = None
    if found.positives is not None:
        values["alignment"], values["alignment_distance"] = (found.positives.mean_power(alpha) for alpha in (2.0, 1.0))
        n_pairs = found.positives.n_samples
        if found.chance > _EQUAL:
            values["alignment_share"] = values["alignment"][0] / found.chance, None
    values["uniformity"] = found.uniformity, found.interval
    values["uniformity_share"] = found.uniformity / perfect, None
    quantities = {}
    for spec in SPEC.quantities:
        value, interval = values.get(spec.name, (None, None))
        aligned = spec.name.startswith("alignment")
        reference, label = _reference(spec.name, found.chance, perfect, inputs.embedding_set.dim)
        quantities[spec.name] = Quantity(
            spec.name,
            spec.label,
            value,
            spec.unit,
            interval and interval.with_width,
            n=n_pairs if aligned else inputs.statistics.n_used,
            range=spec.range,
            missing="" if value is not None else found.missing or "not defined where all rows are equal",
            reference=reference,
            reference_label=label,
        )
    return quantities


def _reference(name: str, chance: float, perfect: float, dim: int) -> tuple[float | None, str]:
    if name == "uniformity":
        return perfect, f"uniform sphere in {dim} dimensions"
    if name == "alignment" and math.isfinite(chance):
        return chance, "different samples"
    return None, ""


def _views(
    found: Measured, quantities: dict[str, Quantity], perfect: float, t: float, inputs: SetInputs
) -> dict[str, View]:
    dim, run = inputs.embedding_set.dim, inputs.run
    shown: dict[str, View] = {}
    uniformity = format_number(found.uniformity)
    alignment = quantities["alignment"]
    sphere = f"uniform sphere, D = {dim}"
    axis = Axis(f"Uniformity at t = {t:g}", "log mean exp(-t d²)", (-2 * t - 0.15 * t, 0.15 * t))
    if alignment.value is not None:
        shown["plane"] = Scatter(
            f"Alignment {format_number(alignment.value)}, uniformity {uniformity} (at best {format_number(perfect)})",
            Axis("Alignment", "mean squared distance of views", (-0.05, 2.4)),
            axis,
            (Series(run, np.array([alignment.value]), np.array([found.uniformity]), "other", run, n=alignment.n),),
            (Reference(sphere, perfect, "y"),),
        )
    shown["uniformity"] = _uniformity_by_t(uniformity, t, inputs)
    if found.positives is not None:
        shown["distances"] = _distances(found.positives, found.chance, quantities, run)
        shown["farthest_views"] = _farthest(found.positives, inputs)
    return shown


def _uniformity_by_t(uniformity: str, t: float, inputs: SetInputs) -> Lines:
    dim, run = inputs.embedding_set.dim, inputs.run
    curves = inputs.statistics.uniformity(_T_SHOWN)
    mean = np.mean(list(curves.values()), axis=0)
    best = np.array([uniformity_of_sphere(dim, float(value)) for value in _T_SHOWN])
    share = mean / best
    return Lines(
        f"Uniformity {uniformity} at t = {t:g}; {format_number(100 * float(share.min()))} to "
        f"{format_number(100 * float(share.max()))} % of a uniform sphere's over t",
        Axis("t", "sharpness", (float(_T_SHOWN[0]), float(_T_SHOWN[-1])), log=True),
        # Few rows can stand further apart than a uniform sphere's.
        Axis("Uniformity", "share of a uniform sphere's", (0.0, 1.05 * max(1.0, float(share.max())))),
        (Series("uniformity", _T_SHOWN, share, "other", run, n=inputs.statistics.n_used),),
        (Reference(f"uniform sphere, D = {dim}", 1.0, "y"),),
        markers=False,
    )


def _distances(positives: PositiveDistances, chance: float, quantities: dict[str, Quantity], run: str) -> Histogram:
    edges = np.linspace(0.0, 2.0, 81)
    density = np.histogram(positives.distances, edges)[0] / len(positives.distances) / np.diff(edges)
    mean = quantities["alignment_distance"].value
    assert mean is not None
    others = "" if not math.isfinite(chance) else f", different samples {format_number(math.sqrt(max(0.0, chance)))}"
    return Histogram(
        f"Views of a sample are {format_number(mean)} apart on average{others}",
        Axis("Distance of two views of a sample", "Euclidean, unit rows", (0.0, 2.0)),
        Axis("Density", "per unit of distance"),
        (Series("positives", edges, density, "positive", run, n=len(positives.distances)),),
    )


def _farthest(positives: PositiveDistances, inputs: SetInputs) -> Table:
    view = inputs.embedding_set.view_names[0]
    # A sample with several views shows its farthest pair only.
    places = positives.farthest(len(positives.distances))
    _, first = np.unique(positives.owners[places], return_index=True)
    places = places[np.sort(first)][:FARTHEST]
    rows = positives.owners[places]
    return Table(
        "Samples whose views are farthest apart",
        {"row": rows, "distance": positives.distances[places], **sample_columns(inputs.embedding_set, view, rows)},
        inputs.run,
    )


def _findings(quantities: dict[str, Quantity], inputs: SetInputs) -> tuple[Finding, ...]:
    return (_alignment_finding(quantities, inputs), _uniformity_finding(quantities, inputs))


def _alignment_finding(quantities: dict[str, Quantity], inputs: SetInputs) -> Finding:
    alignment, share = quantities["alignment"], quantities["alignment_share"]
    if alignment.value is None or share.value is None:
        what, remedy = "how close the views of a sample are", f"To see it, {alignment.missing}."
        if alignment.value is not None:
            what = "whether the views of a sample are closer than different samples, as all rows are equal"
            remedy = "Mend the collapse first: rows that are all equal have no distance to compare with."
        return Finding(
            SPEC.name,
            "unknown",
            f"Unknown: {what}.",
            remedy,
            _thresholds.WANG_ISOLA,
            "alignment",
        )
    level = _thresholds.ALIGNMENT.level(share.value)
    advice = (
        "Look at the farthest views: do they belong together? Train longer; where views are augmentations, weaken them."
    )
    if views_are_made(inputs.card):
        advice = OWN_VIEWS
    return Finding(
        SPEC.name,
        level,
        f"The squared distance of two views of a sample is {format_number(100 * share.value)} % of that of different "
        f"samples (alignment {alignment.text()}, N = {alignment.n:,}).{open_level(share, _thresholds.ALIGNMENT.level)}",
        "" if level == "good" else advice,
        _thresholds.WANG_ISOLA,
        "alignment_share",
    )


def _uniformity_finding(quantities: dict[str, Quantity], inputs: SetInputs) -> Finding:
    quantity, share = quantities["uniformity"], quantities["uniformity_share"]
    assert share.value is not None
    assert quantity.reference is not None
    level = _thresholds.UNIFORMITY.level(share.value)
    return Finding(
        SPEC.name,
        level,
        f"Uniformity is {quantity.text()} where a uniform sphere in {inputs.embedding_set.dim} dimensions has "
        f"{format_number(quantity.reference)} (N = {quantity.n:,}).{open_level(share, _thresholds.UNIFORMITY.level)}",
        "" if level == "good" else "Lower the temperature, add negatives, or look for collapse and for a cone.",
        _thresholds.WANG_ISOLA,
        "uniformity",
    )


SPEC = DiagnosticSpec(
    name="alignment_uniformity",
    title="Alignment and uniformity",
    question="Are the views of a sample close, and is the whole sphere used?",
    section="Geometry",
    page="geometry/alignment_uniformity",
    needs="set",
    params=AlignmentUniformityParams,
    compute=compute,
    passes=("statistics",),
    quantities=(
        QuantitySpec(
            "alignment",
            "Alignment",
            "Mean squared distance of the unit rows of two views of a sample (alpha = 2): 2 - 2 E[score].",
            "squared distance",
            (0.0, 4.0),
            "lower",
        ),
        QuantitySpec(
            "alignment_distance",
            "Alignment, alpha = 1",
            "Mean distance of the unit rows of two views of a sample (alpha = 1).",
            "distance",
            (0.0, 2.0),
            "lower",
        ),
        QuantitySpec(
            "alignment_share",
            "Alignment over chance",
            "Alignment (alpha = 2) over the mean squared distance of different samples.",
            "share",
            (0.0, math.inf),
            "lower",
        ),
        QuantitySpec(
            "uniformity",
            "Uniformity",
            "Log of the mean over pairs of different rows of a view of exp(-t d²); mean over views.",
            "",
            (-math.inf, 0.0),
            "lower",
        ),
        QuantitySpec(
            "uniformity_share",
            "Uniformity over a uniform sphere's",
            "Uniformity divided by that of the uniform distribution on the sphere in the same D at the same t.",
            "share",
            (0.0, math.inf),
            "higher",
        ),
    ),
    definition=(
        "Alignment is how far apart the views of one sample are; uniformity is how evenly all rows of a view cover the "
        "sphere. Both are about unit rows, d is their Euclidean distance, d² = 2 - 2s. Of two runs with the same "
        "views, the one nearer to the lower left has closer positives and a fuller sphere. The dashed line is the "
        "exact value of the uniform distribution in this dimension: nothing that is spread over the whole sphere can "
        "be lower."
    ),
    formula=(
        r"\mathcal{A}_\alpha = \mathbb{E}\,\|z_i - z'_i\|^\alpha, \quad"
        r" \mathcal{U}_t = \log \frac{2}{N(N-1)} \sum_{i<j} e^{-t\|z_i - z_j\|^2}, \quad"
        r" \mathcal{U}_t^{\mathrm{sphere}} = -2t + \log {}_0F_1\!\left(; \tfrac D2; t^2\right)"
    ),
    reading=(
        "Alignment 0 means that the views of a sample are one point; different samples, the other dashed line, say "
        "what far apart is. Uniformity is 0 where all rows are equal. At t = 2 a uniform sphere has -2.08 in 3 "
        "dimensions, -3.51 in 16, -3.75 in 32, -3.94 in 128 and -3.98 in 512; -4 is the limit of many dimensions, so "
        "a value is read against the line of its own D. Each alone is easily perfect: a constant map has perfect "
        "alignment, random rows have perfect uniformity. A higher t looks at nearer neighbours."
    ),
    traps=(
        "The authors' code does not normalise: rows must be of unit length first, as they are here. Pairs of a row "
        "with itself are left out; with them the value could not fall below about -log N. The log is of the mean over "
        "all pairs; a mean of logs over batches is another, higher number. The line is that of infinitely many "
        "samples: a handful of rows can lie below it (two opposite rows have -4t), and N uniform rows scatter around "
        "it. Uniformity hardly sees dimensional collapse in many dimensions: rows spread over 32 of 512 "
        "dimensions lose 6 % of it. Alignment depends on the augmentations: compare runs under the same ones. With "
        "two views both uniformities are averaged, as the authors do."
    ),
    sources=(_thresholds.WANG_ISOLA,),
    thresholds=(
        _thresholds.ALIGNMENT,
        _thresholds.UNIFORMITY,
    ),
)

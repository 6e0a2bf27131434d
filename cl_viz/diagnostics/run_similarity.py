"""How alike are the embeddings of this run and of the reference run?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cl_viz.core.params import Params, param
from cl_viz.core.result import Finding, Quantity, Result, Source, format_number
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.diagnostics._comparing.similarity_measures import (
    MEASURES,
    ComparedView,
    chances_of,
    compared_view,
    interval_of,
)
from cl_viz.diagnostics._comparing.similarity_views import views_of
from cl_viz.diagnostics._geometry.sample_match import match_samples
from cl_viz.diagnostics._thresholds import comparing as _thresholds
from cl_viz.engine.inputs import PairInputs

NGUYEN = Source(
    "Nguyen, Raghu and Kornblith 2021, Do Wide and Deep Networks Learn the Same Things? (debiased CKA)",
    "https://arxiv.org/abs/2010.15327",
)
RAGHU = Source(
    "Raghu et al. 2017, SVCCA: Singular Vector Canonical Correlation Analysis", "https://arxiv.org/abs/1706.05806"
)
WILLIAMS = Source(
    "Williams et al. 2021, Generalized Shape Metrics on Neural Representations", "https://arxiv.org/abs/2110.14739"
)


@dataclass(frozen=True)
class RunSimilarityParams(Params):
    """What is compared."""

    k: int = param(10, "Neighbours of each sample that are compared.", low=1, high=100, unit="neighbours")
    rows: Literal["unit", "raw"] = param(
        "unit",
        "CKA, CCA and Procrustes of unit rows, as losses see them, or of the rows as stored.",
        choices=("unit", "raw"),
    )
    variance: float = param(
        0.99,
        "SVCCA: as many directions of each run as explain this share of its variance.",
        low=0.5,
        high=0.999,
        unit="SVCCA",
    )


def compute(inputs: PairInputs, params: RunSimilarityParams) -> Result:
    """Compare a run with the reference run, view by view; numbers are means over views."""
    sets = (inputs.own.embedding_set, inputs.reference.embedding_set)
    names = (inputs.own.run, inputs.reference.run)
    match = match_samples(sets, names)
    views = [compared_view(inputs, match, place, params) for place in range(len(match.views))]
    quantities = _quantities(views, params)
    used = len(views[0].rows)
    notes = (
        f"compared with {names[1]} (D = {sets[1].dim}), {match.evidence}",
        "views: " + ", ".join(f"{own} with {other}" for own, other in match.views) + "; means over them",
        f"CKA, CCA and Procrustes of {params.rows} rows, centred; neighbours by cosine within each view",
        *_inflation(quantities),
        "seed: of the groups left out for intervals",
    )
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views=views_of(views, quantities, params, inputs),
        findings=_findings(quantities, names[1]),
        caveats=inputs.own.plain_caveats(
            used, sets[0].n - used, normalised=params.rows == "unit", centred=True, seed=0, notes=notes
        ),
        params=params.as_dict(),
    )


def _inflation(quantities: dict[str, Quantity]) -> tuple[str, ...]:
    """Say what unrelated embeddings would have of the measures that do not take it off."""
    parts = [
        f"{label} {format_number(chance)}"
        for label, chance in (
            ("a biased CKA of", quantities["cka_biased"].reference),
            ("an R² of", quantities["cca_squared"].reference),
        )
        if chance is not None
    ]
    return (f"unrelated embeddings of these spectra and this N would have {' and '.join(parts)}",) if parts else ()


def seconds(inputs: PairInputs, params: RunSimilarityParams) -> float:
    """Return about how long `compute` takes: six products of all rows with a matrix of D x D a view, and three SVDs."""
    own, other = inputs.own.embedding_set, inputs.reference.embedding_set
    wide = max(own.dim, other.dim)
    views = min(len(own.views), len(other.views))
    return 0.3 + views * (own.n * wide * (1.2e-9 * wide + 1e-7) + 2e-8 * wide**3)


def _quantities(views: list[ComparedView], params: RunSimilarityParams) -> dict[str, Quantity]:
    chances = [chances_of(view, params) for view in views]
    found = {}
    for spec in SPEC.quantities:
        value = float(np.mean([MEASURES[spec.name](view, params) for view in views]))
        defined = math.isfinite(value)
        if defined and spec.range is not None:
            value = min(max(value, spec.range[0]), spec.range[1])
        chance = float(np.mean([entry.get(spec.name, math.nan) for entry in chances]))
        found[spec.name] = Quantity(
            spec.name,
            spec.label,
            value if defined else None,
            spec.unit,
            interval_of(spec.name, value, views, params) if defined else None,
            n=len(views[0].rows),
            range=spec.range,
            reference=chance if math.isfinite(chance) else None,
            reference_label="unrelated embeddings" if math.isfinite(chance) else "",
            missing="" if defined else _MISSING.get(spec.name, "look for collapse: one run has no spread"),
        )
    return found


_MISSING = {
    "cca_squared": "add samples: with N - 1 below the sum of both ranks some correlations are 1 whatever the runs",
    "svcca": "add samples, or keep less of the variance",
    "cka_debiased": "add samples: one run has no structure beyond chance",
}


def _findings(quantities: dict[str, Quantity], reference: str) -> tuple[Finding, ...]:
    cka, kept = quantities["cka_debiased"], quantities["neighbor_overlap"]
    if cka.value is None or kept.value is None:
        missing = next(quantity.missing for quantity in (cka, kept) if quantity.value is None)
        return (
            Finding(
                SPEC.name,
                "unknown",
                f"Unknown: how alike the embeddings are to those of {reference}.",
                f"To see it, {missing}.",
                _thresholds.KORNBLITH,
                "cka_debiased",
            ),
        )
    multiple = kept.value / kept.reference if kept.reference else math.inf
    related = cka.value > 0 and _thresholds.UNRELATED.level(multiple) == "good"
    level = _thresholds.MEASURES_DISAGREE.level(cka.value - kept.value) if related else "watch"
    text = (
        f"CKA with {reference} is {cka.text()} (debiased), and {format_number(100 * kept.value)} % of the neighbours "
        f"are kept ({_percent_interval(kept)}chance {format_number(100 * (kept.reference or 0.0))} %, N = {cka.n:,})"
    )
    if not related:
        message, advice = (
            f"{text}: no more alike than unrelated embeddings.",
            "Check that both runs embed the same samples in the same order.",
        )
    elif level == "watch":
        message, advice = (
            f"{text}: alike in the large, not in the small.",
            "Do not swap the encoders under one index of neighbours; look at the samples that moved.",
        )
    else:
        message, advice = f"{text}.", ""
    return (Finding(SPEC.name, level, message, advice, _thresholds.KLABUNDE, "cka_debiased"),)


def _percent_interval(quantity: Quantity) -> str:
    if quantity.interval is None:
        return ""
    ends = (quantity.interval.low, quantity.interval.high)
    return f"{' to '.join(format_number(100 * end) for end in ends)} %, "


def _unit(name: str, label: str, definition: str, low: float = 0.0) -> QuantitySpec:
    return QuantitySpec(name, label, definition, "", (low, 1.0), "higher")


SPEC = DiagnosticSpec(
    name="run_similarity",
    title="Similarity of runs",
    question="How alike are the embeddings of this run and of the reference run?",
    section="Runs",
    page="runs/compare",
    needs="pair",
    params=RunSimilarityParams,
    compute=compute,
    passes=("neighbors",),
    quick=False,
    seconds=seconds,
    quantities=(
        _unit("cka_debiased", "CKA, debiased", "Linear CKA from unbiased HSIC; 0 on average where unrelated.", -1.0),
        _unit("cka_biased", "CKA, biased", "|X'Y|² / (|X'X| |Y'Y|) of centred rows, Frobenius norms."),
        _unit("cca_squared", "CCA, mean R²", "Mean squared canonical correlation of the centred column spaces."),
        _unit("svcca", "SVCCA", "Mean canonical correlation of the leading directions of each run."),
        _unit("procrustes_similarity", "Procrustes similarity", "Nuclear norm of X'Y, both of Frobenius norm 1."),
        QuantitySpec(
            "procrustes_disparity",
            "Procrustes disparity",
            "Share that the best translation, scaling and rotation leaves: 1 less the similarity squared.",
            "",
            (0.0, 1.0),
            "lower",
        ),
        _unit("neighbor_overlap", "Neighbours kept", "Mean share of the k nearest others that are the same in both."),
        _unit("neighbor_jaccard", "Neighbours, Jaccard", "Mean of shared over all of the k nearest others of both."),
    ),
    definition=(
        "Two runs embedded the same samples, and row i is sample i in both. The axes of the two spaces have nothing to "
        "do with each other, and D may differ. CKA compares the matrices of scores after centring; CCA asks whether "
        "one space is a linear image of the other; Procrustes whether it is a rotated and scaled copy; neighbours "
        "whether each sample has the same ones. They disagree by design, so all are shown."
    ),
    formula=(
        r"\mathrm{CKA} = \frac{\|X^\top Y\|_F^2}{\|X^\top X\|_F \|Y^\top Y\|_F}, \quad"
        r" R^2 = \frac1r \sum_k \rho_k^2, \quad d = 1 - \|X_n^\top Y_n\|_*^2, \quad"
        r" \frac1N \sum_i \frac{|N_k^X(i) \cap N_k^Y(i)|}{k}"
    ),
    reading=(
        "1 is the same up to what the measure does not see: rotation and scale (CKA, Procrustes), any invertible "
        "linear map (CCA), anything that keeps the order of near neighbours (neighbours kept). A high CKA beside few "
        "neighbours kept means alike in the large, different in the small: the largest directions agree, and what "
        "decides between near neighbours does not. Unrelated embeddings keep k / (N - 1) of them."
    ),
    traps=(
        "Biased CKA of unrelated rows is about D/N, exactly sqrt(PR PR') / (N - 1) with the participation ratios: "
        "0.05 at N = 300 and D = 16, and near 1 where D is near N. Debiased CKA is 0 on average and can be a little "
        "below; some packages move it to 0 (pytorch-cka), others leave it. Both are dominated by the directions of "
        "largest variance. CCA is 1 whatever the runs where N - 1 is below the sum of both ranks, and is not given "
        "there; below that it is still inflated to about D/N. Directions under a hundred-thousandth of the largest "
        "are rounding and left out. The rows must be the same samples in the same order: ids, labels and texts of "
        "both are compared, and where they differ nothing is computed; where no column tells, only N is compared. "
        "Intervals: CKA by influence of samples, neighbours by leaving out groups of samples; none near chance."
    ),
    sources=(_thresholds.KORNBLITH, NGUYEN, RAGHU, WILLIAMS, _thresholds.KLABUNDE),
    thresholds=(_thresholds.UNRELATED, _thresholds.MEASURES_DISAGREE),
)

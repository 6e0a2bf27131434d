"""How alike are the embeddings of this run and of the reference run?"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.params import Params, param
from cl_viz.core.result import Finding, Interval, Quantity, Result, Source, format_number
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.core.view import Axis, Bars, Lines, Series, Table, View
from cl_viz.diagnostics._geometry.cross_moments import CrossMoments, RowSource, cross_moments
from cl_viz.diagnostics._geometry.near_rows import near_rows
from cl_viz.diagnostics._geometry.sample_match import SampleMatch, match_samples
from cl_viz.diagnostics._geometry.shared_neighbors import SharedNeighbors
from cl_viz.diagnostics._group_jackknife import group_jackknife
from cl_viz.diagnostics._sample_columns import sample_columns
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
LISTED = 200
_K_SHOWN = (1, 2, 5, 10, 20, 50, 100, 200)
Values = NDArray[np.float64]


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


@dataclass(frozen=True)
class _View:
    """One pair of views."""

    name: str
    rows: NDArray[np.int64]
    moments: CrossMoments
    neighbors: SharedNeighbors


def compute(inputs: PairInputs, params: RunSimilarityParams) -> Result:
    """Compare a run with the reference run, view by view; numbers are means over views."""
    sets = (inputs.own.embedding_set, inputs.reference.embedding_set)
    names = (inputs.own.run, inputs.reference.run)
    match = match_samples(sets, names)
    views = [_measure(inputs, match, place, params) for place in range(len(match.views))]
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
        views=_views(views, quantities, params, inputs),
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


def _measure(inputs: PairInputs, match: SampleMatch, place: int, params: RunSimilarityParams) -> _View:
    pair = (inputs.own, inputs.reference)
    names = match.views[place]
    rows = match.shared_rows([side.embedding_set for side in pair], place)
    nears = [
        near_rows(side.embedding_set, side.neighbors, view, params.k) for side, view in zip(pair, names, strict=True)
    ]
    sources = [RowSource(side.embedding_set, view, rows, params.rows) for side, view in zip(pair, names, strict=True)]
    other = inputs.reference.embedding_set.fingerprint
    moments = inputs.own.remember(
        ("cross moments", other, names, params.rows), lambda: cross_moments(sources[0], sources[1])
    )
    return _View(names[0], rows, moments, SharedNeighbors.of(rows, nears[0], nears[1]))


_Measure = Callable[[_View, RunSimilarityParams], float]


def _cca(view: _View, params: RunSimilarityParams) -> float:
    # In so many dimensions two column spaces always meet: correlations of 1 say nothing of the runs.
    ranks = view.moments.ranks
    if not min(ranks) or sum(ranks) > view.moments.count - 1:
        return math.nan
    return float(np.square(view.moments.cca()).mean())


def _svcca(view: _View, params: RunSimilarityParams) -> float:
    found = view.moments.cca(params.variance)
    return float(found.mean()) if len(found) and 2 * len(found) <= view.moments.count - 1 else math.nan


def _overlap(view: _View, params: RunSimilarityParams) -> float:
    kept = view.neighbors.kept(params.k)
    return float(kept.mean()) if len(kept) else math.nan


def _jaccard(view: _View, params: RunSimilarityParams) -> float:
    kept = view.neighbors.kept(params.k)
    return float((kept / (2 - kept)).mean()) if len(kept) else math.nan


_MEASURES: dict[str, _Measure] = {
    "cka_debiased": lambda view, params: view.moments.cka_debiased,
    "cka_biased": lambda view, params: view.moments.cka_biased,
    "cca_squared": _cca,
    "svcca": _svcca,
    "procrustes_similarity": lambda view, params: view.moments.procrustes_similarity,
    "procrustes_disparity": lambda view, params: 1 - view.moments.procrustes_similarity**2,
    "neighbor_overlap": _overlap,
    "neighbor_jaccard": _jaccard,
}


def _chance(view: _View, params: RunSimilarityParams) -> dict[str, float]:
    """Return what unrelated embeddings have on average."""
    count = view.moments.count
    share = params.k / (count - 1)
    return {
        "cka_debiased": 0.0,
        "cka_biased": view.moments.cka_chance,
        "cca_squared": max(view.moments.ranks) / (count - 1),
        "neighbor_overlap": share,
        "neighbor_jaccard": share / (2 - share),
    }


def _quantities(views: list[_View], params: RunSimilarityParams) -> dict[str, Quantity]:
    chances = [_chance(view, params) for view in views]
    found = {}
    for spec in SPEC.quantities:
        value = float(np.mean([_MEASURES[spec.name](view, params) for view in views]))
        defined = math.isfinite(value)
        if defined and spec.range is not None:
            value = min(max(value, spec.range[0]), spec.range[1])
        chance = float(np.mean([entry.get(spec.name, math.nan) for entry in chances]))
        found[spec.name] = Quantity(
            spec.name,
            spec.label,
            value if defined else None,
            spec.unit,
            _interval(spec.name, value, views, params) if defined else None,
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


def _interval(name: str, value: float, views: list[_View], params: RunSimilarityParams) -> Interval | None:
    count = len(views[0].rows)
    if any(len(view.rows) != count for view in views):
        return None
    if name in ("cka_debiased", "cka_biased"):
        # Near chance a CKA has no first-order influence, and the interval would be too short.
        if value < 3 * float(np.mean([view.moments.cka_chance for view in views])) or value >= 1:
            return None
        found = views[0].moments.cka_interval(value, *(view.moments.influence for view in views[1:]))
        return found if found.low < value < found.high else None
    if name not in ("neighbor_overlap", "neighbor_jaccard"):
        return None
    narrow = [view.neighbors.narrow(params.k) for view in views]

    def without(keep: NDArray[np.bool_]) -> float:
        kept = [neighbors.kept(params.k, keep) for neighbors in narrow]
        shares = [share if name == "neighbor_overlap" else share / (2 - share) for share in kept]
        return float(np.mean([share.mean() if len(share) else math.nan for share in shares]))

    return group_jackknife(value, without, count, limits=(0.0, 1.0))


def _views(
    views: list[_View], quantities: dict[str, Quantity], params: RunSimilarityParams, inputs: PairInputs
) -> dict[str, View]:
    shown: dict[str, View] = {"measures": _bars(quantities, params, inputs)}
    if quantities["neighbor_overlap"].value is not None:
        shown["overlap"] = _overlap_by_k(views, quantities, params, inputs)
        shown["moved"] = _moved(views[0], params, inputs)
    correlations = views[0].moments.cca()
    if quantities["cca_squared"].value is not None:
        ranks = np.arange(1, len(correlations) + 1, dtype=np.float64)
        shown["correlations"] = Lines(
            f"Mean squared canonical correlation {quantities['cca_squared'].text()}",
            Axis("Canonical direction", "rank"),
            Axis("Correlation", "", (0.0, 1.05)),
            (Series("correlation", ranks, correlations, "other", inputs.run, n=len(views[0].rows)),),
        )
    return shown


def _bars(quantities: dict[str, Quantity], params: RunSimilarityParams, inputs: PairInputs) -> Bars:
    known = [(label, quantities[name]) for name, label in _BARS if quantities[name].value is not None]
    values = np.array([quantity.value for _, quantity in known])
    low = np.array([math.nan if q.interval is None else q.interval.low for _, q in known])
    high = np.array([math.nan if q.interval is None else q.interval.high for _, q in known])
    labels = np.array([label for label, _ in known], dtype=object)
    parts = [f"{label} {format_number(quantity.value or 0.0)}" for label, quantity in known if label in _TITLE]
    return Bars(
        f"{inputs.run} and {inputs.reference.run}: {', '.join(parts) or 'not defined'}",
        Axis("Measure"),
        Axis("Similarity", "1 is the same", (-0.05, 1.05)),
        (Series("similarity", labels, values, "other", inputs.run, low, high, n=quantities["cka_biased"].n),),
    )


_BARS = (
    ("cka_debiased", "CKA"),
    ("cka_biased", "CKA, biased"),
    ("cca_squared", "CCA, R²"),
    ("svcca", "SVCCA"),
    ("procrustes_similarity", "Procrustes"),
    ("neighbor_overlap", "neighbours kept"),
    ("neighbor_jaccard", "Jaccard"),
)
_TITLE = ("CKA", "neighbours kept")


def _overlap_by_k(
    views: list[_View], quantities: dict[str, Quantity], params: RunSimilarityParams, inputs: PairInputs
) -> Lines:
    most = min(view.neighbors.most() for view in views)
    shown = np.array(sorted({k for k in (*_K_SHOWN, params.k) if k <= most}), dtype=np.int64)
    shares = np.array([np.mean([view.neighbors.kept(int(k)).mean() for view in views]) for k in shown])
    chance = shown / (len(views[0].rows) - 1)
    at = shown.astype(np.float64)
    return Lines(
        f"{format_number(100 * (quantities['neighbor_overlap'].value or 0.0))} % of the {params.k} nearest neighbours "
        f"are kept (chance {format_number(100 * params.k / (len(views[0].rows) - 1))} %)",
        Axis("Neighbours compared", "k", log=True),
        Axis("Neighbours kept", "share", (0.0, 1.05)),
        (
            Series("neighbours kept", at, shares, "other", inputs.run, n=len(views[0].rows)),
            Series("unrelated embeddings", at, chance, "reference", inputs.run),
        ),
    )


def _moved(view: _View, params: RunSimilarityParams, inputs: PairInputs) -> Table:
    everyone = view.neighbors.kept(params.k)
    if len(everyone) != len(view.rows):
        everyone = np.full(len(view.rows), math.nan)
    order = np.argsort(everyone, kind="stable")[:LISTED]
    rows = view.rows[order]
    return Table(
        "Samples whose neighbourhood changed most",
        {
            "row": rows,
            f"neighbours kept of {params.k}": everyone[order],
            **sample_columns(inputs.own.embedding_set, view.name, rows),
        },
        inputs.run,
    )


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
    related = cka.value > 0 and kept.value > 2 * (kept.reference or 0.0)
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
)

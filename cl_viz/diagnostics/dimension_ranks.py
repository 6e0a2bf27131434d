"""How many dimensions do the embeddings fill, by which count?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cl_viz.core.params import Params, param
from cl_viz.core.result import Finding, Quantity, Result, format_number
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.core.view import Axis, Bars, Reference, Series
from cl_viz.diagnostics._collapse.rank_measures import LABELS, RankMeasures
from cl_viz.diagnostics._collapse.spectrum import view_name
from cl_viz.diagnostics._thresholds import collapse as _thresholds
from cl_viz.engine.inputs import SetInputs


@dataclass(frozen=True)
class RankParams(Params):
    """Whose ranks, and RankMe's constant."""

    view: int = param(1, "Whose rows the numbers are of: number of the view, counted from 1.", low=1, high=16)
    epsilon: float = param(
        1e-7, "RankMe adds it to every share; it lifts the rank of a collapsed set.", low=1e-10, high=1e-3, log=True
    )


def compute(inputs: SetInputs, params: RankParams) -> Result:
    """Compute every rank of one view's rows as they are stored."""
    view = view_name(inputs, params.view)
    measures = RankMeasures.of(inputs, view, params.epsilon)
    quantities = {spec.name: _quantity(spec, measures) for spec in SPEC.quantities}
    found = measures.centred
    notes = (
        f"numbers are of view {view}",
        f"RankMe's constant: {params.epsilon:g}",
        measures.how_numerical_rank,
        f"uniform sphere at the same N and D: {measures.null.how}",
        *measures.about_intervals,
    )
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views={"ranks": _bars(measures, quantities, inputs.run)},
        findings=(_finding(measures, quantities),),
        caveats=inputs.plain_caveats(
            found.n,
            found.n_excluded,
            normalised=False,
            seed=0 if "seed" in measures.null.how else None,
            notes=notes,
        ),
        params=params.as_dict(),
    )


def _quantity(spec: QuantitySpec, measures: RankMeasures) -> Quantity:
    value, interval = measures.values[spec.name]
    null = measures.null_value(spec.name)
    return Quantity(
        spec.name,
        spec.label,
        value,
        spec.unit,
        interval,
        n=measures.centred.n,
        reference=null,
        reference_label="" if null is None else "uniform sphere at the same N and D",
    )


def _bars(measures: RankMeasures, quantities: Mapping[str, Quantity], run: str) -> Bars:
    names = list(quantities)
    values = np.array([quantities[name].value for name in names], dtype=np.float64)
    ends = [quantities[name].interval for name in names]
    low = np.array([end.low if end else value for end, value in zip(ends, values, strict=True)])
    high = np.array([end.high if end else value for end, value in zip(ends, values, strict=True)])
    size = measures.possible
    title = (
        f"Covariance entropy rank {quantities['covariance_entropy_rank'].text()}, RankMe "
        f"{quantities['rankme'].text()} of {size} dimensions"
    )
    return Bars(
        title,
        Axis("Count"),
        Axis("Dimensions filled", "dimensions", (0.0, 1.05 * size)),
        (
            Series(
                "ranks",
                np.array([LABELS[name] for name in names], dtype=object),
                values,
                run=run,
                low=low,
                high=high,
                n=measures.centred.n,
            ),
        ),
        (Reference(f"possible: {size}", float(size), "y"),),
    )


def _finding(measures: RankMeasures, quantities: Mapping[str, Quantity]) -> Finding:
    quantity = quantities["covariance_entropy_rank"]
    value, null = quantity.value or 0.0, quantity.reference or 1.0
    # Directions are judged, as the uniform sphere has nothing else; the numbers stay those of raw rows, as published.
    level = _thresholds.FILLED_DIMENSIONS.level(measures.unit_rank / null)
    raw_level = _thresholds.FILLED_DIMENSIONS.level(value / null)
    size, source = measures.possible, _thresholds.FILLED_DIMENSIONS.source
    numbers = (
        f"{quantity.text()} of {size} dimensions by covariance entropy rank of raw rows, "
        f"{format_number(measures.unit_rank)} of unit rows (uniform sphere at the same N and D: "
        f"{format_number(null)}; RankMe of raw rows {quantities['rankme'].text()}; "
        f"N = {quantity.n:,}, D = {measures.centred.dim})"
    )
    if _thresholds.TOTAL_VARIANCE.level(measures.unit_variance) == "bad":
        message = (
            f"Unit rows have collapsed to nearly one point (total variance {format_number(measures.unit_variance)}, "
            f"uniform sphere: 1); the little that is left fills {numbers}."
        )
        advice = "Mend the collapse first: counts are shares, and do not see how little they share out."
        return Finding(SPEC.name, "bad", message, advice, _thresholds.TOTAL_VARIANCE.source, quantity.name)
    if level == "good" and raw_level != "good":
        message = (
            f"Rows of large norm hold the variance, which fills {numbers}. The largest norm is "
            f"{format_number(measures.largest_norm)} times the median."
        )
        advice = "Look at the rows of largest norm on the Data page; counts of raw rows say little before that."
        return Finding(SPEC.name, "watch", message, advice, source, quantity.name)
    if level == "good":
        return Finding(SPEC.name, level, f"The variance fills {numbers}.", source=source, quantity=quantity.name)
    message = f"The variance fills only {numbers}."
    advice = "Look at the spectrum for a cliff; compare layers and training steps; weaken the augmentation."
    return Finding(SPEC.name, level, message, advice, source, quantity.name)


def _rank(name: str, definition: str) -> QuantitySpec:
    return QuantitySpec(name, LABELS[name], definition, "dimensions", None, "higher")


SPEC = DiagnosticSpec(
    name="dimension_ranks",
    title="Ranks",
    question="How many dimensions do the embeddings fill, by which count?",
    section="Geometry",
    page="geometry/collapse",
    needs="set",
    tells="cause",
    params=RankParams,
    compute=compute,
    quantities=(
        _rank("rankme", "Exp of the entropy of singular value shares + epsilon; rows as stored, not centred."),
        _rank("rankme_centred", "RankMe of rows minus their mean."),
        _rank("effective_rank", "Exp of the entropy of singular value shares, without epsilon; rows as stored."),
        _rank("effective_rank_centred", "Effective rank of rows minus their mean."),
        _rank("covariance_entropy_rank", "Exp of the entropy of the shares of the covariance's eigenvalues."),
        _rank("participation_ratio", "Squared sum over sum of squares of the covariance's eigenvalues."),
        _rank("nesum", "Sum of the covariance's eigenvalues over the largest."),
        _rank("stable_rank", "Squared Frobenius norm over squared spectral norm; rows as stored, not centred."),
        _rank("numerical_rank", "Singular values above max(N, D) eps times the largest; rows as stored."),
    ),
    definition=(
        "Several counts of filled dimensions go by the name of rank. They differ in three choices: singular values or "
        "their squares (eigenvalues), rows centred or not, and how shares become a count. All lie between 1 and the "
        "number of dimensions that N rows can fill; for one matrix NESum ≤ participation ratio ≤ covariance entropy "
        "rank ≤ numerical rank, and the effective rank of singular values is above that of their squares."
    ),
    formula=(
        r"\mathrm{RankMe} = \exp\Big(-\sum_k p_k \log p_k\Big),\ p_k = \frac{\sigma_k}{\sum_j \sigma_j} + \epsilon,"
        r" \quad \exp H\Big(\frac{\lambda}{\sum \lambda}\Big),"
        r" \quad \mathrm{PR} = \frac{(\sum \lambda)^2}{\sum \lambda^2}, \quad"
        r" \mathrm{NESum} = \frac{\sum \lambda}{\lambda_1}, \quad \frac{\|X\|_F^2}{\|X\|_2^2}"
    ),
    reading=(
        "RankMe compares runs of one method and one architecture: there higher went with better linear probes. Between "
        "methods, or against a fixed number, it says little. A large mean is one strong singular value: it lowers the "
        "counts of rows that are not centred, so look at the centred twin too. Numbers are of raw rows; the finding's "
        "level is of unit rows, beside the same count on a uniform sphere with this N and D: with few samples even "
        "that is below D. Where the two disagree, a few norms decide and the finding says so."
    ),
    traps=(
        "One library calls the covariance entropy rank RankMe: on a power-law spectrum they are 12.8 and 77.2, so say "
        "which. Another uses epsilon = 1e-5: shares plus epsilon do not sum to 1, and a set of rank 1 in 2,048 "
        "dimensions then counts 1.27. RankMe's paper uses 25,600 samples. All but the numerical rank come from a "
        "float64 Gram matrix, which squares the condition number: singular values below √(max(N, D) eps) of the "
        "largest, a few millionths, are lost and count as 0. A flat tail of hundreds just below that would have added "
        "up to 2 % to a rank of singular values. The numerical rank is taken from a QR decomposition of the rows "
        "where that is affordable. A constant cloud has RankMe 1 and every centred count 0. Intervals are those of "
        "samples at this N (the influence of at most 8,192 of them, drawn with a seed): they leave out the bias of a "
        "finite N, and are not given where N < 10 D. The limits in the finding are rules of thumb."
    ),
    sources=(_thresholds.GARRIDO, _thresholds.ROY, _thresholds.JING),
    thresholds=(
        _thresholds.FILLED_DIMENSIONS,
        _thresholds.TOTAL_VARIANCE,
    ),
)

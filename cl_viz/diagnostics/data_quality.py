"""Can these embeddings be used, and what should be mended first?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.params import Params
from cl_viz.core.result import Finding, Quantity, Result, format_number
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.core.view import Axis, Bars, Histogram, Reference, Series, View
from cl_viz.diagnostics._scores.row_facts import RowFacts, row_facts
from cl_viz.diagnostics._thresholds import data as _thresholds
from cl_viz.diagnostics._thresholds.scores import FALSE_NEGATIVE_PUSH
from cl_viz.engine.inputs import SetInputs

BARS = 50
"""Classes shown in the figure of label counts, the largest first."""
_MISSING = {
    "duplicate_share": "add usable rows: two or more are compared",
    "norm_mean": "add usable rows: there is none",
    "norm_variation": "add usable rows: the variation is that of two or more",
    "smallest_class": "add a label column in which samples have labels (Data page)",
}
"""What a number needs where it has no value, unless that is a label column."""


@dataclass(frozen=True)
class DataQualityParams(Params):
    """Nothing to choose."""


def compute(inputs: SetInputs, params: DataQualityParams) -> Result:
    """Count what is wrong with the rows of one embedding set, over all of its views."""
    facts = row_facts(inputs.embedding_set)
    values = _values(facts)
    quantities = {
        spec.name: Quantity(
            spec.name,
            spec.label,
            values[spec.name],
            spec.unit,
            n=facts.n_rows,
            unit_of_n="rows over all views",
            range=spec.range,
            missing="" if values[spec.name] is not None else _MISSING.get(spec.name, "add a label column (Data page)"),
        )
        for spec in SPEC.quantities
    }
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views=_views(facts, inputs.run),
        findings=_findings(facts),
        caveats=inputs.plain_caveats(
            n_used=facts.n_usable_samples,
            n_excluded=facts.n_samples - facts.n_usable_samples,
            normalised=False,
            notes=(f"rows are counted over all views: {facts.n_rows:,}", f"stored as {facts.dtype}"),
        ),
        params=params.as_dict(),
    )


def _values(facts: RowFacts) -> dict[str, float | None]:
    labelled = facts.label_counts is not None
    counts = facts.label_counts if facts.label_counts is not None else np.zeros(0, dtype=np.int64)
    return {
        "rows": float(facts.n_rows),
        "nan_rows": float(facts.nan_rows),
        "infinite_rows": float(facts.infinite_rows),
        "zero_rows": float(facts.zero_rows),
        "unusable_share": facts.unusable / facts.n_rows,
        "duplicate_share": facts.duplicates / len(facts.norms) if len(facts.norms) > 1 else None,
        "norm_mean": float(facts.norms.mean()) if len(facts.norms) else None,
        "norm_variation": facts.norm_variation,
        "classes": float(len(counts)) if labelled else None,
        "smallest_class": float(counts.min()) if labelled and len(counts) else None,
        "unlabelled_share": facts.unlabelled / facts.n_samples if labelled else None,
    }


def _norm_title(low: float, high: float, variation: float | None) -> str:
    if variation is None:
        return f"The one usable row has norm {format_number(low)}"
    alike = f"{low:.3g}" == f"{high:.3g}"
    norms = (
        f"All norms are close to {low:.3g}" if alike else f"Norms from {format_number(low)} to {format_number(high)}"
    )
    return f"{norms}, varying by {format_number(100 * variation)} %"


def _views(facts: RowFacts, run: str) -> dict[str, View]:
    found: dict[str, View] = {}
    if len(facts.norms):
        low, high = float(facts.norms.min()), float(facts.norms.max())
        margin = max(1e-3 * max(abs(high), 1e-12), 0.02 * (high - low))
        edges = np.linspace(low - margin, high + margin, 61)
        share = np.histogram(facts.norms, edges)[0] / len(facts.norms)
        variation = facts.norm_variation
        found["norms"] = Histogram(
            _norm_title(low, high, variation),
            Axis("Norm of a row", "Euclidean"),
            Axis("Rows", "share"),
            (Series("norms", edges, share, "other", run, n=len(facts.norms)),),
            (Reference("unit length", 1.0),) if low - margin <= 1.0 <= high + margin else (),
        )
    if facts.label_counts is not None and len(facts.label_counts):
        found["labels"] = _label_view(facts, facts.label_counts, run)
    return found


def _label_view(facts: RowFacts, counts: NDArray[np.int64], run: str) -> Bars:
    order = np.argsort(-counts, kind="stable")
    shown = order[:BARS] if len(order) > BARS else np.arange(len(counts))
    ratio = counts.max() / max(1, counts.min())
    title = f"{_classes(counts)} of {_sizes(counts)} (ratio {format_number(ratio)})"
    if len(order) > BARS:
        title += f"; the {BARS} largest are shown"
    names = np.array([facts.label_names[index] for index in shown], dtype=object)
    return Bars(title, Axis("Class"), Axis("Samples"), (Series("samples", names, counts[shown], "other", run),))


def _findings(facts: RowFacts) -> tuple[Finding, ...]:
    return (_unusable(facts), _duplicates(facts), _labels(facts))


def _unusable(facts: RowFacts) -> Finding:
    source = _thresholds.UNUSABLE_ROWS.source
    rows = f"{facts.n_rows:,} rows"
    if not facts.unusable:
        return Finding(
            SPEC.name,
            "good",
            f"All {rows} are finite and have a direction.",
            source=source,
            quantity="unusable_share",
        )
    parts = [
        f"{count:,} {what}"
        for count, what in ((facts.nan_rows, "NaN"), (facts.infinite_rows, "infinite"), (facts.zero_rows, "zero"))
        if count
    ]
    return Finding(
        SPEC.name,
        _thresholds.UNUSABLE_ROWS.level(facts.unusable / facts.n_rows),
        f"{' and '.join(parts)} among {rows}: they have no direction and are left out of everything.",
        "Find what the encoder was given for these rows; NaN often comes from overflow in half precision.",
        source,
        "unusable_share",
    )


def _duplicates(facts: RowFacts) -> Finding:
    usable = len(facts.norms)
    source = _thresholds.DUPLICATE_ROWS.source
    if usable < 2:
        rows = "there is no usable row" if not usable else "there is 1 usable row only"
        return Finding(
            SPEC.name,
            "unknown",
            f"Unknown: whether rows repeat, as {rows} (N = {facts.n_rows:,}).",
            f"To see it, {_MISSING['duplicate_share']}.",
            source,
            "duplicate_share",
        )
    share = facts.duplicates / usable
    if facts.all_equal:
        return Finding(
            SPEC.name,
            "bad",
            f"All {usable:,} usable rows are equal: complete collapse, or a constant output.",
            "Check that the encoder is in evaluation mode and was given different inputs.",
            source,
            "duplicate_share",
        )
    level = _thresholds.DUPLICATE_ROWS.level(share)
    message = f"{facts.duplicates:,} of {usable:,} usable rows repeat an earlier row of their view exactly."
    if not facts.duplicates:
        message = f"No row of the {usable:,} usable ones repeats another of its view exactly."
    advice = "Remove repeated inputs; they distort neighbours and intrinsic dimension."
    if facts.n_rows > facts.n_samples:
        advice += (
            " Where they stand for one sample with several partners, say which rows are one sample (an id column, or "
            "pairs): copies count as other samples."
        )
    return Finding(SPEC.name, level, message, "" if level == "good" else advice, source, "duplicate_share")


def _labels(facts: RowFacts) -> Finding:
    source = FALSE_NEGATIVE_PUSH.source
    if facts.label_counts is None or not len(facts.label_counts):
        return Finding(
            SPEC.name,
            "unknown",
            "Unknown: there are no labels, so false negatives and groups cannot be seen.",
            "Choose a label column on the Data page, or pass label=COLUMN.",
            source,
            "classes",
        )
    counts = facts.label_counts
    single = int((counts < 2).sum())
    text = f"{_classes(counts)} of {_sizes(counts)}"
    if facts.unlabelled:
        text += f", {facts.unlabelled:,} sample{'' if facts.unlabelled == 1 else 's'} without a label"
    if single:
        return Finding(
            SPEC.name,
            "watch",
            f"{text}: {single:,} {'has' if single == 1 else 'have'} one sample only, and no pair of "
            f"{'its' if single == 1 else 'their'} own.",
            "Check that the right column is the label: identifiers make poor labels.",
            source,
            "smallest_class",
        )
    return Finding(SPEC.name, "good", f"{text}.", source=source, quantity="classes")


def _classes(counts: NDArray[np.int64]) -> str:
    return "1 class" if len(counts) == 1 else f"{len(counts):,} classes"


def _sizes(counts: NDArray[np.int64]) -> str:
    low, high = int(counts.min()), int(counts.max())
    if high == 1:
        return "1 sample"
    return f"{low:,} samples" if low == high else f"{low:,} to {high:,} samples"


def _count(name: str, label: str, definition: str) -> QuantitySpec:
    return QuantitySpec(name, label, definition, "rows", (0.0, math.inf), "lower")


SPEC = DiagnosticSpec(
    name="data_quality",
    title="Data quality",
    question="Can these embeddings be used?",
    section="Start",
    page="start/data",
    needs="set",
    tells="cause",
    params=DataQualityParams,
    compute=compute,
    quantities=(
        QuantitySpec("rows", "Rows", "Rows of all views.", "rows", (0.0, math.inf)),
        _count("nan_rows", "NaN rows", "Rows with a NaN entry."),
        _count("infinite_rows", "Infinite rows", "Rows with an entry that is infinite or above 3.4e38, and no NaN."),
        _count("zero_rows", "Zero rows", "Rows that are all zeros, or below 1.4e-45 in size."),
        QuantitySpec(
            "unusable_share",
            "Unusable rows",
            "Share of rows that are NaN, infinite or zero.",
            "share",
            (0.0, 1.0),
            "lower",
        ),
        QuantitySpec(
            "duplicate_share",
            "Duplicate rows",
            "Share of the usable rows that repeat an earlier row of their view exactly.",
            "share",
            (0.0, 1.0),
            "lower",
        ),
        QuantitySpec("norm_mean", "Mean norm", "Mean Euclidean norm of the usable rows.", "Euclidean", (0.0, math.inf)),
        QuantitySpec(
            "norm_variation",
            "Variation of norms",
            "Standard deviation (ddof = 1) of the norms over their mean; 0 for unit rows.",
            "share of the mean",
            (0.0, math.inf),
        ),
        QuantitySpec("classes", "Classes", "Distinct labels.", "classes", (0.0, math.inf)),
        QuantitySpec("smallest_class", "Smallest class", "Samples of the smallest class.", "samples", (0.0, math.inf)),
        QuantitySpec(
            "unlabelled_share",
            "Rows without label",
            "Share of rows whose label is missing.",
            "share",
            (0.0, 1.0),
            "lower",
        ),
    ),
    definition=(
        "Every row of every view is read once. A row with a NaN or infinite entry, or with all entries zero, has no "
        "direction and so no cosine with anything: it is counted here and left out of every statistic (in an aligned "
        "set, with its partners in the other views). Nothing is repaired silently."
    ),
    formula=r"\|x_i\| = \sqrt{\textstyle\sum_d x_{id}^2}, \qquad z_i = x_i / \|x_i\|",
    reading=(
        "Norms that vary little mean that the dump was normalised, or that the encoder ends in a normalisation layer. "
        "Norms often carry information (frequency, confidence) that cosine statistics do not see. Duplicates break "
        "neighbour statistics, hubness and intrinsic dimension; a few come from repeated inputs, many from collapse."
    ),
    traps=(
        "Duplicates are exact, bit by bit (0 and -0 count as equal); near-duplicates are not counted. float16 "
        "overflows above 65,504 and turns into infinite entries; int8 dumps are read without their scale, which a "
        "cosine does not need. Of float64 rows what single precision cannot hold is counted with the infinite (above "
        "3.4e38) or the zero ones (below 1.4e-45): no encoder gives it, and products of it overflow or vanish."
    ),
    sources=(_thresholds.UNUSABLE_ROWS.source, _thresholds.DUPLICATE_ROWS.source),
    thresholds=(
        _thresholds.UNUSABLE_ROWS,
        _thresholds.DUPLICATE_ROWS,
    ),
)

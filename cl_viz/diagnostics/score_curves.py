"""How do positives and negatives move while the encoder trains?"""

from __future__ import annotations

import numpy as np

from cl_viz.core.result import Caveats, Finding, Quantity, Result, format_number
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.core.view import Axis, Lines, Meaning, Series, View
from cl_viz.diagnostics._scores.score_measures import ScoreMeasures
from cl_viz.diagnostics._scores.score_roles import ZHU, RoleParams
from cl_viz.diagnostics._thresholds import scores as _thresholds
from cl_viz.engine.inputs import SetInputs, StepInputs

CURVES: tuple[tuple[str, str, Meaning, Axis], ...] = (
    ("positive_mean", "Positive mean", "positive", Axis("Mean score of positives", "cosine", (-1.0, 1.0))),
    ("negative_mean", "Negative mean", "negative", Axis("Mean score of negatives", "cosine", (-1.0, 1.0))),
    ("positive_variance", "Positive variance", "positive", Axis("Variance of positives", "cosine²")),
    ("negative_variance", "Negative variance", "negative", Axis("Variance of negatives within an anchor", "cosine²")),
)


def compute(inputs: StepInputs, params: RoleParams) -> Result:
    """Compute the four curves of Zhu et al. over the training steps of one run at one layer."""
    from cl_viz.diagnostics.score_distribution import SPEC as DISTRIBUTION

    at_step: list[dict[str, Quantity]] = []
    last: tuple[SetInputs, ScoreMeasures] | None = None
    for step in inputs.steps:
        found = inputs.at(step)
        measures = ScoreMeasures.of(found, params.positives, params.negatives, temperature=1.0)
        at_step.append({name: measures.quantity(DISTRIBUTION.quantity(name)) for name, *_ in CURVES})
        last = (found, measures)
    assert last is not None
    final = at_step[-1]
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities={**final, "largest_gap_kept": _gap_kept(inputs.steps, at_step)},
        views=_views(inputs, at_step),
        findings=(_finding(inputs.steps, at_step),),
        caveats=_caveats(*last),
        params=params.as_dict(),
    )


def _caveats(final: SetInputs, measures: ScoreMeasures) -> Caveats:
    notes = (
        f"negatives: {measures.negatives_in_words}",
        "the numbers are those of the last step",
        *measures.notes_on_labels,
    )
    return final.caveats(notes=notes)


def _gaps(at_step: list[dict[str, Quantity]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([(q["positive_mean"].value or 0.0) - (q["negative_mean"].value or 0.0) for q in at_step])


def _gap_kept(steps: tuple[int, ...], at_step: list[dict[str, Quantity]]) -> Quantity:
    gaps = _gaps(at_step)
    largest = float(gaps.max())
    spec = SPEC.quantity("largest_gap_kept")
    value = float(gaps[-1]) / largest if largest > 0 else None
    return Quantity(
        spec.name,
        spec.label,
        value,
        spec.unit,
        n=len(steps),
        unit_of_n="steps",
        range=spec.range,
        missing="" if value is not None else "positives never score above negatives: check the pairing of the views",
    )


def _views(inputs: StepInputs, at_step: list[dict[str, Quantity]]) -> dict[str, View]:
    steps = np.array(inputs.steps, dtype=np.float64)
    found: dict[str, View] = {}
    for name, label, meaning, axis in CURVES:
        quantities = [quantity[name] for quantity in at_step]
        values = np.array([np.nan if q.value is None else q.value for q in quantities])
        intervals = [q.interval for q in quantities]
        bounded = any(intervals)
        low = np.array([i.low if i else v for i, v in zip(intervals, values, strict=True)]) if bounded else None
        high = np.array([i.high if i else v for i, v in zip(intervals, values, strict=True)]) if bounded else None
        title = (
            f"{label} {format_number(values[0])} at step {inputs.steps[0]:,}, {format_number(values[-1])} at the end"
        )
        series = Series(label.lower(), steps, values, meaning, inputs.run, low, high, n=quantities[-1].n)
        found[name] = Lines(title, Axis("Training step", "steps"), axis, (series,))
    return found


def _finding(steps: tuple[int, ...], at_step: list[dict[str, Quantity]]) -> Finding:
    gaps = _gaps(at_step)
    best = int(gaps.argmax())
    n_used = at_step[-1]["positive_mean"].n
    text = (
        f"The mean gap of positives to negatives goes from {format_number(gaps[0])} at step {steps[0]:,} to "
        f"{format_number(gaps[-1])} at step {steps[-1]:,} (N = {n_used:,})"
    )
    if gaps[best] <= 0:
        return Finding(
            SPEC.name,
            "bad",
            f"{text}: positives never score above negatives.",
            "Check that row i is the same sample in both views, at every step.",
            ZHU,
            "positive_mean",
        )
    level = _thresholds.GAP_KEPT.level(gaps[-1] / gaps[best])
    if level == "bad":
        message = f"{text}; it was {format_number(gaps[best])} at step {steps[best]:,}: all scores have become alike."
        return Finding(
            SPEC.name,
            level,
            message,
            "This is what complete collapse looks like: add negatives, a stop-gradient or a variance term.",
            ZHU,
            "largest_gap_kept",
        )
    if level == "watch":
        message = f"{text}; it was largest, {format_number(gaps[best])}, at step {steps[best]:,}."
        return Finding(
            SPEC.name, level, message, "Compare the encoder of that step with the last one.", ZHU, "largest_gap_kept"
        )
    return Finding(SPEC.name, level, f"{text}.", source=ZHU, quantity="largest_gap_kept")


SPEC = DiagnosticSpec(
    name="score_curves",
    title="Scores over training",
    question="How do positives and negatives move while the encoder trains?",
    section="Scores",
    page="scores/distributions",
    needs="steps",
    params=RoleParams,
    compute=compute,
    passes=("statistics",),
    labelled_passes=("statistics",),
    quantities=(
        QuantitySpec(
            "positive_mean", "Positive mean", "Mean score of the positives, last step.", "cosine", (-1.0, 1.0)
        ),
        QuantitySpec(
            "positive_variance",
            "Positive variance",
            "Variance of the positives' scores (ddof = 0), last step.",
            "cosine²",
            (0.0, 1.0),
        ),
        QuantitySpec(
            "negative_mean", "Negative mean", "Mean score of the negatives, last step.", "cosine", (-1.0, 1.0)
        ),
        QuantitySpec(
            "negative_variance",
            "Negative variance, within anchors",
            "Mean over anchors of the variance of an anchor's negatives (ddof = 1), last step.",
            "cosine²",
            (0.0, 2.0),
        ),
        QuantitySpec(
            "largest_gap_kept",
            "Gap kept",
            "Gap between the means of positives and negatives at the last step over its largest value at any step.",
            "share",
            None,
            "higher",
        ),
    ),
    definition=(
        "Zhu et al. follow four numbers of the scores through training: mean and variance of the positives, and mean "
        "and variance of the negatives, the last one averaged over anchors. They are moments, not histograms."
    ),
    formula=(
        r"\frac1N\sum_i s_{ii}, \quad \mathrm{Var}_i\, s_{ii}, \quad \frac1N\sum_i \bar s_i, \quad"
        r" \frac1N\sum_i \frac{1}{M-1}\sum_j (s_{ij} - \bar s_i)^2"
    ),
    reading=(
        "Positives rise as views are pulled together; negatives fall towards 0. A negative variance that falls to 0 "
        "means that all negatives score alike: in many dimensions that is 1/D on the uniform sphere, below it all "
        "directions are lost. Positives that are easy from the first steps on (mean near 1, variance near 0) give no "
        "signal: harder views help (Zhu et al. make them harder by extrapolation)."
    ),
    traps=(
        "The variance of the negatives is within anchors; the pooled variance is larger by the variance of the "
        "anchors' means. The authors' logs are in float16 (3 digits) and their scores are taken after their feature "
        "mixing, so published curves of runs with and without it do not compare. Scores here are of the evaluation "
        "samples, without a queue: the negatives of an anchor are the other samples."
    ),
    sources=(ZHU,),
    thresholds=(_thresholds.GAP_KEPT,),
)

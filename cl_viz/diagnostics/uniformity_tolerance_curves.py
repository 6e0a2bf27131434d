"""How do uniformity and tolerance move while the encoder trains?"""

from __future__ import annotations

import numpy as np

from cl_viz.core.result import Finding, Quantity, Result, format_number
from cl_viz.core.specs import DiagnosticSpec
from cl_viz.core.view import Axis, Lines, Series, View
from cl_viz.diagnostics._temperature.anchor_questions import WANG_LIU, Values
from cl_viz.diagnostics._thresholds import temperature as _thresholds
from cl_viz.diagnostics.uniformity_tolerance import (
    NEGATIVE_UNIFORMITY,
    TOLERANCE,
    WANG_ISOLA,
    UniformityToleranceParams,
)
from cl_viz.diagnostics.uniformity_tolerance import SPEC as AT_ONE_STEP
from cl_viz.diagnostics.uniformity_tolerance import compute as compute_one
from cl_viz.engine.inputs import StepInputs


def compute(inputs: StepInputs, params: UniformityToleranceParams) -> Result:
    """Compute both numbers at every step of one run, at one layer."""
    results = [compute_one(inputs.at(step), params) for step in inputs.steps]
    last = results[-1]
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities={spec.name: last.quantities[spec.name] for spec in SPEC.quantities},
        views=_views(inputs, results),
        findings=(_finding(inputs, results),),
        caveats=last.caveats,
        params=params.as_dict(),
    )


def _values(results: list[Result], name: str) -> Values:
    return np.array([_value(result.quantities[name]) for result in results])


def _value(quantity: Quantity) -> float:
    return float("nan") if quantity.value is None else quantity.value


def _views(inputs: StepInputs, results: list[Result]) -> dict[str, View]:
    steps, run = np.array(inputs.steps, dtype=np.float64), inputs.run
    tolerance, uniformity = _values(results, "tolerance"), _values(results, "uniformity")
    intervals = [result.quantities["tolerance"].interval for result in results]
    low = np.array([t if i is None else i.low for t, i in zip(tolerance, intervals, strict=True)])
    high = np.array([t if i is None else i.high for t, i in zip(tolerance, intervals, strict=True)])
    n_used, axis = results[-1].quantities["tolerance"].n, Axis("Training step", "steps")
    told = _told(tolerance)
    return {
        "path": Lines(
            f"Tolerance {told} over {len(steps)} steps",
            NEGATIVE_UNIFORMITY,
            TOLERANCE,
            (Series("path of training", -uniformity, tolerance, "other", run, n=n_used),),
        ),
        "tolerance": Lines(
            f"Tolerance {told}",
            axis,
            TOLERANCE,
            (Series("tolerance", steps, tolerance, "other", run, low, high, n=n_used),),
        ),
        "uniformity": Lines(
            f"Uniformity {_told(uniformity)}",
            axis,
            NEGATIVE_UNIFORMITY,
            (Series("uniformity", steps, -uniformity, "other", run, n=n_used),),
        ),
    }


def _told(values: Values) -> str:
    return f"from {format_number(float(values[0]))} to {format_number(float(values[-1]))}"


def _finding(inputs: StepInputs, results: list[Result]) -> Finding:
    tolerance, uniformity = _values(results, "tolerance"), _values(results, "uniformity")
    text = (
        f"From step {inputs.steps[0]:,} to step {inputs.steps[-1]:,} tolerance goes {_told(tolerance)} and uniformity "
        f"{_told(uniformity)} (N = {results[-1].quantities['tolerance'].n:,})."
    )
    last = results[-1].quantities["uniformity"]
    assert last.value is not None
    assert last.reference is not None
    threshold = _thresholds.UNIFORMITY_SHARE
    level = threshold.level(last.value / last.reference)
    if level == "good":
        return Finding(SPEC.name, "good", text, source=WANG_LIU, quantity="tolerance")
    advice = "At the last step samples of one label are alike because all samples are: look at uniformity first."
    return Finding(SPEC.name, level, text, advice, threshold.source, "uniformity")


SPEC = DiagnosticSpec(
    name="uniformity_tolerance_curves",
    title="Uniformity and tolerance over training",
    question="How do uniformity and tolerance move while the encoder trains?",
    section="Temperature",
    page="temperature/hardness",
    needs="steps",
    params=UniformityToleranceParams,
    compute=compute,
    passes=("statistics",),
    quantities=AT_ONE_STEP.quantities,
    definition=(
        "The uniformity and the tolerance of the run at each training step. Each step is one point of the path; the "
        "temperature is the same along it, unless the run changed it."
    ),
    formula=AT_ONE_STEP.formula,
    reading=(
        "Training from a random encoder usually begins with all embeddings alike, high tolerance and low uniformity, "
        "and moves towards the line of random directions. A path that goes up in tolerance while uniformity stays is "
        "one that groups samples of a label; one that turns back towards low uniformity collapses."
    ),
    traps=(
        "A path over training steps is not a curve over temperatures: that needs runs trained at several. The "
        "numbers are those of the last step. " + AT_ONE_STEP.traps
    ),
    sources=(WANG_LIU, WANG_ISOLA),
    thresholds=(_thresholds.UNIFORMITY_SHARE,),
)

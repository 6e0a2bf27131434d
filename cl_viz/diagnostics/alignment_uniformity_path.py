"""Where do alignment and uniformity go while the encoder trains?"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.errors import MissingInputError
from cl_viz.core.result import Finding, Quantity, Result, format_number
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.core.view import Axis, Lines, Reference, Series
from cl_viz.diagnostics._dense.geometry import uniformity_of_sphere
from cl_viz.diagnostics._thresholds import geometry as _thresholds
from cl_viz.diagnostics.alignment_uniformity import AlignmentUniformityParams, Measured, measure
from cl_viz.engine.inputs import SetInputs, StepInputs

Values = NDArray[np.float64]


def compute(inputs: StepInputs, params: AlignmentUniformityParams) -> Result:
    """Follow alignment and uniformity over the training steps of one run at one layer."""
    found: list[Measured] = []
    last: SetInputs | None = None
    for step in inputs.steps:
        last = inputs.at(step)
        found.append(measure(last, params.sharpness))
        if found[-1].positives is None:
            raise MissingInputError("alignment needs two views of a sample", where=inputs.run, remedy=found[-1].missing)
    assert last is not None
    alignment = np.array([entry.positives.mean_power(2.0)[0] for entry in found if entry.positives is not None])
    uniformity = np.array([entry.uniformity for entry in found])
    perfect = uniformity_of_sphere(last.embedding_set.dim, params.sharpness)
    quantities = _quantities(alignment, uniformity, last.statistics.n_used)
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views={"path": _path(inputs, alignment, uniformity, perfect, last, params.sharpness)},
        findings=(_finding(inputs.steps, uniformity, quantities, perfect),),
        caveats=last.caveats(notes=(f"steps {', '.join(f'{step:,}' for step in inputs.steps)}, in order on the line",)),
        params=params.as_dict(),
    )


def _quantities(alignment: Values, uniformity: Values, n_used: int) -> dict[str, Quantity]:
    values = {
        "alignment_first": alignment[0],
        "alignment_last": alignment[-1],
        "uniformity_first": uniformity[0],
        "uniformity_last": uniformity[-1],
        # The most uniform step is the lowest; one that is 0 everywhere has nothing to keep.
        "uniformity_kept": uniformity[-1] / uniformity.min() if uniformity.min() < 0 else None,
    }
    return {
        spec.name: Quantity(
            spec.name,
            spec.label,
            None if values[spec.name] is None else float(values[spec.name]),
            spec.unit,
            n=n_used,
            range=spec.range,
            missing="" if values[spec.name] is not None else "not defined where all rows are equal at every step",
        )
        for spec in SPEC.quantities
    }


def _path(
    inputs: StepInputs, alignment: Values, uniformity: Values, perfect: float, last: SetInputs, sharpness: float
) -> Lines:
    ends = (-2.15 * sharpness, 0.15 * sharpness)
    return Lines(
        f"Alignment {format_number(alignment[0])} to {format_number(alignment[-1])}, uniformity "
        f"{format_number(uniformity[0])} to {format_number(uniformity[-1])} from step {inputs.steps[0]:,} to "
        f"{inputs.steps[-1]:,}",
        Axis("Alignment", "mean squared distance of views", (-0.05, 2.4)),
        Axis(f"Uniformity at t = {sharpness:g}", "log mean exp(-t d²)", ends),
        (Series("steps", alignment, uniformity, "other", inputs.run, n=last.statistics.n_used),),
        (Reference(f"uniform sphere, D = {last.embedding_set.dim}", perfect, "y"),),
    )


def _finding(
    steps: tuple[int, ...],
    uniformity: Values,
    quantities: dict[str, Quantity],
    perfect: float,
) -> Finding:
    kept = quantities["uniformity_kept"].value
    level = "bad" if kept is None else _thresholds.UNIFORMITY.level(kept)
    best = int(uniformity.argmin())
    text = (
        f"Uniformity goes from {quantities['uniformity_first'].text()} at step {steps[0]:,} to "
        f"{quantities['uniformity_last'].text()} at step {steps[-1]:,} (N = {quantities['uniformity_last'].n:,})"
    )
    reached = _thresholds.UNIFORMITY.level(float(uniformity[-1]) / perfect)
    if level == "good" and reached != "good":
        # What never was there has not been lost either.
        message = f"{text}; a uniform sphere of this D has {format_number(perfect)}."
        advice = "Uniformity is low at every step: add negatives or lower the temperature."
        return Finding(SPEC.name, reached, message, advice, _thresholds.WANG_ISOLA, "uniformity_last")
    if level != "good":
        text += f"; it was best, {format_number(uniformity[best])}, at step {steps[best]:,}"
    return Finding(
        SPEC.name,
        level,
        f"{text}.",
        "" if level == "good" else "Compare the encoder of that step with the last one; the space is being lost.",
        _thresholds.WANG_ISOLA,
        "uniformity_last",
    )


def _at(when: str, what: str) -> QuantitySpec:
    alignment = what == "alignment"
    return QuantitySpec(
        f"{what}_{when}",
        f"{what.capitalize()}, {when} step",
        f"{'Mean squared distance of two views of a sample' if alignment else 'Uniformity, mean over views,'} at the "
        f"{when} step.",
        "squared distance" if alignment else "",
        (0.0, 4.0) if alignment else (-math.inf, 0.0),
        "lower",
    )


SPEC = DiagnosticSpec(
    name="alignment_uniformity_path",
    title="Alignment and uniformity over training",
    question="Where do alignment and uniformity go while the encoder trains?",
    section="Geometry",
    page="geometry/alignment_uniformity",
    needs="steps",
    params=AlignmentUniformityParams,
    compute=compute,
    passes=("statistics",),
    quantities=(
        _at("first", "alignment"),
        _at("last", "alignment"),
        _at("first", "uniformity"),
        _at("last", "uniformity"),
        QuantitySpec(
            "uniformity_kept",
            "Uniformity kept",
            "Uniformity at the last step over its best value at any step.",
            "share",
            (0.0, 1.0),
            "higher",
        ),
    ),
    definition=(
        "Each saved step is a point in the plane of alignment and uniformity, joined in the order of training. The "
        "lower left is where both are good; the dashed line is the uniform distribution on the sphere of this D."
    ),
    formula=r"\left(\mathcal{A}_2,\ \mathcal{U}_t\right)_{\text{step}}",
    reading=(
        "An encoder that has not been trained often maps everything into a narrow cone: good alignment, uniformity "
        "near 0. Contrastive training first pays with alignment for uniformity, then improves both. A path that "
        "returns to the upper left collapses."
    ),
    traps=(
        "Six steps are six points: what happens between them is not seen. Steps are evaluated on the same samples "
        "and augmentations, without the training batch's noise. With steps of different length the speed along the "
        "path says nothing."
    ),
    sources=(_thresholds.WANG_ISOLA,),
    thresholds=(_thresholds.UNIFORMITY,),
)

"""Do the classes collapse while the encoder trains?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.result import Finding, Quantity, Result, format_number
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.core.view import Axis, Lines, Reference, Series
from cl_viz.diagnostics._collapse.class_frame import ClassFrame
from cl_viz.diagnostics._collapse.labelled_classes import labelled_classes, squared_scatter
from cl_viz.diagnostics._collapse.spectrum import view_name
from cl_viz.diagnostics._thresholds import collapse as _thresholds
from cl_viz.diagnostics.neural_collapse import SPEC as CLASSES
from cl_viz.diagnostics.neural_collapse import NeuralCollapseParams
from cl_viz.engine.inputs import SetInputs, StepInputs

CURVES = {
    "within_share": Axis("Variance within classes", "share", (0.0, 1.0)),
    "nc1_quotient": Axis("NC1, quotient", "ratio", log=True),
    "nc2_etf_error": Axis("Distance from a simplex ETF", "", (0.0, 2.0)),
    "of_distance": Axis("Distance from an orthogonal frame", "", (0.0, 2.0)),
}


def _at(inputs: SetInputs, params: NeuralCollapseParams) -> ClassFrame:
    view = view_name(inputs, params.view)
    classes = labelled_classes(inputs, view, params.rows, params.mean)
    return ClassFrame.of(classes, squared_scatter(inputs, view, params.rows))


def compute(inputs: StepInputs, params: NeuralCollapseParams) -> Result:
    """Compute the spread of the classes and the frame of their means at every training step of one layer."""
    frames, last = [], None
    for step in inputs.steps:
        last = inputs.at(step)
        frames.append(_at(last, params))
        last.progress(1.0, "classes")
    assert last is not None
    curves = {name: [frame.quantity(CLASSES.quantity(name)) for frame in frames] for name in CURVES}
    classes = frames[-1].classes
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities={name: values[-1] for name, values in curves.items()},
        views=_views(inputs, curves, frames[-1]),
        findings=(_finding(inputs.steps, curves["within_share"], frames[-1]),),
        caveats=last.plain_caveats(
            classes.n,
            classes.n_excluded,
            normalised=params.rows == "unit",
            centred=True,
            notes=(
                f"numbers are of view {classes.view}, {classes.count} classes",
                *classes.notes,
                f"global mean: mean of the {'class means' if params.mean == 'classes' else 'samples'}",
                "the numbers are those of the last step",
            ),
        ),
        params=params.as_dict(),
    )


def _values(quantities: list[Quantity]) -> NDArray[np.float64]:
    return np.array([np.nan if entry.value is None else entry.value for entry in quantities])


def _views(inputs: StepInputs, curves: dict[str, list[Quantity]], frame: ClassFrame) -> dict[str, Lines]:
    found = {}
    for name, axis in CURVES.items():
        values = _values(curves[name])
        known = np.isfinite(values) & ((values > 0) | (not axis.log))
        if not known.any():
            continue
        steps = np.array(inputs.steps, dtype=np.float64)[known]
        label = CLASSES.quantity(name).label
        ends = values[known]
        marks = [f"{format_number(ends[place])} at step {steps[place]:,.0f}" for place in (0, -1)]
        title = f"{label} {', '.join(marks)}"
        shuffled = (Reference("shuffled labels", frame.shuffled_within, "y"),) if name == "within_share" else ()
        series = Series(label, steps, ends, run=inputs.run, n=frame.classes.n)
        found[name] = Lines(title, Axis("Training step", "steps"), axis, (series,), shuffled)
    return found


def _finding(steps: tuple[int, ...], shares: list[Quantity], frame: ClassFrame) -> Finding:
    source, values = _thresholds.CLASS_SHARE.source, _values(shares)
    if not np.isfinite(values[-1]):
        message = f"Unknown: at step {steps[-1]:,} all rows are equal (N = {shares[-1].n:,})."
        return Finding(SPEC.name, "unknown", message, "Mend the complete collapse first.", source, "within_share")
    if frame.is_one_point:
        message = (
            f"At step {steps[-1]:,} all classes lie at nearly one point: total variance "
            f"{format_number(frame.total_variance)} (uniform sphere: 1, N = {shares[-1].n:,})."
        )
        advice = "Mend the complete collapse first: what tells classes apart is a remainder."
        return Finding(SPEC.name, "bad", message, advice, _thresholds.TOTAL_VARIANCE.source, "within_share")
    first = int(np.flatnonzero(np.isfinite(values))[0])
    text = (
        f"The share of the variance within classes goes from {format_number(100 * values[first])} % at step "
        f"{steps[first]:,} to {format_number(100 * values[-1])} % at step {steps[-1]:,} (N = {shares[-1].n:,})"
    )
    level = _thresholds.CLASS_SHARE.level(float(values[-1]))
    if level == "good":
        return Finding(SPEC.name, level, f"{text}.", source=source, quantity="within_share")
    since = next(
        step for step, value in zip(steps, values, strict=True) if _thresholds.CLASS_SHARE.level(value) != "good"
    )
    return Finding(
        SPEC.name,
        level,
        f"{text}: the classes are nearly points, first at step {since:,}.",
        f"For finer labels or transfer, use an encoder from before step {since:,}, or add a self-supervised term.",
        source,
        "within_share",
    )


SPEC = DiagnosticSpec(
    name="neural_collapse_curves",
    title="Neural collapse over training",
    question="Do the classes collapse while the encoder trains?",
    section="Geometry",
    page="geometry/neural_collapse",
    needs="steps",
    params=NeuralCollapseParams,
    compute=compute,
    quantities=tuple(
        QuantitySpec(
            spec.name, spec.label, f"{spec.definition.rstrip('.')}, last step.", spec.unit, spec.range, spec.better
        )
        for spec in map(CLASSES.quantity, CURVES)
    ),
    definition=(
        "The spread of the classes around their means (NC1), and how far the means are from a simplex ETF (NC2) and "
        "from an orthogonal frame, at every saved training step. Definitions are those of neural collapse above."
    ),
    formula=(
        r"\frac{\mathrm{tr}\,\Sigma_W(t)}{\mathrm{tr}\,\Sigma_B(t)}, \quad"
        r" \Big\| \frac{G(t)}{\|G(t)\|_F} - \frac{I - 11^\top/K}{\sqrt{K-1}} \Big\|_F"
    ),
    reading=(
        "With labels in the loss, NC1 keeps falling long after the training error is 0: that is neural collapse. A "
        "self-supervised run lowers it only as far as classes are what its views share. A distance that falls says "
        "which frame the means are on their way to."
    ),
    traps=(
        "An untrained network has some class structure of its own: compare with the first step, not with shuffled "
        "labels. Under complete collapse ratios of rounding are left, or nothing: read the total variance on the page "
        "Collapse. With two classes the distance from a simplex ETF is 0 whatever happens. The limit in the finding "
        "is a rule of thumb."
    ),
    sources=(_thresholds.PAPYAN, _thresholds.KINI),
    thresholds=(
        _thresholds.CLASS_SHARE,
        _thresholds.TOTAL_VARIANCE,
    ),
)

"""When do the embeddings of a run take their final form?"""

from __future__ import annotations

import numpy as np

from cl_viz.core.result import Finding, Quantity, Result, format_number
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.core.view import Axis, Lines, Reference, Series, View
from cl_viz.diagnostics._geometry.similarity_matrix import (
    SimilarityMatrix,
    SimilarityMatrixParams,
    heatmap,
    matrix_seconds,
    share,
    similarities,
    similarity_matrix,
)
from cl_viz.diagnostics._thresholds import comparing as _thresholds
from cl_viz.engine.inputs import StepInputs

MOST_STEPS = 24
"""Steps compared; of more, so many are taken evenly, the first and the last among them."""

SETTLED = 0.9
"""CKA with the last step from which on the finding calls a step settled; a way to put it, not a threshold."""


def compute(inputs: StepInputs, params: SimilarityMatrixParams) -> Result:
    """Compare every training step of one run with every other, at one layer."""
    steps = chosen_steps(inputs.steps)
    sets = [inputs.at(step) for step in steps]
    matrix = similarity_matrix(sets, [f"step {step:,}" for step in steps], params)
    labels = [f"{step:,}" for step in steps]
    quantities = _quantities(matrix)
    notes = (
        f"steps {', '.join(labels)}" + ("" if len(steps) == len(inputs.steps) else f", of {len(inputs.steps)} saved"),
        f"{matrix.evidence}; means over views, CKA of {params.rows} rows, neighbours by cosine",
    )
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views=_views(steps, matrix, quantities, labels, params, inputs.run),
        findings=(_finding(steps, matrix, quantities),),
        caveats=sets[-1].plain_caveats(
            matrix.count, sets[-1].embedding_set.n - matrix.count, normalised=params.rows == "unit", centred=True,
            notes=notes,
        ),
        params=params.as_dict(),
    )  # fmt: skip


def seconds(inputs: StepInputs, params: SimilarityMatrixParams) -> float:
    """Return about how long `compute` takes: a product of all rows with each other a pair of steps and view."""
    last = inputs.at(inputs.steps[-1]).embedding_set
    return matrix_seconds(last.n, last.dim, len(last.views), min(len(inputs.steps), MOST_STEPS))


def chosen_steps(steps: tuple[int, ...], most: int = MOST_STEPS) -> tuple[int, ...]:
    """Return at most `most` steps, evenly by place, the first and the last among them."""
    if len(steps) <= most:
        return steps
    places = np.linspace(0, len(steps) - 1, most).round().astype(int)
    return tuple(steps[place] for place in dict.fromkeys(places.tolist()))


def _quantities(matrix: SimilarityMatrix) -> dict[str, Quantity]:
    values = {
        "first_to_last": matrix.cka[0, -1],
        "before_last": matrix.cka[-2, -1],
        "neighbours_first_to_last": matrix.overlap[0, -1],
        "neighbours_before_last": matrix.overlap[-2, -1],
    }
    return similarities(SPEC.quantities, values, matrix.count, "a step")


def _views(
    steps: tuple[int, ...], matrix: SimilarityMatrix, quantities: dict[str, Quantity], labels: list[str],
    params: SimilarityMatrixParams, run: str,
) -> dict[str, View]:  # fmt: skip
    at = np.array(steps, dtype=np.float64)
    chance = params.k / (matrix.count - 1)
    curves = (("CKA", matrix.cka[:, -1]), ("neighbours kept", matrix.overlap[:, -1]))
    series = tuple(
        Series(name, at, np.minimum(values, 1.0), "other", run, n=matrix.count)
        for name, values in curves
        if np.isfinite(values).any()
    )
    title = f"CKA of the first step with the last {quantities['first_to_last'].text()}"
    return {
        "with_last": Lines(
            f"{title}, neighbours kept {quantities['neighbours_first_to_last'].text()}",
            Axis("Training step", "steps"),
            Axis("Similarity with the last step", "1 is the same", (-0.05, 1.05)),
            series,
            (Reference("neighbours of unrelated embeddings", chance, "y"),),
        ),
        "cka": heatmap(matrix.cka, labels, "CKA", title, "Training step", run),
        "neighbours": heatmap(
            matrix.overlap,
            labels,
            "Neighbours kept",
            f"{_percent(quantities['neighbours_first_to_last'])} of the {params.k} nearest neighbours kept from first "
            "to last",
            "Training step",
            run,
        ),
    }


def _percent(quantity: Quantity) -> str:
    return "An unknown share" if quantity.value is None else f"{format_number(100 * quantity.value)} %"


def _finding(steps: tuple[int, ...], matrix: SimilarityMatrix, quantities: dict[str, Quantity]) -> Finding:
    first, before = quantities["first_to_last"], quantities["before_last"]
    kept = quantities["neighbours_first_to_last"]
    if first.value is None or before.value is None:
        return Finding(
            SPEC.name,
            "unknown",
            "Unknown: when the embeddings take their final form.",
            f"To see it, {first.missing or before.missing}.",
            _thresholds.KORNBLITH,
            "first_to_last",
        )
    far = np.flatnonzero(~(matrix.cka[:, -1] >= SETTLED))
    settled = steps[int(far[-1]) + 1] if len(far) else steps[0]
    when = f"from step {settled:,} on it is {SETTLED} or more"
    if settled == steps[-1]:
        when = f"the step before the last is at {before.text()}"
    text = (
        f"The first step's embeddings have a debiased CKA of {first.text()} with the last step's and keep "
        f"{_percent(kept)} of their neighbours; {when} (N = {first.n:,})."
    )
    return Finding(SPEC.name, "good", text, source=_thresholds.KORNBLITH, quantity="first_to_last")


SPEC = DiagnosticSpec(
    name="step_similarity",
    title="Similarity of training steps",
    question="When do the embeddings of a run take their final form?",
    section="Runs",
    page="runs/compare",
    needs="steps",
    params=SimilarityMatrixParams,
    compute=compute,
    passes=("neighbors",),
    quick=False,
    seconds=seconds,
    quantities=(
        share(
            "first_to_last", "CKA, first with last step", "Debiased linear CKA of the first with the last step.", -1.0
        ),
        share("before_last", "CKA, last two steps", "Debiased linear CKA of the step before with the last step.", -1.0),
        QuantitySpec(
            "neighbours_first_to_last",
            "Neighbours kept, first to last",
            "Mean share of the k nearest others at the first step that are so at the last.",
            "share",
            (0.0, 1.0),
        ),
        QuantitySpec(
            "neighbours_before_last",
            "Neighbours kept, last two steps",
            "Mean share of the k nearest others at the step before that are so at the last.",
            "share",
            (0.0, 1.0),
        ),
    ),
    definition=(
        "The same samples are embedded at every saved step; each step is compared with every other. The curve is the "
        "similarity with the last step, the matrices are all pairs of steps."
    ),
    formula=r"\mathrm{CKA}(X_s, X_t), \qquad \frac1N \sum_i \frac{|N_k^{s}(i) \cap N_k^{t}(i)|}{k}",
    reading=(
        "Blocks along the diagonal are phases in which little changes. A curve that is flat well before the end says "
        "that the rest of the training moved little in the large; neighbours usually settle later than CKA. An "
        "untrained encoder is already like the final one where the input alone decides who is near whom."
    ),
    traps=(
        "Debiased CKA is a little below 0 at times for unrelated steps, and is not defined where a step has "
        "collapsed to a point. Steps are seldom evenly spaced: read the axis. The samples must be the same at every "
        "step, in the same order. Of more than 24 steps 24 are compared."
    ),
    sources=(_thresholds.KORNBLITH, _thresholds.KLABUNDE),
)

"""Does a linear head agree with the class means?"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc

from cl_viz.core.result import Finding, Interval, Quantity, Result, Source, format_number
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.core.view import Axis, Bars, Reference, Series
from cl_viz.diagnostics._collapse.class_frame import ClassFrame
from cl_viz.diagnostics._collapse.frame_jackknife import left_out_heads, left_out_statistics
from cl_viz.diagnostics._collapse.labelled_classes import (
    RIDGE,
    Head,
    LabelledClasses,
    labelled_classes,
    least_squares_head,
    squared_scatter,
)
from cl_viz.diagnostics._collapse.neural_collapse_views import MOST_CLASSES
from cl_viz.diagnostics._collapse.spectrum import view_name
from cl_viz.diagnostics._dense import neural_collapse as measures
from cl_viz.diagnostics._dense.neural_collapse import ClassStatistics
from cl_viz.diagnostics._group_jackknife import interval_of_left_out
from cl_viz.diagnostics._proportions import wilson
from cl_viz.diagnostics._thresholds import collapse as _thresholds
from cl_viz.diagnostics._thresholds.open_level import open_level
from cl_viz.diagnostics.neural_collapse import NeuralCollapseParams
from cl_viz.engine.inputs import SetInputs

Values = NDArray[np.float64]
HAN = Source(
    "Han, Papyan and Donoho 2022, Neural collapse under MSE loss: proximity to and dynamics on the central path",
    "https://arxiv.org/abs/2106.02073",
)


def compute(inputs: SetInputs, params: NeuralCollapseParams) -> Result:
    """Fit a least-squares head to one view's classes, and compare it with their means."""
    view = view_name(inputs, params.view)
    classes = labelled_classes(inputs, view, params.rows, params.mean)
    head = least_squares_head(inputs, classes)
    left_out = left_out_statistics(inputs, classes, params.mean)
    heads = None if left_out is None else left_out_heads(inputs, classes, head, left_out)
    without = None if left_out is None or heads is None else list(zip(heads, left_out, strict=True))
    quantities = {spec.name: _quantity(spec, classes, head, without) for spec in SPEC.quantities}
    cosines = _cosines(classes, head)
    notes = (
        f"numbers are of view {view}, {classes.count} classes",
        *classes.notes,
        f"head: least squares on one-hot labels with intercept, ridge {RIDGE:g} of the mean variance; accuracies are "
        "on the rows it was fitted to",
        f"global mean: mean of the {'class means' if params.mean == 'classes' else 'samples'}",
    )
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views={"head_cosines": _view(classes, cosines, quantities, inputs.run)} if np.isfinite(cosines).all() else {},
        findings=(_chance(inputs, classes, head, quantities) or _finding(classes, quantities),),
        caveats=inputs.plain_caveats(
            classes.n, classes.n_excluded, normalised=params.rows == "unit", centred=True, notes=notes
        ),
        params=params.as_dict(),
    )


def _cosines(classes: LabelledClasses, head: Head) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.clip(measures.nc3_cosines(head.weights, classes.statistics), -1.0, 1.0)


_MEASURES: dict[str, Callable[[Values, ClassStatistics], float]] = {
    "nc3_self_duality": measures.nc3_product_error,
    "nc3_cosine": lambda weights, found: float(np.clip(measures.nc3_cosines(weights, found), -1.0, 1.0).mean()),
    "nc2_etf_of_head": lambda weights, found: measures.nc2_etf_error_of_head(weights),
}


def _quantity(
    spec: QuantitySpec, classes: LabelledClasses, head: Head, without: list[tuple[Values, ClassStatistics]] | None
) -> Quantity:
    value, interval = math.nan, None
    if spec.name in _MEASURES:
        measure, limits = _MEASURES[spec.name], spec.range or (-math.inf, math.inf)
        with np.errstate(invalid="ignore", divide="ignore"):
            value = measure(head.weights, classes.statistics)
            values = None if without is None else np.array([measure(weights, found) for weights, found in without])
        interval = None if values is None else interval_of_left_out(value, values, classes.n, limits)
    shares = {
        "nc4_agreement": head.agree, "head_accuracy": head.head_correct, "centre_accuracy": head.centre_correct
    }  # fmt: skip
    if spec.name in shares:
        value, interval = shares[spec.name], _share_interval(shares[spec.name], classes.n)
    finite = math.isfinite(value)
    return Quantity(
        spec.name,
        spec.label,
        value if finite else None,
        spec.unit,
        interval if finite else None,
        n=classes.n,
        range=spec.range,
        missing="" if finite else "use embeddings whose class means differ: these are equal up to rounding",
    )


def _share_interval(share: float, n: int) -> Interval:
    return wilson(round(share * n), n)


def _view(classes: LabelledClasses, cosines: np.ndarray, quantities: dict[str, Quantity], run: str) -> Bars:
    drawn = np.sort(np.argsort(-classes.statistics.counts, kind="stable")[:MOST_CLASSES])
    lowest = int(cosines.argmin())
    title = (
        f"Head and class means: cosine {quantities['nc3_cosine'].text()} in the mean, lowest for class "
        f"{classes.names[lowest]} ({format_number(float(cosines[lowest]))})"
    )
    names = np.array([classes.names[place] for place in drawn], dtype=object)
    return Bars(
        title,
        Axis("Class"),
        Axis("Cosine of weights and centred class mean", "cosine", (-1.0, 1.0)),
        (Series("cosine", names, cosines[drawn], run=run, n=classes.n),),
        (Reference("self-dual", 1.0, "y"),),
    )


def _chance(inputs: SetInputs, classes: LabelledClasses, head: Head, quantities: dict[str, Quantity]) -> Finding | None:
    """Return what to say where the labels may be random; None where they are not."""
    size = f"K = {classes.count}, N = {classes.n:,}, D = {classes.statistics.means.shape[1]:,}"
    if classes.n <= classes.statistics.means.shape[1] + classes.count:
        right = format_number(100 * (quantities["head_accuracy"].value or 0.0))
        message = (
            f"Unknown: with N at most D + K a head can be fitted to any labels (on the rows it was fitted to it is "
            f"right for {right} %, {size})."
        )
        advice = "To see it, add samples: more than D + K, better several times D."
    else:
        frame = ClassFrame.of(classes, squared_scatter(inputs, classes.view, classes.scale))
        # Classes that differ in a direction of little variance pass the second test only.
        p_value = min(frame.shuffled_p_value, _pillai_p_value(classes, head))
        if _thresholds.SHUFFLED_LABELS.level(p_value) == "good":
            return None
        message = (
            f"Unknown: the class means are no further apart than those of shuffled labels (p = "
            f"{format_number(p_value)}, {size})."
        )
        advice = "To see it, use labels that the encoder separates, and check that they belong to these rows."
    return Finding(SPEC.name, "unknown", message, advice, _thresholds.SHUFFLED_LABELS.source, "nc4_agreement")


def _pillai_p_value(classes: LabelledClasses, head: Head) -> float:
    """Return the p-value of Pillai's trace: whether class means differ in any direction, whatever its variance.

    The head's weights are ``S^-1 n_k (mu_k - mean)``, so that the trace is a sum of products with the class means.
    """
    found = classes.statistics
    overall = (found.counts @ found.means) / found.counts.sum()
    dim, between = found.means.shape[1], classes.count - 1
    most = min(dim, between)
    # Rounding can push it out of its range, where the law is not defined.
    trace = float(np.clip(np.sum(head.weights * (found.means - overall)), 0.0, most * (1 - 1e-12)))
    upper, lower = abs(dim - between) + most, classes.n - classes.count - dim + most
    return float(fdtrc(most * upper, most * lower, lower / upper * trace / (most - trace)))


def _finding(classes: LabelledClasses, quantities: dict[str, Quantity]) -> Finding:
    agreement = quantities["nc4_agreement"]
    head, centre = quantities["head_accuracy"].value or 0.0, quantities["centre_accuracy"].value or 0.0
    rest = (
        f"on the rows it was fitted to the head is right for {format_number(100 * head)} %, nearest mean for "
        f"{format_number(100 * centre)} %, cosine of weights and means {quantities['nc3_cosine'].text()}, "
        f"K = {classes.count}, N = {classes.n:,}"
    )
    assert agreement.value is not None
    level = _thresholds.AGREEMENT.level(agreement.value)
    text = format_number(100 * agreement.value)
    source, also = _thresholds.AGREEMENT.source, open_level(agreement, _thresholds.AGREEMENT.level)
    if level == "good":
        message = f"A linear head and the nearest class mean agree on {text} % of the rows ({rest}).{also}"
        return Finding(SPEC.name, level, message, source=source, quantity=agreement.name)
    message = f"A linear head and the nearest class mean agree on only {text} % of the rows ({rest}).{also}"
    advice = "Classes are not balls around their means: use a linear head, not nearest means."
    return Finding(SPEC.name, level, message, advice, source, agreement.name)


SPEC = DiagnosticSpec(
    name="classifier_duality",
    title="Head and class means",
    question="Does a linear head agree with the class means?",
    section="Geometry",
    page="geometry/neural_collapse",
    needs="set",
    params=NeuralCollapseParams,
    compute=compute,
    quantities=(
        QuantitySpec(
            "nc3_self_duality",
            "NC3, self-duality error",
            "Frobenius distance of the normed product of head and centred class means from a simplex ETF's Gram.",
            "",
            (0.0, 2.0),
            "lower",
        ),
        QuantitySpec(
            "nc3_cosine",
            "NC3, cosine",
            "Mean cosine of a class's weights and its centred mean.",
            "cosine",
            (-1.0, 1.0),
            "higher",
        ),
        QuantitySpec(
            "nc2_etf_of_head",
            "NC2 of the head",
            "Frobenius distance of the normed Gram matrix of the head's weights from a simplex ETF's.",
            "",
            (0.0, 2.0),
            "lower",
        ),
        QuantitySpec(
            "nc4_agreement",
            "NC4, agreement",
            "Share of rows that head and nearest class mean classify alike.",
            "share",
            (0.0, 1.0),
            "higher",
        ),
        QuantitySpec(
            "head_accuracy", "Head, accuracy", "Share of rows the head classifies as labelled.", "share", (0.0, 1.0)
        ),
        QuantitySpec(
            "centre_accuracy",
            "Nearest mean, accuracy",
            "Share of rows whose nearest class mean is their own.",
            "share",
            (0.0, 1.0),
        ),
    ),
    definition=(
        "The last two signs of neural collapse need a linear classifier: its weights become the centred class means up "
        "to scale (NC3), and it decides as the nearest class mean does (NC4). An embedding dump has no classifier, so "
        "one is fitted here: least squares on one-hot labels, whose optimum is exact and needs no training. It stands "
        "for the head that would be trained on frozen embeddings, not for one that was trained with them."
    ),
    formula=(
        r"W = \arg\min \sum_i \|W h_i + b - e_{y_i}\|^2 + \rho\|W\|^2, \quad"
        r" \Big\| \frac{W M^\top}{\|W M^\top\|_F} - \frac{I - 11^\top/K}{\sqrt{K-1}} \Big\|_F, \quad"
        r" \cos(w_k, \mu_k - \mu_G)"
    ),
    reading=(
        "Cosines near 1 and an agreement near 1: classes are round clouds of equal size around their means, and a "
        "nearest mean is all that is needed. Where the head is right more often than the nearest mean, the clouds are "
        "stretched: directions of large variance within classes mislead distances, and the head weighs them down."
    ),
    traps=(
        "Weights trained together with the encoder (the papers') can be closer to the means than a head fitted "
        "afterwards. Accuracies are on the rows that the head was fitted to: with N not far above D it fits anything, "
        "so read the agreement, and take accuracies from the Downstream page. Intervals of NC3 leave out groups of "
        "samples and need ten samples a dimension: below that the head follows single rows. Under unequal classes "
        "least squares "
        "gives large classes longer weights. The limit in the finding is a rule of thumb."
    ),
    sources=(_thresholds.PAPYAN, HAN),
    thresholds=(
        _thresholds.SHUFFLED_LABELS,
        _thresholds.AGREEMENT,
    ),
)

"""What does the projector lose that the backbone has?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cl_viz.core.params import Params, param
from cl_viz.core.result import LEVELS, Finding, Quantity, Result, format_number
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.core.view import Axis, Bars, Lines, Series, View
from cl_viz.diagnostics._collapse.layer_measures import NEIGHBORS, LayerMeasures, measure_layer
from cl_viz.diagnostics._collapse.spectrum import view_name
from cl_viz.diagnostics._thresholds import collapse as _thresholds
from cl_viz.engine.inputs import LayerInputs

MEASURES = {
    "entropy_rank": ("Covariance entropy rank", "dimensions", None, "Exp of the entropy of the covariance's spectrum"),
    "rankme": ("RankMe", "dimensions", None, "RankMe (epsilon 1e-7) of rows as stored"),
    "total_variance": ("Total variance", "", (0.0, 2.0), "Sum of the variances of the unit rows"),
    "alignment": ("Alignment", "squared distance", (0.0, 4.0), "Mean squared distance of two views' unit rows"),
    "uniformity": ("Uniformity", "log", (-8.0, 0.0), "Log mean of exp(-2 d²) over pairs within the view"),
    "neighbor_accuracy": (
        "kNN accuracy",
        "share",
        (0.0, 1.0),
        f"Share of rows whose label most of their {NEIGHBORS} nearest rows have",
    ),
}  # fmt: skip
ROLES = ("projector", "backbone")


@dataclass(frozen=True)
class LayerParams(Params):
    """Whose rows."""

    view: int = param(1, "Whose rows the numbers are of: number of the view, counted from 1.", low=1, high=16)


def roles_of(layers: tuple[str, ...]) -> tuple[str, str]:
    """Return which layer is the projector and which the backbone: by name, else the first and the last."""
    backbone = next((layer for layer in layers if "backbone" in layer.lower() or "encoder" in layer.lower()), None)
    projector = next((layer for layer in layers if "proj" in layer.lower() or "head" in layer.lower()), None)
    if projector is None:
        projector = next(layer for layer in layers if layer != backbone)
    if backbone is None or backbone == projector:
        backbone = next(layer for layer in reversed(layers) if layer != projector)
    return projector, backbone


def compute(inputs: LayerInputs, params: LayerParams) -> Result:
    """Measure projector and backbone, and every other layer for the figures."""
    measured: dict[str, LayerMeasures] = {}
    last = None
    for layer in inputs.layers:
        last = inputs.at(layer)
        measured[layer] = measure_layer(last, layer, view_name(last, params.view))
    assert last is not None
    projector, backbone = (measured[layer] for layer in roles_of(inputs.layers))
    quantities = {
        f"{name}_{role}": _quantity(f"{name}_{role}", name, found)
        for name in MEASURES
        for role, found in zip(ROLES, (projector, backbone), strict=True)
    }
    found = projector.spectrum
    notes = (
        f"projector: layer {projector.layer} (D = {found.dim}); backbone: layer {backbone.layer} "
        f"(D = {backbone.spectrum.dim})",
        f"numbers are of view {found.view}; kNN: {NEIGHBORS} nearest rows of it, all votes alike",
    )
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views=_views(measured, inputs.run),
        findings=_findings(projector, backbone),
        caveats=replace(
            last.plain_caveats(found.n, found.n_excluded, notes=notes), dim=found.dim, layer=" and ".join(inputs.layers)
        ),
        params=params.as_dict(),
    )


def _quantity(key: str, name: str, found: LayerMeasures) -> Quantity:
    spec = SPEC.quantity(key)
    value, interval, missing = found.values[name]
    return Quantity(key, spec.label, value, spec.unit, interval, n=found.spectrum.n, range=spec.range, missing=missing)


def _views(measured: dict[str, LayerMeasures], run: str) -> dict[str, View]:
    views: dict[str, View] = {"spectra": _spectra(measured, run)}
    for name, (label, unit, ends, _) in MEASURES.items():
        having = {layer: found for layer, found in measured.items() if found.values[name][0] is not None}
        if not having:
            continue
        values = np.array([found.values[name][0] for found in having.values()], dtype=np.float64)
        intervals = [found.values[name][1] for found in having.values()]
        low = np.array([end.low if end else np.nan for end in intervals]) if any(intervals) else None
        high = np.array([end.high if end else np.nan for end in intervals]) if any(intervals) else None
        title = f"{label}: " + ", ".join(f"{layer} {format_number(v)}" for layer, v in zip(having, values, strict=True))
        views[name] = Bars(
            title,
            Axis("Layer"),
            Axis(label, unit, ends if name == "neighbor_accuracy" else None),
            (Series(label.lower(), np.array(list(having), dtype=object), values, run=run, low=low, high=high),),
        )
    return views


def _spectra(measured: dict[str, LayerMeasures], run: str) -> Lines:
    series = []
    for layer, found in measured.items():
        shown = found.spectrum.values[: found.spectrum.above_floor]
        series.append(Series(layer, np.arange(len(shown)) + 1.0, shown, run=run, n=found.spectrum.n))
    parts = [f"{layer} {found.spectrum.above_floor} of {found.spectrum.dim}" for layer, found in measured.items()]
    return Lines(
        "Dimensions above the numerical floor: " + ", ".join(parts),
        Axis("Dimension", "rank"),
        Axis("Eigenvalue", "variance of unit rows", log=True),
        tuple(series),
        markers=False,
    )


def _findings(projector: LayerMeasures, backbone: LayerMeasures) -> tuple[Finding, ...]:
    n = projector.spectrum.n
    filled = [
        f"{format_number(found.values['entropy_rank'][0] or 0.0)} of {found.spectrum.dim} dimensions in the {role} "
        f"(total variance {format_number(found.values['total_variance'][0] or 0.0)})"
        for role, found in zip(ROLES, (projector, backbone), strict=True)
    ]
    levels = [
        _thresholds.TOTAL_VARIANCE.level(found.values["total_variance"][0] or 0.0) for found in (projector, backbone)
    ]
    level = min(levels, key=LEVELS.index)
    message = f"The variance fills {filled[0]} and {filled[1]}; covariance entropy rank, N = {n:,}."
    if level == "bad":
        spreads = [format_number(found.values["total_variance"][0] or 0.0) for found in (projector, backbone)]
        message = (
            f"The unit rows have collapsed to nearly one point: total variance {spreads[0]} in the projector, "
            f"{spreads[1]} in the backbone (uniform sphere: 1, N = {n:,})."
        )
    advice = "" if level == "good" else "Mend the complete collapse first: what varies there is little."
    ranks = Finding(
        SPEC.name,
        level,
        message,
        advice,
        _thresholds.JING,
        "entropy_rank_projector",
    )
    return ranks, _neighbors(projector, backbone)


def _neighbors(projector: LayerMeasures, backbone: LayerMeasures) -> Finding:
    source = _thresholds.PROJECTOR_BETTER.source
    if projector.hits is None or backbone.hits is None or projector.hit_rows is None or backbone.hit_rows is None:
        return Finding(
            SPEC.name,
            "unknown",
            "Unknown: which layer's neighbours share the label more often.",
            "To see it, add a label column with two values or more (Data page).",
            source,
            "neighbor_accuracy_projector",
        )
    both, left, right = np.intersect1d(projector.hit_rows, backbone.hit_rows, return_indices=True)
    first, second = projector.hits[left], backbone.hits[right]
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    text = (
        f"{format_number(100 * first.mean())} % of the rows by the projector's neighbours and "
        f"{format_number(100 * second.mean())} % by the backbone's ({NEIGHBORS} neighbours, N = {len(both):,}"
    )
    p_value = _one_sided(only_first, only_second)
    if _thresholds.PROJECTOR_BETTER.level(p_value) != "good":
        message = f"The label is found for {text}; McNemar p = {format_number(p_value)}): the projector is better."
        advice = "Use the projector's output for these labels, or train the backbone longer."
        return Finding(SPEC.name, "watch", message, advice, source, "neighbor_accuracy_projector")
    return Finding(SPEC.name, "good", f"The label is found for {text}).", "", source, "neighbor_accuracy_projector")


def _one_sided(only_first: int, only_second: int) -> float:
    """Return the exact McNemar p-value that the first classifies more rows right than the second."""
    from scipy.stats import binomtest

    trials = only_first + only_second
    return float(binomtest(only_first, trials, alternative="greater").pvalue) if trials else 1.0


def _specs() -> tuple[QuantitySpec, ...]:
    return tuple(
        QuantitySpec(f"{name}_{role}", f"{label}, {role}", f"{text}, {role}.", unit, ends)
        for name, (label, unit, ends, text) in MEASURES.items()
        for role in ROLES
    )


SPEC = DiagnosticSpec(
    name="projector_backbone",
    title="Projector and backbone",
    question="What does the projector lose that the backbone has?",
    section="Geometry",
    page="geometry/collapse",
    needs="layers",
    params=LayerParams,
    compute=compute,
    quantities=_specs(),
    quick=False,
    seconds=lambda inputs, params: 2.0 * len(inputs.layers),
    definition=(
        "The loss acts on the projector's output; what is used afterwards is usually the backbone's. The same numbers "
        "stand side by side for both: ranks, total variance, alignment and uniformity of unit rows, and how often the "
        "nearest rows share the label."
    ),
    formula=(
        r"\exp H(\lambda / \textstyle\sum\lambda), \quad \frac1N\sum_i \|z_i - z_i'\|^2, \quad"
        r" \log \frac{2}{N(N-1)} \sum_{i<j} e^{-2\|z_i - z_j\|^2}"
    ),
    reading=(
        "Usual, and no fault: the projector has the lower rank for its size, the views of a sample lie closer there, "
        "and labels are found more often in the backbone, since the projector drops what the augmentation changes. A "
        "projector that beats its backbone says that the labels are what the loss was trained for, or that the "
        "backbone was trained too little."
    ),
    traps=(
        "The two layers have different D: compare a rank with its own D. A backbone that ends in a ReLU has no "
        "negative entries, so all its rows lie in one orthant, close to their mean: total variance, alignment and "
        "uniformity are then all nearer to 0 than a centred layer's, without any better agreement of views. The "
        "accuracy is that of unweighted votes within the same view; it is no linear probe. Which layer is which is "
        "read from its name."
    ),
    sources=(_thresholds.PROJECTOR_BETTER.source, _thresholds.JING),
    thresholds=(
        _thresholds.TOTAL_VARIANCE,
        _thresholds.PROJECTOR_BETTER,
    ),
)

"""Where does this run stand between uniformity and tolerance?"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import hyp0f1

from cl_viz.core.params import Params, param
from cl_viz.core.result import Finding, Quantity, Result, Source, format_number
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.core.view import Axis, Bars, Reference, Scatter, Series, View
from cl_viz.diagnostics._temperature.anchor_questions import WANG_LIU
from cl_viz.diagnostics._temperature.class_tolerance import ClassTolerance, class_tolerance
from cl_viz.diagnostics._temperature.hardness_views import TEMPERATURE
from cl_viz.diagnostics._thresholds import temperature as _thresholds
from cl_viz.engine.inputs import SetInputs
from cl_viz.engine.pair_sketch import Relation
from cl_viz.engine.score_histogram import uniformity

WANG_ISOLA = Source(
    "Wang and Isola 2020, Understanding Contrastive Representation Learning through Alignment and Uniformity",
    "https://arxiv.org/abs/2005.10242",
)
CLASSES = 30
TOLERANCE = Axis("Tolerance", "mean cosine within labels", (-0.2, 1.0))
NEGATIVE_UNIFORMITY = Axis("Uniformity", "sign turned: higher is more uniform", (0.0, 4.5))


@dataclass(frozen=True)
class UniformityToleranceParams(Params):
    """The kernel of the uniformity."""

    kernel: float = param(
        2.0, "Factor t of the squared distance in the uniformity; the authors use 2.", low=0.5, high=10.0
    )


def compute(inputs: SetInputs, params: UniformityToleranceParams) -> Result:
    """Compute uniformity and tolerance of one set."""
    found = inputs.remember("class tolerance", lambda: class_tolerance(inputs))
    value = set_uniformity(inputs, params.kernel)
    ideal = sphere_uniformity(inputs.embedding_set.dim, params.kernel)
    quantities = _quantities(inputs, found, value, ideal)
    notes = (
        "tolerance: within each view, mean over views; from class means, no pair is drawn",
        f"uniformity: within each view, t = {params.kernel:g}, mean over views, from the histogram of all pairs",
        *([] if found.n >= inputs.statistics.n_used else [f"tolerance: of the {found.n:,} samples that have a label"]),
    )
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views=_views(inputs, found, value, ideal),
        findings=(_finding(inputs, found, value, ideal),),
        caveats=inputs.caveats(notes=notes),
        params=params.as_dict(),
    )


def sphere_uniformity(dim: int, kernel: float) -> float:
    """Return the uniformity of random directions: -2t + log 0F1(; D/2; t²)."""
    return -2 * kernel + math.log(float(hyp0f1(dim / 2, kernel**2)))


def set_uniformity(inputs: SetInputs, kernel: float) -> float:
    """Return the uniformity of a set: pairs of distinct rows within each view, mean over views."""
    pairs = inputs.statistics.pairs
    within = []
    for i, block in enumerate(pairs.blocks):
        if block[0] == block[1]:
            fields = {name: getattr(pairs, name)[[i]] for name in ("counts", "sums", "squares", "low", "high")}
            within.append(replace(pairs, blocks=(block,), **fields).histogram(list(Relation)))
    return float(uniformity([histogram for histogram in within if histogram.count], kernel)[0])


def _quantities(inputs: SetInputs, found: ClassTolerance, value: float, ideal: float) -> dict[str, Quantity]:
    n_used = inputs.statistics.n_used
    given = {
        "tolerance": (found.conditional, found.interval, found.n, None, ""),
        "tolerance_literal": (found.literal, None, found.n, None, ""),
        "uniformity": (min(0.0, value), None, n_used, ideal, f"random directions in {inputs.embedding_set.dim} D"),
    }
    quantities = {}
    for spec in SPEC.quantities:
        number, interval, n, reference, label = given[spec.name]
        quantities[spec.name] = Quantity(
            spec.name, spec.label, number, spec.unit, interval, n, range=spec.range, reference=reference,
            reference_label=label,
        )  # fmt: skip
    return quantities


def _finding(inputs: SetInputs, found: ClassTolerance, value: float, ideal: float) -> Finding:
    interval = found.interval
    ends = f" [{format_number(interval.low)}, {format_number(interval.high)}]" if interval else ""
    text = (
        f"Samples of one label have mean cosine {format_number(found.conditional)}{ends} at uniformity "
        f"{format_number(value)} (random directions: {format_number(ideal)}; N = {found.n:,})."
    )
    threshold = _thresholds.UNIFORMITY_SHARE
    level = threshold.level(value / ideal)
    advice = (
        "One run is one point: open runs trained at other temperatures, or a run with several steps, to see the curve."
    )
    if level != "good":
        advice = "Samples of one label are alike because all samples are: look at uniformity before tolerance."
    return Finding(SPEC.name, level, text, advice, threshold.source, "tolerance")


def _views(inputs: SetInputs, found: ClassTolerance, value: float, ideal: float) -> dict[str, View]:
    run, temperature = inputs.run, inputs.card.get("temperature")
    here = np.array([-value])
    views: dict[str, View] = {
        "tradeoff": Scatter(
            f"Tolerance {format_number(found.conditional)} at uniformity {format_number(value)}",
            NEGATIVE_UNIFORMITY,
            TOLERANCE,
            (Series("run", here, np.array([found.conditional]), "other", run, n=found.n),),
            (Reference(f"random directions, D = {inputs.embedding_set.dim}", -ideal),),
        )
    }
    if isinstance(temperature, (int, float)) and temperature > 0:
        at = np.array([float(temperature)])
        views["tolerance_by_temperature"] = Scatter(
            f"Tolerance {format_number(found.conditional)}, trained at temperature {temperature:g}",
            TEMPERATURE,
            TOLERANCE,
            (Series("run", at, np.array([found.conditional]), "other", run, n=found.n),),
        )
        views["uniformity_by_temperature"] = Scatter(
            f"Uniformity {format_number(value)}, trained at temperature {temperature:g}",
            TEMPERATURE,
            NEGATIVE_UNIFORMITY,
            (Series("run", at, here, "other", run, n=found.n),),
            (Reference(f"random directions, D = {inputs.embedding_set.dim}", -ideal, "y"),),
        )
    if 1 < len(found.by_class) <= CLASSES:
        ordered = sorted(found.by_class, key=lambda entry: entry[1])
        names = np.array([name for name, _, _ in ordered], dtype=object)
        values = np.array([mean for _, mean, _ in ordered])
        views["by_class"] = Bars(
            f"Least alike: label {names[0]} ({format_number(values[0])}), most: {names[-1]} "
            f"({format_number(values[-1])})",
            Axis("Label"),
            TOLERANCE,
            (Series("tolerance", names, values, "other", run, n=found.n),),
            (Reference("all labels", found.conditional, "y"),),
        )
    return views


SPEC = DiagnosticSpec(
    name="uniformity_tolerance",
    title="Uniformity and tolerance",
    question="Where does the run stand between uniformity and tolerance?",
    section="Temperature",
    page="temperature/hardness",
    needs="set",
    params=UniformityToleranceParams,
    compute=compute,
    passes=("statistics",),
    quantities=(
        QuantitySpec(
            "tolerance",
            "Tolerance, conditional",
            "Mean cosine of pairs of different samples of one label, within a view; mean over views.",
            "cosine",
            (-1.0, 1.0),
        ),
        QuantitySpec(
            "tolerance_literal",
            "Tolerance, eq. 11 to the letter",
            "Mean over all ordered pairs, a sample with itself among them, of the cosine where labels agree, else 0.",
            "cosine",
            (-1.0, 1.0),
        ),
        QuantitySpec(
            "uniformity",
            "Uniformity",
            "Log of the mean of exp(-t d²) over pairs of distinct samples within a view; mean over views.",
            "nats",
            None,
            "lower",
        ),
    ),
    definition=(
        "Wang and Liu's dilemma: a low temperature spreads embeddings evenly over the sphere (uniformity) and thereby "
        "drives samples of one kind apart (low tolerance); a high one tolerates them and fills the sphere less. Both "
        "numbers are those of trained embeddings, so one run is one point, at the temperature it was trained at. The "
        "curve over the temperature needs runs trained at several; they are overlaid here as they are opened. From "
        "one run one learns where it stands, not where another temperature would take it."
    ),
    formula=(
        r"T = \mathbb{E}\big[z_x \cdot z_y \mid l_x = l_y,\ x \neq y\big], \quad"
        r" T_{\text{eq. 11}} = \mathbb{E}_{x, y}\big[z_x \cdot z_y\, 1(l_x = l_y)\big], \quad"
        r" U = \log \mathbb{E}\, e^{-t \lVert z_x - z_y \rVert^2}"
    ),
    reading=(
        "In the paper (CIFAR10, temperatures 0.07, 0.3, 0.7, 1) uniformity falls from 3.86 to 2.96 (sign turned) and "
        "tolerance rises from 0.04 to 0.37, while accuracy is best between, at 0.3. High tolerance with low "
        "uniformity is what collapse looks like: never rank runs by tolerance alone. The dashed line is the "
        "uniformity of random directions in this dimension, which only sets of very few samples can exceed."
    ),
    traps=(
        "Equation 11 to the letter averages over all pairs, so it depends on how common each label is; the sizes in "
        "the paper's Table 1 fit the mean given equal labels, which is shown first. No code of the authors was "
        "found. Uniformity hardly notices dimensional collapse where D is large. A pair of one sample with itself is "
        "left out of the conditional tolerance and of the uniformity."
    ),
    sources=(WANG_LIU, WANG_ISOLA),
    thresholds=(_thresholds.UNIFORMITY_SHARE,),
)

"""Where would a temperature that follows alignment stand, and whom would it weigh up?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cl_viz.core.errors import MissingInputError
from cl_viz.core.params import param
from cl_viz.core.result import Finding, Quantity, Result, Source, format_number
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.core.view import Axis, Histogram, Lines, Reference, Series, View
from cl_viz.diagnostics._temperature import anchor_questions as questions
from cl_viz.diagnostics._temperature.adaptive_noise import adaptive_intervals
from cl_viz.diagnostics._temperature.anchor_questions import Anchors, TemperatureParams, Values
from cl_viz.engine.inputs import SetInputs

HUANG = Source("Huang et al. 2023, Model-Aware Contrastive Learning", "https://arxiv.org/abs/2207.07874")
ALIGNMENTS: Values = np.linspace(-1.0, 1.0, 41)
HIGHEST = 4.0
"""Decadic logarithm of a weight: the end of its axis."""
SMALLEST = 0.0025
"""Temperatures below this are not asked of the sketch."""


@dataclass(frozen=True)
class AdaptiveTemperatureParams(TemperatureParams):
    """Negatives, and how the temperature follows alignment."""

    alpha: float = param(0.5, "How strongly the temperature follows alignment.", low=0.0, high=1.0)
    reference_alignment: float = param(
        0.0, "Mean positive score at which the temperature is as given (A_0).", low=-1.0, high=1.0
    )


def compute(inputs: SetInputs, params: AdaptiveTemperatureParams) -> Result:
    """Compute MACL's temperature, weights and loss on one set."""
    anchors = Anchors.of(inputs, params.negative_views)
    if not anchors.has_positives:
        raise MissingInputError(
            "alignment is that of two views, and there is one", where=inputs.run, remedy=questions.NO_VIEWS
        )
    alignment = anchors.statistics.pairs.positives(anchors.roles).mean
    adapted = params.temperature * (1 + params.alpha * (alignment - params.reference_alignment))
    losses = np.logaddexp(0.0, anchors.margins(adapted)) if adapted >= SMALLEST else None
    quantities = _quantities(anchors, alignment, adapted, losses)
    if losses is not None:
        intervals = adaptive_intervals(anchors, alignment, adapted, params.temperature * params.alpha)
        quantities = {name: replace(one, interval=intervals.get(name)) for name, one in quantities.items()}
    notes = (
        f"temperature {params.temperature:g} at alignment {params.reference_alignment:g}, alpha {params.alpha:g}",
        *anchors.notes,
    )
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views=_views(inputs.run, params, quantities, losses, anchors),
        findings=(_finding(params, quantities),),
        caveats=inputs.caveats(notes=notes),
        params=params.as_dict(),
    )


def _quantities(anchors: Anchors, alignment: float, adapted: float, losses: Values | None) -> dict[str, Quantity]:
    signal = None if losses is None else -np.expm1(-losses)
    weighted = None
    if losses is not None and signal is not None:
        # Where P rounds to 1 the quotient goes to 1.
        weighted = float(np.divide(losses, signal, out=np.ones_like(losses), where=signal > 0).mean())
    values = {
        "alignment": alignment,
        "adapted_temperature": adapted if adapted > 0 else None,
        "loss": weighted,
        "coupling": None if signal is None else float(signal.mean()),
    }
    too_low = f"the temperature becomes {format_number(adapted)}: lower alpha"
    return {
        spec.name: questions.quantity(
            spec,
            values[spec.name],
            anchors.statistics.n_used if spec.name in ("alignment", "adapted_temperature") else anchors.n_anchors,
            missing=too_low,
        )
        for spec in SPEC.quantities
    }


def _finding(params: AdaptiveTemperatureParams, quantities: dict[str, Quantity]) -> Finding:
    alignment, adapted = quantities["alignment"].value, quantities["adapted_temperature"].value
    if adapted is None or alignment is None:
        return Finding(
            SPEC.name,
            "unknown",
            f"Unknown: at alpha {params.alpha:g} the temperature would not be positive.",
            "To see it, lower alpha or the reference alignment.",
            HUANG,
            "adapted_temperature",
        )
    text = (
        f"Where positives score {format_number(alignment)} on average, temperature {params.temperature:g} becomes "
        f"{format_number(adapted)} (alpha {params.alpha:g}, N = {quantities['alignment'].n:,})."
    )
    return Finding(SPEC.name, "good", text, source=HUANG, quantity="adapted_temperature")


def _views(
    run: str,
    params: AdaptiveTemperatureParams,
    quantities: dict[str, Quantity],
    losses: Values | None,
    anchors: Anchors,
) -> dict[str, View]:
    alignment, adapted = quantities["alignment"].value, quantities["adapted_temperature"].value
    assert alignment is not None
    line = params.temperature * (1 + params.alpha * (ALIGNMENTS - params.reference_alignment))
    title = f"Temperature {format_number(adapted)} at alignment {format_number(alignment)}" if adapted else (
        "The temperature would not be positive")  # fmt: skip
    found: dict[str, View] = {
        "by_alignment": Lines(
            title,
            Axis("Mean positive score", "cosine", (-1.0, 1.0)),
            Axis("Temperature"),
            (Series("adapted temperature", ALIGNMENTS, line, "other", run, n=quantities["alignment"].n),),
            (Reference("this run", alignment), Reference("as given", params.temperature, "y")),
            markers=False,
        )
    }
    if losses is not None:
        weights = np.clip(-np.log10(np.maximum(-np.expm1(-losses), 1e-300)), 0.0, HIGHEST)
        edges = np.linspace(0.0, HIGHEST, 51)
        counts = np.histogram(weights, edges)[0] / max(1, len(weights))
        middle = 10 ** float(np.median(weights))
        found["weights"] = Histogram(
            f"The weight 1 / (1 - P) of half of the positives is above {format_number(middle)}",
            Axis("Weight of a positive", "decadic logarithm; 4 or more in the last bin", (0.0, HIGHEST)),
            Axis("Positives", "share", (0.0, 1.0)),
            (Series("positives", edges, counts, "positive", run, n=len(weights)),),
        )
    return found


SPEC = DiagnosticSpec(
    name="adaptive_temperature",
    title="Adaptive temperature (MACL)",
    question="Where would a temperature that follows alignment stand?",
    section="Temperature",
    page="temperature/hardness",
    needs="set",
    params=AdaptiveTemperatureParams,
    compute=compute,
    passes=("statistics",),
    quantities=(
        QuantitySpec(
            "alignment", "Alignment magnitude", "Mean score of the positives (A).", "cosine", (-1.0, 1.0), "higher"
        ),
        QuantitySpec("adapted_temperature", "Adapted temperature", "tau_0 (1 + alpha (A - A_0))."),
        QuantitySpec(
            "loss",
            "MACL loss",
            "-log P / (1 - P) at the adapted temperature; mean over positives. At least 1.",
            "nats",
            None,
            "lower",
        ),
        QuantitySpec(
            "coupling",
            "NPC multiplier at the adapted temperature",
            "1 - P of the positive; mean over positives. The weights of MACL are 1 over it.",
            "share",
            (0.0, 1.0),
        ),
    ),
    definition=(
        "Model-aware contrastive learning (MACL) lets the temperature follow the alignment A of the positives: low "
        "while the encoder is untrained, so that hard negatives are pushed apart, higher once positives agree, so "
        "that samples that are alike are tolerated. Each loss is weighted by 1 / (1 - P), which cancels the "
        "multiplier of the gradient."
    ),
    formula=(
        r"\tau_a = \tau_0 \big(1 + \alpha (A - A_0)\big), \quad"
        r" \mathcal{L} = -\frac1n \sum_i V_i \log P_{ii}, \quad V_i = \frac{1}{1 - P_{ii}}\ \text{(held constant)}"
    ),
    reading=(
        "The line shows the temperature at every alignment; the dashed line where this run stands. With A_0 = 0 and "
        "alpha = 0.5, the authors' values, a fully aligned encoder has 1.5 times the temperature it began with. The "
        "weights say which positives would be weighed up: those that are already easy (P near 1)."
    ),
    traps=(
        "A is a constant in the gradient. The weight is infinite where P rounds to 1: the authors' code then has "
        "infinity times 0, lightly adds 1e-8 to 1 - P (its value differs in the eighth digit), here the quotient "
        "takes its limit 1. Each term is at least 1 and goes to 1 as P does, so only the gradient is meaningful. The "
        "loss here is that of the whole set as one batch."
    ),
    sources=(HUANG,),
)

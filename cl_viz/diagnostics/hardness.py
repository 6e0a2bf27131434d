"""Which negatives does the temperature push on?"""

from __future__ import annotations

from dataclasses import dataclass

from cl_viz.core.params import param
from cl_viz.core.result import Result
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.diagnostics._temperature.anchor_questions import WANG_LIU, TemperatureParams
from cl_viz.diagnostics._temperature.hardness_measures import HardnessMeasures
from cl_viz.diagnostics._temperature.hardness_views import views
from cl_viz.diagnostics._thresholds import temperature as _thresholds
from cl_viz.engine.inputs import SetInputs


@dataclass(frozen=True)
class HardnessParams(TemperatureParams):
    """Negatives, temperature, and how they are shown."""

    bins: int = param(100, "Bins drawn over scores from -1 to 1. The numbers do not depend on it.", low=10, high=500)


def compute(inputs: SetInputs, params: HardnessParams) -> Result:
    """Compute which negatives take the push at one temperature, and at all others."""
    measures = HardnessMeasures.of(inputs, params.negative_views, params.temperature)
    quantities = {spec.name: measures.quantity(spec) for spec in SPEC.quantities}
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views=views(measures, params.bins),
        findings=(measures.finding(SPEC.name),),
        caveats=inputs.caveats(
            notes=(f"temperature {params.temperature:g}", *measures.anchors.notes, *measures.anchors.notes_on_labels)
        ),
        params=params.as_dict(),
    )


SPEC = DiagnosticSpec(
    name="hardness",
    title="Hardness of negatives",
    question="Which negatives does the temperature push on?",
    section="Temperature",
    page="temperature/hardness",
    needs="set",
    tells="cause",
    params=HardnessParams,
    compute=compute,
    passes=("statistics",),
    labelled_passes=("statistics",),
    quantities=(
        QuantitySpec(
            "effective_negatives",
            "Effective negatives, exp(entropy)",
            "Exp of the entropy of an anchor's relative penalties: so many equal negatives would have that entropy; "
            "mean over anchors.",
            "negatives",
        ),
        QuantitySpec(
            "effective_sample_size",
            "Effective negatives, sum of squares",
            "1 over the sum of an anchor's squared relative penalties (effective sample size); mean over anchors.",
            "negatives",
        ),
        QuantitySpec(
            "effective_share",
            "Share of the negatives that carry the push",
            "Exp of the entropy over the number of negatives; mean over anchors.",
            "share",
            (0.0, 1.0),
        ),
        QuantitySpec(
            "entropy",
            "Entropy of the relative penalties",
            "Natural-log entropy of an anchor's relative penalties; mean over anchors.",
            "nats",
        ),
        QuantitySpec(
            "hardest_share",
            "Push on the hardest negative",
            "Largest relative penalty of an anchor; mean over anchors.",
            "share",
            (0.0, 1.0),
        ),
        QuantitySpec(
            "false_negative_push",
            "Push spent on false negatives, among the loss's negatives",
            "Sum of an anchor's relative penalties over negatives of its own label, among the negatives that the loss "
            "on the run's card has (across and within views where it says nothing); mean over anchors.",
            "share",
            (0.0, 1.0),
            "lower",
        ),
        QuantitySpec(
            "loss",
            "InfoNCE loss",
            "-log P of the positive among itself and all negatives of its anchor; mean over positives.",
            "nats",
            None,
            "lower",
        ),
        QuantitySpec(
            "positive_slope",
            "Pull on the positive",
            "(1 - P) / temperature: size of the slope of the loss in the positive's score, and the sum of those in "
            "the negatives' scores; mean over positives.",
            "nats per unit of cosine",
        ),
    ),
    definition=(
        "The contrastive loss pushes an anchor away from each negative in proportion to exp(s / temperature). Divided "
        "by its sum over the anchor's negatives this is the relative penalty: which part of the push that negative "
        "takes. It sums to 1; its entropy says over how many negatives the push is spread. The main figure weighs "
        "every negative by its relative penalty: where the shaded push lies to the right of the negatives, hard ones "
        "decide."
    ),
    formula=(
        r"r_{ij} = \frac{e^{s_{ij}/\tau}}{\sum_{k \neq i} e^{s_{ik}/\tau}}, \quad"
        r" \frac{\partial L_i}{\partial s_{ii}} = -\frac{1 - P_{ii}}{\tau}, \quad"
        r" \frac{\partial L_i}{\partial s_{ij}} = \frac{P_{ij}}{\tau}, \quad"
        r" N_{\mathrm{eff}} = e^{H(r_i)}\ \text{ or }\ \Big(\sum_j r_{ij}^2\Big)^{-1}"
    ),
    reading=(
        "The entropy rises with the temperature, from 0 (all push on the hardest negative: the loss becomes "
        "max(hardest - positive, 0) / temperature) to log M (all negatives alike: the loss becomes linear in the mean "
        "score, and hardness no longer counts). The sum of squares never counts more negatives than the entropy, and "
        "far fewer where a few dominate. The dashed curve is what random directions in this dimension would give: "
        "below it the embeddings have structure (classes, near-duplicates) that the temperature concentrates on. A "
        "lower temperature also raises the push on false negatives, which are hard because they are alike."
    ),
    traps=(
        "The positive is not in the denominator of the relative penalty (it is in that of P). exp(s / temperature) "
        "overflows float16 below 0.09 and float32 below 0.0113 unless the largest score is taken off first, as here. "
        "Here an anchor's negatives are all other samples of the set, in training those of a batch: numbers of "
        "negatives do not carry over, shares do better. A run shows its embeddings as they are; trained at another "
        "temperature they would move, so a curve over the temperature is not a prediction of training. "
        "Where some rows have no label, false negatives are those of the labelled rows, among each other: "
        "a negative without a label is not known to be false, nor to be none."
    ),
    sources=(WANG_LIU,),
    thresholds=(
        _thresholds.FEW_NEGATIVES,
        _thresholds.EVEN_PUSH,
    ),
)

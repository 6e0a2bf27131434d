"""What would weighing, correcting or cutting off negatives change?"""

from __future__ import annotations

from dataclasses import dataclass

from cl_viz.core.errors import MissingInputError
from cl_viz.core.params import param
from cl_viz.core.result import Finding, Quantity, Result, Source, format_number
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.diagnostics._temperature import anchor_questions as questions
from cl_viz.diagnostics._temperature.anchor_questions import WANG_LIU, Anchors, TemperatureParams
from cl_viz.diagnostics._temperature.reweighting_measures import ReweightingMeasures
from cl_viz.diagnostics._temperature.reweighting_views import views
from cl_viz.diagnostics._thresholds import temperature as _thresholds
from cl_viz.engine.inputs import SetInputs

ROBINSON = Source(
    "Robinson et al. 2021, Contrastive Learning with Hard Negative Samples", "https://arxiv.org/abs/2010.04592"
)
WITH_PRIOR = ("debiased", "hard_negative_reweighting")
"""Losses that correct for a class prior."""
CHUANG = Source("Chuang et al. 2020, Debiased Contrastive Learning", "https://arxiv.org/abs/2007.00224")


@dataclass(frozen=True)
class ReweightingParams(TemperatureParams):
    """Negatives, temperature, and the three ways to treat negatives."""

    beta: float = param(
        1.0, "Negatives weigh in proportion to exp(beta s / temperature); 0 weighs them alike.", low=0.0, high=5.0
    )
    class_prior: float = param(
        0.1, "Assumed chance that a negative has the anchor's class (tau+); 0 corrects nothing.", low=0.0, high=0.5
    )
    kept_share: float = param(
        0.1, "Share of an anchor's negatives that the truncated loss keeps, the hardest.", low=0.001, high=1.0, log=True
    )


def compute(inputs: SetInputs, params: ReweightingParams) -> Result:
    """Compute the reweighted, debiased and truncated losses and what they do to the weights."""
    anchors = Anchors.of(inputs, params.negative_views)
    if not anchors.has_positives:
        raise MissingInputError(
            "the loss is that of the positive, and there is one view", where=inputs.run, remedy=questions.NO_VIEWS
        )
    measures = ReweightingMeasures(anchors, params.temperature, params.beta, params.class_prior, params.kept_share)
    quantities = {spec.name: measures.quantity(spec) for spec in SPEC.quantities}
    notes = (
        f"temperature {params.temperature:g}, beta {params.beta:g}, class prior {params.class_prior:g}, hardest "
        f"{100 * params.kept_share:g} % kept by the truncated loss",
        *anchors.notes,
        *anchors.notes_on_labels,
    )
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views=views(measures),
        findings=(_finding(measures, quantities),),
        caveats=inputs.caveats(notes=notes),
        params=params.as_dict(),
    )


def _finding(measures: ReweightingMeasures, quantities: dict[str, Quantity]) -> Finding:
    clamped, size = quantities["clamped_share"].value or 0.0, quantities["weights_sample_size"].value or 0.0
    n_used = quantities["clamped_share"].n
    # What another loss would do is no fault of a run that was not trained with it: it is told as a what-if.
    trained_so = measures.anchors.inputs.card.get("loss") in WITH_PRIOR
    begin = "With" if trained_so else "If trained with"
    clamps, rest = ("is", "rest") if trained_so else ("would be", "would rest")
    text = (
        f"{begin} class prior {measures.prior:g} and beta {measures.beta:g}, the estimate {clamps} clamped at "
        f"{format_number(100 * clamped)} % of the positives, and the weights {rest} on {format_number(size)} of "
        f"{measures.anchors.n_negatives:,.0f} negatives (N = {n_used:,})."
    )
    threshold = _thresholds.CLAMPED
    level = threshold.level(clamped) if measures.prior > 0 else "good"
    if level == "good":
        advice = ""
    elif trained_so:
        advice = "Clamped anchors push on no negative: lower the class prior, or raise the temperature."
    else:
        level = "watch"
        advice = "Before training so, choose a lower class prior or a higher temperature: clamped anchors push on none."
    return Finding(SPEC.name, level, text, advice, threshold.source, "clamped_share")


SPEC = DiagnosticSpec(
    name="negative_reweighting",
    title="Reweighted, debiased, truncated negatives",
    question="What would weighing or leaving out negatives change?",
    section="Temperature",
    page="temperature/hardness",
    needs="set",
    params=ReweightingParams,
    compute=compute,
    passes=("statistics",),
    labelled_passes=("statistics",),
    quantities=(
        QuantitySpec("plain_loss", "NT-Xent loss", "Loss with all negatives weighing alike; mean.", "nats"),
        QuantitySpec(
            "reweighted_loss",
            "Reweighted and debiased loss",
            "Loss with the weights of beta and the correction of the class prior; mean over positives.",
            "nats",
        ),
        QuantitySpec(
            "clamped_share",
            "Clamped positives",
            "Share of the positives at which the corrected sum over negatives falls below its least possible value, "
            "M exp(-1 / temperature), and is held there.",
            "share",
            (0.0, 1.0),
            "lower",
        ),
        QuantitySpec(
            "weights_sample_size",
            "Negatives that carry the weights",
            "Effective sample size of the weights exp(beta s / temperature): 1 over the sum of their squared shares; "
            "mean over anchors.",
            "negatives",
        ),
        QuantitySpec(
            "reweighted_false_negative_push",
            "Weighted push on false negatives",
            "Share of the terms exp((1 + beta) s / temperature) on negatives of the anchor's own label; mean over "
            "anchors.",
            "share",
            (0.0, 1.0),
            "lower",
        ),
        QuantitySpec(
            "truncated_loss",
            "Truncated loss",
            "Loss with each anchor's hardest negatives only; mean over positives.",
            "nats",
        ),
        QuantitySpec(
            "kept_push",
            "Push that the truncation keeps",
            "Share of the relative penalties on the negatives that are kept; mean over positives.",
            "share",
            (0.0, 1.0),
        ),
    ),
    definition=(
        "Three ways to treat negatives, computed on this run as it stands. Reweighting (Robinson et al.) lets a "
        "negative weigh in proportion to exp(beta s / temperature), with mean weight 1: hard ones count more. "
        "Debiasing (Chuang et al.) takes from the sum over negatives what the false negatives among them are "
        "expected to add, given the chance tau+ that a negative has the anchor's class. Truncation (Wang and Liu's "
        "hard contrastive loss) leaves out all but each anchor's hardest share."
    ),
    formula=(
        r"N_i = \max\Big\{\frac{-\tau^+ M e^{s_{ii}/\tau} + M\,E_w[e^{s_{ij}/\tau}]}{1 - \tau^+},\ M e^{-1/\tau}\Big\},"
        r" \quad w_{ij} \propto e^{\beta s_{ij}/\tau}, \quad"
        r" \mathcal{L}_i = -\log\frac{e^{s_{ii}/\tau}}{e^{s_{ii}/\tau} + N_i}"
    ),
    reading=(
        "Beta sharpens like a lower temperature among the negatives alone: weighted terms are exp((1 + beta) s / "
        "temperature). The effective sample size of the weights says how many negatives still matter; where it is a "
        "handful, the loss follows single samples. The class prior should be the share of negatives that are false: "
        "with labels, the dashed line of its figure. Where an estimate is clamped the gradient in its negatives is 0: "
        "such an anchor is no longer pushed away from anything. Truncation that keeps most of the push changes little."
    ),
    traps=(
        "Beta multiplies the score over the temperature, not the score: the same beta sharpens more at a lower "
        "temperature. Beta 0 and prior 0 give NT-Xent. Positives that all score high make the correction large: with "
        "a good encoder even a small prior clamps many anchors. The clamp is a kink, so losses on its two sides do "
        "not compare. Shares the paper of the truncation used: 8.19 % (CIFAR), 3.15 % (SVHN), 3.4 % (ImageNet100). "
        "The losses here are those of the whole set as one batch. "
        "Where some rows have no label, false negatives are those of the labelled rows, among each other: "
        "a negative without a label is not known to be false, nor to be none."
    ),
    sources=(ROBINSON, CHUANG, WANG_LIU),
    thresholds=(_thresholds.CLAMPED,),
)

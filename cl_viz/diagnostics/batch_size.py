"""How much signal would another batch size leave?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cl_viz.core.errors import MissingInputError
from cl_viz.core.params import param
from cl_viz.core.result import Finding, Quantity, Result, Source, format_number
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.diagnostics._temperature import anchor_questions as questions
from cl_viz.diagnostics._temperature.anchor_noise import UNIT, AnchorNoise
from cl_viz.diagnostics._temperature.anchor_questions import Anchors, TemperatureParams
from cl_viz.diagnostics._temperature.batch_draws import SEED
from cl_viz.diagnostics._temperature.batch_signal import BatchSignal, Part
from cl_viz.diagnostics._temperature.batch_views import views
from cl_viz.diagnostics._thresholds import temperature as _thresholds
from cl_viz.engine.inputs import SetInputs

YEH = Source("Yeh et al. 2022, Decoupled Contrastive Learning", "https://arxiv.org/abs/2110.06848")


@dataclass(frozen=True)
class BatchSizeParams(TemperatureParams):
    """Negatives, temperature and batch size."""

    batch_size: int = param(
        256,
        "Samples of a batch, the anchor's among them; by default the run card's own. Never more than the set has.",
        low=2,
        high=65536,
        log=True,
        card_key="batch_size",
    )


def compute(inputs: SetInputs, params: BatchSizeParams) -> Result:
    """Compute the multiplier at one batch size and temperature, and at all others."""
    anchors = Anchors.of(inputs, params.negative_views)
    if not anchors.has_positives:
        raise MissingInputError(
            "the multiplier is that of the positive, and there is one view",
            where=inputs.run,
            remedy=questions.NO_VIEWS,
        )
    signal = BatchSignal.of(anchors, params.temperature, params.batch_size)
    quantities = _quantities(signal)
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views=views(signal),
        findings=(_finding(signal),),
        caveats=replace(inputs.caveats(notes=_notes(signal, params)), seed=SEED),
        params=params.as_dict(),
    )


def _quantities(signal: BatchSignal) -> dict[str, Quantity]:
    anchors = signal.anchors
    at_size, twice, whole = signal.at_size, signal.at_twice, signal.whole
    found: dict[str, tuple[float | None, Part]] = {
        "multiplier": (at_size.mean, at_size),
        "variation": (at_size.variation, at_size),
        "multiplier_of_twice": (twice.mean, twice),
        "multiplier_of_all": (whole.mean, whole),
        "variation_of_all": (whole.variation, whole),
        "decoupled_loss": (signal.decoupled_loss, whole),
    }
    noise = AnchorNoise.of(anchors, signal.temperature)
    intervals = {} if noise is None else {
        "multiplier_of_all": noise.of_margin(lambda margin: np.exp(-np.logaddexp(0.0, -margin)), UNIT),
        "decoupled_loss": noise.of_margin(lambda margin: margin),
    }  # fmt: skip
    quantities = {}
    for spec in SPEC.quantities:
        value, part = found[spec.name]
        n_used = signal.anchors_of(part)
        quantities[spec.name] = questions.quantity(
            spec,
            value,
            n_used,
            missing="not defined: every multiplier is 0",
            interval=intervals.get(spec.name),
        )
    return quantities


def _notes(signal: BatchSignal, params: BatchSizeParams) -> tuple[str, ...]:
    drawn = signal.draws
    return (
        f"temperature {params.temperature:g}; batch of {signal.size:,} samples",
        *signal.anchors.notes,
        f"batches up to {drawn.most:,}: every batch that {len(drawn.scores):,} anchors (all views) go through in a "
        f"drawn order of the samples; all {signal.n_samples:,} samples as one batch: from all anchors",
        *((_of_larger(signal),) if drawn.most < signal.n_samples else ()),
    )  # fmt: skip


def _of_larger(signal: BatchSignal) -> str:
    apart = len(signal.anchors.statistics.pairs.view_names) - (signal.anchors.roles.negatives == "cross") > 1
    return (
        f"batches between {signal.draws.most:,} and all: expected over all batches, from every anchor's histogram"
        f"{', as if the views of a sample were drawn one by one, which varies less' if apart else ''}"
    )


def _finding(signal: BatchSignal) -> Finding:
    mean, twice = signal.at_size.mean, signal.at_twice.mean
    temperature, drawn = signal.temperature, " drawn anchors" if signal.at_size.n_anchors else ""
    size = f"N = {signal.anchors_of(signal.at_size):,}{drawn}"
    doubled = signal.twice == 2 * signal.size
    of_twice = f"{format_number(100 * twice)} % in one of {signal.twice:,}; " if doubled else ""
    text = (
        f"At batch size {signal.size} and temperature {temperature:g} the gradient keeps {format_number(100 * mean)} "
        f"% of its size (mean 1 - P of the positive; {of_twice}{size})."
    )
    threshold = _thresholds.SIGNAL
    if threshold.level(mean) == "good":
        return Finding(SPEC.name, "good", text, source=threshold.source, quantity="multiplier")
    advice = "A larger batch, harder views, a higher temperature or the decoupled loss (DCL) would bring it back."
    if not doubled:
        advice = "Harder views, a higher temperature or the decoupled loss (DCL) would bring it back."
    elif twice < 1.1 * mean:
        advice = "Doubling the batch hardly helps: harder views or the decoupled loss (DCL) would."
    return Finding(SPEC.name, "watch", text, advice, threshold.source, "multiplier")


SPEC = DiagnosticSpec(
    name="batch_size",
    title="Batch size and the gradient",
    question="How much of the gradient does the batch size leave?",
    section="Temperature",
    page="temperature/hardness",
    needs="set",
    tells="cause",
    params=BatchSizeParams,
    compute=compute,
    passes=("statistics",),
    quantities=(
        QuantitySpec(
            "multiplier",
            "NPC multiplier",
            "1 - P of the positive in a batch of this size; mean over anchors and drawn batches (above 4,096 over all "
            "batches).",
            "share",
            (0.0, 1.0),
            "higher",
        ),
        QuantitySpec(
            "variation",
            "Coefficient of variation",
            "Standard deviation (ddof = 0) of the multiplier over its mean, over anchors and batches.",
            "",
            None,
            "lower",
        ),
        QuantitySpec(
            "multiplier_of_twice",
            "NPC multiplier at twice the size",
            "The same in a batch twice as large, or of all samples.",
            "share",
            (0.0, 1.0),
            "higher",
        ),
        QuantitySpec(
            "multiplier_of_all",
            "NPC multiplier, all samples as one batch",
            "1 - P of the positive among all negatives of its anchor; mean over positives.",
            "share",
            (0.0, 1.0),
            "higher",
        ),
        QuantitySpec(
            "variation_of_all",
            "Coefficient of variation, all samples as one batch",
            "Standard deviation (ddof = 0) of that multiplier over its mean, over positives.",
            "",
            None,
            "lower",
        ),
        QuantitySpec(
            "decoupled_loss",
            "Decoupled loss (DCL), all samples as one batch",
            "Log-sum-exp of the negatives less the positive's logit; mean over positives. May be negative.",
            "nats",
        ),
    ),
    definition=(
        "In the gradient of InfoNCE the positive and all negatives are multiplied by the same number, q = 1 - P of "
        "the positive (negative-positive coupling). Where the positive is easy or negatives are few, q is near 0 and "
        "the anchor teaches nothing; with many negatives it goes to 1. The decoupled loss leaves the positive out of "
        "the denominator, which sets q to 1. Batches are drawn from the set: with negatives within views too, a batch "
        "of B gives an anchor 2(B - 1), both views of each other sample. Batches above 4,096 are not drawn: mean and "
        "variance over all of them follow from the anchor's histogram, exactly where negatives are across two views, "
        "else as if the views of a sample were drawn one by one."
    ),
    formula=(
        r"q_{B,i} = 1 - \frac{e^{s_{ii}/\tau}}{e^{s_{ii}/\tau} + U_i}, \quad"
        r" U_i = \sum_{k \in B,\, k \neq i} \big(e^{z_i \cdot z_k/\tau} + e^{z_i \cdot z'_k/\tau}\big), \quad"
        r" \mathcal{L}_{\mathrm{DCL}} = \frac1{2N}\sum_i \big(\log U_i - s_{ii}/\tau\big)"
    ),
    reading=(
        "Look at where the curve flattens: beyond that batch size more negatives add little signal at this "
        "temperature. A mean near 1 with a small coefficient of variation means that all anchors learn alike; a low "
        "mean with a large one that a few hard anchors carry the batch. At a low temperature q depends on whether the "
        "few hardest negatives happen to be in the batch, so it varies most there. Embeddings that have collapsed "
        "score all pairs alike: q is then close to 1 - 1 / (M + 1) of M negatives, which says nothing good."
    ),
    traps=(
        "The batch of the training is drawn from its training samples under augmentation, these batches from the "
        "embeddings of the run: compare runs, not absolute numbers. The mean multiplier is that of one state of the "
        "encoder; with another batch size it would have been trained to another state. q itself appears in the paper, "
        "not in its code; here it is computed from the logarithm of P, so that small values keep their digits."
    ),
    sources=(YEH,),
    thresholds=(_thresholds.SIGNAL,),
)

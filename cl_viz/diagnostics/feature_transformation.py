"""What would transformed features change for the loss?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.params import Params, param
from cl_viz.core.result import Quantity, Result, influence_interval
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.diagnostics._scores.feature_findings import MOCHI, ZHU, findings
from cl_viz.diagnostics._scores.feature_mixing import (
    Floats,
    Queries,
    Scores,
    interpolated_queue,
    mixed_scores,
    plain_scores,
    transformed_positives,
)
from cl_viz.diagnostics._scores.feature_views import views
from cl_viz.diagnostics._thresholds import features as _thresholds
from cl_viz.diagnostics._training_temperature import training_temperature
from cl_viz.engine.inputs import SetInputs


@dataclass(frozen=True)
class FeatureTransformationParams(Params):
    """What is done to features before the loss sees them, and on which samples it is tried."""

    positive_change: Literal["extrapolate", "mix", "keep"] = param(
        "extrapolate",
        "Positives: pushed apart along their line (coefficient 1 + Beta), mixed (coefficient Beta), or left.",
        choices=("extrapolate", "mix", "keep"),
    )
    positive_alpha: float = param(
        2.0,
        "Both parameters of the Beta distribution of the positives' coefficient; high draws it to the middle.",
        low=0.01, high=100.0, log=True,
    )  # fmt: skip
    negative_change: Literal["mix", "keep"] = param(
        "mix",
        "Negatives: each mixed with another of the queue, or left.",
        choices=("mix", "keep"),
    )
    negative_alpha: float = param(
        1.6,
        "Both parameters of the Beta distribution of the negatives' coefficient; high draws it to one half.",
        low=0.01, high=100.0, log=True,
    )  # fmt: skip
    mixed_pairs: float = param(
        0.8,
        "Mixtures of two hard negatives for each anchor, in percent of the queue; 0 makes none.",
        low=0.0, high=20.0, unit="%",
    )  # fmt: skip
    mixed_with_query: float = param(
        0.2,
        "Mixtures of a hard negative and the anchor itself, in percent of the queue; 0 makes none.",
        low=0.0, high=20.0, unit="%",
    )  # fmt: skip
    hardest: float = param(
        1.6,
        "Hardest part of the queue, from which mixtures are made.",
        low=0.1, high=100.0, log=True, unit="%",
    )  # fmt: skip
    coefficient: Literal["pair", "batch", "coordinate"] = param(
        "pair",
        "A coefficient for each pair shows many batches at once; the authors draw one a batch, or one a coordinate.",
        choices=("pair", "batch", "coordinate"),
    )
    normalise: bool = param(False, "Bring transformed positives back to the sphere. The queue never is.")
    temperature: float = training_temperature("Temperature at which the loss and the push are weighed")
    anchors: int = param(256, "Most anchors drawn.", low=2, high=2048)
    queue: int = param(1024, "Most queue items drawn.", low=2, high=8192)
    bins: int = param(100, "Bins drawn over scores from -1 to 1. The numbers do not depend on it.", low=10, high=500)
    seed: int = param(0, "Seed of anchors, queue and coefficients.", low=0, high=2**31 - 1)


def compute(inputs: SetInputs, params: FeatureTransformationParams) -> Result:
    """Compare the scores of one embedding set before and after its features are transformed."""
    sample = Queries.draw(inputs.embedding_set, params.anchors, params.queue, params.seed)
    before = plain_scores(sample)
    after, hardest, same = transform(sample, params)
    quantities = _quantities(before, after, same, params.temperature)
    notes = (
        f"{len(sample.queries):,} anchors of {inputs.embedding_set.view_names[0]}, a queue of {len(sample.queue):,} "
        f"rows of {inputs.embedding_set.view_names[1]}, no sample in both",
        f"{after.n_mixed} mixtures for each anchor, from its {hardest.shape[1]:,} hardest queue items",
        f"loss and push weighed at temperature {params.temperature:g}",
        "what a loss would see before any training step; not what training with it would lead to",
        *_note_on_labels(sample),
    )
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views=views(before, after, quantities, params.temperature, params.bins, inputs.run),
        findings=findings(quantities, params.positive_change, params.negative_change, after, sample),
        caveats=inputs.plain_caveats(len(sample.queries), sample.n_excluded, seed=params.seed, notes=notes),
        params=params.as_dict(),
    )


def _note_on_labels(sample: Queries) -> tuple[str, ...]:
    known = 1.0 if sample.same_label is None else float((~np.isnan(sample.same_label)).mean())
    return (
        ()
        if known == 1
        else (f"of {100 * known:.3g} % of anchors and items both labels are known; the rest is left out",)
    )


def seconds(inputs: SetInputs, params: FeatureTransformationParams) -> float:
    """Return about how long `compute` takes: it sorts the negatives of each anchor."""
    return 0.05 + 1e-7 * params.anchors * min(params.queue, inputs.embedding_set.n)


def transform(sample: Queries, params: FeatureTransformationParams) -> tuple[Scores, NDArray[np.int64], Floats | None]:
    """Transform features and score them again.

    Returns
    -------
    scores : Scores
    hardest : NDArray[np.int64], shape (A, H)
        Each anchor's hardest queue items.
    same_label : NDArray[np.float64], shape (A, H), or None
        The share of such an item that has the anchor's label: an interpolated item is made of two. NaN where labels
        lack; None without any.
    """
    queries, keys, queue = sample.queries, sample.keys, sample.queue
    same = sample.same_label
    if params.positive_change != "keep":
        share = _coefficients(params.positive_alpha, queries, params, stream=1)
        share = share + 1 if params.positive_change == "extrapolate" else share
        queries, keys = transformed_positives(sample, share, normalise=params.normalise)
    if params.negative_change == "mix":
        generator = np.random.default_rng([params.seed, 2])
        share = _coefficients(params.negative_alpha, queue, params, stream=3)
        order = generator.permutation(len(queue))
        queue = interpolated_queue(queue, share, order)
        if same is not None:
            part = share.mean(axis=1)
            same = part * same + (1 - part) * same[:, order]
    scores = queries @ queue.T
    count = max(1, round(params.hardest / 100 * len(queue)))
    hardest = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    pairs, singles = (_count(percent, len(queue)) for percent in (params.mixed_pairs, params.mixed_with_query))
    generator = np.random.default_rng([params.seed, 4])
    shape = len(queries)
    mixed = mixed_scores(
        queries, queue, scores, hardest,
        pairs=generator.integers(count, size=(2, shape, pairs)),
        pair_share=generator.uniform(0, 1, size=(shape, pairs)),
        singles=generator.integers(count, size=(shape, singles)),
        query_share=generator.uniform(0, 0.5, size=(shape, singles)),
    )  # fmt: skip
    # Extrapolated pairs may leave [-1, 1] below; what rounding adds above 1 is taken off.
    positive = np.minimum((queries * keys).sum(axis=1), 1.0)
    return (
        Scores(positive, np.concatenate([scores, mixed], axis=1), pairs + singles),
        hardest,
        (None if same is None else np.take_along_axis(same, hardest, axis=1)),
    )


def _count(percent: float, queue: int) -> int:
    """Return how many mixtures some percent of the queue are; at least one where it is not zero."""
    return 0 if percent == 0 else max(1, round(percent / 100 * queue))


def _coefficients(alpha: float, rows: Floats, params: FeatureTransformationParams, stream: int) -> Floats:
    """Draw Beta coefficients; the same uniform numbers for every alpha, so that a slider moves and does not redraw."""
    from scipy.special import betaincinv

    generator = np.random.default_rng([params.seed, stream])
    shape = {"pair": (len(rows), 1), "batch": (1, 1), "coordinate": rows.shape}[params.coefficient]
    drawn: Floats = betaincinv(alpha, alpha, generator.uniform(size=shape))
    return drawn


def _quantities(before: Scores, after: Scores, same: Floats | None, temperature: float) -> dict[str, Quantity]:
    declared = {quantity.name: quantity for quantity in SPEC.quantities}
    n_anchors = len(before.positive)

    def made(name: str, values: Floats | None, *, missing: str = "", limits: tuple[float, float] | None = None) -> None:
        """Average over anchors that have a value; with limits, an interval from the influence of each anchor."""
        spec = declared[name]
        known = None if values is None else values[~np.isnan(values)]
        value = None if known is None or not len(known) else float(known.mean())
        interval = None
        if limits is not None and known is not None and value is not None and len(known) > 1:
            interval = influence_interval(value, known - value, limits=limits).with_width
        n_known = n_anchors if value is None or known is None else len(known)
        found[name] = Quantity(
            spec.name, spec.label, value, spec.unit, interval, n_known, "anchors", spec.range,
            missing=missing if value is None else "",
        )  # fmt: skip

    found: dict[str, Quantity] = {}
    few = "the queue has one item: add samples"
    for when, scores in (("before", before), ("after", after)):
        push = scores.push(temperature)
        made(f"positive_mean_{when}", scores.positive, limits=(-1.0 if when == "before" else -9.0, 1.0))
        made(f"negative_mean_{when}", scores.negatives.mean(axis=1))
        several = scores.negatives.shape[1] > 1
        made(f"negative_variance_{when}", scores.negatives.var(axis=1, ddof=1) if several else None, missing=few)
        made(f"loss_{when}", scores.loss(temperature))
        made(f"effective_negatives_{when}", _effective(push))
        made(f"buried_{when}", (scores.positive < scores.negatives.mean(axis=1)).astype(np.float64), limits=(0.0, 1.0))
    share = after.push(temperature)[:, after.negatives.shape[1] - after.n_mixed :].sum(axis=1)
    made(
        "mixed_push", np.minimum(share, 1.0) if after.n_mixed else None, missing="nothing is mixed: raise a percentage"
    )
    made("hardest_same_label", _mean_of_known(same), missing="add labels (Data page)")
    return {name: found[name] for name in declared}


def _mean_of_known(values: Floats | None) -> Floats | None:
    """Return each anchor's mean over the items that have a value, NaN without any, shape (A,)."""
    if values is None:
        return None
    known = ~np.isnan(values)
    total, count = np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1)
    found: Floats = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
    return found


def _effective(push: Floats) -> Floats:
    """Return exp(entropy) of each anchor's push, shape (A,)."""
    logarithm = np.log(push, where=push > 0, out=np.zeros_like(push))
    effective: Floats = np.exp(-(push * logarithm).sum(axis=1))
    return effective


def _both(name: str, label: str, definition: str, unit: str, before: tuple[float, float] | None,
          after: tuple[float, float] | None) -> tuple[QuantitySpec, QuantitySpec]:  # fmt: skip
    entry = partial(QuantitySpec, definition=definition, unit=unit)
    return (
        entry(f"{name}_before", f"{label}, before", range=before),
        entry(f"{name}_after", f"{label}, after", range=after),
    )


_SHARE = (0.0, 1.0)

SPEC = DiagnosticSpec(
    name="feature_transformation",
    title="Feature transformation",
    question="What would transformed features change for the loss?",
    section="Scores",
    page="scores/feature_transformation",
    needs="set",
    params=FeatureTransformationParams,
    compute=compute,
    quick=False,
    seconds=seconds,
    quantities=(
        *_both(
            "positive_mean",
            "Positive mean",
            "Mean product of an anchor and its positive.",
            "cosine",
            (-1.0, 1.0),
            (-9.0, 1.0),
        ),
        *_both(
            "negative_mean",
            "Negative mean",
            "Mean product of an anchor and its negatives, mixtures among them.",
            "cosine",
            (-1.0, 1.0),
            (-3.0, 3.0),
        ),
        *_both(
            "negative_variance",
            "Negative variance, within anchors",
            "Mean over anchors of the variance of an anchor's negatives (ddof = 1).",
            "cosine²",
            None,
            None,
        ),
        *_both("loss", "InfoNCE", "Mean over anchors of InfoNCE with this queue.", "nats", None, None),
        *_both(
            "effective_negatives",
            "Effective negatives",
            "exp(entropy) of the push over an anchor's negatives, mean over anchors.",
            "negatives",
            None,
            None,
        ),
        *_both(
            "buried",
            "Buried positives",
            "Share of positives below the mean of their own anchor's negatives.",
            "share",
            _SHARE,
            _SHARE,
        ),
        QuantitySpec(
            "mixed_push",
            "Push on mixtures",
            "Share of an anchor's repulsion that falls on mixtures; mean over anchors.",
            "share",
            _SHARE,
        ),
        QuantitySpec(
            "hardest_same_label",
            "False negatives among the hardest",
            "Share of the queue items that mixtures are made of that have the anchor's label.",
            "share",
            _SHARE,
            "lower",
        ),
    ),
    definition=(
        "Feature Transformation (Zhu et al.) changes features just before the loss. A positive pair is extrapolated "
        "along the line through it, so that it scores lower and pulls harder; each negative of the queue is mixed with "
        "another, so that the queue shows the anchor other negatives each time. Hard-negative mixing (MoCHi) adds unit "
        "vectors between two of an anchor's hardest negatives, or between one of them and the anchor. The figure shows "
        "the scores that the loss would see before (grey, dashed) and after."
    ),
    formula=(
        r"q' = \lambda q + (1 - \lambda) k, \quad k' = \lambda k + (1 - \lambda) q, \quad"
        r" \lambda \sim 1 + \mathrm{Beta}(\alpha_+, \alpha_+), \quad"
        r" s' = 2 \lambda (1 - \lambda) + (\lambda^2 + (1 - \lambda)^2) s, \quad"
        r" n' = \mu n + (1 - \mu) n_\pi,\ \mu \sim \mathrm{Beta}(\alpha_-, \alpha_-), \quad"
        r" h = \frac{a n_1 + (1 - a) n_2}{\lVert \cdot \rVert},\ a \sim U(0, 1), \quad"
        r" h' = \frac{b q + (1 - b) n}{\lVert \cdot \rVert},\ b \sim U(0, \tfrac12)"
    ),
    reading=(
        "A pair that scores 1 stays where it is; the lower its score, the further extrapolation drives it apart: "
        "s - s' = 2λ(λ-1)(1-s). Extrapolation is useful while positives stay above their negatives; where many are "
        "buried below the mean of their own negatives, the pair hardly says that it belongs together. Interpolation "
        "keeps the mean of the negatives and lowers their variance: two random negatives partly cancel, so the hardest "
        "are softened. Mixtures of hard negatives do the opposite: few of them take a large share of the push. Where "
        "the hardest items share the anchor's label, mixing makes more false negatives."
    ),
    traps=(
        "By default nothing is brought back to the sphere, as in the authors' code: products then are no cosines, "
        "positives may fall below -1 (the figure ends there, the numbers do not) and an extrapolated query is longer "
        "than 1, which spreads its negatives too. The authors draw one coefficient a batch; here each pair has its own "
        "by default, which is what many batches show together. The counts of mixtures are percentages of the queue, so "
        "that a small one shows what the paper's 65,536 would: 1,024 hardest, 512 pairs, 128 with the query. The two "
        "methods come from two papers; together, mixtures are made of the transformed queue. One positive is drawn for "
        "each anchor. The intervals of positives are over anchors, with the queue as it is; numbers of negatives have "
        "none. This is what one loss evaluation sees, not what training would lead to: for that, train with the loss."
    ),
    sources=(ZHU, MOCHI),
    thresholds=(
        _thresholds.BURIED_POSITIVES,
        _thresholds.MIXED_FALSE_NEGATIVES,
    ),
)

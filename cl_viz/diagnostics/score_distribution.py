"""Do positives stand apart from negatives?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cl_viz.core.params import param
from cl_viz.core.result import Result, Source
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.diagnostics._scores.score_findings import findings
from cl_viz.diagnostics._scores.score_measures import ScoreMeasures
from cl_viz.diagnostics._scores.score_roles import ZHU, RoleParams
from cl_viz.diagnostics._scores.score_views import views
from cl_viz.diagnostics._thresholds import scores as _thresholds
from cl_viz.diagnostics._training_temperature import training_temperature
from cl_viz.engine.inputs import SetInputs

WANG_LIU = Source(
    "Wang and Liu 2021, Understanding the Behaviour of Contrastive Loss", "https://arxiv.org/abs/2012.09740"
)
CHUANG = Source("Chuang et al. 2020, Debiased Contrastive Learning", "https://arxiv.org/abs/2007.00224")
HANLEY = Source(
    "Hanley and McNeil 1982, The meaning and use of the area under a ROC curve",
    "https://doi.org/10.1148/radiology.143.1.7063747",
)


@dataclass(frozen=True)
class ScoreDistributionParams(RoleParams):
    """Which pairs are positives and negatives, and how they are shown."""

    temperature: float = training_temperature("Temperature at which the push on each negative is weighed")
    bins: int = param(100, "Bins drawn over scores from -1 to 1. The numbers do not depend on it.", low=10, high=500)


def compute(inputs: SetInputs, params: ScoreDistributionParams) -> Result:
    """Compute the score distribution of one embedding set."""
    measures = ScoreMeasures.of(inputs, params.positives, params.negatives, params.temperature)
    quantities = {quantity.name: measures.quantity(quantity) for quantity in SPEC.quantities}
    roles = measures.roles
    notes = (
        f"positives: {'two views of one sample' if roles.positives == 'views' else 'pairs of one label (SupCon-out)'}",
        f"negatives: {measures.negatives_in_words}",
        f"push weighed at temperature {params.temperature:g}",
        f"AUC error from binning at most {measures.auc_error:.1e}",
        measures.anchors_in_words,
        *measures.notes_on_labels,
    )
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views=views(measures, quantities, params.bins, inputs),
        findings=findings(measures, quantities),
        caveats=inputs.caveats(notes=notes),
        params=params.as_dict(),
    )


def _share(name: str, label: str, definition: str, better: Literal["higher", "lower", "neither"]) -> QuantitySpec:
    return QuantitySpec(name, label, definition, "share", (0.0, 1.0), better)


SPEC = DiagnosticSpec(
    name="score_distribution",
    title="Score distribution",
    question="Do positives stand apart from negatives?",
    section="Scores",
    page="scores/distributions",
    needs="set",
    params=ScoreDistributionParams,
    compute=compute,
    passes=("statistics",),
    labelled_passes=("statistics",),
    quantities=(
        QuantitySpec(
            "auc",
            "AUC, pooled",
            "Probability that a positive pair scores above a negative pair of any anchor, ties counted half.",
            "probability",
            (0.0, 1.0),
            "higher",
        ),
        QuantitySpec(
            "auc_per_anchor",
            "AUC, per anchor",
            "Mean over positives of the share of their own anchor's negatives that score below them, ties half.",
            "probability",
            (0.0, 1.0),
            "higher",
        ),
        QuantitySpec(
            "dprime",
            "d'",
            "Difference of the two means over the root of the mean variance (ddof = 1).",
            "standard deviations",
            None,
            "higher",
        ),
        _share("overlap", "Overlap", "Shared area of the two histograms over 100 bins of [-1, 1].", "lower"),
        _share(
            "overlap_gaussian", "Overlap, Gaussian", "Shared area of two normal densities of these moments.", "lower"
        ),
        _share("kolmogorov_smirnov", "Kolmogorov-Smirnov", "Largest distance of the distribution functions.", "higher"),
        QuantitySpec(
            "wasserstein",
            "Wasserstein-1",
            "Mean distance that scores must move to turn one distribution into the other.",
            "cosine",
            (0.0, 2.0),
            "higher",
        ),
        QuantitySpec("positive_mean", "Positive mean", "Mean score of the positives.", "cosine", (-1.0, 1.0)),
        QuantitySpec(
            "positive_variance",
            "Positive variance",
            "Variance of the positives' scores (ddof = 0).",
            "cosine²",
            (0.0, 1.0),
        ),
        QuantitySpec("negative_mean", "Negative mean", "Mean score of the negatives.", "cosine", (-1.0, 1.0)),
        QuantitySpec(
            "negative_variance",
            "Negative variance, within anchors",
            "Mean over anchors of the variance of an anchor's negatives (ddof = 1).",
            "cosine²",
            (0.0, 2.0),
        ),
        QuantitySpec(
            "negative_variance_pooled",
            "Negative variance, pooled",
            "Variance of all negatives (ddof = 1): within anchors plus between anchors.",
            "cosine²",
            (0.0, 2.0),
        ),
        _share(
            "false_negative_share", "False negatives", "Share of the negatives that have the anchor's label.", "neither"
        ),
        _share(
            "false_negative_share_top10",
            "False negatives among the 10 hardest",
            "Share of the anchor's label among its 10 highest-scoring negatives, mean over anchors.",
            "neither",
        ),
        _share(
            "false_negative_push",
            "Push spent on false negatives, among chosen negatives",
            "Share of an anchor's repulsion, exp(s / temperature) over its negatives as chosen here (across views "
            "unless within them too), that falls on its own label; mean over anchors.",
            "lower",
        ),
    ),
    definition=(
        "Every pair of samples has a score, the cosine of their embeddings. Positives are pairs that the training "
        "pulls together, negatives pairs that it pushes apart. The figure shows both as densities over the same bins; "
        "the grey line is what random directions would give in this dimension: mean 0, variance 1/D. A false negative "
        "is a negative pair whose samples share a label."
    ),
    formula=(
        r"\mathrm{AUC} = P(s^+ > s^-) + \tfrac12 P(s^+ = s^-), \quad"
        r" d' = \frac{\bar s^+ - \bar s^-}{\sqrt{(v^+ + v^-)/2}}, \quad"
        r" \mathrm{OVL} = \int \min(p^+, p^-), \quad"
        r" r_{ij} = \frac{e^{s_{ij}/\tau}}{\sum_{k \neq i} e^{s_{ik}/\tau}}"
    ),
    reading=(
        "An AUC of 0.5 means that scores do not tell positives from negatives at all; 1 means that every positive is "
        "above every negative. d' above 3 is nearly separable; for two normal densities of equal variance AUC is "
        "Φ(d'/√2) and the overlap 2Φ(-d'/2). The pooled AUC compares positives with the negatives of all anchors, the "
        "AUC per anchor only with their own: where the second is clearly higher, anchors live at different levels of "
        "score, and a global threshold retrieves badly. If negatives centre far above 0, the embeddings fill a cone "
        "and not the sphere. The push on false negatives says how much of the repulsion works against the labels; it "
        "grows as the temperature falls, because the hardest negatives are those of the same class."
    ),
    traps=(
        "Densities hide numbers: there are N positives and N(N-1) negatives. Zhu et al. plot moments, not histograms; "
        "their negative variance is the mean variance within an anchor, smaller than the pooled variance. The overlap "
        "depends on the bins, 100 over [-1, 1] always, and is too small where positives are few and most bins hold "
        "none of them: it has no interval where that moves it by more than half a standard error, and the Gaussian "
        "overlap stands beside it. The Kolmogorov-Smirnov distance is the largest of many and a little too large: "
        "its interval, of the distance at that score, needs 200 samples on its smaller side. Chance alone puts equal "
        "distributions apart: a distance, or what the Gaussian overlap lacks to 1, has an interval only from five "
        "standard errors. Intervals of variances need the more samples the more a few of them decide, and so does that "
        "of an AUC beyond 0.999: at N = 120 it held the mean in 81 % of 100 draws. Means over "
        "anchors let samples leave one by one: a sample is an anchor and a negative of all others, and the spread of "
        "the anchors alone would show only the first. Near-duplicate embeddings of a collapsed run still have an AUC: "
        "look at d' and at where both lie. With label positives every same-label pair is a positive, so the "
        "false-negative share is unknown. Scores "
        "of an augmented view depend on the augmentation: compare runs under the same one. "
        "Where some rows have no label, false negatives are those of the labelled rows, among each other: "
        "a negative without a label is not known to be false, nor to be none."
    ),
    sources=(ZHU, WANG_LIU, CHUANG, HANLEY),
    thresholds=(
        _thresholds.AUC,
        _thresholds.NEGATIVE_SPREAD,
        _thresholds.NEGATIVE_MEAN,
        _thresholds.FALSE_NEGATIVE_PUSH,
    ),
)

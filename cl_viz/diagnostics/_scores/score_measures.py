"""The numbers of `score_distribution`, read from the sketch, each with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import MissingInputError
from cl_viz.core.result import Interval, Quantity
from cl_viz.core.specs import QuantitySpec
from cl_viz.diagnostics._dense.scores import gaussian_overlap
from cl_viz.diagnostics._scores import separation_intervals as intervals
from cl_viz.diagnostics._scores.anchor_intervals import AnchorIntervals
from cl_viz.diagnostics._scores.influence import PairInfluence
from cl_viz.diagnostics._scores.labelled_rows import labelled_inputs, note_on_labels, telling_inputs
from cl_viz.diagnostics._scores.separation_intervals import at_bins
from cl_viz.engine import score_histogram as separation
from cl_viz.engine.anchor_sketch import AnchorSketch
from cl_viz.engine.candidate_points import relative_penalty_share
from cl_viz.engine.inputs import SetInputs
from cl_viz.engine.pair_sketch import PairRoles, Relation
from cl_viz.engine.score_histogram import ScoreHistogram
from cl_viz.engine.statistics import Statistics

TOP = 10
UNIT = (0.0, 1.0)
Scores = NDArray[np.float64]
Estimate = tuple[float, Interval | None]


@dataclass(frozen=True)
class ScoreMeasures:
    """Positives and negatives of one set under chosen roles: with label positives, of the rows that have a label."""

    statistics: Statistics
    roles: PairRoles
    temperature: float
    embedding_set: EmbeddingSet
    positives: ScoreHistogram
    negatives: ScoreHistogram
    inputs: SetInputs

    @classmethod
    def of(
        cls,
        inputs: SetInputs,
        positives: Literal["auto", "views", "labels"],
        negatives: Literal["cross", "all"],
        temperature: float,
    ) -> ScoreMeasures:
        """Choose the roles and read both histograms.

        Raises
        ------
        MissingInputError
            If there are no positives or no negatives of that kind.
        """
        pairs = inputs.statistics.pairs
        kind = positives
        if kind == "auto":
            kind = "views" if pairs.has(Relation.SAME_SAMPLE) else "labels"
            if kind == "labels" and not pairs.has(Relation.SAME_LABEL):
                raise MissingInputError(
                    "positives need a second view or labels",
                    where=inputs.run,
                    remedy="add a second view of the samples or a label column (Data page)",
                )
        roles = PairRoles(kind, negatives)
        looked_at = (labelled_inputs(inputs) if kind == "labels" else None) or inputs
        pairs = looked_at.statistics.pairs
        found, against = pairs.positives(roles), pairs.negatives(roles)
        if not against.count:
            raise MissingInputError(
                "there are no negative pairs: every pair is a positive", where=inputs.run, remedy="add other samples"
            )
        return cls(looked_at.statistics, roles, temperature, looked_at.embedding_set, found, against, inputs)

    @cached_property
    def labelled(self) -> ScoreMeasures:
        """The same of the rows that have a label, among each other; itself where all have one.

        Raises
        ------
        MissingInputError
            If these cannot tell which negatives are false.
        """
        found = telling_inputs(self.inputs, self.roles)
        if found is self.inputs:
            return self
        return ScoreMeasures.of(found, self.roles.positives, self.roles.negatives, self.temperature)

    @property
    def notes_on_labels(self) -> tuple[str, ...]:
        """Over how many samples what is said of labels goes, where that is not all of them."""
        if self.roles.positives == "labels":
            used, every = self.statistics.n_used, self.inputs.statistics.n_used
            return (f"pairs of the {used:,} of {every:,} samples that have a label",) if used < every else ()
        try:
            return note_on_labels(self.inputs, self.labelled.inputs)
        except MissingInputError:
            return ()

    @property
    def aligned(self) -> bool:
        """Whether the views' rows are one draw of samples."""
        return self.embedding_set.aligned

    @property
    def dim(self) -> int:
        """Dimensions of the embeddings."""
        return self.embedding_set.dim

    @property
    def negatives_in_words(self) -> str:
        """Which pairs are negatives."""
        others = "of another label" if self.roles.positives == "labels" else "of other samples"
        return f"{others}, {self.where_negatives_are}"

    @property
    def where_negatives_are(self) -> str:
        """Between which views the pairs of negatives are."""
        if len(self.statistics.pairs.view_names) == 1:
            return "within the only view"
        return "across views" if self.roles.negatives == "cross" else "across and within views"

    @property
    def anchors_in_words(self) -> str:
        """How many rows are anchors, and how they were chosen."""
        drawn = any(len(sketch.rows) < sketch.population for sketch in self.anchors)
        by_view = ", ".join(f"{len(s.rows):,} of {s.population:,} rows of {s.view}" for s in self.anchors)
        return f"anchors: {by_view}, drawn with the seed" if drawn else "every row is an anchor"

    @property
    def auc_error(self) -> float:
        """Largest error of the pooled AUC from binning."""
        return separation.auc_error(self.positives, self.negatives)

    @cached_property
    def influence(self) -> PairInfluence:
        """Influence of samples on means over these pairs."""
        return PairInfluence(self.statistics, self.roles, self.aligned, self.positives.count, self.negatives.count)

    @property
    def anchors(self) -> tuple[AnchorSketch, ...]:
        """The anchors of every view."""
        return tuple(self.statistics.anchors.values())

    def quantity(self, spec: QuantitySpec) -> Quantity:
        """Return one declared quantity; what the input cannot support has no value and says what to add."""
        missing, value, interval, measured = "", math.nan, None, self
        try:
            measured = self.labelled if spec.name in _OF_LABELS else self
            # Only the push moves with the temperature; a slider must not compute the rest again.
            temperature = self.temperature if spec.name == "false_negative_push" else None
            key = ("score_distribution", spec.name, self.roles, temperature)
            value, interval = measured.statistics.remember(key, lambda: _MEASURES[spec.name](measured))
        except MissingInputError as error:
            missing = error.remedy or error.what
        if not missing and math.isnan(value):
            missing = "not defined for these scores (no spread, or too few pairs)"
        reference, reference_label = _REFERENCES.get(spec.name, _no_reference)(self)
        return Quantity(
            spec.name,
            spec.label,
            None if missing else value,
            spec.unit,
            None if missing or interval is None else interval.with_width,
            n=measured.n_anchors if spec.name in _OVER_ANCHORS else measured.statistics.n_used,
            range=spec.range,
            missing=missing,
            reference=reference,
            reference_label=reference_label,
        )

    def false_negative_push(self) -> list[Scores]:
        """Return the share of each anchor's repulsion on its own label, one array per view."""
        self.statistics.pairs.false_negatives(self.roles)
        return [relative_penalty_share(sketch, self.roles, self.temperature) for sketch in self.anchors]

    def anchor_mean(self, by_view: list[Scores], interval: Callable[[AnchorIntervals], Interval | None]) -> Estimate:
        """Return the mean over the anchors of all views.

        A sample is an anchor, and a negative of all other anchors: the spread of the anchors' own values leaves the
        second out, so that the interval lets samples leave one by one.
        """
        known = np.concatenate([values[np.isfinite(values)] for values in by_view])
        if not len(known):
            raise MissingInputError("no anchor has such pairs", remedy="add samples")
        noise = AnchorIntervals.of(self.statistics, self.embedding_set, self.roles)
        return float(known.mean()), None if noise is None else interval(noise)

    @property
    def n_anchors(self) -> int:
        """Samples that are anchors: in an aligned set a sample counts once."""
        counts = [len(sketch.rows) for sketch in self.anchors]
        return counts[0] if self.aligned else sum(counts)

    def anchor_positive_rank(self) -> list[Scores]:
        """Return, for each anchor with positives, the mean rank share of its positives (NaN without), per view."""
        return [_per_anchor(sketch, sketch.positive_rank(self.roles)) for sketch in self.anchors]


def _per_anchor(sketch: AnchorSketch, values: Scores) -> Scores:
    owner = sketch.anchor_of_positive()
    total = np.bincount(owner, weights=values, minlength=len(sketch.rows))
    count = np.diff(sketch.offsets)
    mean: Scores = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
    return mean


def _auc(m: ScoreMeasures) -> Estimate:
    value = separation.auc(m.positives, m.negatives)
    below, above = separation.placement(m.negatives), 1 - separation.placement(m.positives)
    positive = m.influence.positive(at_bins(below), value)
    negative = m.influence.negative(at_bins(above), value)
    return value, m.influence.interval(value, positive, negative, limits=UNIT)


def _auc_per_anchor(m: ScoreMeasures) -> Estimate:
    if m.roles.positives == "labels":
        raise MissingInputError("the rank of the positive needs views", remedy="add a second view of the samples")
    ranks = m.anchor_positive_rank()
    return m.anchor_mean(ranks, lambda noise: noise.rank(ranks))


def _dprime(m: ScoreMeasures) -> Estimate:
    value = separation.dprime(m.positives, m.negatives)
    if math.isnan(value):
        return value, None
    variance = (m.positives.variance + m.negatives.variance) / 2
    terms = []
    for sign, histogram, influence in (
        (1.0, m.positives, m.influence.positive),
        (-1.0, m.negatives, m.influence.negative),
    ):

        def slope(scores: Scores, sign: float = sign, h: ScoreHistogram = histogram) -> Scores:
            spread = np.square(scores - h.mean) - h.variance
            gradient: Scores = sign * (scores - h.mean) / math.sqrt(variance) - value * spread / (4 * variance)
            return gradient

        terms.append(influence(slope, 0.0))
    return value, m.influence.interval(value, *terms)


def _overlap(m: ScoreMeasures) -> Estimate:
    value = separation.overlap(m.positives, m.negatives)
    return value, intervals.overlap(m, value)


def _overlap_gaussian(m: ScoreMeasures) -> Estimate:
    deviations = [math.sqrt(h.variance) for h in (m.positives, m.negatives)]
    value = gaussian_overlap(m.positives.mean, deviations[0], m.negatives.mean, deviations[1])
    return value, intervals.overlap_gaussian(m, value)


def _kolmogorov_smirnov(m: ScoreMeasures) -> Estimate:
    value = separation.kolmogorov_smirnov(m.positives, m.negatives)
    return value, intervals.kolmogorov_smirnov(m, value)


def _wasserstein(m: ScoreMeasures) -> Estimate:
    value = separation.wasserstein(m.positives, m.negatives)
    return value, intervals.wasserstein(m, value)


def _mean(side: Literal["positive", "negative"]) -> Callable[[ScoreMeasures], Estimate]:
    def estimate(m: ScoreMeasures) -> Estimate:
        value = m.positives.mean if side == "positive" else m.negatives.mean
        influence = m.influence.positive if side == "positive" else m.influence.negative
        return value, m.influence.interval(value, influence(lambda scores: scores, value), limits=(-1.0, 1.0))

    return estimate


def _positive_variance(m: ScoreMeasures) -> Estimate:
    count = m.positives.count
    value = m.positives.variance * (count - 1) / count if count > 1 else math.nan
    return value, None if math.isnan(value) else intervals.positive_variance(m, value)


def _negative_variance(m: ScoreMeasures) -> Estimate:
    by_view = []
    for sketch in m.anchors:
        count, total, squares = sketch.negative_moments(m.roles).T
        with np.errstate(invalid="ignore", divide="ignore"):
            variance = np.maximum(0.0, squares - total**2 / count) / (count - 1)
        by_view.append(np.where(count > 1, variance, np.nan))
    return m.anchor_mean(by_view, lambda noise: noise.variance(by_view))


def _negative_variance_pooled(m: ScoreMeasures) -> Estimate:
    value = m.negatives.variance
    squares = m.influence.negative(lambda scores: np.square(scores - m.negatives.mean), value)
    return value, m.influence.interval(value, squares, limits=(0.0, math.inf))


def _false_negative_share(m: ScoreMeasures) -> Estimate:
    same = m.statistics.pairs.false_negatives(m.roles)
    value = same.count / m.negatives.count
    return value, m.influence.interval(value, m.influence.same_label(value), limits=UNIT)


def _false_negative_top(m: ScoreMeasures) -> Estimate:
    m.statistics.pairs.false_negatives(m.roles)
    by_view = []
    for sketch in m.anchors:
        scores, same = sketch.tail(m.roles)
        there = np.isfinite(scores[:, :TOP])
        by_view.append((same[:, :TOP] & there).sum(axis=1) / np.maximum(1, there.sum(axis=1)))
    return m.anchor_mean(by_view, lambda noise: noise.top(by_view, TOP))


def _false_negative_push(m: ScoreMeasures) -> Estimate:
    by_view = m.false_negative_push()
    return m.anchor_mean(by_view, lambda noise: noise.push(by_view, m.temperature))


_MEASURES: dict[str, Callable[[ScoreMeasures], Estimate]] = {
    "auc": _auc,
    "auc_per_anchor": _auc_per_anchor,
    "dprime": _dprime,
    "overlap": _overlap,
    "overlap_gaussian": _overlap_gaussian,
    "kolmogorov_smirnov": _kolmogorov_smirnov,
    "wasserstein": _wasserstein,
    "positive_mean": _mean("positive"),
    "positive_variance": _positive_variance,
    "negative_mean": _mean("negative"),
    "negative_variance": _negative_variance,
    "negative_variance_pooled": _negative_variance_pooled,
    "false_negative_share": _false_negative_share,
    "false_negative_share_top10": _false_negative_top,
    "false_negative_push": _false_negative_push,
}


_OVER_ANCHORS = {
    "auc_per_anchor",
    "negative_variance",
    "false_negative_share_top10",
    "false_negative_push",
}
"""Quantities that are means over anchors, and rest on so many samples only."""

_OF_LABELS = {"false_negative_share", "false_negative_share_top10", "false_negative_push"}
"""Those of the rows that have a label."""

Reference = tuple[float | None, str]


def _no_reference(measures: ScoreMeasures) -> Reference:
    return None, ""


def _no_separation(measures: ScoreMeasures) -> Reference:
    return 0.5, "no separation"


def _zero(measures: ScoreMeasures) -> Reference:
    return 0.0, f"random directions in {measures.dim} dimensions"


def _inverse_dimension(measures: ScoreMeasures) -> Reference:
    return 1 / measures.dim, f"random directions in {measures.dim} dimensions"


_REFERENCES: dict[str, Callable[[ScoreMeasures], Reference]] = {
    "auc": _no_separation,
    "auc_per_anchor": _no_separation,
    "negative_mean": _zero,
    "negative_variance": _inverse_dimension,
    "negative_variance_pooled": _inverse_dimension,
}

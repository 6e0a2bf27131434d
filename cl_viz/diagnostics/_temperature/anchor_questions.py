"""What every diagnostic of temperature asks the anchors of all views, and how its answers become quantities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import MissingInputError
from cl_viz.core.params import Params, param
from cl_viz.core.result import Interval, Quantity, Source
from cl_viz.core.specs import QuantitySpec
from cl_viz.diagnostics._scores.labelled_rows import MORE_LABELS, note_on_labels, telling_inputs
from cl_viz.diagnostics._temperature.fewer_anchors import MOST, at_most
from cl_viz.diagnostics._temperature.temperature_curves import Curves, curves
from cl_viz.diagnostics._training_temperature import training_temperature
from cl_viz.engine.anchor_sketch import AnchorSketch
from cl_viz.engine.inputs import SetInputs
from cl_viz.engine.pair_sketch import PairRoles
from cl_viz.engine.queries import AnchorQueries
from cl_viz.engine.statistics import Statistics

Values = NDArray[np.float64]
Question = Literal["log_sum", "entropy", "own_label"]
Negatives = Literal["auto", "cross", "all"]

WANG_LIU = Source(
    "Wang and Liu 2021, Understanding the Behaviour of Contrastive Loss", "https://arxiv.org/abs/2012.09740"
)
ACROSS_VIEWS_ONLY = ("clip", "infonce_one_sided", "siglip", "soft_clip", "sogclr_bimodal", "mv_cross_view")
"""Losses whose negatives are in other views only."""
_QUESTIONS: dict[Question, Callable[[AnchorQueries, list[float]], Values]] = {
    "log_sum": AnchorQueries.log_sum_exp,
    "entropy": AnchorQueries.entropy,
    "own_label": AnchorQueries.false_negative_mass,
}
NO_VIEWS = "add a second view of the samples (Data page)"


@dataclass(frozen=True)
class NegativeParams(Params):
    """Which pairs are negatives."""

    negative_views: Literal["auto", "cross", "all"] = param(
        "auto",
        "Negatives: other samples across views only (CLIP, MoCo), or within views too (SimCLR, DCL). auto: as the "
        "loss of the run has them; all where that is not known and the views are aligned.",
        choices=("auto", "cross", "all"),
    )


@dataclass(frozen=True)
class TemperatureParams(NegativeParams):
    """Negatives and the temperature that weighs them."""

    temperature: float = training_temperature("Temperature at which the negatives are weighed", high=5.0)


def negatives_of(card: Mapping[str, Any], embedding_set: EmbeddingSet, asked: Negatives) -> Literal["cross", "all"]:
    """Return which pairs are negatives; ``"auto"`` follows the loss on the run's card."""
    if asked != "auto":
        return asked
    across = card.get("loss") in ACROSS_VIEWS_ONLY or not embedding_set.aligned
    return "cross" if across else "all"


@dataclass(frozen=True)
class Anchors:
    """The anchors of every view of a set, positives being views of one sample.

    Attributes
    ----------
    inputs : SetInputs
    statistics : Statistics
    roles : PairRoles
    """

    inputs: SetInputs
    statistics: Statistics
    roles: PairRoles

    @classmethod
    def of(cls, inputs: SetInputs, negatives: Negatives) -> Anchors:
        """Choose the negatives.

        Raises
        ------
        MissingInputError
            If there are none.
        """
        roles = PairRoles("views", negatives_of(inputs.card, inputs.embedding_set, negatives))
        statistics = inputs.statistics
        if not statistics.pairs.negatives(roles).count:
            raise MissingInputError("there are no negative pairs", where=inputs.run, remedy="add other samples")
        return cls(inputs, statistics, roles)

    @property
    def sketches(self) -> tuple[AnchorSketch, ...]:
        """The anchors of each view, at most `MOST`, so that a slider is followed at once."""
        return self.statistics.remember(
            ("fewer anchors", MOST), lambda: tuple(at_most(sketch) for sketch in self.statistics.anchors.values())
        )

    @property
    def queries(self) -> tuple[AnchorQueries, ...]:
        """The same anchors, ready to be asked."""
        return self.statistics.remember(
            ("fewer anchors", MOST, self.roles),
            lambda: tuple(AnchorQueries.of(sketch, self.roles) for sketch in self.sketches),
        )

    def by_view(self, question: Question, temperature: float) -> tuple[Values, ...]:
        """Return the answer of each anchor at a temperature, one array a view; the latest ones are kept.

        Several diagnostics ask the same when a slider moves.
        """
        queries = self.queries

        def answer(asked: Question, at: float) -> tuple[Values, ...]:
            return tuple(_QUESTIONS[asked](entry, [at])[0] for entry in queries)

        kept = self.statistics.remember(("latest answers", MOST, self.roles), lambda: lru_cache(maxsize=64)(answer))
        return kept(question, temperature)

    def of_anchors(self, question: Question, temperature: float) -> Values:
        """Return the answers of the anchors of all views, view after view."""
        return np.concatenate(self.by_view(question, temperature))

    def margins(self, temperature: float) -> Values:
        """Return log-sum-exp of the negatives less the positive's logit, of every positive of all views."""
        found = []
        for sketch, log_sum in zip(self.sketches, self.by_view("log_sum", temperature), strict=True):
            found.append(log_sum[sketch.anchor_of_positive()] - sketch.positives / temperature)
        return np.concatenate(found)

    def sample_size(self, temperature: float) -> Values:
        """Return 1 over the sum of squared relative penalties of each anchor, in [1, negatives].

        The sum of exp(2 s / tau) is that of exp(s / (tau / 2)).
        """
        once, twice = (self.of_anchors("log_sum", at) for at in (temperature, temperature / 2))
        with np.errstate(invalid="ignore"):
            return np.clip(np.exp(2 * once - twice), 1.0, np.maximum(1.0, self.negatives_by_anchor))

    def effective_negatives(self, temperature: float) -> Values:
        """Return exp of each anchor's entropy, in [1, negatives]; NaN without negatives."""
        entropy = self.of_anchors("entropy", temperature)
        return np.clip(np.exp(entropy), 1.0, np.maximum(1.0, self.negatives_by_anchor))

    def effective_share(self, temperature: float) -> Values:
        """Return the same over the number of the anchor's negatives, in [0, 1]."""
        with np.errstate(invalid="ignore"):
            return self.effective_negatives(temperature) / self.negatives_by_anchor

    @property
    def negatives_by_anchor(self) -> Values:
        """Number of negatives of each anchor, all views."""
        return self.statistics.remember(
            ("negatives by anchor", MOST, self.roles),
            lambda: np.concatenate([queries.n_negatives for queries in self.queries]),
        )

    @property
    def curves(self) -> Curves:
        """Means over some of the anchors at every temperature of a grid."""
        return curves(self.statistics, self.roles, self.inputs.embedding_set.aligned)

    @property
    def has_positives(self) -> bool:
        """Whether any anchor has a positive."""
        return any(len(sketch.positives) for sketch in self.sketches)

    @property
    def has_labels(self) -> bool:
        """Whether false negatives can be told."""
        return not self.labels_missing

    @property
    def labels_missing(self) -> str:
        """What to add before false negatives can be told; empty where they can."""
        try:
            _ = self.labelled
        except MissingInputError as error:
            return error.remedy or error.what
        return ""

    @property
    def labelled(self) -> Anchors:
        """The anchors of the rows that have a label, among each other; itself where all have one.

        Raises
        ------
        MissingInputError
            If these cannot tell which negatives are false.
        """
        found = telling_inputs(self.inputs, self.roles)
        if found is self.inputs:
            return self
        if not found.statistics.pairs.negatives(self.roles).count:
            raise MissingInputError("no negatives have labels", where=self.inputs.run, remedy=MORE_LABELS)
        return Anchors(found, found.statistics, self.roles)

    @property
    def false_negative_share(self) -> float:
        """Share of the negatives that have the anchor's label, among the rows that have one.

        Raises
        ------
        MissingInputError
            Without labels.
        """
        pairs = self.labelled.statistics.pairs
        return pairs.false_negatives(self.roles).count / pairs.negatives(self.roles).count

    @property
    def notes_on_labels(self) -> tuple[str, ...]:
        """Over how many samples what is said of labels goes, where that is not all of them."""
        return note_on_labels(self.inputs, self.labelled.inputs) if self.has_labels else ()

    @property
    def n_negatives(self) -> float:
        """Mean number of negatives of an anchor."""
        return float(self.negatives_by_anchor.mean())

    @property
    def n_anchors(self) -> int:
        """Samples that are anchors: in an aligned set a sample counts once."""
        counts = [len(sketch.rows) for sketch in self.sketches]
        return counts[0] if self.inputs.embedding_set.aligned else sum(counts)

    @property
    def run_temperature(self) -> float | None:
        """Temperature that the run's card states, or None."""
        found = self.inputs.card.get("temperature")
        return float(found) if isinstance(found, (int, float)) and found > 0 else None

    @property
    def where_negatives_are(self) -> str:
        """Between which views the pairs of negatives are."""
        if len(self.statistics.pairs.view_names) == 1:
            return "within the only view"
        return "across and within views" if self.roles.negatives == "all" else "across views"

    @property
    def notes(self) -> tuple[str, ...]:
        """Which pairs are negatives, and which rows are anchors."""
        by_view = ", ".join(f"{len(s.rows):,} of {s.population:,} rows of {s.view}" for s in self.sketches)
        drawn = any(len(sketch.rows) < sketch.population for sketch in self.sketches)
        return (
            f"positives: views of one sample; negatives: other samples, {self.where_negatives_are}, "
            f"{self.n_negatives:,.0f} an anchor",
            f"anchors: {by_view}" if drawn else "every row is an anchor",
            "read from each anchor's histogram of 1,250 bins and its 32 largest scores",
        )


def mean_of(values: NDArray[np.floating]) -> float:
    """Return the mean over those that are defined; NaN where none is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def quantity(
    spec: QuantitySpec,
    value: float | None,
    n: int,
    *,
    missing: str = "",
    unit_of_n: str = "samples",
    reference: float | None = None,
    reference_label: str = "",
    interval: Interval | None = None,
) -> Quantity:
    """Return a declared quantity; a value that is None, or not a finite number, is missing.

    An interval has to follow a sample in both its roles, as an anchor and as a negative of all others.
    """
    known = value is not None and bool(np.isfinite(value))
    clipped = value
    if known and spec.range is not None and value is not None:
        # What rounding pushes over the end of a range.
        clipped = float(np.clip(value, *spec.range))
    return Quantity(
        spec.name,
        spec.label,
        clipped if known else None,
        spec.unit,
        interval if known else None,
        n=n,
        unit_of_n=unit_of_n,
        range=spec.range,
        missing="" if known else (missing or "not defined for these scores"),
        reference=reference,
        reference_label=reference_label,
    )

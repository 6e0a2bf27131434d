"""The numbers of `hardness`, at one temperature and along the curve of temperatures."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.result import Finding, Interval, Quantity, format_number
from cl_viz.core.specs import QuantitySpec
from cl_viz.diagnostics._temperature import anchor_questions as questions
from cl_viz.diagnostics._temperature import random_directions
from cl_viz.diagnostics._temperature.anchor_noise import POSITIVE, UNIT, AnchorNoise
from cl_viz.diagnostics._temperature.anchor_questions import Anchors, Negatives, Values
from cl_viz.diagnostics._thresholds import temperature as _thresholds
from cl_viz.engine.inputs import SetInputs
from cl_viz.engine.queries import AnchorQueries


@dataclass(frozen=True)
class HardnessMeasures:
    """What the push on negatives looks like at one temperature."""

    anchors: Anchors
    temperature: float

    @classmethod
    def of(cls, inputs: SetInputs, negatives: Negatives, temperature: float) -> HardnessMeasures:
        """Choose the negatives; raises `MissingInputError` where there are none."""
        return cls(Anchors.of(inputs, negatives), temperature)

    @property
    def entropy(self) -> Values:
        """Entropy of the relative penalties of each anchor, all views."""
        return self.anchors.of_anchors("entropy", self.temperature)

    @property
    def n_negatives(self) -> Values:
        """Negatives of each anchor, all views."""
        return self.anchors.negatives_by_anchor

    @cached_property
    def effective(self) -> Values:
        """Exp of the entropy of each anchor."""
        return self.anchors.effective_negatives(self.temperature)

    @cached_property
    def sample_size(self) -> Values:
        """1 over the sum of squares of each anchor."""
        return self.anchors.sample_size(self.temperature)

    @property
    def log_sums(self) -> tuple[Values, ...]:
        """Log-sum-exp of each anchor's negatives, by view."""
        return self.anchors.by_view("log_sum", self.temperature)

    @cached_property
    def hardest_share(self) -> Values:
        """Largest relative penalty of each anchor."""
        found = []
        for queries, log_sum in zip(self.anchors.queries, self.log_sums, strict=True):
            hardest = queries.sketch.tail(queries.roles)[0][:, 0]
            with np.errstate(invalid="ignore"):
                found.append(np.minimum(1.0, np.exp(hardest / self.temperature - log_sum)))
        return np.concatenate(found)

    @cached_property
    def margins(self) -> Values:
        """Log-sum-exp of the negatives less the positive's logit, of every positive."""
        return self.anchors.margins(self.temperature)

    @cached_property
    def false_negative_push(self) -> float:
        """Mean over anchors of the share of the push on their own label, among the rows that have one."""
        return questions.mean_of(self.anchors.labelled.of_anchors("own_label", self.temperature))

    def quantity(self, spec: QuantitySpec) -> Quantity:
        """Return one declared quantity; what the input cannot support has no value and says what to add."""
        n_anchors, missing, reference = self.anchors.n_anchors, "", None
        if spec.name in ("loss", "positive_slope") and not self.anchors.has_positives:
            missing = questions.NO_VIEWS
        if spec.name == "false_negative_push":
            missing = self.anchors.labels_missing
            if not missing:
                n_anchors, reference = self.anchors.labelled.n_anchors, self.anchors.false_negative_share
        if spec.name == "effective_share":
            reference = self.random_share
        labels = {"false_negative_push": "share of the negatives", "effective_share": self.null_in_words}
        return questions.quantity(
            spec,
            None if missing else self._value(spec.name),
            n_anchors,
            missing=missing,
            reference=reference,
            reference_label=labels.get(spec.name, "") if reference is not None else "",
            interval=None if missing else self._interval(spec.name),
        )

    def _interval(self, name: str) -> Interval | None:
        of_labels = name == "false_negative_push"
        noise = AnchorNoise.of(self.anchors.labelled if of_labels else self.anchors, self.temperature)
        if noise is None or of_labels:
            return None if noise is None else noise.own_label()
        # In an aligned set every anchor has as many negatives.
        count = float(self.n_negatives[0])
        measures: dict[str, Callable[[], Interval | None]] = {
            "effective_negatives": lambda: noise.entropy(np.exp, POSITIVE),
            "effective_share": lambda: noise.entropy(lambda entropy: np.exp(entropy) / count, UNIT),
            "entropy": lambda: noise.entropy(lambda entropy: entropy, POSITIVE),
            "effective_sample_size": noise.sample_size,
            "hardest_share": lambda: noise.hardest(noise.split(self.hardest_share)),
            "loss": lambda: noise.of_margin(lambda margin: np.logaddexp(0.0, margin), POSITIVE),
            "positive_slope": lambda: noise.of_margin(
                lambda margin: np.exp(-np.logaddexp(0.0, -margin)) / self.temperature, (0.0, 1 / self.temperature)
            ),
        }
        return measures[name]()

    def _value(self, name: str) -> float:
        if name == "false_negative_push":
            return self.false_negative_push
        with np.errstate(invalid="ignore"):
            measures: dict[str, Callable[[], Values]] = {
                "effective_negatives": lambda: self.effective,
                "effective_sample_size": lambda: self.sample_size,
                "effective_share": lambda: self.anchors.effective_share(self.temperature),
                "entropy": lambda: self.entropy,
                "hardest_share": lambda: self.hardest_share,
                "loss": lambda: np.logaddexp(0.0, self.margins),
                "positive_slope": lambda: np.exp(-np.logaddexp(0.0, -self.margins)) / self.temperature,
            }
            return questions.mean_of(measures[name]())

    @property
    def null_in_words(self) -> str:
        """What the null is."""
        return f"random directions in {self.anchors.inputs.embedding_set.dim} dimensions"

    @property
    def random_share(self) -> float:
        """Share of the negatives that would carry the push on random directions."""
        return float(self.random_curve(np.array([self.temperature]))[0])

    def random_curve(self, temperatures: NDArray[np.float64]) -> Values:
        """Return that share at each temperature."""
        count = max(1, round(self.anchors.n_negatives))
        dim = self.anchors.inputs.embedding_set.dim
        found: Values = random_directions.effective_negatives(dim, count, temperatures) / count
        return found

    def finding(self, diagnostic: str) -> Finding:
        """Say over how many negatives the push is spread."""
        size, share = questions.mean_of(self.sample_size), questions.mean_of(self.effective / self.n_negatives)
        count = questions.mean_of(self.effective)
        text = (
            f"At temperature {self.temperature:g} an anchor's push rests on {format_number(count)} of "
            f"{self.anchors.n_negatives:,.0f} negatives (exp of the entropy, {format_number(100 * share)} %; random "
            f"directions {format_number(100 * self.random_share)} %; by the sum of squares {format_number(size)}; "
            f"N = {self.anchors.n_anchors:,})."
        )
        few, even = _thresholds.FEW_NEGATIVES, _thresholds.EVEN_PUSH
        if even.level(share) == "watch":
            advice = "All negatives are pushed alike: a lower temperature would tell hard ones from easy ones."
            if self._flat:
                advice = "All scores are alike, so no temperature tells negatives apart: mend the collapse first."
            return Finding(diagnostic, "watch", text, advice, even.source, "effective_share")
        # With fewer negatives than that there is nothing to spread over.
        if few.level(size) != "good" and self.anchors.n_negatives >= 2 * few.watch:
            advice = "A higher temperature, or more negatives, would spread it (ten is a rule of thumb)."
            return Finding(diagnostic, "watch", text, advice, few.source, "effective_sample_size")
        return Finding(diagnostic, "good", text, source=few.source, quantity="effective_negatives")

    @property
    def _flat(self) -> bool:
        """Whether negatives spread less than a tenth of what random directions do."""
        pairs = self.anchors.statistics.pairs.negatives(self.anchors.roles)
        deviation = math.sqrt(max(0.0, pairs.variance)) if pairs.count > 1 else 0.0
        return deviation * math.sqrt(self.anchors.inputs.embedding_set.dim) < 0.1


def own_share(queries: AnchorQueries, log_sum: Values, temperature: float) -> tuple[Values, Values, Values]:
    """Return scores, penalties and own label (1 or 0) of all candidates of one view, cell by cell.

    A cell stands at its mean score; penalties of an anchor add up to 1.
    """
    cells = queries.sketch.cells(queries.roles)
    with np.errstate(invalid="ignore", over="ignore"):
        penalty = cells.counts * np.exp(cells.scores / temperature - log_sum[cells.anchor])
    total = np.bincount(cells.anchor, weights=penalty, minlength=len(log_sum))
    # Within a cell the exponential bends: what that loses is given back, so that every anchor counts one.
    share = penalty / np.where(total > 0, total, 1.0)[cells.anchor]
    return cells.scores, share, (cells.side == 0).astype(np.float64)

"""The numbers of `negative_reweighting`, read from the anchors."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.result import Interval, Quantity
from cl_viz.core.specs import QuantitySpec
from cl_viz.diagnostics._temperature import anchor_questions as questions
from cl_viz.diagnostics._temperature.anchor_noise import POSITIVE, AnchorNoise
from cl_viz.diagnostics._temperature.anchor_questions import Anchors, Values
from cl_viz.diagnostics._temperature.reweighting_noise import ReweightingNoise


@dataclass(frozen=True)
class ReweightingMeasures:
    """Losses and weights at one temperature."""

    anchors: Anchors
    temperature: float
    beta: float
    prior: float
    kept_share: float

    @cached_property
    def plain(self) -> Values:
        """NT-Xent of every positive."""
        found: Values = np.logaddexp(0.0, self.anchors.margins(self.temperature))
        return found

    def reweighted(self, beta: float, prior: float) -> tuple[Values, NDArray[np.bool_]]:
        """Return the loss of every positive, and whether its estimate is clamped."""
        found = [q.reweighted_loss([self.temperature], beta, prior) for q in self.anchors.queries]
        return np.concatenate([loss[0] for loss, _ in found]), np.concatenate([clamped[0] for _, clamped in found])

    @cached_property
    def here(self) -> tuple[Values, NDArray[np.bool_]]:
        """The same at the chosen parameters."""
        return self.reweighted(self.beta, self.prior)

    def clamped_shares(self, priors: Values) -> Values:
        """Return the share of the positives whose estimate is clamped, at each class prior and the chosen beta."""
        anchors, tau, thresholds = self.anchors, self.temperature, []
        sharpened = anchors.by_view("log_sum", tau / (1 + self.beta))
        weighting = anchors.by_view("log_sum", tau / self.beta) if self.beta else None
        for place, queries in enumerate(anchors.queries):
            whole = np.log(queries.n_negatives) if weighting is None else weighting[place]
            sketch = queries.sketch
            owner, own = sketch.anchor_of_positive(), sketch.positives / tau
            # All over M and the positive's exponential: mean weighted term, and the least possible one.
            mean = np.exp((sharpened[place] - whole)[owner] - own)
            thresholds.append(np.stack([mean, np.exp(-1 / tau - own)]))
        mean, least = np.concatenate(thresholds, axis=1)
        return np.array([(mean - prior < (1 - prior) * least).mean() for prior in priors])

    def sample_size(self, beta: float) -> float:
        """Return the effective sample size of the weights, mean over anchors: at beta 0 the number of negatives."""
        if beta == 0:
            return self.anchors.n_negatives
        return questions.mean_of(self.anchors.sample_size(self.temperature / beta))

    def false_negative_push(self, beta: float) -> float:
        """Return the share of the weighted terms on the anchor's own label, among the rows that have one."""
        sharpened = self.temperature / (1 + beta)
        return questions.mean_of(self.anchors.labelled.of_anchors("own_label", sharpened))

    @cached_property
    def truncated_here(self) -> Values:
        """The truncated loss at the chosen share."""
        return self.truncated(self.kept_share)

    def truncated(self, share: float) -> Values:
        """Return the truncated loss of every positive."""
        return np.concatenate([q.truncated_loss([self.temperature], share)[0] for q in self.anchors.queries])

    def kept_push(self, share: float) -> float:
        """Return the mean share of the push that the truncation keeps.

        log(1 + U / p) is the loss with the sum U over negatives and the positive's p: so the share is a quotient of
        two such sums.
        """
        kept = self.truncated_here if share == self.kept_share else self.truncated(share)
        whole = self.plain
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.exp(_log_expm1(kept) - _log_expm1(whole))
        return questions.mean_of(np.clip(found, 0.0, 1.0))

    def quantity(self, spec: QuantitySpec) -> Quantity:
        """Return one declared quantity."""
        missing, reference, label = "", None, ""
        if spec.name == "reweighted_false_negative_push":
            missing = self.anchors.labels_missing
            if not missing:
                reference, label = self.false_negative_push(0.0), "beta 0"
        value = math.nan if missing else self._value(spec.name)
        of_labels = spec.name == "reweighted_false_negative_push" and not missing
        return questions.quantity(
            spec,
            value,
            (self.anchors.labelled if of_labels else self.anchors).n_anchors,
            missing=missing,
            reference=reference,
            reference_label=label,
            interval=None if missing else self._interval(spec.name),
        )

    def _interval(self, name: str) -> Interval | None:
        of_labels = name == "reweighted_false_negative_push"
        noise = AnchorNoise.of(self.anchors.labelled if of_labels else self.anchors, self.temperature)
        if noise is None:
            return None
        if of_labels:
            return noise.own_label(self.temperature / (1 + self.beta))
        if name == "plain_loss":
            return noise.of_margin(lambda margin: np.logaddexp(0.0, margin), POSITIVE)
        if name == "weights_sample_size":
            return noise.sample_size(self.temperature / self.beta) if self.beta else None
        weighed = ReweightingNoise.of(noise, self.beta, self.prior)
        if weighed is None:
            return None
        if name == "reweighted_loss":
            return weighed.loss(self.here[0])
        if name == "clamped_share":
            return weighed.clamped(self.here[1].astype(np.float64)) if self.prior else None
        loss, kept = weighed.truncated(self.kept_share)
        return loss if name == "truncated_loss" else kept

    def _value(self, name: str) -> float:
        if name == "weights_sample_size":
            return self.sample_size(self.beta)
        if name == "reweighted_false_negative_push":
            return self.false_negative_push(self.beta)
        if name == "kept_push":
            return self.kept_push(self.kept_share)
        if name == "clamped_share":
            return float(self.here[1].mean())
        values: dict[str, Callable[[], Values]] = {
            "plain_loss": lambda: self.plain,
            "reweighted_loss": lambda: self.here[0],
            "truncated_loss": lambda: self.truncated_here,
        }
        return questions.mean_of(values[name]())


def _log_expm1(values: Values) -> Values:
    """Return log(exp(x) - 1), also for large x."""
    found: Values = values + np.log(-np.expm1(-values))
    return found

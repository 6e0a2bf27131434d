"""The multiplier of the gradient by batch size and temperature: in drawn batches, to expect of larger ones, of all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cl_viz.diagnostics._temperature import anchor_questions as questions
from cl_viz.diagnostics._temperature.anchor_questions import Anchors
from cl_viz.diagnostics._temperature.batch_draws import ANCHORS, BatchDraws, draw_batches
from cl_viz.engine.queries import AnchorQueries

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """Multipliers at one batch size.

    Attributes
    ----------
    values : NDArray[np.float64]
        Of every anchor's positive: in every batch, or the mean over all batches.
    n_anchors : int
        Samples that are anchors; 0 for all anchors of the set.
    within : float
        Mean over positives of the variance from batch to batch, where values are means over batches.
    """

    values: Values
    n_anchors: int
    within: float = 0.0

    @property
    def mean(self) -> float:
        """Mean multiplier."""
        return questions.mean_of(self.values)

    @property
    def variation(self) -> float | None:
        """Coefficient of variation (ddof = 0); None where the mean is 0."""
        return float(np.sqrt(self.values.var() + self.within) / self.mean) if self.mean > 0 else None


@dataclass(frozen=True)
class BatchSignal:
    """What a batch size leaves of the gradient, at one temperature."""

    anchors: Anchors
    temperature: float
    asked: int

    @classmethod
    def of(cls, anchors: Anchors, temperature: float, batch_size: int) -> BatchSignal:
        """Ask at a batch size; never more than there are samples."""
        return cls(anchors, temperature, batch_size)

    @cached_property
    def draws(self) -> BatchDraws:
        """Drawn batches, once a set."""
        within = self.anchors.roles.negatives == "all"
        inputs = self.anchors.inputs
        return inputs.remember(("batch draws", within), lambda: draw_batches(inputs.embedding_set, within))

    @property
    def n_samples(self) -> int:
        """Samples that have every view."""
        return self.draws.n_samples

    def anchors_of(self, part: Part) -> int:
        """Return how many anchors a number rests on: those that were drawn, or all."""
        return part.n_anchors or self.anchors.n_anchors

    @property
    def size(self) -> int:
        """Batch size asked for, or all samples where those are fewer."""
        return min(self.asked, self.n_samples)

    @property
    def twice(self) -> int:
        """Twice that, or all samples."""
        return min(2 * self.size, self.n_samples)

    @cached_property
    def margins(self) -> Values:
        """Log-sum-exp of all negatives less the positive's logit, of every positive of every anchor."""
        return self.anchors.margins(self.temperature)

    @cached_property
    def whole(self) -> Part:
        """All samples as one batch, from the sketch."""
        return Part(np.exp(-np.logaddexp(0.0, -self.margins)), 0)

    @property
    def decoupled_loss(self) -> float:
        """Mean of the margins."""
        return questions.mean_of(self.margins)

    @cached_property
    def at_size(self) -> Part:
        """At the batch size asked for."""
        return self.at(self.size)

    @cached_property
    def at_twice(self) -> Part:
        """At twice that size."""
        return self.at(self.twice)

    def at(self, size: int) -> Part:
        """Return the multipliers in batches of this size."""
        if size >= self.n_samples:
            return self.whole
        if size <= self.draws.most:
            found = self.draws.npc_multiplier(self.temperature, [size])[0]
            return Part(found, min(ANCHORS, self.n_samples))
        return self._expected(size)

    def _expected(self, size: int) -> Part:
        """Return what every anchor may expect of batches of this size, from its histogram."""
        values, variances = [], []
        for queries in self.anchors.queries:
            mean, deviation = queries.batch_npc_moments([self.temperature], self._negatives_in(size, queries))
            values.append(mean[0])
            variances.append(np.square(deviation[0]))
        return Part(np.concatenate(values), 0, questions.mean_of(np.concatenate(variances)))

    def _negatives_in(self, size: int, queries: AnchorQueries) -> int:
        """Return how many negatives an anchor has in a batch: those of each other sample."""
        each = float(queries.n_negatives.mean()) / (self.n_samples - 1)
        return max(1, round(each * (size - 1)))

    @cached_property
    def sizes(self) -> list[int]:
        """Powers of two up to the number of samples, and that number."""
        powers = [2**power for power in range(1, 40) if 2**power < self.n_samples]
        return [*powers, self.n_samples]

    @cached_property
    def by_size(self) -> tuple[Values, Values]:
        """Mean and coefficient of variation at each of `sizes`."""
        drawn = [size for size in self.sizes if size <= self.draws.most and size < self.n_samples]
        parts = [Part(found, 0) for found in self.draws.npc_multiplier(self.temperature, drawn)]
        parts += [self.at(size) for size in self.sizes[len(drawn) :]]
        variation = [part.variation for part in parts]
        return np.array([part.mean for part in parts]), np.array([np.nan if v is None else v for v in variation])

    def over_temperatures(self, temperatures: Values) -> Values:
        """Return the mean multiplier at the batch size asked for, at each temperature; kept."""
        if self.size == self.n_samples:
            return np.full(len(temperatures), np.nan)
        key = ("multiplier by temperature", self.anchors.roles, self.size)

        def make() -> Values:
            if self.size > self.draws.most:
                asked = [(queries, self._negatives_in(self.size, queries)) for queries in self.anchors.queries]
                found = [queries.batch_npc_multiplier(temperatures, number) for queries, number in asked]
                return np.asarray(np.concatenate(found, axis=1).mean(axis=1))
            sizes = [self.size]
            return np.array([self.draws.npc_multiplier(float(tau), sizes)[0].mean() for tau in temperatures])

        return self.anchors.inputs.remember(key, make)

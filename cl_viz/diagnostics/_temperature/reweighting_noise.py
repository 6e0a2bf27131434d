"""Intervals of reweighted and truncated losses: what each anchor's weights become when one sample leaves the set."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cl_viz.core.result import Interval, influence_interval
from cl_viz.diagnostics._temperature.anchor_noise import (
    LEAST_SIGNAL,
    POSITIVE,
    UNIT,
    AnchorNoise,
    Floats,
    smooth_share,
)
from cl_viz.diagnostics._temperature.anchor_questions import Values
from cl_viz.engine.queries import AnchorQueries


@dataclass(frozen=True)
class ReweightingNoise:
    """Intervals at one temperature and one way to weigh.

    Attributes
    ----------
    noise : AnchorNoise
    beta, prior : float
    positives : tuple of NDArray[np.float64], shape (A, positives)
        Logits of the positives, by view.
    """

    noise: AnchorNoise
    beta: float
    prior: float
    positives: tuple[Values, ...]

    @classmethod
    def of(cls, noise: AnchorNoise, beta: float, prior: float) -> ReweightingNoise | None:
        """Return what intervals are made of; None where anchors have unequal numbers of positives."""
        each = noise.positives_each
        if each is None:
            return None
        tau = noise.temperature
        positives = tuple(sketch.positives.reshape(-1, each) / tau for sketch in noise.anchors.sketches)
        return cls(noise, beta, prior, positives)

    def loss(self, whole: Values) -> Interval | None:
        """Return the interval of the mean reweighted loss, from the loss of every positive."""
        if not self._settled or float(-np.expm1(-whole).mean()) < LEAST_SIGNAL:
            return None

        def without(view: int) -> Floats:
            log_mean, log_count = self._left(view)

            def loss(own: Floats) -> Floats:
                return np.logaddexp(0, log_count - own + self._estimate(log_mean, own))

            return self._over_positives(view, loss)

        return self.noise.interval(self._by_anchor(whole), without, POSITIVE)

    def clamped(self, whole: Values) -> Interval | None:
        """Return the interval of the share of clamped positives, from whether each is."""
        if not self._settled:
            return None
        share = float(whole.mean())
        if share in (0.0, 1.0):
            return influence_interval(share, np.zeros(self.noise.noise.n_samples), limits=UNIT)
        by_view = self._by_anchor(whole)
        here = [self._over(view, self._whole(view)) for view in range(len(self.positives))]
        spread = float(np.std(here)) * len(here[0]) ** -0.2

        def without(view: int) -> Floats:
            log_mean, _ = self._left(view)
            margins, own = self._margins(log_mean, self._own_positives(view)), self.noise.own
            before = here[view][self.noise.subset.places]
            lost = [smooth_share(before[:, [k]], margins[k], spread) for k in range(len(margins))]
            return np.asarray(own(by_view[view]) + np.mean(lost, axis=0))

        return self.noise.interval(by_view, without, UNIT)

    def truncated(self, share: float) -> tuple[Interval | None, Interval | None]:
        """Return the intervals of the truncated loss, and of the share of the push that it keeps."""
        noise, tau = self.noise, self.noise.temperature
        anchors, leaving = noise.anchors, noise.leaving()
        if not noise.spread(tau) or share * anchors.n_negatives < 2:
            return None, None
        masses = [_hardest(queries, tau, share) for queries in anchors.queries]
        log_sums = anchors.by_view("log_sum", tau)

        def without(view: int) -> Floats:
            """Log of the kept mass: one that is kept leaves its place to the next, and fewer are kept of fewer."""
            log_kept, log_next = (values[noise.subset.places] for values in masses[view])
            scores = noise.subset.scores[view] / tau - log_kept[:, None]
            edge = np.exp(log_next - log_kept)[:, None]
            gone = np.where(scores > np.log(edge), np.exp(np.minimum(scores, 0)) - edge, 0).sum(axis=0)
            left = 1 - gone - share * len(scores) * edge
            return np.asarray(np.log(np.maximum(left, 1e-6)) + log_kept[:, None])

        def loss_without(view: int) -> Floats:
            left = without(view)
            return self._over_positives(view, lambda own: np.logaddexp(0, left - own))

        losses = tuple(
            np.asarray(np.logaddexp(0, kept[:, None] - own).mean(axis=1))
            for (kept, _), own in zip(masses, self.positives, strict=True)
        )
        loss = None
        if float(np.mean([-np.expm1(-values).mean() for values in losses])) >= LEAST_SIGNAL:
            loss = noise.interval(losses, loss_without, POSITIVE)
        shares = tuple(np.minimum(1.0, np.exp(kept - total)) for (kept, _), total in zip(masses, log_sums, strict=True))
        if share == 1:
            return loss, None

        def kept_without(view: int) -> Floats:
            return np.asarray(
                np.minimum(1.0, np.exp(without(view) - noise.own(log_sums[view]) - leaving[view].log_left))
            )

        return loss, noise.interval(shares, kept_without, UNIT, pairs_twice=True)

    @property
    def _settled(self) -> bool:
        """Whether the sharpened terms rest on negatives enough."""
        return self.noise.spread(self.noise.temperature / (1 + self.beta))

    def _estimate(self, log_mean: Floats, own: Floats) -> Floats:
        """Return log of the corrected mean over negatives, held at its least value; both sides are logits."""
        least = -1 / self.noise.temperature
        share = self.prior * np.exp(own - log_mean)
        with np.errstate(divide="ignore"):
            found = log_mean + np.log1p(-np.minimum(share, 1.0)) - math.log1p(-self.prior)
        return np.asarray(np.maximum(found, least))

    def _margins(self, log_mean: Floats, own: Values) -> list[Floats]:
        """Return by how much each estimate is clamped: above 0 where it is; one array for each positive."""
        least = math.log1p(-self.prior) - 1 / self.noise.temperature
        with np.errstate(divide="ignore"):
            limit = np.logaddexp(np.log(self.prior) + own, least)
        return [limit[:, [k]] - log_mean for k in range(own.shape[1])]

    def _over(self, view: int, log_mean: Values) -> Values:
        return np.concatenate(self._margins(log_mean[:, None], self.positives[view]), axis=1)

    def _whole(self, view: int) -> Values:
        """Return log of the weighted mean of exp(s / tau) over each anchor's negatives, (A,)."""
        anchors, tau = self.noise.anchors, self.noise.temperature
        sharpened = anchors.by_view("log_sum", tau / (1 + self.beta))[view]
        if not self.beta:
            return np.asarray(sharpened - np.log(anchors.queries[view].n_negatives))
        return np.asarray(sharpened - anchors.by_view("log_sum", tau / self.beta)[view])

    def _left(self, view: int) -> tuple[Floats, Values]:
        """Return the same without each sample, (m, m), and log of the number of negatives that are left, (m, 1)."""
        noise, tau = self.noise, self.noise.temperature
        count = noise.own(noise.anchors.queries[view].n_negatives)
        log_count = np.log(count - len(noise.subset.scores[view]))
        moved = noise.leaving(tau / (1 + self.beta))[view].log_left
        fewer = noise.leaving(tau / self.beta)[view].log_left if self.beta else log_count - np.log(count)
        return np.asarray(noise.own(self._whole(view)) + moved - fewer), log_count

    def _own_positives(self, view: int) -> Values:
        return self.positives[view][self.noise.subset.places]

    def _over_positives(self, view: int, change: Callable[[Floats], Floats]) -> Floats:
        own = self._own_positives(view)
        return np.asarray(np.mean([change(own[:, [k]]) for k in range(own.shape[1])], axis=0))

    def _by_anchor(self, whole: Values) -> tuple[Values, ...]:
        """Return the mean over each anchor's positives of what every positive has, by view."""
        parts = self.noise.split(np.asarray(whole, dtype=np.float64))
        return tuple(part.reshape(len(own), -1).mean(axis=1) for part, own in zip(parts, self.positives, strict=True))


def _hardest(queries: AnchorQueries, temperature: float, share: float) -> tuple[Values, Values]:
    """Return log of the mass of the negatives that are kept, and logit of the next one, (A,) each."""
    kept = np.ceil(share * queries.n_negatives - 1e-9)
    here = queries.points.log_mass_of_hardest(1 / temperature, kept)
    more = queries.points.log_mass_of_hardest(1 / temperature, np.minimum(kept + 1, queries.n_negatives))
    with np.errstate(divide="ignore"):
        return here, np.asarray(here + np.log(np.maximum(np.expm1(more - here), 1e-300)))

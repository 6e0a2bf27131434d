"""What the negatives of every anchor say at any temperature: read from cells and exact tail, no pair is touched.

Temperatures come as an array of T; answers have shape (T, A) for anchors, or (T, P) for their positives. The largest
candidates of an anchor count exactly; the others stand at the mean of their cell, and the variance within cells, which
is known from the exact sum of squares, enters to second order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cl_viz.core.errors import InputError
from cl_viz.engine.anchor_sketch import SAME, AnchorSketch
from cl_viz.engine.pair_sketch import PairRoles, Relation
from cl_viz.engine.score_histogram import ScoreHistogram

Values = NDArray[np.float64]


@dataclass(frozen=True)
class BatchLoss:
    """Loss at a batch size, an average over batches drawn without replacement.

    Attributes
    ----------
    mean : NDArray[np.float64], shape (T,)
        Over anchors' positives and draws.
    standard_error : NDArray[np.float64], shape (T,)
        Of the mean, from the draws; 0 if a batch holds every negative. Says nothing of which anchors were drawn.
    """

    mean: Values
    standard_error: Values


@dataclass(frozen=True)
class AnchorQueries:
    """Questions to the anchors of one view. Positives are pairs of one sample.

    Attributes
    ----------
    sketch : AnchorSketch
    roles : PairRoles
    points : tuple of NDArray
        Score, count and own label (1 or 0) of each point, ordered by anchor, scores descending.
    starts : NDArray[np.int64], shape (A + 1,)
        Where each anchor's points begin.
    variance : NDArray[np.float64], one for each point
        Mean squared distance of the candidates at this point to their mean: 0 for a single one, else the anchor's
        mean over all its cells of that label (own or not).
    """

    sketch: AnchorSketch
    roles: PairRoles
    points: tuple[Values, Values, Values]
    starts: NDArray[np.int64]
    variance: Values

    @classmethod
    def of(cls, sketch: AnchorSketch, roles: PairRoles) -> AnchorQueries:
        """Prepare the points.

        Raises
        ------
        InputError
            With label positives: an anchor's exact positives are pairs of one sample.
        """
        if roles.positives != "views":
            raise InputError(f"positives = {roles.positives!r}", where="AnchorQueries", allowed="'views'")
        cells = sketch.cells(roles, without_tail=True)
        tail, same = sketch.tail(roles)
        anchor, place = np.nonzero(np.isfinite(tail))
        owner = np.concatenate([cells.anchor, anchor])
        scores = np.concatenate([cells.scores, tail[anchor, place]])
        counts = np.concatenate([cells.counts, np.ones(len(anchor))])
        own = np.concatenate([cells.side == SAME, same[anchor, place]]).astype(np.float64)
        order = np.lexsort((-scores, owner))
        owner, scores, counts, own = (values[order] for values in (owner, scores, counts, own))
        starts = np.searchsorted(owner, np.arange(len(sketch.rows) + 1)).astype(np.int64)
        variance = _variance_within_cells(sketch, roles, (scores, counts, own), starts)
        return cls(sketch, roles, (scores, counts, own), starts, variance)

    @property
    def n_negatives(self) -> Values:
        """Negatives of each anchor, shape (A,)."""
        return _by_anchor(self.points[1], self.starts, 0.0)

    def log_sum_exp(self, temperatures: ArrayLike) -> Values:
        """Return log of the sum over negatives of exp(s / tau), (T, A); -inf without negatives."""
        return np.stack([self._log_mass(1 / tau, self.points[1]) for tau in _temperatures(temperatures)])

    def loss(self, temperatures: ArrayLike) -> Values:
        """Return InfoNCE of each positive against all negatives of its anchor, (T, P)."""
        return np.logaddexp(0.0, self._margin(temperatures))

    def npc_multiplier(self, temperatures: ArrayLike) -> Values:
        """Return 1 - P(positive), which multiplies the gradient (Yeh and others 2022), (T, P), in [0, 1]."""
        margin = self._margin(temperatures)
        found: Values = np.exp(-np.logaddexp(0.0, -margin))
        return found

    def entropy(self, temperatures: ArrayLike) -> Values:
        """Return the entropy of the relative penalties, natural log, (T, A); NaN without negatives."""
        counts = self.points[1]
        found = []
        for tau in _temperatures(temperatures):
            weight = counts * self._exponentials(1 / tau)
            total = _by_anchor(weight, self.starts, 0.0)
            # The mean of s under exp(s / tau) lies above the cell's mean by variance / tau.
            mean = _by_anchor(weight * (self._distance + self.variance / tau), self.starts, 0.0)
            with np.errstate(divide="ignore", invalid="ignore"):
                found.append(np.where(total > 0, np.maximum(0.0, np.log(total) - mean / total / tau), np.nan))
        return np.stack(found)

    def effective_negatives(self, temperatures: ArrayLike) -> Values:
        """Return exp of the entropy, in [1, negatives], (T, A)."""
        found: Values = np.exp(self.entropy(temperatures))
        return found

    def effective_sample_size(self, temperatures: ArrayLike) -> Values:
        """Return 1 / sum of squared relative penalties, in [1, effective negatives], (T, A)."""
        counts = self.points[1]
        found = []
        for tau in _temperatures(temperatures):
            found.append(np.exp(2 * self._log_mass(1 / tau, counts) - self._log_mass(2 / tau, counts)))
        return np.stack(found)

    def false_negative_mass(self, temperatures: ArrayLike) -> Values:
        """Return the share of the relative penalties on negatives of the anchor's own label, (T, A)."""
        counts, own = self.points[1:]
        found = []
        for tau in _temperatures(temperatures):
            weight = counts * self._exponentials(1 / tau)
            total = _by_anchor(weight, self.starts, 0.0)
            mass = _by_anchor(weight * own, self.starts, 0.0)
            found.append(np.divide(mass, total, out=np.full(len(total), np.nan), where=total > 0))
        return np.stack(found)

    def truncated_loss(self, temperatures: ArrayLike, share: float) -> Values:
        """Return InfoNCE with each anchor's hardest negatives only (Wang and Liu 2021, eq. 8-9), (T, P).

        Parameters
        ----------
        temperatures : array_like
        share : float
            Of the negatives that are kept, in (0, 1]; their number is rounded up.
        """
        if not 0 < share <= 1:
            raise InputError(f"share = {share!r}", where="truncated_loss", allowed="above 0, up to 1")
        counts = self.points[1]
        owner = self._owner
        before = np.cumsum(counts) - counts
        first = np.concatenate([before, [counts.sum()]])[self.starts[:-1]]
        # Less a rounding error: 0.1 of 30 is 3, not 4.
        kept = np.ceil(share * self.n_negatives - 1e-9)
        inside = np.clip(kept[owner] - (before - first[owner]), 0.0, counts)
        # Of the cell that is cut only the upper part stays: of scores spread evenly around the mean.
        cut = np.flatnonzero((inside > 0) & (inside < counts))
        lifted = np.sqrt(3 * self.variance[cut]) * (1 - inside[cut] / counts[cut])
        margin = []
        for tau in _temperatures(temperatures):
            kept_here = inside.copy()
            kept_here[cut] *= np.exp(lifted / tau)
            margin.append(self._log_mass(1 / tau, kept_here))
        return np.logaddexp(0.0, self._against_positives(np.stack(margin), temperatures))

    def reweighted_loss(
        self, temperatures: ArrayLike, concentration: float, prior: float
    ) -> tuple[Values, NDArray[np.bool_]]:
        """Return the debiased loss with hard negatives weighted up (Robinson and others 2021), and who is clamped.

        Parameters
        ----------
        temperatures : array_like
        concentration : float
            Beta >= 0: negatives weigh exp(beta s / tau); 0 is the debiased loss (Chuang and others 2020).
        prior : float
            Chance that a negative has the anchor's class, in [0, 1).

        Returns
        -------
        loss : NDArray[np.float64], shape (T, P)
        clamped : NDArray[np.bool_], shape (T, P)
            Where the estimate fell below its smallest possible value, M exp(-1 / tau), and stands there.
        """
        if concentration < 0 or not 0 <= prior < 1:
            raise InputError(
                f"concentration = {concentration!r}, prior = {prior!r}",
                where="reweighted_loss",
                allowed="concentration >= 0, prior in [0, 1)",
            )
        counts = self.points[1]
        owner = self.sketch.anchor_of_positive()
        losses, clamped = [], []
        with np.errstate(divide="ignore", invalid="ignore"):
            log_count = np.log(self.n_negatives)
            for tau in _temperatures(temperatures):
                weighted = self._log_mass((1 + concentration) / tau, counts) - self._log_mass(
                    concentration / tau, counts
                )
                # All relative to the positive: log of (M E_w[exp(s / tau)] / p), and so on.
                hard = (log_count + weighted)[owner] - self.sketch.positives / tau
                least = log_count[owner] - 1 / tau - self.sketch.positives / tau
                share = prior * np.exp(log_count[owner] - hard)
                log_estimate = np.where(share < 1, hard + np.log1p(-np.minimum(share, 1.0)), -np.inf) - np.log1p(-prior)
                clamped.append(log_estimate < least)
                losses.append(np.logaddexp(0.0, np.maximum(log_estimate, least)))
        return np.stack(losses), np.stack(clamped)

    def batch_loss(self, temperatures: ArrayLike, n_negatives: int, *, draws: int = 16, seed: int = 0) -> BatchLoss:
        """Return mean InfoNCE when an anchor meets so many negatives, drawn without replacement from all of its own.

        Every temperature sees the same draws. `mean_field_batch_loss` needs none, and is too high.
        """
        self._check_batch(n_negatives)
        taus = _temperatures(temperatures)
        generator = np.random.default_rng(seed)
        counts = self.points[1]
        whole = np.rint(counts).astype(np.int64)
        found = np.zeros((draws, len(taus)))
        for part in range(draws):
            drawn = np.zeros(len(counts))
            for start, stop in zip(self.starts[:-1], self.starts[1:], strict=True):
                take = min(n_negatives, int(whole[start:stop].sum()))
                drawn[start:stop] = generator.multivariate_hypergeometric(whole[start:stop], take, method="marginals")
            mass = np.stack([self._log_mass(1 / tau, drawn) for tau in taus])
            found[part] = np.logaddexp(0.0, self._against_positives(mass, taus)).mean(axis=1)
        return BatchLoss(found.mean(axis=0), found.std(axis=0, ddof=1) / math.sqrt(draws))

    def mean_field_batch_loss(self, temperatures: ArrayLike, n_negatives: int) -> Values:
        """Return the mean-field shortcut to `batch_loss`, (T,): the negatives' sum stands at its expectation.

        By Jensen's inequality never below the expected loss; close to it where many negatives share the sum.
        """
        self._check_batch(n_negatives)
        with np.errstate(divide="ignore"):
            log_share = np.log(np.minimum(1.0, n_negatives / self.n_negatives))
        mass = self.log_sum_exp(temperatures) + log_share
        found: Values = np.logaddexp(0.0, self._against_positives(mass, temperatures)).mean(axis=1)
        return found

    def _check_batch(self, n_negatives: int) -> None:
        if n_negatives < 1:
            raise InputError(f"n_negatives = {n_negatives!r}", where="batch_loss", allowed="1 or more")

    def _margin(self, temperatures: ArrayLike) -> Values:
        """Return log-sum-exp of the negatives less the positive's logit, (T, P)."""
        return self._against_positives(self.log_sum_exp(temperatures), temperatures)

    def _against_positives(self, log_mass: Values, temperatures: ArrayLike) -> Values:
        taus = _temperatures(temperatures)[:, None]
        return log_mass[:, self.sketch.anchor_of_positive()] - self.sketch.positives / taus

    @cached_property
    def _owner(self) -> NDArray[np.int64]:
        """The anchor of each point."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    @cached_property
    def _largest(self) -> Values:
        """The largest score of each anchor; 0 without negatives."""
        found = np.zeros(len(self.starts) - 1)
        has = np.diff(self.starts) > 0
        found[has] = self.points[0][self.starts[:-1][has]]
        return found

    @cached_property
    def _distance(self) -> Values:
        """Each point's score less the largest of its anchor."""
        distance: Values = self.points[0] - self._largest[self._owner]
        return distance

    def _exponentials(self, factor: float) -> Values:
        """Return the mean of exp(factor * (s - largest)) at each point."""
        found = np.exp(factor * self._distance)
        found *= 1 + (0.5 * factor**2) * self.variance
        return found

    def _log_mass(self, factor: float, counts: Values) -> Values:
        """Return log of the sum of exp(factor * s) over so many candidates at each point, shape (A,)."""
        with np.errstate(divide="ignore"):
            total = np.log(_by_anchor(counts * self._exponentials(factor), self.starts, 0.0))
        found: Values = total + factor * self._largest
        return found


def uniformity(histograms: Sequence[ScoreHistogram], t: ArrayLike) -> Values:
    """Return log of the mean of exp(-t d^2) over pairs within a view (Wang and Isola 2020), mean over views, (T,).

    Parameters
    ----------
    histograms : sequence of ScoreHistogram
        Pairs of distinct rows within each view, labels whatever they are.
    t : array_like
        Above 0; the authors use 2.
    """
    values = _temperatures(t)
    each = [[histogram.log_mean_exp(2 * value) - 2 * value for value in values] for histogram in histograms]
    found: Values = np.mean(each, axis=0)
    return found


def _temperatures(temperatures: ArrayLike) -> Values:
    values = np.atleast_1d(np.asarray(temperatures, dtype=np.float64))
    if values.ndim != 1 or not len(values) or not (np.isfinite(values) & (values > 0)).all():
        raise InputError(f"temperatures = {temperatures!r}", where="queries", allowed="one or more numbers above 0")
    return values


def _variance_within_cells(
    sketch: AnchorSketch, roles: PairRoles, points: tuple[Values, Values, Values], starts: NDArray[np.int64]
) -> Values:
    """Return what the exact sum of squares leaves over the cells' means, shared evenly by cells of two or more."""
    scores, counts, own = points
    owner = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    found = np.zeros(len(scores))
    for label, relations in ((1.0, [Relation.SAME_LABEL]), (0.0, [Relation.DIFFERENT_LABEL, Relation.UNKNOWN_LABEL])):
        here = np.where(own == label, counts, 0.0)
        exact = sum(sketch.candidates[view].moments[:, relations, 2].sum(axis=1) for view in sketch.views_for(roles))
        spread = exact - _by_anchor(here * scores**2, starts, 0.0)
        shared = _by_anchor(np.where(counts > 1, here, 0.0), starts, 0.0)
        # Rounding can push it a little below 0.
        variance = np.divide(np.maximum(0.0, spread), shared, out=np.zeros_like(shared), where=shared > 0)
        found += np.where((counts > 1) & (own == label), variance[owner], 0.0)
    return found


def _by_anchor(values: Values, starts: NDArray[np.int64], empty: float) -> Values:
    """Sum the values of each anchor's points, shape (A,)."""
    has = np.flatnonzero(np.diff(starts) > 0)
    found = np.full(len(starts) - 1, empty)
    if len(has):
        found[has] = np.add.reduceat(values, starts[:-1][has])
    return found

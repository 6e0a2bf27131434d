"""What the negatives of every anchor say at any temperature: read from cells and exact tail, no pair is touched.

Temperatures come as an array of T; answers have shape (T, A) for anchors, or (T, P) for their positives. Where another
parameter is an array too (batch sizes, shares, ...), its axis is the second: (T, B, P).
`cl_viz.engine.candidate_points` says what is exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cl_viz.core.errors import InputError, MissingInputError
from cl_viz.core.lazily import lazily
from cl_viz.engine.anchor_sketch import OTHER, SAME, AnchorSketch
from cl_viz.engine.batch_answers import LOSS, MULTIPLIER, MULTIPLIER_AND_VARIANCE, Asked, expected_in_batches
from cl_viz.engine.candidate_points import CandidatePoints
from cl_viz.engine.pair_sketch import PairRoles, Relation
from cl_viz.engine.query_arguments import as_reweighting, as_scores, as_temperatures, at_each, numbers, whole
from cl_viz.engine.score_grid import ScoreGrid

Values = NDArray[np.float64]
_BATCH = "a question about batches"


@dataclass(frozen=True)
class AnchorQueries:
    """Questions to the anchors of one view.

    With views as positives, the positives are pairs of one sample, and everything else is a negative. With labels as
    positives, negatives are candidates of another label (or of none); `supcon_out_loss` is the loss of that case, and
    questions about single positives are refused.

    Attributes
    ----------
    sketch : AnchorSketch
    roles : PairRoles
    points : CandidatePoints
        The negatives.
    same_label : CandidatePoints or None
        With label positives: the positives, pairs of one sample among them.
    """

    sketch: AnchorSketch
    roles: PairRoles
    points: CandidatePoints
    same_label: CandidatePoints | None = None

    @classmethod
    def of(cls, sketch: AnchorSketch, roles: PairRoles) -> AnchorQueries:
        """Prepare the points.

        Raises
        ------
        MissingInputError
            With label positives, if no candidate has the label of its anchor.
        """
        if roles.positives == "views":
            return cls(sketch, roles, CandidatePoints.kept(sketch, roles))
        labels = [sketch.candidates[view].moments[:, int(Relation.SAME_LABEL), 0] for view in sketch.views_for(roles)]
        if not np.any(labels):
            raise MissingInputError(
                "no anchor has a positive of its label",
                remedy="add a label column in which samples share labels (Data page)",
            )
        positives = CandidatePoints.of(sketch, roles, side=SAME)
        return cls(sketch, roles, CandidatePoints.of(sketch, roles, side=OTHER), positives)

    @property
    def n_negatives(self) -> Values:
        """Negatives of each anchor, shape (A,)."""
        return self.points.total

    @lazily
    def label_coverage(self) -> Values:
        """Share of each anchor's negatives of which it is known whether they have its label, shape (A,), in (0, 1].

        NaN where that is known of none, such as for an anchor without a label; NaN throughout with label positives.
        """
        if self.roles.positives == "labels":
            return np.full(len(self.sketch.rows), np.nan)
        return self.sketch.label_coverage(self.roles)

    @lazily
    def grid(self) -> ScoreGrid:
        """The negatives on a grid of scores."""
        return self._kept_grid(own=False)

    @lazily
    def own_grid(self) -> ScoreGrid:
        """Those of the anchor's own label."""
        return self._kept_grid(own=True)

    def _kept_grid(self, *, own: bool) -> ScoreGrid:
        """Return a grid that is made once for a sketch, whoever asks."""
        key = ("grid", self.roles, own)
        if key not in self.sketch.points:
            # Batches are asked about positives that are about as high together.
            lowest = np.full(len(self.sketch.rows), np.inf)
            np.minimum.at(lowest, self.sketch.anchor_of_positive(), self.sketch.positives)
            self.sketch.points[key] = ScoreGrid.of(self.points.every, own=own, order=np.argsort(lowest))
        found = self.sketch.points[key]
        assert isinstance(found, ScoreGrid)
        return found

    def log_sum_exp(self, temperatures: ArrayLike) -> Values:
        """Return log of the sum over negatives of exp(s / tau), (T, A); -inf without negatives."""
        return np.stack([self._negatives(1 / tau).log_mass(1 / tau) for tau in as_temperatures(temperatures)])

    def supcon_out_loss(self, temperatures: ArrayLike) -> Values:
        """Return SupCon with the mean outside the logarithm (Khosla and others 2020, eq. 2), (T, A).

        The mean over an anchor's positives of -log(exp(s / tau) / sum over all its candidates). Candidates without a
        label stand in that sum. NaN for an anchor without positives.

        Raises
        ------
        InputError
            If positives are views.
        """
        if self.same_label is None:
            raise InputError("positives = 'views'", where="supcon_out_loss", allowed="'labels'")
        count = self.same_label.total
        mean = np.divide(self._positive_sum(), count, out=np.full(len(count), np.nan), where=count > 0)
        found = []
        for tau in as_temperatures(temperatures):
            mass = np.logaddexp(self.points.log_mass(1 / tau), self.same_label.log_mass(1 / tau))
            found.append(mass - mean / tau)
        return np.stack(found)

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
        found = []
        for tau in as_temperatures(temperatures):
            total, mean = self._negatives(1 / tau).mass_and_mean(1 / tau)
            with np.errstate(divide="ignore", invalid="ignore"):
                found.append(np.where(total > 0, np.maximum(0.0, np.log(total) - mean / tau), np.nan))
        return np.stack(found)

    def relative_penalty(self, temperatures: ArrayLike, scores: ArrayLike) -> Values:
        """Return the share of an anchor's repulsion that one negative of a score gets (Wang and Liu 2021), (T, S, A).

        Parameters
        ----------
        temperatures : array_like
        scores : array_like, shape (S,)
            In [-1, 1]. The shares of an anchor's negatives add up to 1; a score above all of them is that of none,
            and the answer may be above 1 there, up to infinity.

        Returns
        -------
        NDArray[np.float64]
            NaN for an anchor without negatives.
        """
        taus = as_temperatures(temperatures)[:, None, None]
        at = as_scores(scores, "relative_penalty")[None, :, None]
        with np.errstate(over="ignore"):
            found = np.exp(at / taus - self.log_sum_exp(temperatures)[:, None])
        return np.where(self.n_negatives > 0, found, np.nan)

    def hard_negative_weight(self, temperatures: ArrayLike, concentration: float, scores: ArrayLike) -> Values:
        """Return what one negative of a score counts for in `reweighted_loss`; 1 on average, (T, S, A).

        The weight exp(beta s / tau) over its mean over the anchor's negatives (Robinson and others 2021); NaN without
        any.

        Raises
        ------
        InputError
            If the concentration is not one number of 0 or more, or a temperature or score is out of range.
        """
        where = "hard_negative_weight"
        if numbers(concentration, "concentration", where).ndim:
            raise InputError(f"concentration = {concentration!r}", where=where, allowed="one number, 0 or more")
        as_reweighting(concentration, 0.0, where)
        taus, at = as_temperatures(temperatures), as_scores(scores, where)
        if concentration == 0:
            alike = np.where(self.n_negatives > 0, 1.0, np.nan)
            return np.broadcast_to(alike, (len(taus), len(at), len(alike))).copy()
        return self.n_negatives * self.relative_penalty(taus / concentration, at)

    def effective_negatives(self, temperatures: ArrayLike) -> Values:
        """Return exp of the entropy, in [1, negatives], (T, A); NaN without negatives."""
        found: Values = np.exp(self.entropy(temperatures))
        return found

    def effective_sample_size(self, temperatures: ArrayLike) -> Values:
        """Return 1 / sum of squared relative penalties, in [1, negatives], (T, A); NaN without negatives."""
        found = []
        for tau in as_temperatures(temperatures):
            single, double = self._negatives(2 / tau).masses((1 / tau, 2 / tau))
            with np.errstate(divide="ignore", invalid="ignore"):
                found.append(np.clip(np.square(single) / double, 1.0, np.maximum(1.0, self.n_negatives)))
        return np.stack(found)

    def false_negative_mass(self, temperatures: ArrayLike) -> Values:
        """Return the share of the relative penalties on negatives of the anchor's own label, (T, A).

        Negatives without a label count as not of the anchor's: the share is what is known to lie on its label, and
        `label_coverage` says of how many of its negatives it is known. NaN for an anchor without a label, without
        negatives, or none of whose negatives has a label; NaN throughout with label positives.
        """
        found, taus, told = [], as_temperatures(temperatures), np.isfinite(self.label_coverage)
        if not told.any():
            return np.full((len(taus), len(told)), np.nan)
        for tau in taus:
            if self.grid.fits(1 / tau):
                (total,), (own,) = (grid.masses([1 / tau]) for grid in (self.grid, self.own_grid))
            else:
                total, own = self.points.mass_and_own(1 / tau)
            found.append(np.divide(own, total, out=np.full(len(total), np.nan), where=told & (total > 0)))
        return np.stack(found)

    def truncated_loss(self, temperatures: ArrayLike, share: ArrayLike) -> Values:
        """Return InfoNCE with each anchor's hardest negatives only (Wang and Liu 2021, eq. 8-9), (T, P).

        Parameters
        ----------
        temperatures : array_like
        share : float or array_like
            Of the negatives that are kept, in (0, 1]; their number is rounded up.
        """
        return at_each(share, "share", "truncated_loss", lambda value: self._truncated_loss(temperatures, value))

    def _truncated_loss(self, temperatures: ArrayLike, share: float) -> Values:
        if not 0 < share <= 1:
            raise InputError(f"share = {share!r}", where="truncated_loss", allowed="above 0, up to 1")
        # Less a rounding error: 0.1 of 30 is 3, not 4.
        kept = np.ceil(share * self.n_negatives - 1e-9)
        margin = [self.points.log_mass_of_hardest(1 / tau, kept) for tau in as_temperatures(temperatures)]
        return np.logaddexp(0.0, self._against_positives(np.stack(margin), temperatures))

    def reweighted_loss(
        self, temperatures: ArrayLike, concentration: ArrayLike, prior: ArrayLike
    ) -> tuple[Values, NDArray[np.bool_]]:
        """Return the debiased loss with hard negatives weighted up (Robinson and others 2021), and who is clamped.

        Parameters
        ----------
        temperatures : array_like
        concentration : float or array_like
            Beta >= 0: negatives weigh exp(beta s / tau); 0 is the debiased loss (Chuang and others 2020).
        prior : float or array_like
            Chance that a negative has the anchor's class, in [0, 1); an array goes along with the concentrations.

        Returns
        -------
        loss : NDArray[np.float64], shape (T, P)
        clamped : NDArray[np.bool_], shape (T, P)
            Where the estimate fell below its smallest possible value, M exp(-1 / tau), and stands there.
        """
        betas, priors = as_reweighting(concentration, prior, "reweighted_loss")
        if not betas.ndim:
            return self._reweighted_loss(temperatures, float(betas), float(priors))
        found = [
            self._reweighted_loss(temperatures, *both) for both in zip(betas.tolist(), priors.tolist(), strict=True)
        ]
        return np.stack([loss for loss, _ in found], axis=1), np.stack([clamped for _, clamped in found], axis=1)

    def _reweighted_loss(
        self, temperatures: ArrayLike, concentration: float, prior: float
    ) -> tuple[Values, NDArray[np.bool_]]:
        self._need_views()
        owner = self.sketch.anchor_of_positive()
        losses, clamped = [], []
        with np.errstate(divide="ignore", invalid="ignore"):
            log_count = np.log(self.n_negatives)
            for tau in as_temperatures(temperatures):
                factors = (1 + concentration) / tau, concentration / tau
                largest = self.points.largest / tau
                weighted = np.subtract(*np.log(self._negatives(factors[0]).masses(factors))) + largest
                # All relative to the positive: log of (M E_w[exp(s / tau)] / p), and so on.
                hard = (log_count + weighted)[owner] - self.sketch.positives / tau
                least = log_count[owner] - 1 / tau - self.sketch.positives / tau
                share = prior * np.exp(log_count[owner] - hard)
                log_estimate = np.where(share < 1, hard + np.log1p(-np.minimum(share, 1.0)), -np.inf) - np.log1p(-prior)
                clamped.append(log_estimate < least)
                losses.append(np.logaddexp(0.0, np.maximum(log_estimate, least)))
        return np.stack(losses), np.stack(clamped)

    def batch_loss(self, temperatures: ArrayLike, n_negatives: ArrayLike) -> Values:
        """Return the InfoNCE of each positive to expect in a batch, (T, P).

        The mean over all batches of so many negatives, drawn without replacement from those of the anchor; all of
        them where it has no more; an array of numbers is answered along a second axis. See
        `cl_viz.engine.batch_expectation`.
        """
        return self._expected(temperatures, n_negatives, LOSS, self.loss)

    def batch_npc_multiplier(self, temperatures: ArrayLike, n_negatives: ArrayLike) -> Values:
        """Return 1 - P(positive) to expect in a batch, (T, P); see `batch_loss`."""
        return self._expected(temperatures, n_negatives, MULTIPLIER, self.npc_multiplier)

    def batch_npc_deviation(self, temperatures: ArrayLike, n_negatives: ArrayLike) -> Values:
        """Return how far 1 - P(positive) varies from batch to batch, (T, P): its standard deviation; see `batch_loss`.

        0 where a batch holds all negatives of the anchor. Its square is off by up to 5e-3 among 30 negatives or fewer,
        5e-4 among 100 and 1e-4 among 400; below 1e-4 it is lost in single precision.
        """
        return self.batch_npc_moments(temperatures, n_negatives)[1]

    def batch_npc_moments(self, temperatures: ArrayLike, n_negatives: ArrayLike) -> tuple[Values, Values]:
        """Return `batch_npc_multiplier` and `batch_npc_deviation`, each (T, P), in the time of the latter alone."""

        def of_all(taus: Values) -> Values:
            multiplier = self.npc_multiplier(taus)
            return np.stack([multiplier, np.zeros_like(multiplier)], axis=1)

        found = self._expected(temperatures, n_negatives, MULTIPLIER_AND_VARIANCE, of_all)
        return found[..., 0, :], np.sqrt(found[..., 1, :])

    def _expected(
        self, temperatures: ArrayLike, n_negatives: ArrayLike, ask: Asked, of_all: Callable[[Values], Values]
    ) -> Values:
        """Return expected values for every positive, of batches of one size or several."""
        self._need_views()
        return at_each(
            n_negatives,
            "n_negatives",
            _BATCH,
            lambda size: self._expected_of(temperatures, whole(size, _BATCH), ask, of_all),
        )

    def _expected_of(
        self, temperatures: ArrayLike, n_negatives: int, ask: Asked, of_all: Callable[[Values], Values]
    ) -> Values:
        """Return expected values for every positive; those of all negatives where a batch holds them all."""
        taus, fewer = as_temperatures(temperatures), self.n_negatives <= n_negatives
        owner = self.sketch.anchor_of_positive()
        found = of_all(taus) if fewer[owner].any() else np.empty((len(taus), *ask.several, len(owner)))
        if not fewer[owner].all():
            expected_in_batches(found, self.sketch, self.grid, self.n_negatives, taus, n_negatives, ask)
        return found

    def mean_field_batch_loss(self, temperatures: ArrayLike, n_negatives: ArrayLike) -> Values:
        """Return the mean-field shortcut to `batch_loss`, (T,): the negatives' sum stands at its expectation.

        By Jensen's inequality never below the expected loss; close to it where many negatives share the sum.

        Raises
        ------
        MissingInputError
            If no anchor has a positive.
        """
        self._need_views()
        if not len(self.sketch.positives):
            raise MissingInputError(
                "there are no positive pairs", where="mean_field_batch_loss", remedy="add a second view of the samples"
            )
        return at_each(
            n_negatives,
            "n_negatives",
            "mean_field_batch_loss",
            lambda size: self._mean_field_batch_loss(temperatures, whole(size, "mean_field_batch_loss")),
        )

    def _mean_field_batch_loss(self, temperatures: ArrayLike, n_negatives: int) -> Values:
        with np.errstate(divide="ignore"):
            log_share = np.log(np.minimum(1.0, n_negatives / self.n_negatives))
        mass = self.log_sum_exp(temperatures) + log_share
        found: Values = np.logaddexp(0.0, self._against_positives(mass, temperatures)).mean(axis=1)
        return found

    def _negatives(self, factor: float) -> ScoreGrid | CandidatePoints:
        """Return what sums exp(factor * s) over negatives: the grid, where its points are close enough."""
        return self.grid if self.grid.fits(factor) else self.points

    def _margin(self, temperatures: ArrayLike) -> Values:
        """Return log-sum-exp of the negatives less the positive's logit, (T, P)."""
        return self._against_positives(self.log_sum_exp(temperatures), temperatures)

    def _against_positives(self, log_mass: Values, temperatures: ArrayLike) -> Values:
        self._need_views()
        taus = as_temperatures(temperatures)[:, None]
        return log_mass[:, self.sketch.anchor_of_positive()] - self.sketch.positives / taus

    def _positive_sum(self) -> Values:
        """Sum of the scores of each anchor's label positives, exactly, shape (A,)."""
        found = np.bincount(
            self.sketch.anchor_of_positive(), weights=self.sketch.positives, minlength=len(self.sketch.rows)
        ).astype(np.float64)
        for view in self.sketch.views_for(self.roles):
            found += self.sketch.candidates[view].moments[:, int(Relation.SAME_LABEL), 1]
        return found

    def _need_views(self) -> None:
        if self.roles.positives != "views":
            raise InputError(
                "positives = 'labels'",
                where="a question about single positives",
                allowed="'views'",
                remedy="ask supcon_out_loss",
            )

"""How far a mean over anchors would move with other samples: the jackknife, of samples as anchors and as negatives.

A sample is an anchor, and a negative of every other anchor. Leaving it out takes its own value from the mean, and
changes that of every other anchor a little. Both are followed here: sums over an anchor's negatives are known from the
sketch, and what one sample adds to them from its scores with that anchor. Up to `MOST` samples leave one after another
and the jackknife is complete; of more, so many drawn ones stand for all, and what drawing them adds to the variance is
taken off again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.lazily import lazily
from cl_viz.core.result import Interval, influence_interval
from cl_viz.engine.rows import choose_rows

Values = NDArray[np.float64]
Narrow = NDArray[np.float32]
MOST = 400
"""Samples that leave, one after another."""
SEED = 0
"""Of which leave, where there are more."""
LEAST_SIZE = 4.0
"""Where the push rests on fewer negatives (by the sum of squares) a few samples decide: intervals are then not shown,
since they hold the truth less often, or more, than they say."""
SAME_SCORE = 1e-6
"""Scores so close are one score, computed twice."""
_ROUNDING = 1e-9
"""Of a number: standard errors below are rounding, as of rows that are all equal."""
_LEAST_LEFT = np.float32(1e-6)
"""Share of an anchor's push that is left at least when one sample leaves: what rounding knows of it."""


@dataclass(frozen=True)
class SubsetScores:
    """Scores of some samples with each other.

    Attributes
    ----------
    places : NDArray[np.int64], shape (m,)
        Which of the anchors they are.
    scores : tuple of NDArray[np.float32], one a view, each of shape (K, m, m)
        Of the sample as anchor of that view with each sample in K views; -inf with itself.
    same : NDArray[np.bool_] or None, shape (m, m)
        Whether labels agree.
    """

    places: NDArray[np.int64]
    scores: tuple[Narrow, ...]
    same: NDArray[np.bool_] | None

    @classmethod
    def of(
        cls, embedding_set: EmbeddingSet, rows: NDArray[np.int64], views: tuple[tuple[str, tuple[str, ...]], ...]
    ) -> SubsetScores:
        """Score samples of an aligned set.

        Parameters
        ----------
        embedding_set : EmbeddingSet
        rows : NDArray[np.int64]
            Of the anchors.
        views : tuple of (str, tuple of str)
            Each view that has anchors, and the views that hold their negatives.
        """
        places = choose_rows(len(rows), MOST, SEED)
        chosen = rows[places]
        units = {}
        for view in embedding_set.view_names:
            unit = np.asarray(embedding_set.views[view][chosen], dtype=np.float64)
            units[view] = unit / embedding_set.quality[view].norms[chosen][:, None]
        itself = np.eye(len(chosen), dtype=np.bool_)
        found = []
        for view, others in views:
            scores = np.stack([units[view] @ units[other].T for other in others]).astype(np.float32)
            scores[:, itself] = -np.inf
            found.append(scores)
        codes = embedding_set.codes("label")
        same = None
        if codes is not None:
            label = codes[0][0][chosen]
            same = (label[:, None] == label[None]) & (label >= 0)[:, None]
        return cls(places, tuple(found), same)


@dataclass(frozen=True)
class Leaving:
    """What a sample takes along from the push of every other anchor of one view when it leaves.

    Attributes
    ----------
    scores : NDArray[np.float32], shape (K, m, m)
        Anchors by samples that leave.
    temperature : float or NDArray[np.float64], shape (m, 1)
        Of all anchors, or of each.
    log_sum : NDArray[np.float64], shape (m,)
        Of the anchors, over all their negatives.
    same : NDArray[np.bool_] or None, shape (m, m)
    """

    scores: Narrow
    temperature: float | Values
    log_sum: Values
    same: NDArray[np.bool_] | None

    @lazily
    def _logits(self) -> Narrow:
        found = self.scores / np.asarray(self.temperature, dtype=np.float32)
        found -= self.log_sum.astype(np.float32)[:, None]
        return np.asarray(np.minimum(found, np.float32(0)))

    @lazily
    def _penalties(self) -> Narrow:
        return np.asarray(np.exp(self._logits))

    @lazily
    def share(self) -> Narrow:
        """Share of the push that leaves, (m, m)."""
        return np.asarray(self._penalties.sum(axis=0))

    @lazily
    def left(self) -> Narrow:
        """Share of the push that is left."""
        return np.asarray(np.maximum(1 - self.share, _LEAST_LEFT))

    @lazily
    def log_left(self) -> Narrow:
        """Logarithm of that: what the log-sum-exp of the negatives changes by."""
        return np.log(self.left)

    @lazily
    def _terms(self) -> Narrow:
        with np.errstate(invalid="ignore"):
            return np.asarray(np.where(self._penalties > 0, self._penalties * self._logits, 0).sum(axis=0))

    def entropy(self, whole: Values) -> Narrow:
        """Return the entropy of what is left, from that of all negatives, (m, m)."""
        rest = np.maximum(_column(whole) + self._terms, 0)
        return np.asarray(np.maximum(rest / self.left + self.log_left, 0))

    def own_label(self, whole: Values) -> Narrow:
        """Return the share of what is left on the anchor's own label, (m, m)."""
        assert self.same is not None
        own = np.where(self.same, self.share, 0)
        return np.asarray(np.clip((_column(whole) - own) / self.left, 0, 1))


@dataclass(frozen=True)
class SampleNoise:
    """Turns what anchors' values are, and become when a sample leaves, into intervals.

    Attributes
    ----------
    places : NDArray[np.int64], shape (m,)
        Which of the anchors leave.
    n_samples : int
        Samples of the set.
    most_anchors : int or None
        Of so many drawn anchors the mean is; None for all that values are given of.
    """

    places: NDArray[np.int64]
    n_samples: int
    most_anchors: int | None = None

    def interval(
        self,
        value: float,
        by_view: tuple[Values, ...],
        without: Callable[[int], NDArray[np.floating]],
        limits: tuple[float, float] = (-math.inf, math.inf),
        *,
        pairs_twice: bool = False,
    ) -> Interval | None:
        """Return the interval of a mean over anchors.

        Parameters
        ----------
        value : float
            The mean.
        by_view : tuple of NDArray[np.float64], shape (A,)
            The value of every anchor, view by view; the same samples in each.
        without : callable
            Given the number of a view, returns the values of the m anchors (rows) when each of the m samples (columns)
            leaves, (m, m).
        limits : tuple of float
            As in `influence_interval`.
        pairs_twice : bool
            Take off what pairs of samples do together and is counted twice, in proportion to its part of the variance:
            nearly all of it where directions are random, and little where samples are of kinds.

        Returns
        -------
        Interval or None
            None where a value is not finite.

        Notes
        -----
        What pairs of samples do together is counted twice by leaving samples out one by one (Efron and Stein 1981, The
        Jackknife Estimate of Variance).
        """
        own = np.mean(by_view, axis=0)
        if len(self.places) < 3 or not np.isfinite(own).all():
            return None
        moved = self._moved(by_view, without)
        if not np.isfinite(moved).all():
            return None
        influence = own[self.places] + (self.n_samples - 1) / (len(moved) - 1) * moved.sum(axis=0)
        error = self._squared_error(own, influence, moved, pairs_twice=pairs_twice)
        if error <= (_ROUNDING * value) ** 2:
            return None
        size = float(influence.var(ddof=1)) / error
        found = influence_interval(value, influence, sizes=[size], limits=limits)  # type: ignore[list-item]
        # Two runs are not compared sample by sample: what pairs do together is no sum over samples.
        return replace(found, method=self._method, influences=None)

    def _moved(self, by_view: tuple[Values, ...], without: Callable[[int], NDArray[np.floating]]) -> Values:
        """Return how much each anchor loses when each sample leaves, mean over views; 0 for itself, (m, m)."""
        moved = np.zeros((len(self.places), len(self.places)))
        for view, values in enumerate(by_view):
            moved += (values[self.places][:, None] - without(view)) / len(by_view)
        np.fill_diagonal(moved, 0.0)
        return moved

    def _squared_error(self, own: Values, influence: Values, moved: Values, *, pairs_twice: bool) -> float:
        """Return the variance of the mean: between samples, less what drawing them adds, and of drawn anchors."""
        m, n_samples = len(moved), self.n_samples
        spread = float(influence.var(ddof=1))
        if n_samples > m:
            mean = moved.sum(axis=0) / (m - 1)
            variance = (np.square(moved).sum(axis=0) - (m - 1) * mean**2) / (m - 2)
            noise = (n_samples - 1) ** 2 / (m - 1) * (1 - (m - 1) / (n_samples - 1)) * variance
            spread = max(0.0, spread - float(noise.mean()))
        if pairs_twice:
            together = n_samples * _interaction(moved)
            spread -= together / 2 * min(1.0, together / spread) if spread > 0 else 0.0
        n_anchors = min(len(own), self.most_anchors or len(own))
        return spread / n_samples + float(own.var(ddof=1)) * (1 / n_anchors - 1 / n_samples)

    @property
    def _method(self) -> str:
        m, leaving = len(self.places), f"{self.n_samples:,} samples left out one by one"
        if m < self.n_samples:
            leaving = f"{m:,} of {leaving}, drawn with seed {SEED}"
        return f"jackknife over samples, as anchors and as negatives ({leaving})"


def _interaction(moved: Values) -> float:
    """Return the mean square of what two samples do together: `moved` both ways, less what each does on average."""
    m = len(moved)
    pairs = moved + moved.T
    mean = pairs.sum(axis=0) / (m - 2)
    pairs -= mean[:, None] + mean[None] - mean.sum() / (m - 1)
    np.fill_diagonal(pairs, 0.0)
    return float(np.square(pairs).sum() / (m * (m - 3))) if m > 3 else 0.0


def _column(values: Values) -> Narrow:
    return values.astype(np.float32)[:, None]

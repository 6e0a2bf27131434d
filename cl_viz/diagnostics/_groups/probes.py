"""Probes: what neighbours and a linear classifier know of a column, always judged on rows they were not fitted to.

Codes are integers 0..K-1 as `EmbeddingSet.codes` gives them, with -1 where the value is missing; predictions are kept a
sample, so that accuracies of classes and groups follow from them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.validation import row_blocks

Codes = NDArray[np.int64]
Rows = NDArray[np.float64]
Scaling = Literal["standardised", "unit", "stored"]
"""Rows of a linear probe: columns of mean 0 and variance 1 over the training rows; unit length; as stored."""

MOST_ITERATIONS = 1000
_BLOCK_VOTES = 1 << 22


def probe_rows(embedding_set: EmbeddingSet, view: str, index: Codes, scaling: Scaling) -> Rows:
    """Return the rows `index` of a view in float64, of unit length where `scaling` says so, shape (n, D).

    Standardising is left to `fit_probe`, which sees what the training rows are.
    """
    array = embedding_set.views[view]
    rows = np.empty((len(index), array.shape[1]))
    for block in row_blocks(rows):
        rows[block] = array[index[block]]
    if scaling == "unit":
        rows /= embedding_set.quality[view].norms[index][:, None]
    return rows


# -- splits ----------------------------------------------------------------------------------------------------------
def stratified_sample(codes: Codes, most: int, seed: int) -> Codes:
    """Return `most` places, every class by its share and none emptied, ascending.

    All where there are no more; one a class where classes are more. Parts of a sample go to the largest remainders.
    """
    if len(codes) <= most:
        return np.arange(len(codes))
    generator = np.random.default_rng(seed)
    present, counts = np.unique(codes, return_counts=True)
    shares = counts * most / len(codes)
    sizes = np.maximum(1, np.floor(shares).astype(np.int64))
    sizes[np.argsort(sizes - shares, kind="stable")[: max(0, most - int(sizes.sum()))]] += 1
    while sizes.sum() > most and sizes.max() > 1:
        sizes[sizes.argmax()] -= 1
    kept = [
        generator.choice(np.flatnonzero(codes == code), size, replace=False)
        for code, size in zip(present, sizes, strict=True)
    ]
    return np.sort(np.concatenate(kept))


def classes_of_size(codes: Codes, least: int) -> NDArray[np.bool_]:
    """Return which entries have a value that at least `least` entries have, shape (n,)."""
    counts = np.bincount(codes[codes >= 0], minlength=1)
    return (codes >= 0) & (counts[np.maximum(codes, 0)] >= least)


def stratified_folds(codes: Codes, folds: int, seed: int) -> Codes:
    """Return the fold of every entry, 0..folds-1; each class is spread over all folds.

    Raises
    ------
    ValueError
        If every class has fewer than `folds` entries; drop small classes with `classes_of_size` first.
    """
    from sklearn.model_selection import StratifiedKFold

    fold = np.zeros(len(codes), dtype=np.int64)
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # A class smaller than the folds is the caller's own choice.
        for number, (_, held_out) in enumerate(splitter.split(np.zeros((len(codes), 1)), codes)):
            fold[held_out] = number
    return fold


def stratified_split(codes: Codes, test_share: float, seed: int) -> tuple[Codes, Codes]:
    """Return the places of training and of test entries, ascending; every class keeps its share.

    Raises
    ------
    ValueError
        If a class has one entry, or the test part would have fewer entries than there are classes.
    """
    from sklearn.model_selection import train_test_split

    places = np.arange(len(codes))
    train, test = train_test_split(places, test_size=test_share, random_state=seed, stratify=codes)
    return np.sort(train), np.sort(test)


# -- linear probe ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Probe:
    """A fitted logistic regression (multinomial, L2).

    Attributes
    ----------
    regularisation : float
        C: the inverse weight of the squared coefficients.
    scaling : Scaling
    converged : bool
    """

    regularisation: float
    scaling: Scaling
    converged: bool
    _estimator: Any

    def predict(self, rows: Rows) -> Codes:
        """Return the most probable code of each row, shape (n,)."""
        found: Codes = np.asarray(self._estimator.predict(rows), dtype=np.int64)
        return found


def fit_probe(
    rows: Rows,
    codes: Codes,
    *,
    regularisation: float = 1.0,
    scaling: Scaling = "standardised",
    most_iterations: int = MOST_ITERATIONS,
) -> Probe:
    """Fit a logistic probe.

    Parameters
    ----------
    rows : NDArray[np.float64], shape (n, D)
        Training rows, as `probe_rows` gives them for the same `scaling`.
    codes : NDArray[np.int64], shape (n,)
        Two different values or more, none missing.
    regularisation : float
        C of scikit-learn.
    scaling : Scaling
        ``"standardised"``: mean and deviation of the training rows are kept with the probe.
    most_iterations : int
        Of L-BFGS.

    Returns
    -------
    Probe
        Also where it did not converge, which it then says.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    estimator: Any = LogisticRegression(C=regularisation, max_iter=most_iterations)
    if scaling == "standardised":
        estimator = make_pipeline(StandardScaler(), estimator)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        estimator.fit(rows, codes)
    converged = not any(issubclass(entry.category, ConvergenceWarning) for entry in caught)
    return Probe(regularisation, scaling, converged, estimator)


@dataclass(frozen=True)
class HeldOut:
    """What probes said of entries they were not fitted to.

    Attributes
    ----------
    predicted : NDArray[np.int64], shape (n,)
        Each entry's, by the probe of the other folds.
    fold : NDArray[np.int64], shape (n,)
    converged : bool
        Whether all of them did.
    """

    predicted: Codes
    fold: Codes
    converged: bool


def predict_in_folds(
    rows: Rows,
    codes: Codes,
    *,
    folds: int = 5,
    seed: int = 0,
    regularisation: float = 1.0,
    scaling: Scaling = "standardised",
    report: Callable[[float], None] = lambda done: None,
) -> HeldOut:
    """Predict every entry by a probe fitted to the other folds (stratified cross-validation)."""
    fold = stratified_folds(codes, folds, seed)
    predicted, converged = np.empty_like(codes), True
    for number in range(folds):
        train, test = fold != number, fold == number
        probe = fit_probe(rows[train], codes[train], regularisation=regularisation, scaling=scaling)
        predicted[test] = probe.predict(rows[test])
        converged &= probe.converged
        report((number + 1) / folds)
    return HeldOut(predicted, fold, converged)


# -- neighbours ------------------------------------------------------------------------------------------------------
def vote(
    neighbor_codes: Codes, scores: NDArray[np.floating[Any]], n_classes: int, k: int, temperature: float | None
) -> Codes:
    """Return what the `k` nearest neighbours with a value say, shape (n,); -1 where none has one.

    Parameters
    ----------
    neighbor_codes : NDArray[np.int64], shape (n, m)
        Codes of the neighbours, nearest first; -1 where missing, which has no vote and takes no place among the `k`.
    scores : NDArray, shape (n, m)
        Their cosines.
    n_classes : int
    k : int
        At least 1; all there are, where there are fewer.
    temperature : float or None
        A vote weighs exp(score / temperature); None lets all weigh the same. Of equal sums the lower code wins.

    Notes
    -----
    Source: Wu et al. 2018, Unsupervised Feature Learning via Non-Parametric Instance Discrimination.
    """
    predicted: Codes = votes_by_count(neighbor_codes, scores, n_classes, [k], temperature)[0]
    return predicted


def votes_by_count(
    neighbor_codes: Codes,
    scores: NDArray[np.floating[Any]],
    n_classes: int,
    counts: Sequence[int],
    temperature: float | None,
) -> Codes:
    """Return what `vote` returns for each of several `counts` of neighbours, ascending, shape (counts, n).

    The votes of fewer neighbours are added to, not counted again.
    """
    predicted = np.full((len(counts), len(neighbor_codes)), -1, dtype=np.int64)
    most = max(counts)
    step = max(1, _BLOCK_VOTES // max(1, n_classes + neighbor_codes.shape[1]))
    for start in range(0, len(neighbor_codes), step):
        block = slice(start, start + step)
        codes, near = neighbor_codes[block], scores[block]
        if (codes < 0).any():
            order = np.argsort(codes < 0, axis=1, kind="stable")
            codes, near = np.take_along_axis(codes, order, axis=1), np.take_along_axis(near, order, axis=1)
        codes, near = codes[:, :most], near[:, :most].astype(np.float64)
        known = codes >= 0
        weights = np.exp((near - near[:, :1]) / temperature) if temperature is not None else np.ones(near.shape)
        weights *= known
        places = np.arange(len(codes))[:, None] * n_classes + np.maximum(codes, 0)
        votes, done = np.zeros(len(codes) * n_classes), 0
        for row, k in zip(predicted, counts, strict=True):
            added = slice(done, k)
            votes += np.bincount(places[:, added].ravel(), weights[:, added].ravel(), minlength=len(votes))
            winner, done = votes.reshape(len(codes), n_classes).argmax(axis=1), k
            row[block] = np.where(known[:, :k].any(axis=1), winner, -1)
    return predicted


# -- how well --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class GroupCounts:
    """Hits among the entries of each group.

    Attributes
    ----------
    counts, hits : NDArray[np.int64], shape (G,)
    """

    counts: Codes
    hits: Codes

    @property
    def shares(self) -> NDArray[np.float64]:
        """Hits over counts; NaN for an empty group."""
        nothing = np.full(len(self.counts), np.nan)
        found: NDArray[np.float64] = np.divide(self.hits, self.counts, out=nothing, where=self.counts > 0)
        return found


def group_counts(correct: NDArray[np.bool_], groups: Codes, n_groups: int) -> GroupCounts:
    """Count hits by group; entries without a group (-1) are left out. With classes as groups these are recalls."""
    known = groups >= 0
    return GroupCounts(
        np.bincount(groups[known], minlength=n_groups),
        np.bincount(groups[known], weights=correct[known], minlength=n_groups).astype(np.int64),
    )


def balanced_accuracy(codes: Codes, predicted: Codes) -> float:
    """Mean recall over the classes that occur."""
    shares = group_counts(codes == predicted, codes, int(codes.max()) + 1).shares
    return float(np.nanmean(shares))


def confusion(codes: Codes, predicted: Codes, n_classes: int) -> Codes:
    """Return counts by true class (row) and predicted class (column), shape (K, K)."""
    known = (codes >= 0) & (predicted >= 0)
    return np.bincount(codes[known] * n_classes + predicted[known], minlength=n_classes**2).reshape(n_classes, -1)

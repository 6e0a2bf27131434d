"""Mean cosines between classes, what chance makes of them, and their intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.errors import MissingInputError
from cl_viz.core.result import Interval, influence_interval
from cl_viz.core.validation import row_blocks
from cl_viz.diagnostics._groups.probes import probe_rows
from cl_viz.engine.inputs import SetInputs

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
MOST_CLASSES = 1000
"""Classes that are compared with each other, the largest: a matrix of more says nothing to anybody."""
_PERMUTATIONS = 499
_PERMUTED_ROWS = 1000
_ROUNDING = 1e-12
"""Spread of cosines that is rounding: samples that are all repeats say nothing of others."""
_CLOSE = 0.1
"""Of the squared distance of two samples of a class: where two means are closer, they are as good as one. A rule of
thumb."""
_LEVEL = 0.05
_FEWEST = 10
"""Samples of each of two classes from which the spread of their cosines is known."""


@dataclass(frozen=True)
class ClassCosines:
    """Mean cosines between classes.

    Attributes
    ----------
    names : tuple of str
    counts : NDArray of int, shape (K,)
    means : NDArray, shape (K, D)
        Of the unit rows.
    included, corrected : NDArray, shape (K, K)
        With and without self-pairs; only the diagonals differ. NaN where a class has one sample and no other pair.
    """

    names: tuple[str, ...]
    counts: Codes
    means: Floats
    included: Floats
    corrected: Floats

    @property
    def separation(self) -> Floats:
        """(C_kk + C_ll) / 2 - C_kl, shape (K, K): half the squared distance of the means, without their noise."""
        own = np.diag(self.corrected)
        found: Floats = (own[:, None] + own[None, :]) / 2 - self.corrected
        return found


def class_cosines(names: tuple[str, ...], counts: Codes, means: Floats) -> ClassCosines:
    """Return the mean cosines from class means of unit rows: no pair is looked at."""
    included = means @ means.T
    corrected = included.copy()
    own, pairs = np.diag(included), counts * (counts - 1.0)
    np.fill_diagonal(
        corrected, np.divide(counts**2 * own - counts, pairs, out=np.full(len(counts), np.nan), where=pairs > 0)
    )
    return ClassCosines(names, counts, means, included, corrected)


def cosines_of(inputs: SetInputs) -> ClassCosines:
    """Return the mean cosines between the classes of a set: all of them, or the largest.

    Raises
    ------
    MissingInputError
        If there are no labels, or fewer than two classes.
    """
    view = inputs.embedding_set.view_names[0]
    moments = inputs.moments.classes.get(view)
    if moments is None or not moments.counts.any():
        raise MissingInputError(
            "there are no labels",
            where=inputs.run,
            remedy="choose a label column on the Data page, or pass label=COLUMN",
        )
    kept = np.flatnonzero(moments.counts)
    if len(kept) < 2:
        raise MissingInputError(
            f"there is {len(kept)} class",
            where=inputs.run,
            remedy="add samples of another class, or choose other labels",
        )
    if len(kept) > MOST_CLASSES:
        kept = np.sort(kept[np.argsort(-moments.counts[kept], kind="stable")[:MOST_CLASSES]])
    return class_cosines(tuple(moments.names[k] for k in kept), moments.counts[kept], moments.means[kept])


def extreme_pair(matrix: Floats, *, largest: bool) -> tuple[int, int] | None:
    """Return the pair of different classes with the largest or smallest entry; None where no entry is a number."""
    values = matrix.copy()
    np.fill_diagonal(values, np.nan)
    if np.isnan(values).all():
        return None
    place = np.nanargmax(values) if largest else np.nanargmin(values)
    first, second = divmod(int(place), len(values))
    return min(first, second), max(first, second)


def _rows_of(inputs: SetInputs, name: str, most: int | None = None) -> Floats:
    """Return the usable unit rows of a class, all or evenly spaced ones."""
    embedding_set, view = inputs.embedding_set, inputs.embedding_set.view_names[0]
    labels = embedding_set.codes("label")
    assert labels is not None
    rows = np.flatnonzero((labels[0][0] == labels[1].index(name)) & embedding_set.usable_rows[view])
    if most is not None and len(rows) > most:
        rows = rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]
    return probe_rows(embedding_set, view, rows, "unit")


def chance_of_separation(inputs: SetInputs, found: ClassCosines, pair: tuple[int, int], seed: int) -> float:
    """Return how often two parts of the joined classes lie as far apart as the classes do (permutation test)."""

    def make() -> float:
        first, second = (_rows_of(inputs, found.names[k], _PERMUTED_ROWS) for k in pair)
        rows, size = np.concatenate([first, second]), len(first)
        generator = np.random.default_rng(seed)
        whole = rows.sum(axis=0)
        parts = np.zeros((_PERMUTATIONS + 1, len(rows)), dtype=np.float32)
        parts[0, :size] = 1
        for line in parts[1:]:
            line[generator.permutation(len(rows))[:size]] = 1
        sums = parts.astype(np.float64) @ rows
        gaps = np.square(sums / size - (whole - sums) / (len(rows) - size)).sum(axis=1)
        return float((gaps >= gaps[0] * (1 - 1e-12)).mean())

    return inputs.remember(("class separation", pair, seed), make)


def nearly_equal(inputs: SetInputs, found: ClassCosines, pair: tuple[int, int]) -> bool:
    """Return whether the means of two classes are shown to lie close: closer than chance puts some of all pairs.

    Close is a squared distance below `_CLOSE` of that of two samples of a class. That a permutation test does not tell
    two classes apart shows nothing where they are small, and of thousands of pairs the least separated is always one
    that chance put close: the distance that would count has to lie above what was found by more standard errors than
    the largest error of so many pairs has (Bonferroni).

    Notes
    -----
    The squared distance of two means of n and m samples, less the noise of the means, varies by
    ``2 tr(S²) (1/n + 1/m)² + 4 d'S d (1/n + 1/m)``, S being the covariance within the classes and d the difference of
    the means, along which S is taken as it is on average over its own directions, ``tr(S²) / tr(S)``.
    """

    def make() -> bool:
        rows = [_rows_of(inputs, found.names[k], _PERMUTED_ROWS) for k in pair]
        residuals = np.concatenate([part - part.mean(axis=0) for part in rows])
        spread = np.square(residuals).sum() / (len(residuals) - 2)
        if spread <= _ROUNDING:
            return True
        small = residuals.T @ residuals if residuals.shape[1] < len(residuals) else residuals @ residuals.T
        squared = float(np.square(small).sum()) / (len(residuals) - 2) ** 2
        noise, limit = sum(1 / len(part) for part in rows), 2 * _CLOSE * spread
        error = math.sqrt(2 * squared * noise**2 + 4 * limit * squared / spread * noise)
        n_pairs = len(found.names) * (len(found.names) - 1) / 2
        reach = NormalDist().inv_cdf(1 - _LEVEL / n_pairs)
        return bool(limit - 2 * found.separation[pair] > reach * error)

    return inputs.remember(("classes nearly equal", pair), make)


def influences(inputs: SetInputs, found: ClassCosines) -> tuple[list[Floats], list[Floats]]:
    """Return each sample's influence on the mean cosine within classes and between classes, one array a class."""

    def make() -> tuple[list[Floats], list[Floats]]:
        embedding_set, view = inputs.embedding_set, inputs.embedding_set.view_names[0]
        labels = embedding_set.codes("label")
        assert labels is not None
        usable, number = embedding_set.usable_rows[view], {name: place for place, name in enumerate(found.names)}
        places = np.array([number.get(name, -1) for name in labels[1]])
        whole, k = found.means.sum(axis=0), len(found.names)
        own, others, classes = [], [], []
        for block in row_blocks(embedding_set.views[view]):
            own_code = np.where(labels[0][0][block] >= 0, places[labels[0][0][block]], -1)
            rows = np.flatnonzero(usable[block] & (own_code >= 0)) + block.start
            unit, code = probe_rows(embedding_set, view, rows, "unit"), own_code[rows - block.start]
            counts = found.counts[code]
            product = np.einsum("nd,nd->n", unit, found.means[code])
            # The sample itself is no other sample of its class.
            own.append(2 / k * (counts * product - 1) / np.maximum(1, counts - 1))
            others.append(2 / (k * (k - 1)) * (unit @ whole - product))
            classes.append(code)
        code = np.concatenate(classes)
        parts = [np.flatnonzero(code == place) for place in range(k)]
        return tuple(  # type: ignore[return-value]
            [values[part] - values[part].mean() for part in parts]
            for values in (np.concatenate(own), np.concatenate(others))
        )

    return inputs.remember("class cosine influences", make)


def interval_of_pair(
    inputs: SetInputs, found: ClassCosines, pair: tuple[int, int], *, separation: bool
) -> Interval | None:
    """Return the interval of one entry of the matrix, or of one separation, given the pair of classes.

    Samples of the two classes are two draws; the pair itself is taken as given.
    """
    counts = [int(found.counts[k]) for k in pair]
    if min(counts) < _FEWEST:
        return None
    value = float((found.separation if separation else found.corrected)[pair])
    parts = []
    for own, other in (pair, pair[::-1]):
        rows = _rows_of(inputs, found.names[own])
        across = rows @ found.means[other] - found.corrected[pair]
        if separation:
            # The sample's mean cosine with the others of its class.
            within = (found.counts[own] * (rows @ found.means[own]) - 1) / (found.counts[own] - 1)
            across = within - found.corrected[own, own] - across
        parts.append(across)
    if max(float(part.std()) for part in parts) <= _ROUNDING:
        return None
    limits = (-2.0, 2.0) if separation else (-1.0, 1.0)
    interval = influence_interval(value, *parts, limits=limits)
    return replace(interval, method=f"{interval.method}, given these two classes")


def interval_of_mean(value: float, parts: list[Floats], n: int) -> Interval | None:
    """Return the interval of a mean over classes from each sample's influence, one array a class.

    None where no sample moves it, as where all lie on one line.
    """
    found = influence_interval(value, *parts, limits=(-1.0, 1.0))
    named = replace(found, method=f"infinitesimal jackknife over {n:,} samples, within their classes")
    return named.around(value)

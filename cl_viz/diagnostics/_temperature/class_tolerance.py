"""How alike samples of one label are, from class means: no pair is looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.errors import MissingInputError
from cl_viz.core.result import Interval, influence_interval
from cl_viz.core.validation import row_blocks
from cl_viz.engine.inputs import SetInputs

Values = NDArray[np.float64]


@dataclass(frozen=True)
class ClassTolerance:
    """Tolerance of a set, averaged over its views.

    Attributes
    ----------
    conditional : float
        Mean cosine of ordered pairs of different rows of one label.
    literal : float
        Mean over all ordered pairs of labelled rows, i = j among them, of the cosine where the labels agree, else 0.
    interval : Interval or None
        Of the conditional one, from the influence of each sample; None for views that are not aligned.
    n : int
        Labelled rows of the first view.
    by_class : tuple of (str, float, int)
        Label, mean cosine of its pairs, rows; the mean over views, of labels with two rows or more.
    """

    conditional: float
    literal: float
    interval: Interval | None
    n: int
    by_class: tuple[tuple[str, float, int], ...]


def class_tolerance(inputs: SetInputs) -> ClassTolerance:
    """Compute the tolerance of a set; raises `MissingInputError` without two samples of one label."""
    classes = inputs.moments.classes
    if not classes or not any((found.counts > 1).any() for found in classes.values()):
        what = "no two samples share a label" if classes else "the tolerance is that of samples of one label"
        raise MissingInputError(
            what, where=inputs.run, remedy="add a label column in which samples share labels (Data page)"
        )
    parts, literal, means = [], [], []
    for found in classes.values():
        counts = found.counts.astype(np.float64)
        # The sum of the cosines of all ordered pairs of a class is its squared sum of unit rows.
        squares = np.square(found.means * counts[:, None]).sum(axis=1)
        pairs = counts * (counts - 1)
        parts.append((squares - counts).sum() / pairs.sum() if pairs.sum() else np.nan)
        literal.append(squares.sum() / counts.sum() ** 2)
        means.append(np.divide(squares - counts, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0))
    first = next(iter(classes.values()))
    value = float(np.clip(np.nanmean(parts), -1.0, 1.0))
    kept = np.flatnonzero(np.isfinite(np.array(means)).all(axis=0))
    by_class = np.array(means)[:, kept].mean(axis=0)
    return ClassTolerance(
        value,
        float(np.mean(literal)),
        _interval(inputs, value) if inputs.embedding_set.aligned else None,
        int(first.counts.sum()),
        tuple((first.names[i], float(mean), int(first.counts[i])) for i, mean in zip(kept, by_class, strict=True)),
    )


def _interval(inputs: SetInputs, value: float) -> Interval | None:
    """Return the interval from the influence of each sample, averaged over views; None where none moves anything.

    With S the sum of cosines over same-label pairs and C their number, the derivative of S / C with respect to the
    weight of sample i of class k is (2 (z_i . s_k - 1) - 2 (n_k - 1) S / C) / C, where s_k is the sum of the class.
    """
    codes = inputs.embedding_set.codes("label")
    assert codes is not None
    influences = [_influence(inputs, view, codes[0][index]) for index, view in enumerate(inputs.moments.classes)]
    influence = np.mean(influences, axis=0)
    # Rounding is not spread: with the rows of every class equal no sample says what another would change.
    return influence_interval(value, influence, limits=(-1.0, 1.0)) if influence.std() > 1e-12 else None


def _influence(inputs: SetInputs, view: str, codes: NDArray[np.int64]) -> Values:
    embedding_set, classes = inputs.embedding_set, inputs.moments.classes[view]
    usable = embedding_set.usable_rows[view] & (codes >= 0)
    sums = classes.means * classes.counts[:, None]
    counts = classes.counts.astype(np.float64)
    n_pairs = float((counts * (counts - 1)).sum())
    total = float(np.square(sums).sum() - counts.sum())
    with_class, found = np.zeros(len(codes)), []
    for rows in row_blocks(embedding_set.views[view]):
        keep = usable[rows]
        if not keep.any():
            continue
        unit = np.asarray(embedding_set.views[view][rows][keep], dtype=np.float64)
        unit /= embedding_set.quality[view].norms[rows][keep][:, None]
        with_class[np.arange(rows.start, rows.stop)[keep]] = (unit * sums[codes[rows][keep]]).sum(axis=1)
    own = counts[codes[usable]]
    influence = 2 * (with_class[usable] - 1) - 2 * (own - 1) * total / max(1.0, n_pairs)
    found.append(influence * len(own) / max(1.0, n_pairs))
    return np.concatenate(found)

"""Means over anchors, and how far they may be from those over every row: anchors are what is drawn, never pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.errors import InputError
from cl_viz.core.result import Interval
from cl_viz.engine.anchor_sketch import AnchorSketch

Values = NDArray[np.float64]
_COCHRAN = 25


@dataclass(frozen=True)
class AnchorMeans:
    """Means over anchors at T temperatures, with the error of having drawn them.

    What is uncertain is the mean over all rows of this set. What another set of samples would give is not in it.

    Attributes
    ----------
    mean, standard_error : NDArray[np.float64], shape (T,)
        The error is that of anchors drawn without replacement, 0 where every row is one.
    skewness : NDArray[np.float64], shape (T,)
        Of what the anchors contribute; 0 where every row is one.
    n_anchors, population : int
        Units that were drawn, and those there are: samples where the views are aligned, else rows of all views.
    """

    mean: Values
    standard_error: Values
    skewness: Values
    n_anchors: int
    population: int

    def intervals(self, level: float = 0.95) -> list[Interval | None]:
        """Return one interval a temperature; None where nothing was drawn, or a few anchors decide the mean.

        The normal approximation needs more anchors than 25 times the squared skewness (Cochran 1977, 2.15).
        """
        reach = NormalDist().inv_cdf(0.5 + level / 2) * self.standard_error
        method = f"over draws of {self.n_anchors:,} anchors of {self.population:,}, without replacement"
        shown = np.isfinite(reach) & (reach > 0) & (self.n_anchors > _COCHRAN * np.square(self.skewness))
        return [
            Interval(value - width, value + width, level, method) if known else None
            for value, width, known in zip(self.mean.tolist(), reach.tolist(), shown.tolist(), strict=True)
        ]


def anchor_means(
    sketches: Sequence[AnchorSketch],
    values: Sequence[Values],
    *,
    of: Literal["anchors", "positives"] = "anchors",
    aligned: bool = True,
) -> AnchorMeans:
    """Return means over the anchors, or over their positives, of all views.

    Parameters
    ----------
    sketches : sequence of AnchorSketch
        One a view.
    values : sequence of NDArray[np.float64], shape (T, A) or (T, P)
        What a question answered, for each sketch; what is not finite is left out.
    of : {"anchors", "positives"}
        What the values belong to.
    aligned : bool
        Whether row i of every view is the same sample, so that samples are drawn, with all their views at once. Rows
        of views that are not aligned are drawn on their own.

    Raises
    ------
    InputError
        If there are not as many values as anchors, or positives.

    Notes
    -----
    A mean over what is known, or over positives of which anchors have different numbers, is a ratio of two means over
    anchors. Its error is that of the mean of ``sum_i - mean * count_i`` (Cochran 1977, Sampling Techniques, 2.29 and
    6.3, with the correction for a finite population).
    """
    parts = [_by_anchor(sketch, found, of) for sketch, found in zip(sketches, values, strict=True)]
    total = np.sum([sums.sum(axis=1) for sums, _ in parts], axis=0)
    count = np.sum([counts.sum(axis=1) for _, counts in parts], axis=0)
    mean = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
    residuals = [sums - np.nan_to_num(mean)[:, None] * counts for sums, counts in parts]
    same_rows = all(np.array_equal(sketches[0].rows, other.rows) for other in sketches)
    together = aligned and same_rows and len({sketch.population for sketch in sketches}) == 1
    groups = [np.sum(residuals, axis=0)] if together else residuals
    drawn = sketches[:1] if together else sketches
    variance, second, third = np.zeros((3, len(mean)))
    for group, sketch in zip(groups, drawn, strict=True):
        n_anchors = group.shape[1]
        if n_anchors == sketch.population:
            continue
        spread = group.var(axis=1, ddof=1) if n_anchors > 1 else np.full(len(mean), np.inf)
        # Of the sum over the anchors, about which the residuals vary.
        variance += spread * n_anchors * (1 - n_anchors / sketch.population)
        second += spread * n_anchors
        third += ((group - group.mean(axis=1, keepdims=True)) ** 3).sum(axis=1)
    error = np.divide(np.sqrt(variance), count, out=np.full(len(mean), np.nan), where=count > 0)
    n_anchors = sum(len(sketch.rows) for sketch in drawn)
    # The skewness of the units, so that its square over their number is that of their sum, squared.
    skewness = np.divide(third * math.sqrt(n_anchors), second**1.5, out=np.zeros(len(mean)), where=second > 0)
    return AnchorMeans(mean, error, skewness, n_anchors, sum(s.population for s in drawn))


def _by_anchor(sketch: AnchorSketch, values: Values, of: Literal["anchors", "positives"]) -> tuple[Values, Values]:
    """Return sum and number of each anchor's known values, both (T, A)."""
    found = np.atleast_2d(np.asarray(values, dtype=np.float64))
    expected = len(sketch.rows) if of == "anchors" else len(sketch.positives)
    if found.shape[1] != expected:
        raise InputError(
            f"values of shape {found.shape}", where=f"anchors of {sketch.view}", allowed=f"(T, {expected}) for {of}"
        )
    known = np.isfinite(found)
    both = np.where(known, found, 0.0), known.astype(np.float64)
    if of == "anchors":
        return both
    has = np.flatnonzero(np.diff(sketch.offsets) > 0)
    sums, counts = (np.zeros((len(found), len(sketch.rows))) for _ in both)
    if len(has):
        sums[:, has], counts[:, has] = (np.add.reduceat(part, sketch.offsets[:-1][has], axis=1) for part in both)
    return sums, counts

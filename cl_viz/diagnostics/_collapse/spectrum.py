"""The spectrum of a view's rows, from their moments: eigenvalues, their rounding, how each sample moves them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import MissingInputError
from cl_viz.core.result import Interval, influence_interval
from cl_viz.core.validation import row_blocks
from cl_viz.engine.inputs import SetInputs
from cl_viz.engine.moments import SCATTER_DIMENSIONS, ViewMoments

Values = NDArray[np.float64]
RowScale = Literal["unit", "raw"]

INTERVAL_DIMENSIONS = 1024
"""Largest D with intervals: above it the eigenvectors take longer than everything else."""
ROWS_PER_DIMENSION = 10
"""Samples per dimension from which intervals cover as often as they say."""
INFLUENCE_ROWS, INFLUENCE_SEED = 8192, 0
"""Most rows whose influence is computed, and the seed that draws them."""
_DIRECT_ENTRIES = 4e7
_FACTOR_BYTES = 64 << 20
_SMALLEST, _LARGEST = 1e-100, 1e100
"""Norms between which sums of squares, and their squares, are far from the ends of float64."""
_STEP = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues of one view's rows.

    Attributes
    ----------
    view : str
    scale : {"unit", "raw"}
        Whether rows were brought to unit length first.
    centred : bool
        Covariance (ddof = 1) of the rows, or ``X'X / N``.
    n, n_excluded, dim : int
        Rows used and left out; D.
    values : NDArray, shape (r,)
        The eigenvalues that can differ from 0, descending; r = min(N - 1, D) where centred, else min(N, D).
    directions : NDArray, shape (D, r), or None
        Their eigenvectors, where intervals are made.
    mean : NDArray, shape (D,)
        What the rows were centred at: zeros where they were not.
    floor : float
        Eigenvalues at or below it are rounding: of float64 sums, or of the type in which rows are stored.
    """

    view: str
    scale: RowScale
    centred: bool
    n: int
    n_excluded: int
    dim: int
    values: Values
    directions: Values | None
    mean: Values
    floor: float

    @property
    def kept(self) -> Values:
        """The eigenvalues, with 0 where they are rounding."""
        return np.where(self.values > self.floor, self.values, 0.0)

    @property
    def singular_values(self) -> Values:
        """Roots of `kept`: singular values of the rows up to a common factor."""
        return np.sqrt(self.kept)

    @property
    def above_floor(self) -> int:
        """Number of eigenvalues that are more than rounding."""
        return int((self.values > self.floor).sum())


def view_name(inputs: SetInputs, place: int) -> str:
    """Return the name of view number `place`, counted from 1.

    Raises
    ------
    MissingInputError
        If the set has fewer views.
    """
    names = inputs.embedding_set.view_names
    if place > len(names):
        raise MissingInputError(
            f"view {place} was asked for and the set has {len(names)}",
            where=inputs.run,
            remedy=f"choose a view from 1 to {len(names)}",
        )
    return names[place - 1]


def spectrum_of(inputs: SetInputs, view: str, scale: RowScale = "unit", centred: bool = True) -> Spectrum:
    """Return the spectrum of a view, computed once.

    Raises
    ------
    MissingInputError
        If fewer than two rows are usable, or D and N are too large for a scatter matrix.
    """
    return inputs.remember(("spectrum", view, scale, centred), lambda: _spectrum(inputs, view, scale, centred))


def within_squares(inputs: SetInputs, view: str) -> SetInputs:
    """Return the view's rows divided by a power of two where their squares would leave float64, else what was given.

    For what the scale of the rows does not change; float64 rows alone can be so large or so small.
    """
    embedding_set = inputs.embedding_set
    norms = embedding_set.quality[view].norms[embedding_set.usable_rows[view]]
    largest = float(norms.max(initial=0.0))
    if largest == 0 or _SMALLEST < largest < _LARGEST:
        return inputs
    rows = np.ldexp(np.asarray(embedding_set.views[view], dtype=np.float64), -math.frexp(largest)[1])
    return replace(inputs, embedding_set=EmbeddingSet.from_arrays({view: rows}, name=embedding_set.name))


def _spectrum(inputs: SetInputs, view: str, scale: RowScale, centred: bool) -> Spectrum:
    embedding_set = inputs.embedding_set
    usable = int(embedding_set.usable_rows[view].sum())
    if usable < 2:
        raise MissingInputError(
            f"view {view!r} has {usable} usable row{'' if usable == 1 else 's'}",
            where=inputs.run,
            remedy="look at the Data page for what is wrong",
        )
    moments = inputs.moments.views[view]
    raw_mean, scatter = (moments.mean, moments.scatter) if scale == "unit" else (moments.raw_mean, moments.raw_scatter)
    n, dim = moments.count, embedding_set.dim
    mean = raw_mean if centred else np.zeros(dim)
    size = min(n - 1 if centred else n, dim)
    if scatter is None:
        values, directions = _direct(inputs, view, scale, mean), None
    else:
        matrix = scatter if centred else scatter + n * np.outer(raw_mean, raw_mean)
        values, directions = _decomposed(matrix, wanted=_intervals_made(n, dim))
    values = np.maximum(values[:size], 0.0) / (n - 1 if centred else n)
    floor = _floor(embedding_set, view, scale, moments, values, float(np.square(raw_mean).sum()))
    excluded = len(embedding_set.views[view]) - n
    if directions is not None:
        directions = directions[:, :size]
    return Spectrum(view, scale, centred, n, excluded, dim, values, directions, mean, floor)


def _intervals_made(n: int, dim: int) -> bool:
    return dim <= INTERVAL_DIMENSIONS and n >= ROWS_PER_DIMENSION * dim


def _decomposed(matrix: Values, *, wanted: bool) -> tuple[Values, Values | None]:
    if not wanted:
        return np.asarray(np.linalg.eigvalsh(matrix)[::-1], dtype=np.float64), None
    values, directions = np.linalg.eigh(matrix)
    return values[::-1], directions[:, ::-1]


def _direct(inputs: SetInputs, view: str, scale: RowScale, mean: Values) -> Values:
    """Return squared singular values of the rows themselves, where D is too large for a scatter matrix."""
    array = inputs.embedding_set.views[view]
    if array.shape[0] > SCATTER_DIMENSIONS or array.size > _DIRECT_ENTRIES:
        raise MissingInputError(
            f"a spectrum in D = {array.shape[1]:,} dimensions is computed for up to {SCATTER_DIMENSIONS:,} samples",
            where=inputs.run,
            remedy=f"take {SCATTER_DIMENSIONS:,} samples or fewer, or a layer of {SCATTER_DIMENSIONS:,} dimensions",
        )
    rows = np.concatenate([block for _, block in scaled_rows(inputs.embedding_set, view, scale)]) - mean
    values: Values = np.square(np.linalg.svd(rows, compute_uv=False))
    return values


def _floor(
    embedding_set: EmbeddingSet, view: str, scale: RowScale, moments: ViewMoments, values: Values, mean_square: float
) -> float:
    """Return the size of an eigenvalue that rounding alone would give.

    Three sources: float64 sums relative to the largest eigenvalue; the subtraction of the mean; and the stored type,
    whose steps are noise of variance step²/12 in every entry.
    """
    epsilon = float(np.finfo(np.float64).eps)
    sums = max(moments.count, embedding_set.dim) * epsilon * float(values.max(initial=0.0))
    centring = (4 * epsilon) ** 2 * mean_square
    edge = (1 + math.sqrt(embedding_set.dim / moments.count)) ** 2
    norms = embedding_set.quality[view].norms[embedding_set.usable_rows[view]]
    kind = embedding_set.views[view].dtype.name
    if kind in _STEP:
        square = 1.0 if scale == "unit" else float(np.square(norms).mean())
        stored = _STEP[kind] ** 2 / 12 * square / embedding_set.dim * edge
    else:
        stored = edge / 12 * (float((1 / np.square(norms)).mean()) if scale == "unit" else 1.0)
    return max(sums, centring, stored, float(np.finfo(np.float64).tiny))


def scaled_rows(
    embedding_set: EmbeddingSet, view: str, scale: RowScale, block_bytes: int | None = None
) -> Iterator[tuple[slice, Values]]:
    """Yield (rows, block): usable rows in float64, unit or as they are, block by block."""
    array, usable = embedding_set.views[view], embedding_set.usable_rows[view]
    norms = embedding_set.quality[view].norms
    for rows in row_blocks(array) if block_bytes is None else row_blocks(array, block_bytes):
        keep = usable[rows]
        if keep.any():
            block = array[rows if keep.all() else np.flatnonzero(keep) + rows.start].astype(np.float64)
            if scale == "unit":
                block /= norms[rows][keep][:, None]
            yield rows, block


def intervals(
    inputs: SetInputs, found: Spectrum, gradients: Sequence[tuple[float, Values, tuple[float, float]]]
) -> list[Interval | None]:
    """Return the intervals of statistics of a spectrum.

    Parameters
    ----------
    inputs : SetInputs
    found : Spectrum
    gradients : sequence of (estimate, slope, limits)
        Slope of the statistic in each eigenvalue, shape (r,).

    Returns
    -------
    list of Interval or None
        None where N < 10 D, where they would cover less than they say, or D > 1,024. They say how the statistic varies
        between samples of this N; what a finite N adds to it (eigenvalues spread) is not in them.

    Notes
    -----
    With weight w on sample x, eigenvalue k moves by ``(v_k'(x - mean))² - lambda_k`` to first order.
    """
    moved = moved_by(inputs, found, np.stack([slope for _, slope, _ in gradients], axis=1))
    if moved is None:
        return [None] * len(gradients)
    return [
        of_drawn(influence_interval(estimate, moved[:, place], sizes=[found.n], limits=limits), found.n)
        for place, (estimate, _, limits) in enumerate(gradients)
    ]


def of_drawn(interval: Interval, n: int) -> Interval:
    """Return the interval; its method says where the influence is that of drawn rows of n."""
    if n <= INFLUENCE_ROWS:
        return interval
    drawn = f", influence of {INFLUENCE_ROWS:,} drawn with seed {INFLUENCE_SEED}"
    return replace(interval, method=f"{interval.method}{drawn}")


def moved_by(inputs: SetInputs, found: Spectrum, slopes: Values) -> Values | None:
    """Return how much each drawn row moves statistics with these slopes (r, S), shape (rows, S); see `intervals`."""
    if found.directions is None:
        return None
    rows = _drawn_rows(inputs.embedding_set, found.view, found.scale)
    moved: Values = np.square((rows - found.mean) @ found.directions) @ slopes - found.values @ slopes
    return moved


def _drawn_rows(embedding_set: EmbeddingSet, view: str, scale: RowScale) -> Values:
    """Return usable rows in float64, at most `INFLUENCE_ROWS` of them, drawn with a fixed seed.

    The spread of the influence is known to 1 % from so many; all rows would cost as much as the scatter itself.
    """
    places = np.flatnonzero(embedding_set.usable_rows[view])
    if len(places) > INFLUENCE_ROWS:
        places = np.sort(np.random.default_rng(INFLUENCE_SEED).choice(places, INFLUENCE_ROWS, replace=False))
    rows = np.asarray(embedding_set.views[view][places], dtype=np.float64)
    return rows / embedding_set.quality[view].norms[places][:, None] if scale == "unit" else rows


def triangular_factor(inputs: SetInputs, view: str) -> Values:
    """Return R of the QR decomposition of the rows as they are, merged block by block: no Gram matrix is formed.

    Its singular values are those of the rows to full precision; a Gram matrix squares them and loses all below
    ``sqrt(eps)`` times the largest.
    """
    factor = np.empty((0, inputs.embedding_set.dim))
    # Each block is decomposed together with the factor: few large ones cost less than many small ones.
    for _, block in scaled_rows(inputs.embedding_set, view, "raw", _FACTOR_BYTES):
        factor = np.asarray(np.linalg.qr(np.concatenate([factor, block]), mode="r"))
    return factor

"""Cross-moments of two embeddings of the same rows: CKA, CCA and Procrustes without any pair of rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import MissingInputError
from cl_viz.core.result import Interval, influence_interval
from cl_viz.diagnostics._geometry.isotropy_measures import ROUNDING, RowKind
from cl_viz.engine.moments import SCATTER_DIMENSIONS

SMALLEST_DIRECTION = 1e-5
"""Directions whose singular value is below this share of the largest are rounding noise of single precision."""
_BLOCK_BYTES = 32 << 20
Values = NDArray[np.float64]


@dataclass(frozen=True)
class RowSource:
    """Chosen rows of one view, read block by block.

    Attributes
    ----------
    embedding_set : EmbeddingSet
    view : str
    rows : NDArray[np.int64], shape (n,)
    kind : {"unit", "raw"}
    """

    embedding_set: EmbeddingSet
    view: str
    rows: NDArray[np.int64]
    kind: RowKind

    @property
    def dim(self) -> int:
        """D."""
        return self.embedding_set.dim

    def block(self, part: slice) -> Values:
        """Return rows in float64, shape (b, D)."""
        rows = self.rows[part]
        found = np.asarray(self.embedding_set.views[self.view][rows], dtype=np.float64)
        if self.kind == "unit":
            found = found / self.embedding_set.quality[self.view].norms[rows][:, None]
        return found

    @cached_property
    def mean(self) -> Values:
        """Mean row, shape (D,)."""
        found: Values = sum(self.block(part).sum(axis=0) for part in self.parts()) / len(self.rows)
        return found

    def centred(self, part: slice) -> Values:
        """Return rows less the mean row, shape (b, D); what is rounding of the mean is 0."""
        found = self.block(part) - self.mean
        found[np.abs(found) <= ROUNDING * np.abs(self.mean).max()] = 0.0
        return found

    def parts(self, width: int | None = None) -> Iterator[slice]:
        """Yield slices of rows whose float64 copies take some megabytes."""
        step = max(1, _BLOCK_BYTES // (8 * (width or self.dim)))
        for start in range(0, len(self.rows), step):
            yield slice(start, min(start + step, len(self.rows)))


@dataclass(frozen=True)
class CrossMoments:
    """Moments of two centred embeddings X (N, D) and Y (N, E) of the same rows.

    Attributes
    ----------
    count : int
    own, other, cross : NDArray[np.float64], shapes (D, D), (E, E), (D, E)
        X'X, Y'Y and X'Y.
    squares : tuple of float
        Sums over rows of |x|⁴, |y|⁴ and |x|²|y|²: the diagonals of the Gram matrices.
    influence : NDArray[np.float64], shape (N,)
        Of each row on the log of the biased CKA.
    """

    count: int
    own: Values
    other: Values
    cross: Values
    squares: tuple[float, float, float]
    influence: Values

    @property
    def cka_biased(self) -> float:
        """Linear CKA in [0, 1]; NaN where one has no spread."""
        scale = float(np.linalg.norm(self.own) * np.linalg.norm(self.other))
        return min(1.0, float(np.square(self.cross).sum()) / scale) if scale > 0 else math.nan

    @property
    def cka_debiased(self) -> float:
        """Linear CKA from unbiased HSIC; NaN below four rows, or where one has no structure beyond chance."""
        if self.count < 4:
            return math.nan
        traces = float(np.trace(self.own)), float(np.trace(self.other))
        norms = [float(np.square(matrix).sum()) for matrix in (self.own, self.other, self.cross)]
        own = unbiased_hsic(self.count, norms[0], self.squares[0], traces[0] ** 2)
        other = unbiased_hsic(self.count, norms[1], self.squares[1], traces[1] ** 2)
        both = unbiased_hsic(self.count, norms[2], self.squares[2], traces[0] * traces[1])
        return both / math.sqrt(own * other) if own > 0 and other > 0 else math.nan

    @property
    def cka_chance(self) -> float:
        """Biased CKA that unrelated embeddings of these spectra have on average: sqrt(PR PR') / (N - 1)."""
        ratios = [np.trace(s) ** 2 / np.square(s).sum() for s in (self.own, self.other) if np.square(s).sum() > 0]
        return float(math.sqrt(ratios[0] * ratios[1]) / (self.count - 1)) if len(ratios) == 2 else math.nan

    @property
    def procrustes_similarity(self) -> float:
        """Nuclear norm of X'Y after both have Frobenius norm 1, in [0, 1]; NaN where one has no spread."""
        scale = math.sqrt(float(np.trace(self.own)) * float(np.trace(self.other)))
        nuclear = float(np.linalg.svd(self.cross, compute_uv=False).sum())
        return min(1.0, nuclear / scale) if scale > 0 else math.nan

    def cca(self, variance: float = 1.0) -> Values:
        """Return canonical correlations, descending; with `variance` below 1 of the leading directions only (SVCCA).

        Empty where one has no spread.
        """
        left, right = (_leading(whitener, variance) for whitener in self._whiteners)
        if not (left.shape[1] and right.shape[1]):
            return np.zeros(0)
        found = np.linalg.svd(left.T @ self.cross @ right, compute_uv=False)
        correlations: Values = np.minimum(found, 1.0)
        return correlations

    @property
    def ranks(self) -> tuple[int, int]:
        """Directions of each that are not rounding noise."""
        return self._whiteners[0][1].shape[1], self._whiteners[1][1].shape[1]

    @cached_property
    def _whiteners(self) -> tuple[tuple[Values, Values], tuple[Values, Values]]:
        """Eigenvalues (R,) and eigenvectors over the root of the eigenvalue (D, R), largest first, of each."""
        return _whitener(self.own), _whitener(self.other)

    def cka_interval(self, value: float, *influences: Values) -> Interval:
        """Return the interval of a mean of CKAs, from the influence of each row on their logs."""
        return influence_interval(value, value * np.mean([self.influence, *influences], axis=0), limits=(-1.0, 1.0))


def unbiased_hsic(count: int, norm: float, squares: float, traces: float) -> float:
    """Return unbiased HSIC of two centred embeddings, whose Gram matrices have rows that sum to 0 (Song et al. 2012).

    Parameters
    ----------
    count : int
        Rows, four or more.
    norm : float
        Squared Frobenius norm of X'Y.
    squares, traces : float
        Sum over rows of |x|²|y|², and the product of the sums of |x|² and of |y|².
    """
    n = count
    return (norm - squares + traces / ((n - 1) * (n - 2)) - 2 * squares / (n - 2)) / (n * (n - 3))


def _whitener(scatter: Values) -> tuple[Values, Values]:
    values, vectors = np.linalg.eigh(scatter)
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = values > max(0.0, float(values[0])) * SMALLEST_DIRECTION**2
    return values[kept], vectors[:, kept] / np.sqrt(values[kept])


def _leading(whitener: tuple[Values, Values], variance: float) -> Values:
    values, vectors = whitener
    if variance >= 1 or not len(values):
        return vectors
    return vectors[:, : int(np.searchsorted(np.cumsum(values) / values.sum(), variance)) + 1]


def cross_moments(own: RowSource, other: RowSource) -> CrossMoments:
    """Compute the cross-moments of two embeddings of the same rows, and each row's influence.

    Raises
    ------
    MissingInputError
        In very many dimensions, or from fewer than three rows.
    """
    if max(own.dim, other.dim) > SCATTER_DIMENSIONS:
        raise MissingInputError(
            f"D = {max(own.dim, other.dim):,} is too large for matrices of D x D",
            remedy=f"reduce the embeddings to {SCATTER_DIMENSIONS:,} dimensions or fewer",
        )
    if len(own.rows) < 3:
        raise MissingInputError(f"{len(own.rows)} rows are usable in both", remedy="add samples")
    x_x, y_y, x_y = np.zeros((own.dim,) * 2), np.zeros((other.dim,) * 2), np.zeros((own.dim, other.dim))
    squares = np.zeros(3)
    width = max(own.dim, other.dim)
    for part in own.parts(width):
        x, y = own.centred(part), other.centred(part)
        x_x += x.T @ x
        y_y += y.T @ y
        x_y += x.T @ y
        lengths = np.square(x).sum(axis=1), np.square(y).sum(axis=1)
        squares += [lengths[0] @ lengths[0], lengths[1] @ lengths[1], lengths[0] @ lengths[1]]
    influence = np.zeros(len(own.rows))
    terms = ((x_y, 2.0), (x_x, -1.0), (y_y, -1.0))
    sizes = [float(np.square(matrix).sum()) for matrix, _ in terms]
    if min(sizes) > 0:
        for part in own.parts(width):
            x, y = own.centred(part), other.centred(part)
            sides = ((x, y), (x, x), (y, y))
            for (matrix, sign), size, (one, two) in zip(terms, sizes, sides, strict=True):
                form = np.einsum("nd,nd->n", one @ matrix, two)
                influence[part] += sign * (len(own.rows) * form / size - 1)
    return CrossMoments(len(own.rows), x_x, y_y, x_y, (squares[0], squares[1], squares[2]), influence)

"""What the isotropy of one view needs beyond its moments: one pass over the rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import MissingInputError
from cl_viz.core.progress import ProgressCallback
from cl_viz.core.validation import row_blocks
from cl_viz.engine.moments import ViewMoments

RowKind = Literal["unit", "raw"]
Values = NDArray[np.float64]
SAFE_EXPONENT = 300.0
"""Up to here exp(x) and exp(-x) are far from the ends of float64, and one is 1 over the other."""
ROUNDING = 1e-14
"""Differences below this share of the mean row are rounding: rows that are equal have no spread."""


@dataclass(frozen=True)
class Partition:
    """Log of Z(c) = sum over rows of exp(c . x), less log N, for the eigenvectors of X'X and their negatives.

    Attributes
    ----------
    positive, negative : NDArray[np.float64], shape (D,)
        For the eigenvectors, largest eigenvalue first, and for their negatives. The sign is set so that the mean
        row's part along an eigenvector is not negative.
    """

    positive: Values
    negative: Values

    @property
    def isotropy(self) -> float:
        """Smallest over largest Z, in [0, 1]."""
        both = np.concatenate([self.positive, self.negative])
        return math.exp(float(both.min() - both.max()))


@dataclass(frozen=True)
class MeanCosines:
    """Mean cosine of two different rows of a view, and each row's own mean with the others.

    Attributes
    ----------
    mean : float
    own : NDArray[np.float64], shape (n,)
        Mean cosine of each row with the others.
    centred : float
        Mean cosine after the mean row is taken off and rows are of unit length again; NaN where a row is the mean.
    """

    mean: float
    own: Values
    centred: float


def view_scatter(moments: ViewMoments, kind: RowKind) -> tuple[Values, Values]:
    """Return mean (D,) and scatter (D, D) of the rows of this kind; zeros where the rows are equal up to rounding.

    Raises
    ------
    MissingInputError
        In so many dimensions that the moments have no scatter matrices.
    """
    mean, scatter = (moments.mean, moments.scatter) if kind == "unit" else (moments.raw_mean, moments.raw_scatter)
    if scatter is None:
        raise MissingInputError(
            f"D = {len(mean):,} has no scatter matrix", remedy="reduce the embeddings to 4,096 dimensions or fewer"
        )
    if np.trace(scatter) <= moments.count * (ROUNDING * float(np.linalg.norm(mean))) ** 2:
        scatter = np.zeros_like(scatter)
    return mean, scatter


def isoscore_of(scatter: Values, zeta: float = 0.0, *, count: int = 0, rescale: bool = True) -> float:
    """Return IsoScore, or IsoScore* for `zeta` above 0, from a scatter matrix; NaN without spread.

    Only trace and Frobenius norm of the covariance are needed: IsoScore = (PR - 1) / (D - 1), with the participation
    ratio PR = trace² / norm².

    Parameters
    ----------
    scatter : NDArray, shape (D, D)
    zeta : float
        Weight of the identity, in [0, 1].
    count : int
        Rows behind the scatter matrix; matters without `rescale` only.
    rescale : bool
        Give the covariance trace D first.
    """
    dim = len(scatter)
    trace, squares = float(np.trace(scatter)), float(np.square(scatter).sum())
    if trace <= 0:
        return math.nan
    scale = dim / trace if rescale else 1 / (count - 1)
    trace, squares = trace * scale, squares * scale**2
    mixed_trace = (1 - zeta) * trace + zeta * dim
    mixed_squares = (1 - zeta) ** 2 * squares + 2 * zeta * (1 - zeta) * trace + zeta**2 * dim
    return min(1.0, max(0.0, (mixed_trace**2 / mixed_squares - 1) / (dim - 1)))


def isoscore_of_sphere(count: int, dim: int) -> float:
    """Return about what IsoScore `count` rows of a uniform sphere have in R^D: below 1, for N is finite.

    With trace 1 and an expected squared norm of ``1 / n + (n - 1) / (n D)`` the participation ratio is
    ``n D / (n + D - 1)``, n = N - 1 for the mean that was taken off.
    """
    freedom = max(1, count - 1)
    ratio = freedom * dim / (freedom + dim - 1)
    return (ratio - 1) / (dim - 1)


def partition(
    embedding_set: EmbeddingSet, view: str, moments: ViewMoments, kind: RowKind, report: ProgressCallback,
    vectors: Values | None = None,
) -> Partition:  # fmt: skip
    """Evaluate Z along both signs of every eigenvector of X'X (uncentred), block of rows by block.

    `vectors` are these eigenvectors, largest first, where somebody has them already.
    """
    mean, scatter = view_scatter(moments, kind)
    if vectors is None:
        vectors = np.linalg.eigh(scatter + moments.count * np.outer(mean, mean))[1][:, ::-1]
    vectors = vectors * np.where(mean @ vectors < 0, -1.0, 1.0)
    logs = np.full((2, len(mean)), -np.inf)
    for rows, share in _blocks(embedding_set, view, kind):
        logs = np.logaddexp(logs, _log_sums(rows @ vectors))
        report(share, f"isotropy of {view}")
    logs -= math.log(moments.count)
    return Partition(logs[0], logs[1])


def _log_sums(along: Values) -> Values:
    """Return the logs of the sums over rows of exp(along) and of exp(-along), shape (2, D); `along` is used up."""
    if np.abs(along).max(initial=0.0) > SAFE_EXPONENT:
        return np.stack([logsumexp(along, axis=0), logsumexp(-along, axis=0)])
    np.exp(along, out=along)
    sums = along.sum(axis=0)
    np.reciprocal(along, out=along)
    logs: Values = np.log(np.stack([sums, along.sum(axis=0)]))
    return logs


def mean_cosines(embedding_set: EmbeddingSet, view: str, moments: ViewMoments, kind: RowKind) -> MeanCosines:
    """Compute mean cosines with and without the mean row, in two passes over the rows and none over pairs."""
    count = moments.count
    total = moments.mean * count
    centre = moments.mean if kind == "unit" else moments.raw_mean
    own, centred_sum, at_centre = [], np.zeros_like(total), False
    for rows, _ in _blocks(embedding_set, view, kind):
        unit = rows if kind == "unit" else rows / np.linalg.norm(rows, axis=1, keepdims=True)
        own.append((unit @ total - 1) / (count - 1))
        apart = rows - centre
        norms = np.sqrt(np.einsum("nd,nd->n", apart, apart))
        at_centre |= bool((norms <= 1e-12 * max(1.0, float(np.linalg.norm(centre)))).any())
        centred_sum += (1 / np.where(norms > 0, norms, 1.0)) @ apart
    values = np.concatenate(own)
    centred = math.nan if at_centre else float((centred_sum @ centred_sum - count) / (count * (count - 1)))
    return MeanCosines(float(values.mean()), values, centred)


def _blocks(embedding_set: EmbeddingSet, view: str, kind: RowKind) -> Iterator[tuple[Values, float]]:
    """Yield the usable rows of a view in float64, block by block, and the share of the view that is done."""
    array = embedding_set.views[view]
    usable, norms = embedding_set.usable_rows[view], embedding_set.quality[view].norms
    for rows in row_blocks(array):
        keep = usable[rows]
        if keep.any():
            block = array[rows if keep.all() else np.flatnonzero(keep) + rows.start].astype(np.float64)
            if kind == "unit":
                block /= norms[rows][keep][:, None]
            yield block, rows.stop / len(array)


@dataclass(frozen=True)
class ViewIsotropy:
    """What one view measures.

    Attributes
    ----------
    name : str
    partitions : dict of RowKind to Partition
    cosines : MeanCosines
    isoscore, isoscore_star : float
        NaN where rows do not differ.
    """

    name: str
    partitions: dict[RowKind, Partition]
    cosines: MeanCosines
    isoscore: float
    isoscore_star: float

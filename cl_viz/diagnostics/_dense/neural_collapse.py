"""Neural collapse on plain arrays in float64, straight from its definitions.

Rows are H (N, D), labels run from 0 to K - 1, heads are W (K, D). The global mean is the mean of the class means
(``"classes"``) or that of the samples (``"samples"``): with unequal classes they differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
GlobalMean = Literal["classes", "samples"]


@dataclass(frozen=True)
class ClassStatistics:
    """What neural collapse is measured on.

    Attributes
    ----------
    counts : NDArray, shape (K,)
    means : NDArray, shape (K, D)
        Class means.
    centre : NDArray, shape (D,)
        The global mean.
    variances : NDArray, shape (K,)
        Mean squared distance of a class's rows to its mean.
    projected : NDArray, shape (r,)
        Mean squared distance of rows to their class mean along each of `directions`: all of
        ``Sigma_W = 1/N sum (h - mu_y)(h - mu_y)'`` that the pseudo-inverse of the class means' covariance sees.
    directions : NDArray, shape (r, D)
        Eigenvectors of the covariance of the class means with eigenvalues above 0: at most K - 1.
    spreads : NDArray, shape (r,)
        Their eigenvalues in ``Sigma_B = 1/K sum (mu_k - mu_G)(mu_k - mu_G)'``.
    """

    counts: Values
    means: Values
    centre: Values
    variances: Values
    projected: Values
    directions: Values
    spreads: Values

    @property
    def centred(self) -> Values:
        """Class means minus the global mean, shape (K, D)."""
        return self.means - self.centre

    @property
    def within_trace(self) -> float:
        """Mean squared distance of rows to their class mean."""
        return float((self.counts * self.variances).sum() / self.counts.sum())

    @property
    def between_trace(self) -> float:
        """Mean squared distance of class means to the global mean, classes counting alike."""
        return float(np.square(self.centred).sum() / len(self.counts))


def centre_of(counts: NDArray[Any], means: Values, convention: GlobalMean) -> Values:
    """Return the global mean."""
    centre: Values = means.mean(axis=0) if convention == "classes" else (counts @ means) / counts.sum()
    return centre


def mean_directions(means: Values, centre: Values) -> tuple[Values, Values]:
    """Return the directions (r, D) that centred class means span, and their spreads (r,).

    Around either global mean they span K - 1 directions, since the mean is a weighted mean of theirs; a pseudo-inverse
    with a loose cut-off would keep a further one that is rounding, and divide by it.
    """
    n_classes = len(means)
    centred = means - centre
    _, values, directions = np.linalg.svd(centred, full_matrices=False)
    values = values[: n_classes - 1]
    kept = np.flatnonzero(values > max(centred.shape) * np.finfo(np.float64).eps * np.linalg.norm(means))
    return directions[kept], np.square(values[kept]) / n_classes


def class_statistics(rows: NDArray[Any], labels: NDArray[Any], convention: GlobalMean = "classes") -> ClassStatistics:
    """Measure the classes of some rows; classes are the values that occur."""
    values = np.asarray(rows, dtype=np.float64)
    codes = np.unique(labels, return_inverse=True)[1]
    counts = np.bincount(codes).astype(np.float64)
    means = np.stack([values[codes == code].mean(axis=0) for code in range(len(counts))])
    residual = values - means[codes]
    centre = centre_of(counts, means, convention)
    directions, spreads = mean_directions(means, centre)
    variances = np.bincount(codes, weights=np.square(residual).sum(axis=1)) / counts
    projected = np.square(residual @ directions.T).mean(axis=0)
    return ClassStatistics(counts, means, centre, variances, projected, directions, spreads)


def nc1_pseudo_inverse(found: ClassStatistics) -> float:
    """``tr(Sigma_W pinv(Sigma_B)) / K``, the pseudo-inverse cut at the rank of the class means (Papyan et al. 2020)."""
    return float((found.projected / found.spreads).sum() / len(found.counts))


def nc1_quotient(found: ClassStatistics) -> float:
    """``tr(Sigma_W) / tr(Sigma_B)`` (Tirer et al. 2023)."""
    return found.within_trace / found.between_trace


def nc1_cdnv(found: ClassStatistics, exponent: float = 1.0) -> float:
    """Class-distance normalised variance: mean over pairs of ``(v_k + v_l) / (2 |mu_k - mu_l|²)`` (Galanti et al.).

    Some code takes the squared distance to a further power `exponent`.
    """
    gaps = np.square(found.means[:, None] - found.means[None]).sum(axis=2)
    pairs = np.triu_indices(len(found.counts), 1)
    sums = (found.variances[:, None] + found.variances[None])[pairs]
    return float((sums / (2 * gaps[pairs] ** exponent)).mean())


def mean_norms(found: ClassStatistics) -> Values:
    """Norms of the centred class means, shape (K,)."""
    return np.asarray(np.linalg.norm(found.centred, axis=1), dtype=np.float64)


def nc2_equinorm(found: ClassStatistics) -> float:
    """Coefficient of variation (ddof = 0) of the norms of the centred class means."""
    norms = mean_norms(found)
    return float(norms.std() / norms.mean())


def centred_cosines(found: ClassStatistics) -> Values:
    """Cosines of the centred class means, shape (K, K)."""
    unit = found.centred / mean_norms(found)[:, None]
    cosines: Values = unit @ unit.T
    return cosines


def uncentred_cosines(found: ClassStatistics) -> Values:
    """Cosines of the class means as they are, shape (K, K)."""
    unit = found.means / np.linalg.norm(found.means, axis=1, keepdims=True)
    cosines: Values = unit @ unit.T
    return cosines


def nc2_equiangular(found: ClassStatistics) -> float:
    """Mean distance of the cosines of different centred class means from -1/(K - 1)."""
    cosines = centred_cosines(found)
    n_classes = len(cosines)
    off_diagonal = cosines[~np.eye(n_classes, dtype=bool)]
    return float(np.abs(off_diagonal + 1 / (n_classes - 1)).mean())


def simplex_gram(n_classes: int) -> Values:
    """Gram matrix of a simplex equiangular tight frame, of Frobenius norm 1."""
    frame: Values = (np.eye(n_classes) - 1 / n_classes) / np.sqrt(n_classes - 1)
    return frame


def _normed(matrix: Values) -> Values:
    return matrix / np.linalg.norm(matrix)


def nc2_etf_error(found: ClassStatistics) -> float:
    """Frobenius distance of the normed Gram matrix of the centred class means from a simplex ETF's."""
    gram = found.centred @ found.centred.T
    return float(np.linalg.norm(_normed(gram) - simplex_gram(len(gram))))


def orthogonal_frame_distance(found: ClassStatistics) -> float:
    """Frobenius distance of the normed Gram matrix of the class means as they are from the identity's (Kini et al.)."""
    gram = found.means @ found.means.T
    return float(np.linalg.norm(_normed(gram) - np.eye(len(gram)) / np.sqrt(len(gram))))


def nc2_etf_error_of_head(head: Values) -> float:
    """Frobenius distance of the normed Gram matrix of a head from a simplex ETF's."""
    wide = np.asarray(head, dtype=np.float64)
    return float(np.linalg.norm(_normed(wide @ wide.T) - simplex_gram(len(head))))


def nc3_cosines(head: Values, found: ClassStatistics) -> Values:
    """Cosine of each class's weights with its centred mean, shape (K,)."""
    lengths = np.linalg.norm(head, axis=1) * mean_norms(found)
    cosines: Values = (head * found.centred).sum(axis=1) / lengths
    return cosines


def nc3_product_error(head: Values, found: ClassStatistics) -> float:
    """Self-duality error: Frobenius distance of the normed product W M' from a simplex ETF's Gram matrix.

    M holds the centred class means. 0 where head and means are one simplex ETF, up to scale.
    """
    return float(np.linalg.norm(_normed(head @ found.centred.T) - simplex_gram(len(head))))


def nearest_centre(rows: NDArray[Any], means: Values) -> NDArray[np.int64]:
    """Return the class whose mean is nearest, shape (N,)."""
    # |h - mu|² without what all classes share.
    scores = np.asarray(rows, dtype=np.float64) @ means.T - 0.5 * np.square(means).sum(axis=1)
    return np.asarray(scores.argmax(axis=1), dtype=np.int64)


def nc4_agreement(rows: NDArray[Any], head: Values, found: ClassStatistics, bias: Values | None = None) -> float:
    """Share of rows that the head gives to the class whose mean is nearest."""
    scores = np.asarray(rows, dtype=np.float64) @ head.T + (0.0 if bias is None else bias)
    return float((scores.argmax(axis=1) == nearest_centre(rows, found.means)).mean())

"""Every rank of one view's rows, with intervals, and the same count on the uniform sphere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.result import Interval
from cl_viz.diagnostics._collapse import spectral_ranks as ranks
from cl_viz.diagnostics._collapse import spectral_slopes as slopes
from cl_viz.diagnostics._collapse.spectrum import (
    INTERVAL_DIMENSIONS,
    ROWS_PER_DIMENSION,
    Spectrum,
    intervals,
    spectrum_of,
    triangular_factor,
    within_squares,
)
from cl_viz.diagnostics._collapse.sphere_spectrum import SphereSpectrum, sphere_spectrum
from cl_viz.engine.inputs import SetInputs

Values = NDArray[np.float64]
LABELS = {
    "rankme": "RankMe",
    "rankme_centred": "RankMe, centred",
    "effective_rank": "Effective rank",
    "effective_rank_centred": "Effective rank, centred",
    "covariance_entropy_rank": "Covariance entropy rank",
    "participation_ratio": "Participation ratio",
    "nesum": "NESum",
    "stable_rank": "Stable rank",
    "numerical_rank": "Numerical rank",
}
_CLEAR = 1e-6
"""Smallest over largest eigenvalue of a Gram matrix that leaves no doubt: its rounding is N eps, 1e-9 at 5 million."""
_QR_WORK = 3e10
"""Largest N D² for a decomposition of the rows: a few seconds."""


def _epsilon_free(values: Values, epsilon: float) -> float:
    return ranks.entropy_rank(values)


def _rank_me(values: Values, epsilon: float) -> float:
    return ranks.rankme(values, epsilon)


@dataclass(frozen=True)
class _Count:
    """How a rank is read from eigenvalues: of centred rows or not, its value and its slope."""

    centred: bool
    value: Callable[[Values, float], float]
    slope: Callable[[Values, float], Values]


def _of_roots(slope: Callable[[Values, float], Values]) -> Callable[[Values, float], Values]:
    return lambda values, epsilon: slopes.through_root(slope(np.sqrt(values), epsilon), np.sqrt(values))


_RANKME = (
    lambda values, epsilon: _rank_me(np.sqrt(values), epsilon),
    _of_roots(slopes.rankme),
)
_EFFECTIVE = (
    lambda values, epsilon: _epsilon_free(np.sqrt(values), epsilon),
    _of_roots(lambda values, epsilon: slopes.entropy_rank(values)),
)
_LARGEST = (
    lambda values, epsilon: ranks.over_largest(values),
    lambda values, epsilon: slopes.over_largest(values),
)
_COUNTS: dict[str, _Count] = {
    "rankme": _Count(False, *_RANKME),
    "rankme_centred": _Count(True, *_RANKME),
    "effective_rank": _Count(False, *_EFFECTIVE),
    "effective_rank_centred": _Count(True, *_EFFECTIVE),
    "covariance_entropy_rank": _Count(True, _epsilon_free, lambda values, epsilon: slopes.entropy_rank(values)),
    "participation_ratio": _Count(
        True,
        lambda values, epsilon: ranks.participation_ratio(values),
        lambda values, epsilon: slopes.participation_ratio(values),
    ),
    "nesum": _Count(True, *_LARGEST),
    "stable_rank": _Count(False, *_LARGEST),
}


@dataclass(frozen=True)
class RankMeasures:
    """The ranks of one view.

    Attributes
    ----------
    centred, uncentred : Spectrum
        Of rows as they are stored.
    unit : Spectrum
        Of centred unit rows: of directions, whatever their norms.
    largest_norm : float
        Largest norm of a row over the median.
    null : SphereSpectrum
    epsilon : float
    values : dict
        Value and interval by name.
    how_numerical_rank : str
    """

    centred: Spectrum
    uncentred: Spectrum
    unit: Spectrum
    largest_norm: float
    null: SphereSpectrum
    epsilon: float
    values: dict[str, tuple[float, Interval | None]]
    how_numerical_rank: str

    @classmethod
    def of(cls, inputs: SetInputs, view: str, epsilon: float) -> RankMeasures:
        """Compute all ranks; only those with `epsilon` are computed again when it changes."""
        inputs = within_squares(inputs, view)
        centred, uncentred = (spectrum_of(inputs, view, "raw", flag) for flag in (True, False))
        null = inputs.remember(
            ("sphere spectrum", centred.n, centred.dim), lambda: sphere_spectrum(centred.n, centred.dim)
        )
        values: dict[str, tuple[float, Interval | None]] = {}
        for flag, found in ((True, centred), (False, uncentred)):
            names = tuple(name for name, count in _COUNTS.items() if count.centred == flag)
            values |= _kept(inputs, found, names, epsilon)
        numerical, how = inputs.remember(("numerical rank", view), lambda: _numerical_rank(inputs, uncentred))
        values["numerical_rank"] = (float(numerical), None)
        unit = spectrum_of(inputs, view, "unit", True)
        norms = inputs.embedding_set.quality[view].norms[inputs.embedding_set.usable_rows[view]]
        return cls(centred, uncentred, unit, float(norms.max() / np.median(norms)), null, epsilon, values, how)

    @property
    def unit_rank(self) -> float:
        """Covariance entropy rank of unit rows."""
        return ranks.entropy_rank(self.unit.kept)

    @property
    def unit_variance(self) -> float:
        """Total variance of unit rows: 1 on the uniform sphere."""
        return float(self.unit.values.sum())

    @property
    def possible(self) -> int:
        """Dimensions that N rows can fill."""
        return min(self.uncentred.n, self.uncentred.dim)

    @property
    def about_intervals(self) -> tuple[str, ...]:
        """Why there are no intervals, where there are none."""
        if self.centred.directions is not None:
            return ()
        return (f"intervals are given where N ≥ {ROWS_PER_DIMENSION} D and D ≤ {INTERVAL_DIMENSIONS:,}",)

    def null_value(self, name: str) -> float | None:
        """Return the same count of the uniform sphere's spectrum; None for the numerical rank."""
        if name not in _COUNTS:
            return None
        return _COUNTS[name].value(self.null.values, self.epsilon)


def _kept(
    inputs: SetInputs, found: Spectrum, names: tuple[str, ...], epsilon: float
) -> dict[str, tuple[float, Interval | None]]:
    return inputs.remember(("ranks", found.view, names, epsilon), lambda: _measured(inputs, found, names, epsilon))


def _measured(
    inputs: SetInputs, found: Spectrum, names: tuple[str, ...], epsilon: float
) -> dict[str, tuple[float, Interval | None]]:
    # RankMe's constant goes to all min(N, D) singular values of the rows, also to the one that centring empties.
    kept = np.pad(found.kept, (0, min(found.n, found.dim) - len(found.values)))
    estimates = [_COUNTS[name].value(kept, epsilon) for name in names]
    # The interval of a count has the count's own range; a set without any variance has none.
    ends = [
        (estimate, _COUNTS[name].slope(kept, epsilon), (0.0, np.inf))
        for name, estimate in zip(names, estimates, strict=True)
    ]
    made = intervals(inputs, found, ends) if kept.any() else [None] * len(names)
    return {
        name: (estimate, interval and interval.with_width)
        for name, estimate, interval in zip(names, estimates, made, strict=True)
    }


def _numerical_rank(inputs: SetInputs, found: Spectrum) -> tuple[int, str]:
    epsilon = float(np.finfo(np.float64).eps)
    if len(found.values) == min(found.n, found.dim) and found.values.min() > _CLEAR * found.values.max(initial=0.0):
        return len(found.values), "numerical rank: no singular value is near the tolerance max(N, D) eps"
    if found.n * float(found.dim) ** 2 <= _QR_WORK:
        values = np.linalg.svd(triangular_factor(inputs, found.view), compute_uv=False)
        above = values > max(found.n, found.dim) * epsilon * values.max(initial=0.0)
        return int(above.sum()), "numerical rank from the rows' QR decomposition, tolerance max(N, D) eps"
    return (
        found.above_floor,
        "numerical rank from the Gram matrix (N D² is large): singular values below about √(max(N, D) eps) of the "
        "largest count as 0",
    )

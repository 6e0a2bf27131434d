"""The numbers of `neural_collapse`: spreads of classes, the frame of their means, what shuffled labels would give."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from cl_viz.core.result import Interval, Quantity, influence_interval
from cl_viz.core.specs import QuantitySpec
from cl_viz.diagnostics._collapse.labelled_classes import LabelledClasses
from cl_viz.diagnostics._dense import neural_collapse as measures
from cl_viz.diagnostics._dense.neural_collapse import ClassStatistics
from cl_viz.diagnostics._group_jackknife import interval_of_left_out
from cl_viz.diagnostics._thresholds.collapse import TOTAL_VARIANCE

Values = NDArray[np.float64]
Frame = Literal["orthogonal", "simplex", "neither"]


@dataclass(frozen=True)
class ClassFrame:
    """Classes, with what is measured on them.

    Attributes
    ----------
    classes : LabelledClasses
    concentration : float
        tr(S²) / tr(S)² of the scatter; 1 where it is not known, which makes the null of shuffled labels widest.
    left_out : sequence of ClassStatistics or None
        Statistics of the classes without each of 20 groups of rows, for intervals.
    """

    classes: LabelledClasses
    concentration: float
    left_out: Sequence[ClassStatistics] | None = None

    @classmethod
    def of(
        cls,
        classes: LabelledClasses,
        concentration: float | None,
        left_out: Sequence[ClassStatistics] | None = None,
    ) -> ClassFrame:
        """Take classes, and the concentration of their scatter where it is known."""
        return cls(classes, 1.0 if concentration is None else min(1.0, concentration), left_out)

    @property
    def defined(self) -> bool:
        """Whether anything varies, and class means differ."""
        return self.classes.within_share is not None and len(self.classes.statistics.spreads) > 0

    @property
    def total_variance(self) -> float:
        """Sum over dimensions of the variance (ddof = 1) of the rows."""
        return float(self.classes.total.sum()) / (self.classes.n - 1)

    @property
    def is_one_point(self) -> bool:
        """Whether unit rows have collapsed; raw rows may have any scale."""
        return self.classes.scale == "unit" and TOTAL_VARIANCE.level(self.total_variance) == "bad"

    @cached_property
    def off_diagonal(self) -> Values:
        """Cosines of different class means, not centred, each pair once."""
        cosines = self.cosines
        return cosines[np.triu_indices(len(cosines), 1)]

    @cached_property
    def cosines(self) -> Values:
        """Cosines of class means, not centred, shape (K, K); NaN for a mean at the origin."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.clip(measures.uncentred_cosines(self.classes.statistics), -1.0, 1.0)

    @property
    def simplex_cosine(self) -> float:
        """-1/(K - 1)."""
        return -1 / (self.classes.count - 1)

    @property
    def frame(self) -> Frame:
        """Which frame the cosines are near: within half the gap between the two, or neither."""
        half = -self.simplex_cosine / 2
        zero, simplex = self.distances
        if min(zero, simplex) >= half:
            return "neither"
        return "orthogonal" if zero < simplex else "simplex"

    @property
    def distances(self) -> tuple[float, float]:
        """Root mean square distance of the cosines from 0 and from -1/(K - 1)."""
        known = self.off_diagonal[np.isfinite(self.off_diagonal)]
        if not len(known):
            return math.nan, math.nan
        return float(np.sqrt(np.square(known).mean())), float(np.sqrt(np.square(known - self.simplex_cosine).mean()))

    @property
    def shuffled_within(self) -> float:
        """Share within classes that shuffled labels would leave: ``(N - K) / (N - 1)`` in the mean."""
        return (self.classes.n - self.classes.count) / (self.classes.n - 1)

    @property
    def shuffled_p_value(self) -> float:
        """How likely shuffled labels would leave as little variance within classes.

        The sum of squares between shuffled classes is near a weighted sum of chi-squares with the scatter's
        eigenvalues as weights, K - 1 degrees each (Satterthwaite 1946).
        """
        share = self.classes.within_share
        if share is None:
            return 1.0
        degrees = (self.classes.count - 1) / self.concentration
        expected = 1 - self.shuffled_within
        # Rounding can push the share over 1, where the function is not defined.
        return float(chdtrc(degrees, max(0.0, 1 - share) / expected * degrees))

    def quantity(self, spec: QuantitySpec) -> Quantity:
        """Return one declared quantity; where class means do not differ most have no value."""
        value, interval = math.nan, None
        if spec.name == "within_share":
            value, interval = self._within()
        elif self.defined:
            with np.errstate(invalid="ignore", divide="ignore"):
                value = _MEASURES[spec.name](self)
            interval = self._left_out_interval(spec, value)
        finite = math.isfinite(value)
        inside = min(max(value, spec.range[0]), spec.range[1]) if finite and spec.range else value
        reference, label = self._reference(spec.name)
        return Quantity(
            spec.name,
            spec.label,
            inside if finite else None,
            spec.unit,
            interval,
            n=self.classes.n,
            range=spec.range,
            reference=reference,
            reference_label=label,
            missing="" if finite else "use embeddings whose class means differ: these are equal up to rounding",
        )

    def _within(self) -> tuple[float, Interval | None]:
        share = self.classes.within_share
        if share is None:
            return math.nan, None
        within, total = self.classes.within, self.classes.total
        influence = (within - share * total) / total.mean()
        interval = influence_interval(share, influence - influence.mean(), limits=(0.0, 1.0))
        return share, interval.around(share)

    def _left_out_interval(self, spec: QuantitySpec, value: float) -> Interval | None:
        if self.left_out is None or not math.isfinite(value):
            return None
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.array(
                [
                    _MEASURES[spec.name](ClassFrame(replace(self.classes, statistics=one), self.concentration))
                    for one in self.left_out
                ]
            )
        return interval_of_left_out(value, values, self.classes.n, spec.range or (0.0, math.inf))

    def _reference(self, name: str) -> tuple[float | None, str]:
        if name == "within_share":
            return self.shuffled_within, "shuffled labels"
        if name == "mean_cosine":
            return self.simplex_cosine, "simplex ETF; an orthogonal frame has 0"
        return None, ""


_MEASURES: dict[str, Callable[[ClassFrame], float]] = {
    "nc1_pinv": lambda frame: measures.nc1_pseudo_inverse(frame.classes.statistics),
    "nc1_quotient": lambda frame: measures.nc1_quotient(frame.classes.statistics),
    "nc1_cdnv": lambda frame: measures.nc1_cdnv(frame.classes.statistics),
    "nc2_equinorm": lambda frame: measures.nc2_equinorm(frame.classes.statistics),
    "nc2_equiangular": lambda frame: measures.nc2_equiangular(frame.classes.statistics),
    "nc2_etf_error": lambda frame: measures.nc2_etf_error(frame.classes.statistics),
    "of_distance": lambda frame: measures.orthogonal_frame_distance(frame.classes.statistics),
    "mean_cosine": lambda frame: float(frame.off_diagonal.mean()),
    "cosines_from_orthogonal": lambda frame: frame.distances[0],
    "cosines_from_simplex": lambda frame: frame.distances[1],
}

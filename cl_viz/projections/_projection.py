"""`Projection`: a map of a set, with what it keeps of the neighbourhoods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.errors import InputError
from cl_viz.core.fact_table import fact_table
from cl_viz.core.view import Axis, PointMap

MOST_POINTS = 50_000
"""Points of a figure; the Map page shows more as a picture."""
_NOT_JUDGED = "what it keeps is not worked out"


@dataclass(frozen=True)
class Kept:
    """How much of the neighbourhoods a map keeps.

    Attributes
    ----------
    value : float or None
        In [0, 1], 1 where all is kept; None where it is not defined (fewer than three usable rows, or all points
        coincide), and where it has not been worked out.
    n : int
        Rows it is a mean over.
    population : int
        Usable rows they were drawn from; neighbours were looked for among all of these.
    k : int
        Neighbours of each row.
    interval : tuple of float or None
        95 % interval of the mean over all usable rows, where `n` of them were drawn; normal, without replacement.
    """

    value: float | None
    n: int
    population: int
    k: int
    interval: tuple[float, float] | None = None

    def __str__(self) -> str:
        if self.value is None:
            return "not defined"
        of = f" of {self.population:,}" if self.n < self.population else ""
        between = "" if self.interval is None else f", 95 % {self.interval[0]:.3f} to {self.interval[1]:.3f}"
        return f"{self.value:.3f} (k = {self.k}, N = {self.n:,}{of}{between})"


@dataclass(frozen=True, eq=False)
class Projection:
    """A map: one point a row.

    Attributes
    ----------
    coordinates : NDArray[np.float32], shape (N, dim)
        In the order of the view's rows; NaN where a row has no direction (NaN, infinite, all zeros).
    method : str
        Name in `cl_viz.projections.PROJECTIONS`.
    params : Mapping
        Every parameter of the method.
    seed : int
    view : str
        View of the set that was mapped.
    fingerprint : str
        Of the set.
    trustworthiness : Kept
        Of Venna and Kaski (2001): 1 less the scaled ranks, in the embedding, of neighbours that only the map has.
    neighbor_recall : Kept
        Mean share of each row's k nearest rows by cosine that are among its k nearest in the map.
    error : NDArray[np.float32], shape (N,)
        1 less that share, for each row; NaN where there is no point, and where it has not been worked out: a map that
        needs no neighbours has it for the rows that were drawn, unless `project` is asked for every error.
    seconds : float
        That it took to make, neighbours included.
    notes : tuple of str
        Geometry, what was left out, what the method says of itself.
    name : str
        Of the set.
    judged : bool
        Whether what it keeps has been worked out, by `judge`.
    """

    coordinates: NDArray[np.float32]
    method: str
    params: Mapping[str, Any]
    seed: int
    view: str
    fingerprint: str
    trustworthiness: Kept
    neighbor_recall: Kept
    error: NDArray[np.float32]
    seconds: float
    notes: tuple[str, ...] = ()
    name: str = field(default="embeddings")
    judged: bool = True

    @property
    def dim(self) -> int:
        """Dimensions of the map."""
        return int(self.coordinates.shape[1])

    @property
    def complete(self) -> bool:
        """Whether the error of every point is known, as far as it is defined."""
        return self.judged and (self.neighbor_recall.value is None or bool(np.isfinite(self.error[self.usable]).all()))

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Which rows have a point, shape (N,)."""
        return np.asarray(np.isfinite(self.coordinates).all(axis=1))

    def as_view(
        self,
        colour: NDArray[Any] | None = None,
        label: str = "",
        *,
        range: tuple[float, float] | None = None,
        most: int = MOST_POINTS,
    ) -> PointMap:
        """Return the map as figure data, for `cl_viz.render`.

        Parameters
        ----------
        colour : NDArray, shape (N,), optional
            One entry a row: text or whole numbers are kinds with a legend, fractions a scale. By default the error of
            each point.
        label : str
            What the colour is.
        range : tuple of float, optional
            Ends of the scale; by default those of the middle 98 % of the numbers.
        most : int
            Points shown at most; of more a draw with the map's seed, which the title states.

        Raises
        ------
        InputError
            If `colour` has not one entry a row.
        """
        entries = self.error if colour is None else np.asarray(colour)
        if entries.shape != (len(self.coordinates),):
            raise InputError(
                f"the colour has shape {entries.shape}", where="as_view", allowed=f"({len(self.coordinates)},)",
                remedy="give one entry for each row of the view, also for rows without a point",
            )  # fmt: skip
        if colour is None:
            label, range = "Share of the nearest that the map loses", (0.0, 1.0)
        rows = np.flatnonzero(self.usable)
        usable = len(rows)
        if usable > most:
            rows = np.sort(np.random.default_rng(self.seed).choice(rows, most, replace=False))
        shown = f"N = {usable:,}" if usable <= most else f"{most:,} of {usable:,} points shown"
        kept = self.neighbor_recall
        found = "" if kept.value is None else f": it keeps {100 * kept.value:.0f} % of the {kept.k} nearest"
        # Imported here: the registry stands on this module.
        from cl_viz.projections._requests import known_method

        title = f"{known_method(self.method).label} of {self.name}{found} ({shown})"
        return PointMap(title, self.coordinates[rows], rows, entries[rows], Axis(label, range=range), self.name)

    def __repr__(self) -> str:
        kept = f"trustworthiness={self.trustworthiness}, neighbour recall={self.neighbor_recall}"
        return (
            f"Projection({self.name!r}, method={self.method!r}, N={int(self.usable.sum()):,}, dim={self.dim}, "
            f"{kept if self.judged else _NOT_JUDGED})"
        )

    def _repr_html_(self) -> str:
        # Imported here: the registry stands on this module.
        from cl_viz.projections._requests import known_method

        used, rows = int(self.usable.sum()), len(self.coordinates)
        facts = {
            "points": f"{used:,}" if used == rows else f"{used:,}, {rows - used:,} rows have no direction",
            "dimensions": self.dim,
            "view": self.view,
            "trustworthiness": self.trustworthiness if self.judged else _NOT_JUDGED,
            "neighbour recall": self.neighbor_recall if self.judged else _NOT_JUDGED,
            "parameters": ", ".join(f"{name} {value}" for name, value in self.params.items()),
            "seed": self.seed,
            "made in": f"{self.seconds:,.1f} s",
            "notes": "; ".join(self.notes),
        }
        return fact_table(f"{known_method(self.method).label} of {self.name}", facts)

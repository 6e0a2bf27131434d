"""`Statistics`: everything one scan of a set leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cl_viz.core.errors import InputError
from cl_viz.core.fact_table import fact_table
from cl_viz.engine.anchor_sketch import AnchorSketch
from cl_viz.engine.moments import Moments
from cl_viz.engine.neighbors import Neighbors
from cl_viz.engine.pair_sketch import PairRoles, PairSketch
from cl_viz.engine.queries import AnchorQueries
from cl_viz.engine.score_histogram import uniformity

T = TypeVar("T")


@dataclass(frozen=True)
class Statistics:
    """What a scan found.

    Attributes
    ----------
    pairs : PairSketch
        Every pair, exactly once.
    anchors : Mapping[str, AnchorSketch]
        By view; empty where none were asked for.
    moments : Moments
    n_used, n_excluded : int
        Samples in the statistics; samples left out as NaN, infinite or zero.
    device, precision : str
        Where the scores were computed, and their type.
    seed : int or None
        Seed of the anchors' draw; None where every row is an anchor (nothing was drawn).
    fingerprint : str
        Of the set scanned.
    neighbors : Mapping[tuple[str, str], Neighbors]
        By view and the view they are looked for in: within each view, and from each view in the next one; empty
        where none were asked for.
    """

    pairs: PairSketch
    anchors: Mapping[str, AnchorSketch]
    moments: Moments
    n_used: int
    n_excluded: int
    device: str
    precision: str
    seed: int | None
    fingerprint: str
    neighbors: Mapping[tuple[str, str], Neighbors] = field(default_factory=dict)
    _memo: dict[Hashable, object] = field(default_factory=dict, repr=False, compare=False)

    def ask(
        self,
        view: str | None = None,
        positives: Literal["views", "labels"] = "views",
        negatives: Literal["cross", "all"] = "cross",
    ) -> AnchorQueries:
        """Return what answers questions at any temperature, batch size, ... about the anchors of a view.

        Parameters
        ----------
        view : str, optional
            Whose rows are the anchors; by default the first.
        positives, negatives
            Which pairs are which; see `PairRoles`.

        Raises
        ------
        InputError
            If there is no such view, or no such roles, or the scan kept no anchors.
        """
        roles = PairRoles(positives, negatives)
        name = view or next(iter(self.anchors), "")
        if name not in self.anchors:
            views = ", ".join(self.anchors)
            raise InputError(
                f"view = {name!r}" if views else "the scan kept no anchors",
                where="ask",
                allowed=views or None,
                remedy="" if views else "scan with anchors='auto'",
            )
        return AnchorQueries.of(self.anchors[name], roles)

    def uniformity(self, t: ArrayLike) -> dict[str, NDArray[np.float64]]:
        """Return log of the mean of exp(-t d²) over the pairs within each view (Wang and Isola 2020), (T,), by view."""
        return {view: uniformity([histogram], t) for view, histogram in self.pairs.within_views().items()}

    @property
    def _facts(self) -> dict[str, object]:
        near = next(iter(self.neighbors.values()), None)
        return {
            "samples": f"{self.n_used:,} used, {self.n_excluded:,} excluded",
            "views": ", ".join(self.pairs.view_names),
            "pairs": f"{int(self.pairs.counts.sum()):,}",
            "anchors": ", ".join(f"{len(sketch.rows):,} of {view}" for view, sketch in self.anchors.items()),
            "neighbours": None if near is None else f"{near.indices.shape[1]} of each row",
            "scores": f"{self.precision} on {self.device}",
            "seed": "nothing is drawn at random" if self.seed is None else self.seed,
        }

    def __repr__(self) -> str:
        told = ", ".join(f"{name}: {value}" for name, value in self._facts.items() if value)
        return f"Statistics({told})"

    def _repr_html_(self) -> str:
        return fact_table("Statistics of one scan", self._facts)

    def remember(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` returned for this key the first time: for what a control does not change."""
        if key not in self._memo:
            self._memo[key] = make()
        found: T = self._memo[key]  # type: ignore[assignment]
        return found

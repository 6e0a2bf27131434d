"""`Statistics`: everything one scan of a set leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from cl_viz.engine.anchor_sketch import AnchorSketch
from cl_viz.engine.moments import Moments
from cl_viz.engine.neighbors import Neighbors
from cl_viz.engine.pair_sketch import PairSketch

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

    def remember(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` returned for this key the first time: for what a control does not change."""
        if key not in self._memo:
            self._memo[key] = make()
        found: T = self._memo[key]  # type: ignore[assignment]
        return found

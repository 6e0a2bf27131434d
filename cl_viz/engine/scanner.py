"""`Scanner`: what is known of a set is computed once, and kept for whoever asks next."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import replace
from typing import Literal, TypeVar, cast

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.core.specs import Pass
from cl_viz.engine.device import resolve_device
from cl_viz.engine.moments import Moments, compute_moments
from cl_viz.engine.nearest import NeighborMap, nearest
from cl_viz.engine.neighbors import MOST_NEIGHBORS, list_bytes, neighbor_blocks
from cl_viz.engine.pair_sketch import PairRoles
from cl_viz.engine.row_pass import RowStatistics, scan_rows
from cl_viz.engine.rows import check_usable
from cl_viz.engine.scan import AUTO_ANCHORS, kept_neighbors, scan
from cl_viz.engine.statistics import Statistics

LIST_BYTES = 4e9
"""Above this, neighbours have a pass of their own, block of views by block: one pass fills the lists of all blocks."""
_BOTH: frozenset[Pass] = frozenset({"statistics", "neighbors"})
T = TypeVar("T")


class Scanner:
    """Has the passes made, each at most once a set.

    Parameters
    ----------
    device, anchors, cache
        See `cl_viz.scan`.

    Notes
    -----
    Everything goes through `keep` and `kept`. A dashboard overrides these two, to keep elsewhere, to ask before long
    work and to show progress. Answers are keyed by the set's fingerprint, never by the arrays.
    """

    def __init__(self, device: str = "auto", anchors: Literal["auto"] | int = "auto", *, cache: bool = True) -> None:
        self.device = device
        self.anchors: Literal["auto"] | int = anchors
        self.cache = cache
        self._kept: dict[Hashable, object] = {}
        self._expected: dict[str, frozenset[Pass]] = {}

    def expect(self, embedding_set: EmbeddingSet, passes: Collection[Pass]) -> None:
        """Say what is going to be asked of a set: where that is both, one pass finds both.

        Who asks for one only must not pay for the other: nothing is computed before it is asked for, and what is not
        expected is found on its own.
        """
        before = self._expected.get(embedding_set.fingerprint, frozenset())
        self._expected[embedding_set.fingerprint] = before | frozenset(passes)

    def kept(self, embedding_set: EmbeddingSet, what: Hashable) -> bool:
        """Return whether `keep` has this already."""
        return (embedding_set.fingerprint, what) in self._kept

    def keep(self, embedding_set: EmbeddingSet, what: Hashable, make: Callable[[], T], scores: float = 0.0) -> T:
        """Return what `make` returned for this set and key the first time.

        Parameters
        ----------
        embedding_set : EmbeddingSet
        what : Hashable
            Names the thing and the parameters that it depends on.
        make : callable
        scores : float
            About how many pairs `make` looks at; 0 where it is cheap.
        """
        key = (embedding_set.fingerprint, what)
        if key not in self._kept:
            self._kept[key] = make()
        return cast(T, self._kept[key])

    def statistics(self, embedding_set: EmbeddingSet, progress: ProgressCallback = silent) -> Statistics:
        """Return the statistics of all pairs, with anchors; neighbours are kept apart from them."""
        if self._as_one(embedding_set):
            return cast(Statistics, self._both(embedding_set, "statistics", progress))
        return self.keep(
            embedding_set,
            "statistics",
            lambda: scan(embedding_set, self.device, anchors=self.anchors, cache=self.cache, progress=progress),
            scores=pair_scores(embedding_set) + anchor_scores(embedding_set),
        )

    def moments(self, embedding_set: EmbeddingSet, progress: ProgressCallback = silent) -> Moments:
        """Return the moments of the rows: no pair is looked at.

        Raises
        ------
        MissingInputError
            If a view has fewer than two usable rows.
        """
        for view, usable in embedding_set.usable_rows.items():
            check_usable(embedding_set, view, int(usable.sum()))

        def make() -> Moments:
            known = self.kept(embedding_set, "statistics")
            return self.statistics(embedding_set).moments if known else compute_moments(embedding_set)

        return self.keep(embedding_set, "moments", make)

    def neighbors(self, embedding_set: EmbeddingSet, progress: ProgressCallback = silent) -> NeighborMap:
        """Return the 200 nearest neighbours of every row (all others, where there are fewer)."""
        if self._as_one(embedding_set):
            return cast(NeighborMap, self._both(embedding_set, "neighbors", progress))
        return self.keep(
            embedding_set,
            "neighbors",
            lambda: (
                self._kept_neighbors(embedding_set)
                or nearest(embedding_set, MOST_NEIGHBORS, self.device, progress=progress)
            ),
            scores=neighbor_scores(embedding_set),
        )

    def _kept_neighbors(self, embedding_set: EmbeddingSet) -> NeighborMap | None:
        return kept_neighbors(embedding_set, self.device, self.anchors) if self.cache else None

    def _as_one(self, embedding_set: EmbeddingSet) -> bool:
        """Return whether both passes are expected, none is made yet, and one that fills all lists has the memory."""
        return (
            self._expected.get(embedding_set.fingerprint) == _BOTH
            and not any(self.kept(embedding_set, what) for what in _BOTH)
            and list_bytes(embedding_set, MOST_NEIGHBORS) <= LIST_BYTES
        )

    def _both(self, embedding_set: EmbeddingSet, asked: Pass, progress: ProgressCallback) -> Statistics | NeighborMap:
        """Return one of what a single pass finds, and keep the other."""

        def make() -> Statistics | NeighborMap:
            found = scan(
                embedding_set,
                self.device,
                anchors=self.anchors,
                neighbors=MOST_NEIGHBORS,
                cache=self.cache,
                progress=progress,
            )
            # Each apart, so that a bounded store weighs them once, and may drop one of them.
            parts = {"statistics": replace(found, neighbors={}), "neighbors": dict(found.neighbors)}
            (other,) = _BOTH - {asked}
            self.keep(embedding_set, other, lambda: parts[other])
            return cast(Statistics | NeighborMap, parts[asked])

        # On a CPU and with CUDA each product is made once: what is left of neighbours' cost is that of their lists.
        share = 1.0 if resolve_device(self.device).type == "mps" else 0.5
        scores = pair_scores(embedding_set) + anchor_scores(embedding_set) + share * neighbor_scores(embedding_set)
        return self.keep(embedding_set, asked, make, scores=scores)

    def rows(
        self,
        embedding_set: EmbeddingSet,
        temperatures: Sequence[float],
        roles: PairRoles | None = None,
        progress: ProgressCallback = silent,
    ) -> dict[str, RowStatistics]:
        """Return what every row sees at these temperatures; see `cl_viz.scan_rows`."""
        asked = (tuple(float(value) for value in temperatures), roles)
        return self.keep(
            embedding_set,
            ("rows", *asked),
            lambda: scan_rows(embedding_set, asked[0], roles=roles, device=self.device, progress=progress),
            scores=2 * pair_scores(embedding_set) * max(1, len(asked[0])),
        )


def pair_scores(embedding_set: EmbeddingSet) -> float:
    """Return the number of pairs of rows over all views."""
    total = float(sum(embedding_set.sizes))
    return total * total / 2


def anchor_scores(embedding_set: EmbeddingSet) -> float:
    """Return the number of scores that anchors look at besides."""
    return float(sum(min(AUTO_ANCHORS, size) for size in embedding_set.sizes) * sum(embedding_set.sizes))


def neighbor_scores(embedding_set: EmbeddingSet) -> float:
    """Return the number of scores that a pass over neighbours looks at."""
    sizes = dict(zip(embedding_set.view_names, embedding_set.sizes, strict=True))
    return float(sum(sizes[view] * sizes[other] for view, other in neighbor_blocks(list(sizes))))

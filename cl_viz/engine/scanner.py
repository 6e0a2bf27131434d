"""`Scanner`: what is known of a set is computed once, and kept for whoever asks next."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Literal, TypeVar, cast

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.engine.moments import Moments, compute_moments
from cl_viz.engine.nearest import NeighborMap, nearest
from cl_viz.engine.neighbors import MOST_NEIGHBORS, neighbor_blocks
from cl_viz.engine.pair_sketch import PairRoles
from cl_viz.engine.row_pass import RowStatistics, scan_rows
from cl_viz.engine.rows import check_usable
from cl_viz.engine.scan import AUTO_ANCHORS, scan
from cl_viz.engine.statistics import Statistics

T = TypeVar("T")


class Scanner:
    """Has the passes made, each at most once a set.

    Parameters
    ----------
    device, anchors
        See `cl_viz.scan`.

    Notes
    -----
    Everything goes through `keep`. A dashboard overrides that one method, to keep elsewhere, to ask before long work
    and to show progress. Answers are keyed by the set's fingerprint, never by the arrays.
    """

    def __init__(self, device: str = "auto", anchors: Literal["auto"] | int = "auto") -> None:
        self.device = device
        self.anchors: Literal["auto"] | int = anchors
        self._kept: dict[Hashable, object] = {}

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
        """Return the statistics of all pairs, with anchors."""
        return self.keep(
            embedding_set,
            "statistics",
            lambda: scan(embedding_set, self.device, anchors=self.anchors, progress=progress),
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
        return self.keep(embedding_set, "moments", lambda: compute_moments(embedding_set))

    def neighbors(self, embedding_set: EmbeddingSet, progress: ProgressCallback = silent) -> NeighborMap:
        """Return the 200 nearest neighbours of every row (all others, where there are fewer)."""
        blocks = neighbor_blocks(list(embedding_set.view_names))
        sizes = dict(zip(embedding_set.view_names, embedding_set.sizes, strict=True))
        return self.keep(
            embedding_set,
            "neighbors",
            lambda: nearest(embedding_set, MOST_NEIGHBORS, self.device, progress=progress),
            scores=float(sum(sizes[view] * sizes[other] for view, other in blocks)),
        )

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

"""Exact neighbours of unit rows, found once a set and view, and kept on disk."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError
from cl_viz.core.progress import ProgressCallback
from cl_viz.engine.nearest import nearest
from cl_viz.engine.neighbors import MOST_NEIGHBORS
from cl_viz.projections._cache import MapCache
from cl_viz.projections._inputs import Near

_USUAL = 100
"""Neighbours found at once: enough for every method with its usual parameters, and for the shares that are kept."""


class NeighborSearch:
    """Finds the neighbours of some unit rows when they are first asked for.

    Parameters
    ----------
    rows : NDArray[np.float32], shape (n, D)
    view, fingerprint : str
        Of the set the rows are of: what the kept neighbours are found under.
    device : str
        See `cl_viz.scan`.
    cache : MapCache
    progress : callable
        Of the search; can be set anew.
    """

    def __init__(
        self, rows: NDArray[np.float32], view: str, fingerprint: str, device: str, cache: MapCache,
        progress: ProgressCallback,
    ) -> None:  # fmt: skip
        self._rows, self._device, self._cache, self.progress = rows, device, cache, progress
        self._view, self._fingerprint = view, fingerprint
        self._found: Near | None = None

    def __call__(self, k: int) -> Near:
        """Return the `k` nearest others of each row, fewer where there are not so many.

        Raises
        ------
        InputError
            If `k` is beyond what the engine keeps.
        """
        if not 1 <= k <= MOST_NEIGHBORS:
            raise InputError(f"{k} neighbours were asked for", where="map", allowed=f"1 to {MOST_NEIGHBORS}")
        if self._found is None or self._found.indices.shape[1] < min(k, len(self._rows) - 1):
            wanted = max(k, _USUAL)
            values = self._cache.values(
                self._fingerprint, {"view": self._view, "neighbors": wanted}, lambda: self._search(wanted)
            )
            self._found = Near(values["indices"], values["scores"])
        return self._found.first(k)

    def _search(self, k: int) -> dict[str, NDArray[np.generic]]:
        rows = EmbeddingSet.from_arrays({self._view: self._rows}, name=self._view)
        found = nearest(rows, k, self._device, progress=self.progress)[self._view, self._view]
        scores = np.clip(found.scores, -1.0, 1.0).astype(np.float32)
        # Threads may find equal scores in any order; a map must not depend on it.
        order = np.lexsort((found.indices, -scores), axis=1)
        return {
            "indices": np.take_along_axis(found.indices, order, axis=1).astype(np.int32),
            "scores": np.take_along_axis(scores, order, axis=1),
        }

"""What a method of mapping is given: unit rows, their exact neighbours, a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.core.validation import row_blocks


class Near(NamedTuple):
    """The nearest others of every row by cosine, nearest first.

    Attributes
    ----------
    indices : NDArray[np.int32], shape (n, k)
        A row is not its own neighbour. Of equal scores the lower row comes first.
    scores : NDArray[np.float32], shape (n, k)
        Cosines, in [-1, 1].
    """

    indices: NDArray[np.int32]
    scores: NDArray[np.float32]

    def first(self, k: int) -> Near:
        """Return the `k` nearest, or as many as there are."""
        return Near(self.indices[:, :k], self.scores[:, :k])

    @property
    def chords(self) -> NDArray[np.float32]:
        """Euclidean distances between the unit rows, sqrt(2 - 2 s), shape (n, k)."""
        distances: NDArray[np.float32] = np.sqrt(np.maximum(0.0, 2.0 - 2.0 * self.scores.astype(np.float64))).astype(
            np.float32
        )
        return distances


@dataclass
class ProjectionInputs:
    """What `ProjectionSpec.fit` is given.

    Attributes
    ----------
    rows : NDArray[np.float32], shape (n, D)
        The usable rows at unit length: Euclidean distances between them order as cosines do.
    dim : int
        Dimensions of the map.
    seed : int
        Of everything that is drawn.
    neighbors : callable
        ``neighbors(k) -> Near``: exact, from the engine, found once for all methods; k up to 200.
    progress : callable
        Called with the fraction of the layout that is done; may raise `Cancelled`.
    notes : list of str
        What a person should know of this map; `fit` adds to it.
    """

    rows: NDArray[np.float32]
    dim: int
    seed: int
    neighbors: Callable[[int], Near]
    progress: ProgressCallback = silent
    notes: list[str] = field(default_factory=list)


def unit_rows(embedding_set: EmbeddingSet, view: str) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the usable rows of a view at unit length, and which rows of the view they are.

    Parameters
    ----------
    embedding_set : EmbeddingSet
    view : str
        Rows with a NaN or an infinite entry, and rows of zeros, are left out; what other views hold does not matter.

    Returns
    -------
    rows : NDArray[np.float32], shape (n, D)
    usable : NDArray[np.bool_], shape (N,)
    """
    array, quality = embedding_set.views[view], embedding_set.quality[view]
    usable = quality.usable
    found = np.empty((int(usable.sum()), embedding_set.dim), dtype=np.float32)
    filled = 0
    for part in row_blocks(array):
        keep = usable[part]
        block = np.asarray(array[part][keep], dtype=np.float64) / quality.norms[part][keep][:, None]
        found[filled : filled + len(block)] = block
        filled += len(block)
    return found, usable


def part_of(progress: ProgressCallback, start: float, stop: float, label: str = "") -> ProgressCallback:
    """Return a callback whose 0 to 1 fills a part of another's."""

    def report(done: float, message: str = "") -> None:
        share = min(1.0, done)
        progress(start * (1 - share) + stop * share, message or label)

    return report

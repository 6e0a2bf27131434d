"""The same samples as another encoder sees them: turned, scaled, noisy."""

from __future__ import annotations

import numpy as np

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.testing.spectra import rotation


def turned_copy(embedding_set: EmbeddingSet, dim: int, noise: float = 0.0, seed: int = 0) -> EmbeddingSet:
    """Return the same samples turned into `dim` dimensions, three times as large, with noise.

    Without noise every similarity that does not see rotation and scale is 1; with it they fall.

    Parameters
    ----------
    embedding_set : EmbeddingSet
        Its metadata and roles are kept.
    dim : int
        Not below its D.
    noise : float
        Root mean square length of what is added to each row, as a share of unit length.
    seed : int
    """
    generator = np.random.default_rng(seed)
    turn = rotation(dim, seed)[: embedding_set.dim]
    views = {
        view: 3 * (array @ turn + noise / np.sqrt(dim) * generator.normal(size=(len(array), dim)))
        for view, array in embedding_set.views.items()
    }
    return EmbeddingSet.from_arrays(
        views, metadata=dict(embedding_set.metadata), roles=dict(embedding_set.roles), name="turned copy"
    )

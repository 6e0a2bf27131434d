"""Two modalities with a planted gap."""

from __future__ import annotations

import numpy as np

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.testing.pairs import sphere


def modality_pair(n: int, dim: int, gap: float, noise: float = 0.3, seed: int = 0) -> EmbeddingSet:
    """Two views of the same samples whose centres lie `gap` apart.

    Parameters
    ----------
    n, dim : int
        `dim` at least 3.
    gap : float
        Distance of the expected centres, in [0, 2): every row has the coordinate plus or minus ``gap / 2`` along one
        axis, and the rest of its length in a direction of mean 0 that the two rows of a pair share but for `noise`.
    noise : float
        Standard deviation of what they do not share, relative to what they do.
    seed : int

    Returns
    -------
    EmbeddingSet
        Views ``image`` and ``text``; a plane through the origin tells them apart wherever `gap` is above 0.
    """
    generator = np.random.default_rng(seed + 1)
    shared = sphere(n, dim - 1, seed)
    views = {}
    for name, sign in (("image", 1.0), ("text", -1.0)):
        own = shared + noise * generator.normal(size=shared.shape) / np.sqrt(dim - 1)
        own *= np.sqrt(1 - gap**2 / 4) / np.linalg.norm(own, axis=1, keepdims=True)
        views[name] = np.concatenate([np.full((n, 1), sign * gap / 2), own], axis=1)
    return EmbeddingSet.from_arrays(views, name="two modalities")

"""A set with hubs: rows around one direction, and a few rows on it."""

from __future__ import annotations

import numpy as np

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.testing.spectra import cone


def planted_hubs(n: int, dim: int, hubs: int, seed: int = 0) -> EmbeddingSet:
    """Return one view of rows around one direction, of which the last `hubs` lie on it.

    The others are far from each other (their expected mean cosine is 0.5) and nearer to the direction itself, with a
    cosine of 0.71: in many dimensions each hub is among the ``hubs`` nearest of every other row. Labels say which
    rows are hubs.

    Parameters
    ----------
    n, dim, hubs : int
        ``hubs < n``; `dim` of a hundred or more, so that no two other rows come as near.
    seed : int
    """
    rows = cone(n, dim, np.sqrt(0.5), seed)
    centre = rows.mean(axis=0)
    noise = np.random.default_rng(seed + 1).normal(size=(hubs, dim)) * (0.01 / np.sqrt(dim))
    rows[n - hubs :] = centre / np.linalg.norm(centre) + noise
    return EmbeddingSet.from_arrays(rows, name="planted hubs", label=(np.arange(n) >= n - hubs).astype(int))

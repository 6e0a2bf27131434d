"""Several maps laid out at once by umap-learn's AlignedUMAP."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cl_viz.projections._libraries import layout_library
from cl_viz.projections._requests import MapRequest
from cl_viz.projections.umap import UmapParams


def lay_out_together(
    rows: Sequence[NDArray[np.float32]], shared: Sequence[NDArray[np.int64]], request: MapRequest
) -> list[NDArray[np.float32]]:
    """Return one layout a set.

    Parameters
    ----------
    rows : sequence of NDArray[np.float32], each of shape (n, D)
        Unit rows; D may differ.
    shared : sequence of NDArray[np.int64], each of shape (M, 2)
        Rows of a set and of the next one that are the same sample.
    request : MapRequest
        With the parameters of UMAP; D and n may differ between sets, parameters do not.
    """
    library = layout_library("umap")
    params = request.params
    assert isinstance(params, UmapParams)
    relations = [{int(before): int(after) for before, after in pairs} for pairs in shared]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mapper = library.AlignedUMAP(
            n_neighbors=min(params.n_neighbors, min(map(len, rows)) - 1),
            n_components=request.dim,
            metric="cosine",
            min_dist=params.min_dist,
            spread=params.spread,
            n_epochs=params.epochs or None,
            negative_sample_rate=params.negative_samples,
            random_state=request.seed,
            transform_seed=request.seed,
        ).fit(list(rows), relations=relations)
    return [np.array(layout, dtype=np.float32) for layout in mapper.embeddings_]

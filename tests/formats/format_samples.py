"""Small sets and files that the tests of the formats share."""

from __future__ import annotations

import numpy as np

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.formats import FORMATS

# A file of every format that can be written, plus a folder of shards.
WRITABLE = sorted(name for name, spec in FORMATS.items() if spec.write is not None)
EVERY_SUFFIX = sorted(suffix for spec in FORMATS.values() if spec.write for suffix in spec.suffixes)


def make_set(dtype: str = "float32", n_rows: int = 9, views: int = 2, columns: bool = True) -> EmbeddingSet:
    rng = np.random.default_rng(7)
    names = ("image", "text")[:views]
    arrays = {name: (rng.normal(size=(n_rows, 4)) * 20).astype(dtype) for name in names}
    metadata = {
        "digit": np.arange(n_rows) % 3,
        "caption": np.array([f'<b>é, {i}\t"x"</b>' for i in range(n_rows)]),
        "weight": np.linspace(0, 1, n_rows),
    }
    return EmbeddingSet.from_arrays(
        arrays,
        metadata=metadata if columns else None,
        roles={"label": "digit", "text": "caption"} if columns else None,
        name="small",
    )

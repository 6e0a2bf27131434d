"""What tables show of a sample: its row and what plays a role there."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet, Role

_SHOWN: tuple[Role, ...] = ("label", "subclass", "group", "text", "image")


def sample_columns(embedding_set: EmbeddingSet, view: str, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Return the role columns of some rows of a view, for a table; roles that nothing plays are left out."""
    found = {role: embedding_set.role(role, view) for role in _SHOWN}
    return {role: column[rows] for role, column in found.items() if column is not None}

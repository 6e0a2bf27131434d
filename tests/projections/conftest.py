"""Sets that the map tests share."""

from __future__ import annotations

import numpy as np
import pytest

from cl_viz.core.embedding_set import EmbeddingSet


@pytest.fixture(scope="session")
def clumps() -> EmbeddingSet:
    """One view of 90 rows in three classes around directions that are far apart."""
    generator = np.random.default_rng(11)
    label = np.arange(90) % 3
    rows = 4 * np.eye(3, 8)[label] + 0.5 * generator.normal(size=(90, 8))
    return EmbeddingSet.from_arrays(rows.astype(np.float32), label=label, id=np.arange(90), name="clumps")

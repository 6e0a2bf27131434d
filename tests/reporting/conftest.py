"""Results that reports are made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

import cl_viz
from cl_viz.core.result import Result
from cl_viz.testing import clusters

HOSTILE = "</script><img src=x onerror=alert(1)> & `b` | *c*"


def results_on(name: str, spread: float) -> tuple[cl_viz.EmbeddingSet, Sequence[Result]]:
    found = clusters(120, 8, 3, spread)
    labels = np.array([f"<b>{label}</b>" for label in found.role("label")])  # type: ignore[union-attr]
    embedding_set = cl_viz.EmbeddingSet.from_arrays(dict(found.views), label=labels, name=name)
    chosen = ("score_distribution", "data_quality")
    return embedding_set, [cl_viz.diagnose(diagnostic, embedding_set) for diagnostic in chosen]


@pytest.fixture(scope="session")
def found() -> list[tuple[cl_viz.EmbeddingSet, Sequence[Result]]]:
    return [results_on("tight", 0.2), results_on(HOSTILE, 3.0)]

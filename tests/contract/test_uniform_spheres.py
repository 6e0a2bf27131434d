"""Random directions hold no phenomenon: nothing may be called bad on them, whatever N, D, views and labels."""

from __future__ import annotations

import numpy as np
import pytest

import cl_viz
from cl_viz.core.result import Result
from cl_viz.testing import paired_sphere, sphere

SIZES = ((60, 128), (300, 8), (500, 2), (1400, 64), (1000, 512))


def random_set(n: int, dim: int, views: int, labelled: bool) -> cl_viz.EmbeddingSet:
    """Return uniform unit rows; two views of a sample score .9, as those of a trained encoder do."""
    arrays = {"view_1": sphere(n, dim)} if views == 1 else dict(paired_sphere(n, dim, 0.9).views)
    labels = {"label": np.random.default_rng(1).integers(0, 5, n)} if labelled else {}
    return cl_viz.EmbeddingSet.from_arrays(arrays, metadata=labels, roles={"label": "label"} if labelled else {})


@pytest.mark.slow
@pytest.mark.parametrize("labelled", [True, False], ids=["labels", "no labels"])
@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize(("n", "dim"), SIZES)
def test_nothing_is_bad_on_a_uniform_sphere(n: int, dim: int, views: int, labelled: bool) -> None:
    results: list[Result] = cl_viz.check(random_set(n, dim, views, labelled))
    wrong = [
        (finding.diagnostic, finding.message)
        for result in results
        for finding in result.findings
        if finding.level == "bad"
    ]
    assert wrong == []

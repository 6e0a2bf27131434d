"""Nearest neighbours against a full sort of every row."""

from __future__ import annotations

import numpy as np
import pytest

import cl_viz
from cl_viz.core.errors import InputError
from cl_viz.engine import compiled
from cl_viz.testing import clusters, sphere


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("k", [1, 15, 200])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_neighbours_are_those_of_a_full_sort(k: int, precision: str, fast: bool) -> None:
    if fast and not compiled.wait():
        pytest.skip(compiled.failure())
    embedding_set = clusters(1300, 10, 6, 0.4)
    views = {view: array.copy() for view, array in embedding_set.views.items()}
    views["view_2"][7] = np.nan
    embedding_set = cl_viz.EmbeddingSet.from_arrays(views)
    before = compiled.enable(fast)
    # With anchors, their rows are scored in a pass of their own.
    anchors = 400 if k == 15 else 0
    found = cl_viz.scan(embedding_set, anchors=anchors, neighbors=k, precision=precision).neighbors
    compiled.enable(before)
    usable = np.flatnonzero(np.arange(1300) != 7)
    assert set(found) == {(a, b) for a in views for b in views}
    for (view, other), near in found.items():
        unit = [views[name] / np.linalg.norm(views[name], axis=1, keepdims=True) for name in (view, other)]
        scores = unit[0] @ unit[1].T
        # A sample with a bad row in one view is left out of all.
        scores[7], scores[:, 7] = -np.inf, -np.inf
        if view == other:
            np.fill_diagonal(scores, -np.inf)
        np.testing.assert_array_equal(near.rows, usable)
        expected = np.argsort(-scores, axis=1)[usable, :k]
        fine = 1e-12 if precision == "float64" else 1e-6
        np.testing.assert_allclose(near.scores, np.take_along_axis(scores[usable], expected, axis=1), atol=fine)
        np.testing.assert_allclose(np.take_along_axis(scores[usable], near.indices, axis=1), near.scores, atol=fine)
        assert (near.indices == expected).mean() > (0.9999 if precision == "float64" else 0.99)
        assert all(len(set(row)) == k for row in near.indices.tolist())


def test_a_small_set_has_as_many_neighbours_as_it_has_rows() -> None:
    near = cl_viz.scan(cl_viz.EmbeddingSet.from_arrays(sphere(9, 4)), neighbors=50).neighbors["view_1", "view_1"]
    assert near.indices.shape == (9, 8)
    assert np.isfinite(near.scores).all()


@pytest.mark.parametrize("k", [0, -3, 201])
def test_counts_out_of_range_are_refused(k: int) -> None:
    with pytest.raises(InputError, match="1 to 200"):
        cl_viz.scan(cl_viz.EmbeddingSet.from_arrays(sphere(9, 4)), neighbors=k)

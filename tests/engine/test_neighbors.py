"""Nearest neighbours against a full sort of every row."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError
from cl_viz.engine import compiled
from cl_viz.engine.nearest import nearest
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


def _two_views() -> EmbeddingSet:
    views = {view: array.copy() for view, array in clusters(900, 10, 6, 0.4).views.items()}
    views["view_1"][7], views["view_2"][640] = np.nan, 0.0
    return EmbeddingSet.from_arrays(views)


def _modalities() -> EmbeddingSet:
    generator = np.random.default_rng(0)
    images, texts = generator.normal(size=(300, 8)), generator.normal(size=(900, 8))
    texts[11] = np.inf
    return EmbeddingSet.from_arrays(
        {"image": images, "text": texts}, pairs=np.stack([np.arange(900) // 3, np.arange(900)], axis=1)
    )


def _repeated() -> EmbeddingSet:
    """Rows whose scores are exact in any order of sums, with many ties: signs in sixteen dimensions, each thrice.

    Their length is 4, so that unit rows hold quarters and nothing is ever rounded.
    """
    return EmbeddingSet.from_arrays(np.tile(1.0 - 2 * ((np.arange(64)[:, None] >> np.arange(16)) & 1), (3, 1)))


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("make", [_two_views, _modalities, _repeated, lambda: EmbeddingSet.from_arrays(sphere(90, 4))])
def test_neighbours_of_a_pass_are_those_of_their_own(make: Callable[[], EmbeddingSet], fast: bool) -> None:
    if fast and not compiled.wait():
        pytest.skip(compiled.failure())
    embedding_set = make()
    before = compiled.enable(fast)
    beside = cl_viz.scan(embedding_set, anchors=100, neighbors=200, cache=False).neighbors
    alone = nearest(embedding_set, 200)
    compiled.enable(before)
    assert set(beside) == set(alone)
    for block, own in alone.items():
        np.testing.assert_array_equal(beside[block].rows, own.rows)
        np.testing.assert_allclose(beside[block].scores, own.scores, atol=1e-15)
        np.testing.assert_array_equal(beside[block].indices, own.indices)


def test_of_equal_scores_the_smaller_row_comes_first() -> None:
    near = nearest(_repeated(), 191)["view_1", "view_1"]
    tied = near.scores[:, 1:] == near.scores[:, :-1]
    assert tied.any()
    assert (near.indices[:, 1:][tied] > near.indices[:, :-1][tied]).all()


def test_a_small_set_has_as_many_neighbours_as_it_has_rows() -> None:
    near = cl_viz.scan(cl_viz.EmbeddingSet.from_arrays(sphere(9, 4)), neighbors=50).neighbors["view_1", "view_1"]
    assert near.indices.shape == (9, 8)
    assert np.isfinite(near.scores).all()


@pytest.mark.parametrize("k", [0, -3, 201])
def test_counts_out_of_range_are_refused(k: int) -> None:
    with pytest.raises(InputError, match="1 to 200"):
        cl_viz.scan(cl_viz.EmbeddingSet.from_arrays(sphere(9, 4)), neighbors=k)

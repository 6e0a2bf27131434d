"""Picked samples against all others, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import Cancelled
from cl_viz.diagnostics._selection import nearest_samples, selection_mix, selection_scores

PICKED = np.array([True, True, False, False, False])


@pytest.fixture
def five() -> EmbeddingSet:
    """Two rows along x of different lengths, two along y, one without a direction."""
    rows = np.array([[2.0, 0.0], [5.0, 0.0], [0.0, 1.0], [0.0, 3.0], [np.nan, 0.0]])
    return EmbeddingSet.from_arrays(rows, name="five")


def test_scores_within_and_across_are_cosines(five: EmbeddingSet) -> None:
    found = selection_scores(five, "view_1", PICKED)
    assert found is not None
    within, across = found.series
    middle = (within.x[:-1] + within.x[1:]) / 2
    assert middle[np.argmax(within.y)] > 0.97
    assert abs(middle[np.argmax(across.y)]) < 0.03
    assert (within.n, across.n) == (2, 2)
    assert (within.y * np.diff(within.x)).sum() == pytest.approx(1)
    assert "1.000 on average (N = 2)" in found.title
    assert "others 0.000 (N = 2)" in found.title


def test_one_sample_alone_has_no_scores_and_all_have_no_others(five: EmbeddingSet) -> None:
    assert selection_scores(five, "view_1", np.array([True, False, False, False, True])) is None
    found = selection_scores(five, "view_1", np.ones(5, dtype=bool))
    assert found is not None
    assert len(found.series) == 1


def test_many_samples_are_drawn_and_it_is_said(rng: np.random.Generator) -> None:
    large = EmbeddingSet.from_arrays(rng.normal(size=(9_000, 4)))
    found = selection_scores(large, "view_1", np.arange(9_000) < 2_000)
    assert found is not None
    assert [entry.n for entry in found.series] == [1_500, 4_000]
    assert "drawn at random with seed 0" in found.title


def test_the_mix_is_told_as_shares_of_the_selection_and_of_all() -> None:
    found = selection_mix(
        ("a", "b"), np.array([0, 1, 1, 1, 0]), PICKED | np.array([False, True, False, False, False]), "label"
    )
    assert found.series[0].x.tolist() == ["a", "b"]
    assert found.series[0].y.tolist() == [0.5, 0.5]
    assert found.series[1].y.tolist() == [0.4, 0.6]
    assert found.title == "50 % of the selection is a (N = 2), of all samples 40 % (N = 5)"


def test_the_nearest_are_found_among_usable_rows(five: EmbeddingSet) -> None:
    rows, scores = nearest_samples(five, "view_1", 0, 10)
    assert rows.tolist() == [1, 2, 3]
    assert scores == pytest.approx([1, 0, 0])
    assert nearest_samples(five, "view_1", 2, 1)[0].tolist() == [3]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_nearest_are_those_of_float64_and_progress_can_stop(rng: np.random.Generator, dtype: type) -> None:
    rows = rng.normal(size=(3_000, 24)) * 10.0 ** rng.integers(-3, 3, size=(3_000, 1))
    rows = rows.astype(dtype)
    rows[40:60] = rows[7]
    rows[60:80] = rows[7] + (1e-4 * rng.normal(size=(20, 24))).astype(dtype)
    found = EmbeddingSet.from_arrays(rows)
    exact = rows.astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    scores = np.clip(exact @ exact[7], -1, 1)
    scores[7] = -np.inf
    near, cosines = nearest_samples(found, "view_1", 7, 45)
    order = np.argsort(-np.round(scores, 12), kind="stable")[:45]
    assert set(near.tolist()) == set(order.tolist())
    np.testing.assert_allclose(cosines, scores[near], atol=1e-12)

    def stop(done: float, message: str) -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled, match="enough"):
        nearest_samples(found, "view_1", 7, 3, stop)


def test_long_entries_are_cut_and_still_told_apart() -> None:
    names = ("<b>a name that is far too long for a tick</b>", "<b>a name that is far too long for another</b>", "c")
    found = selection_mix(names, np.array([0, 1, 1, 2, 0]), np.ones(5, dtype=bool), "label")
    ticks = found.series[0].x.tolist()
    assert len(set(ticks)) == 3
    assert max(map(len, ticks)) < 25
    assert len(found.title) < 130

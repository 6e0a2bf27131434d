"""What a map keeps, against scikit-learn and against dense twins that rank every pair."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.manifold import trustworthiness

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.engine.nearest import nearest
from cl_viz.projections._honesty import Honesty, honesty, nearest_points
from cl_viz.projections._inputs import Near

Array = NDArray[np.float64]


def unit(rows: Array) -> Array:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def compared(rows: Array, points: Array, **choices: int) -> Honesty:
    found = nearest(EmbeddingSet.from_arrays(rows), min(40, len(rows) - 1))["view_1", "view_1"]
    near = Near(found.indices.astype(np.int32), found.scores.astype(np.float32))
    return honesty(unit(rows).astype(np.float32), points, near, 0, **choices)


def dense_shares(rows: Array, points: Array, k: int) -> tuple[float, Array]:
    """Trustworthiness and each row's kept share, from whole matrices."""
    scores, gaps = unit(rows) @ unit(rows).T, np.linalg.norm(points[:, None] - points[None], axis=2)
    size, excess, kept = len(rows), 0.0, np.zeros(len(rows))
    for row in range(size):
        others = np.delete(np.arange(size), row)
        by_cosine = others[np.argsort(-scores[row, others], kind="stable")]
        by_map = others[np.argsort(gaps[row, others], kind="stable")][:k]
        rank = {int(other): place + 1 for place, other in enumerate(by_cosine)}
        excess += sum(max(0, rank[int(other)] - k) for other in by_map)
        kept[row] = len(set(by_map.tolist()) & set(by_cosine[:k].tolist())) / k
    return 1 - 2 * excess / (size * k * (2 * size - 3 * k - 1)), kept


@pytest.mark.parametrize("size", [3, 4, 20, 31, 150])
def test_the_shares_are_those_of_scikit_learn_and_of_whole_matrices(size: int, rng: np.random.Generator) -> None:
    rows = rng.normal(size=(size, 6)) * rng.uniform(0.1, 50, size=(size, 1))
    points = rows[:, :2] + 0.5 * rng.normal(size=(size, 2))
    found = compared(rows, points)
    k = found.trustworthiness.k
    assert k == min(15, (size - 1) // 2)
    # Cosines order as Euclidean distances between unit rows do.
    assert found.trustworthiness.value == pytest.approx(trustworthiness(unit(rows), points, n_neighbors=k), abs=1e-12)
    assert found.trustworthiness.value == pytest.approx(
        trustworthiness(rows, points, n_neighbors=k, metric="cosine"), abs=1e-12
    )
    trust, kept = dense_shares(rows, points, k)
    assert found.trustworthiness.value == pytest.approx(trust, abs=1e-12)
    np.testing.assert_allclose(found.error, 1 - kept, atol=1e-6)
    assert found.neighbor_recall.value == pytest.approx(kept.mean())
    assert (found.neighbor_recall.n, found.trustworthiness.n, found.trustworthiness.population) == (size, size, size)


def test_a_map_that_is_the_sphere_itself_keeps_everything(rng: np.random.Generator) -> None:
    rows = unit(rng.normal(size=(80, 2)))
    found = compared(rows, rows)
    assert found.trustworthiness.value == 1.0
    assert found.neighbor_recall.value == 1.0
    assert not found.error.any()


def test_a_shuffled_map_keeps_as_much_as_chance(rng: np.random.Generator) -> None:
    rows = rng.normal(size=(600, 8))
    found = compared(rows, rng.normal(size=(600, 2)))
    assert found.neighbor_recall.value == pytest.approx(15 / 599, abs=0.01)
    assert found.trustworthiness.value == pytest.approx(0.5, abs=0.03)


def test_a_draw_of_rows_is_seeded_and_stated(rng: np.random.Generator) -> None:
    rows = rng.normal(size=(400, 5))
    points = rows[:, :2]
    every, some = compared(rows, points), compared(rows, points, sample=150)
    assert (some.trustworthiness.n, some.trustworthiness.population) == (150, 400)
    assert str(some.trustworthiness).split(", 95 %")[0].endswith("(k = 15, N = 150 of 400")
    assert some.trustworthiness.value != every.trustworthiness.value
    assert some.trustworthiness.value == pytest.approx(every.trustworthiness.value, abs=0.03)
    assert compared(rows, points, sample=150).trustworthiness == some.trustworthiness
    np.testing.assert_array_equal(some.error, every.error)


def test_copies_of_a_row_are_neighbours_whichever_of_them_is_listed(rng: np.random.Generator) -> None:
    """Forty copies of each of three rows: any fifteen of the other copies are right."""
    rows = np.repeat(rng.normal(size=(3, 4)), 40, axis=0)
    points = np.repeat(rng.normal(size=(3, 2)), 40, axis=0)[:, :2]
    found = compared(rows, points + 1e-3 * rng.normal(size=points.shape))
    assert found.neighbor_recall.value == 1.0
    assert found.trustworthiness.value == 1.0


def test_what_is_not_defined_is_not_a_number(rng: np.random.Generator) -> None:
    rows = rng.normal(size=(30, 4))
    found = compared(rows, np.zeros((30, 2)))
    assert found.trustworthiness.value is found.neighbor_recall.value is None
    assert np.isnan(found.error).all()
    assert found.notes == ("what is kept is not defined: all points of the map coincide",)
    two = cl_viz.project(EmbeddingSet.from_arrays(rows[:2]), "pca", cache=False)
    assert str(two.trustworthiness) == "not defined"
    assert "what is kept is not defined: fewer than three rows" in two.notes


def test_a_point_is_never_its_own_neighbour() -> None:
    points = np.zeros((6, 2))
    found = nearest_points(points, 3)
    assert found.shape == (6, 3)
    assert not (found == np.arange(6)[:, None]).any()


def test_rows_that_are_drawn_are_compared_with_all_and_the_interval_holds_the_truth(rng: np.random.Generator) -> None:
    """Without neighbours of all rows: the recall of each drawn row is the one that all neighbours give."""
    rows = rng.normal(size=(700, 6))
    rows[:40] = rows[0]
    points = rows[:, :2] + 0.1 * rng.normal(size=(700, 2))
    every = compared(rows, points)
    hits = 0
    for seed in range(20):
        some = honesty(unit(rows).astype(np.float32), points, None, seed, sample=200)
        drawn = np.isfinite(some.error)
        assert drawn.sum() == 200
        np.testing.assert_allclose(some.error[drawn], every.error[drawn], atol=1e-6)
        assert some.neighbor_recall.value == pytest.approx(1 - some.error[drawn].mean(), abs=1e-6)
        low, high = some.neighbor_recall.interval or (np.nan, np.nan)
        assert low < some.neighbor_recall.value < high
        hits += low <= (every.neighbor_recall.value or np.nan) <= high
    # 95 % of twenty, or what chance makes of it: fewer than 15 has a probability of 3e-4.
    assert hits >= 15
    assert every.neighbor_recall.interval is None

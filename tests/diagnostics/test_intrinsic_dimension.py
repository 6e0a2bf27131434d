"""Intrinsic dimension: dense twins through the public call, spheres of known dimension, repeated rows, intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cl_viz
from cl_viz.diagnostics._dense import geometry
from cl_viz.diagnostics._dense import neighbors as dense
from cl_viz.diagnostics._geometry import dimension_distances as _dimension_distances
from cl_viz.testing import clusters, rank_sphere, rotation, sphere


def diagnose(embedding_set: cl_viz.EmbeddingSet | np.ndarray, /, **params: object) -> cl_viz.Result:
    if isinstance(embedding_set, np.ndarray):
        embedding_set = cl_viz.EmbeddingSet.from_arrays(embedding_set)
    return cl_viz.diagnose("intrinsic_dimension", embedding_set, params=params)


@pytest.mark.parametrize(("neighbours", "discard", "threshold"), [(20, 0.1, 0.05), (7, 0.0, 0.2), (50, 0.3, 0.01)])
def test_every_number_is_that_of_its_dense_definition(neighbours: int, discard: float, threshold: float) -> None:
    rows = clusters(220, 12, 5, 0.7).views["view_1"]
    unit = geometry.unit_rows(rows)
    distances = dense.neighbor_distances(unit)
    found = diagnose(rows, neighbours=neighbours, discard=discard, pca_threshold=threshold)
    expected = {
        "two_nn": dense.two_nn(distances, discard),
        "levina_bickel": dense.levina_bickel(distances, neighbours),
        "fukunaga_olsen": dense.pca_dimension(np.linalg.eigvalsh(np.cov(unit, rowvar=False)), threshold),
        "participation_ratio": geometry.participation_ratio(unit),
        "repeated_share": 0.0,
    }
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value, rel=1e-9), name


@pytest.mark.parametrize("inner", [2, 3, 6])
def test_a_sphere_inside_a_larger_space_has_its_own_dimension(inner: int) -> None:
    found = diagnose(rank_sphere(1200, 40, inner))
    assert found["two_nn"].value == pytest.approx(inner - 1, rel=0.12)
    assert found["levina_bickel"].value == pytest.approx(inner - 1, rel=0.12)
    assert found["fukunaga_olsen"].value == inner
    assert found["participation_ratio"].value == pytest.approx(inner, rel=0.02)
    assert found.findings[0].level == ("watch" if inner == 2 else "good") or found["two_nn"].value < 1


@pytest.mark.parametrize(("n", "dim"), [(100, 4), (300, 64), (500, 512), (1000, 16)])
def test_a_uniform_sphere_is_good_and_lies_near_its_reference(n: int, dim: int) -> None:
    found = diagnose(sphere(n, dim, seed=3))
    assert found.level == "good"
    for name in ("two_nn", "levina_bickel"):
        assert found[name].value == pytest.approx(found[name].reference, rel=0.25), name


def test_repeated_rows_are_taken_out_whatever_their_scale_and_type() -> None:
    rows = sphere(300, 5)
    generator = np.random.default_rng(0)
    again = rows[:100] * generator.uniform(0.5, 2.0, size=(100, 1))
    repeated = np.concatenate([rows, again, again[:20]]).astype(np.float32)
    clean, found = diagnose(rows.astype(np.float32)), diagnose(repeated)
    assert found["repeated_share"].value == pytest.approx(120 / 420)
    assert found["two_nn"].value == pytest.approx(clean["two_nn"].value, rel=1e-4)
    assert found["levina_bickel"].value == pytest.approx(clean["levina_bickel"].value, rel=1e-4)
    assert any("repeat another" in finding.message for finding in found.findings)
    as_others_do = np.maximum(dense.neighbor_distances(geometry.unit_rows(repeated[:400])), 1e-8)
    assert dense.two_nn(as_others_do) < 1.0


def test_many_copies_of_one_row_are_one_row() -> None:
    rows = np.concatenate([sphere(150, 4), np.tile(sphere(1, 4, seed=9), (260, 1))])
    found = diagnose(rows)
    assert found["repeated_share"].value == pytest.approx(259 / 410)
    assert 2 < found["levina_bickel"].value < 4


def test_all_rows_equal_are_unknown() -> None:
    found = diagnose(np.ones((40, 4)))
    assert found.level == "unknown"
    assert "collapse" in found.findings[0].advice


def test_a_tight_cluster_keeps_its_digits() -> None:
    """Rows within 1e-7 of each other: 2 - 2s has no digits left there."""
    centre = np.zeros(8)
    centre[0] = 1.0
    wide = np.concatenate([np.zeros((300, 1)), sphere(300, 7)], axis=1)
    near, far = diagnose(centre + 1e-7 * wide), diagnose(centre + 1e-2 * wide)
    assert near["two_nn"].value == pytest.approx(far["two_nn"].value, rel=0.02)


def test_the_curve_ends_at_the_whole_set_and_follows_real_parts() -> None:
    rows = sphere(400, 5)
    found = diagnose(rows)
    two_nn = next(entry for entry in found.views["by_size"].series if entry.name == "TwoNN")
    assert two_nn.x[-1] == 400
    assert two_nn.y[-1] == pytest.approx(found["two_nn"].value)
    assert list(two_nn.x) == sorted(two_nn.x)
    # The point at a half is the mean over the two halves, each estimated among its own rows.
    order = np.random.default_rng(0).permutation(400) % 2
    halves = [dense.two_nn(dense.neighbor_distances(rows[order == part])) for part in (0, 1)]
    assert two_nn.y[-2] == pytest.approx(np.mean(halves), rel=1e-6)
    assert (two_nn.low[-2], two_nn.high[-2]) == pytest.approx((min(halves), max(halves)), rel=1e-6)


def test_anchors_stand_for_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = sphere(900, 6)
    whole = diagnose(rows)
    monkeypatch.setattr(_dimension_distances, "MOST_ANCHORS", 500)
    drawn = diagnose(rows)
    assert any("500 of 900 rows" in note for note in drawn.caveats.notes)
    for name in ("two_nn", "levina_bickel"):
        assert drawn[name].value == pytest.approx(whole[name].value, rel=0.1), name


def test_views_count_alike_and_bad_rows_do_not_count() -> None:
    views = {"a": sphere(200, 6), "b": rank_sphere(200, 6, 3)}
    both = diagnose(cl_viz.EmbeddingSet.from_arrays(views))
    alone = [diagnose(rows) for rows in views.values()]
    for name in ("two_nn", "levina_bickel", "participation_ratio"):
        assert both[name].value == pytest.approx(np.mean([one[name].value for one in alone])), name
    with_bad = np.concatenate([np.full((1, 6), np.nan), views["a"], np.zeros((1, 6))])
    assert diagnose(with_bad)["two_nn"].value == pytest.approx(alone[0]["two_nn"].value)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(0.01, 100.0))
def test_order_rotation_and_scale_do_not_matter(seed: int, scale: float) -> None:
    rows = np.random.default_rng(seed).normal(size=(60, 5))
    order = np.random.default_rng(seed).permutation(60)
    first, second = diagnose(rows), diagnose(scale * rows[order] @ rotation(5, seed))
    for name, quantity in first.quantities.items():
        assert second[name].value == pytest.approx(quantity.value, rel=1e-6), name


@pytest.mark.slow
def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """95 % intervals over 150 draws of 200 samples, against the mean over as many other draws of 200."""
    names = ("two_nn", "levina_bickel")
    others = (diagnose(sphere(200, 6, 10_000 + seed)) for seed in range(150))
    drawn = [[found[name].value for name in names] for found in others]
    truth = dict(zip(names, np.mean(drawn, axis=0), strict=True))
    covered = dict.fromkeys(names, 0)
    for seed in range(150):
        found = diagnose(sphere(200, 6, seed))
        for name in names:
            interval = found[name].interval
            assert interval is not None
            covered[name] += interval.low <= truth[name] <= interval.high
    for name, count in covered.items():
        assert count / 150 >= 0.88, (name, count / 150)


def test_few_dimensions_are_those_beside_a_uniform_sphere_of_the_same_space() -> None:
    circle = sphere(500, 2)
    assert diagnose(circle).findings[0].level == "good"
    # The same circle in a space of many dimensions fills hardly any of them.
    assert diagnose(np.pad(np.asarray(circle), ((0, 0), (0, 14)))).findings[0].level in ("watch", "bad")

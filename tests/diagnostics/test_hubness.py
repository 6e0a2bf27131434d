"""Hubness: dense twins through the public call, planted hubs, the uniform sphere, intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import skew

import cl_viz
from cl_viz.diagnostics._dense import neighbors as dense
from cl_viz.diagnostics._geometry.sphere_null import hubness_of_sphere
from cl_viz.testing import clusters, collapsed, planted_hubs, rotation, sphere


def diagnose(embedding_set: cl_viz.EmbeddingSet | np.ndarray, /, **params: object) -> cl_viz.Result:
    if isinstance(embedding_set, np.ndarray):
        embedding_set = cl_viz.EmbeddingSet.from_arrays(embedding_set)
    return cl_viz.diagnose("hubness", embedding_set, params=params)


@pytest.mark.parametrize(("k", "hub_size"), [(1, 2.0), (5, 2.0), (10, 1.5), (40, 3.0)])
def test_every_number_is_that_of_its_dense_definition(k: int, hub_size: float) -> None:
    rows = clusters(180, 12, 5, 0.7).views["view_1"]
    counts = dense.occurrences(rows, k)
    found = diagnose(rows, k=k, hub_size=hub_size)
    expected = {
        "skewness": dense.skewness(counts),
        "robin_hood": dense.robin_hood(counts),
        "gini": dense.gini(counts),
        "antihub_share": dense.antihub_share(counts),
        "hub_share": dense.hub_share(counts, k, hub_size),
        "hub_occurrence": dense.hub_occurrence_share(counts, k, hub_size),
        "largest": counts.max(),
    }
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value, rel=1e-12), name
    assert found["skewness"].value == pytest.approx(skew(counts, bias=True), rel=1e-12)
    assert counts.mean() == k


def test_a_row_is_not_its_own_neighbour() -> None:
    """Two tight pairs far apart: each row occurs once, at its twin."""
    rows = np.array([[1.0, 0.0], [1.0, 0.1], [-1.0, 0.0], [-1.0, 0.1]])
    found = diagnose(rows, k=1)
    assert found["largest"].value == 1
    assert found["skewness"].value is None
    assert "equally often" in found["skewness"].missing
    assert found.level == "unknown"


def test_planted_hubs_are_found_listed_and_told() -> None:
    embedding_set = planted_hubs(400, 128, 5)
    found = diagnose(embedding_set, k=5)
    table = found.views["hubs"]
    assert sorted(table.columns["row"][:5]) == [395, 396, 397, 398, 399]
    assert (table.columns["occurrences"][:5] > 300).all()
    assert (table.columns["own label among them"][:5] < 0.05).all()
    assert found.findings[0].level == "bad"
    assert found["hub_occurrence"].value > 0.9


@pytest.mark.parametrize(("n", "dim"), [(40, 2), (100, 8), (300, 64), (500, 512), (1000, 16)])
def test_a_uniform_sphere_is_good_and_lies_near_its_reference(n: int, dim: int) -> None:
    found = diagnose(sphere(n, dim, seed=3), k=10)
    assert found.level == "good"
    assert found["skewness"].value == pytest.approx(found["skewness"].reference, abs=0.6)


def test_the_null_hardly_depends_on_the_number_of_rows() -> None:
    few, many = (hubness_of_sphere(n, 32, 10, 2.0).skewness for n in (600, 3000))
    assert few == pytest.approx(many, abs=0.15)
    assert hubness_of_sphere(50_000, 8, 10, 2.0).n_rows == 4096


def test_views_are_searched_on_their_own() -> None:
    views = {"a": sphere(120, 6, 0), "b": collapsed(120, 6, 0.3).views["view_1"]}
    both = diagnose(cl_viz.EmbeddingSet.from_arrays(views))
    alone = [diagnose(np.asarray(rows)) for rows in views.values()]
    assert both["gini"].value == pytest.approx(np.mean([one["gini"].value for one in alone]))
    assert both["largest"].value == max(one["largest"].value for one in alone)


def test_too_few_rows_say_so() -> None:
    found = diagnose(sphere(10, 4), k=10)
    assert found.level == "unknown"
    assert "fewer neighbours" in found.findings[0].advice


def test_bad_rows_are_nobodys_neighbours() -> None:
    rows = sphere(120, 6)
    with_bad = np.concatenate([[np.zeros(6)], rows[:60], [np.full(6, np.nan)], rows[60:]])
    first, second = diagnose(rows), diagnose(with_bad)
    for name, quantity in first.quantities.items():
        assert second[name].value == pytest.approx(quantity.value), name
    assert 0 not in second.views["hubs"].columns["row"]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(0.01, 100.0))
def test_order_rotation_and_scale_do_not_matter(seed: int, scale: float) -> None:
    rows = np.random.default_rng(seed).normal(size=(60, 5)) + 0.5
    order = np.random.default_rng(seed).permutation(60)
    first, second = diagnose(rows), diagnose(scale * rows[order] @ rotation(5, seed))
    for name, quantity in first.quantities.items():
        assert second[name].value == pytest.approx(quantity.value, rel=1e-9), name


@pytest.mark.slow
def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """95 % intervals over 80 draws of 200 samples, against the mean over them."""

    def draw(seed: int) -> np.ndarray:
        generator = np.random.default_rng(seed)
        return generator.normal(size=(200, 8)) + 0.5

    found = [diagnose(draw(seed), hub_size=1.6) for seed in range(80)]
    for name in ("skewness", "robin_hood", "gini", "antihub_share", "hub_share", "hub_occurrence"):
        truth = np.mean([result[name].value for result in found])
        ends = [result[name].interval for result in found]
        assert all(end is not None for end in ends), name
        held = np.mean([end.low <= truth <= end.high for end in ends if end is not None])
        assert held >= 0.93 - 3 * np.sqrt(0.93 * 0.07 / 80), (name, held)


def test_few_hubs_and_the_largest_have_no_interval() -> None:
    found = diagnose(np.random.default_rng(0).normal(size=(200, 8)), hub_size=3.0)
    assert found["hub_occurrence"].interval is None
    assert found["largest"].interval is None
    assert found["hub_share"].interval is not None


@pytest.mark.parametrize("rows", [np.ones((300, 8)), np.linspace(1, 9, 300)[:, None] * np.arange(1.0, 9.0)])
def test_hubs_among_equal_rows_are_ties_and_unknown(rows: np.ndarray) -> None:
    found = diagnose(rows)
    assert found.level == "unknown"
    assert "ties" in found.findings[0].message
    # What is left of a collapse has directions again, and is judged.
    assert diagnose(collapsed(300, 8, 0.05)).level != "unknown"

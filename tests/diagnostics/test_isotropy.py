"""Isotropy: dense twins through the public call, identities, cones and lost directions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

import cl_viz
from cl_viz.diagnostics._dense import geometry as dense
from cl_viz.testing import cone, exact_spectrum, rank_sphere, rotation, sphere


def diagnose(embeddings: np.ndarray, /, **params: object) -> cl_viz.Result:
    return cl_viz.diagnose("isotropy", cl_viz.EmbeddingSet.from_arrays(embeddings), params=params)


def _crooked(n: int = 150, dim: int = 12, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(n, dim)) * np.linspace(0.2, 1.5, dim) + 0.7


@pytest.mark.parametrize("kind", ["unit", "raw"])
@pytest.mark.parametrize("rescale", [True, False])
def test_every_number_is_that_of_its_dense_definition(kind: str, rescale: bool) -> None:
    rows = _crooked()
    found = diagnose(rows, rows=kind, zeta=0.3, rescale=rescale)
    seen = dense.unit_rows(rows) if kind == "unit" else rows
    expected = {
        "mean_cosine": dense.mean_cosine(rows),
        "mean_cosine_centred": dense.mean_cosine_without_mean(seen),
        "cosine_regularizer": dense.cosine_regularizer(rows),
        "isoscore": dense.isoscore(seen),
        "isoscore_star": dense.isoscore_star(seen, 0.3, rescale=rescale),
        "partition_unit": dense.partition_isotropy(dense.unit_rows(rows)),
        "partition_raw": dense.partition_isotropy(rows),
    }
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value, rel=1e-9), name


def test_views_count_alike() -> None:
    views = {"a": _crooked(seed=1), "b": sphere(150, 12)}
    both = cl_viz.diagnose("isotropy", cl_viz.EmbeddingSet.from_arrays(views))
    alone = [diagnose(rows) for rows in views.values()]
    for name, quantity in both.quantities.items():
        assert quantity.value == pytest.approx(np.mean([one[name].value for one in alone]), rel=1e-9), name


def test_isoscore_is_the_participation_ratio_on_another_scale() -> None:
    rows = _crooked()
    ratio = dense.participation_ratio(rows)
    assert dense.isoscore(rows) == pytest.approx((ratio - 1) / 11, rel=1e-12)
    even = exact_spectrum(60, np.ones(6))
    assert diagnose(even, rows="raw")["isoscore"].value == pytest.approx(1.0, abs=1e-12)
    one = exact_spectrum(60, np.array([1.0, 1e-14, 1e-14, 1e-14]))
    assert diagnose(one, rows="raw")["isoscore"].value == pytest.approx(0.0, abs=1e-9)


def test_isoscore_star_without_shrinking_is_isoscore_and_rescaling_frees_it_from_scale() -> None:
    rows = _crooked()
    plain = diagnose(rows, rows="raw", zeta=0.0)
    assert plain["isoscore_star"].value == pytest.approx(plain["isoscore"].value, rel=1e-12)
    rescaled = [diagnose(factor * rows, rows="raw")["isoscore_star"].value for factor in (0.01, 1.0, 100.0)]
    assert rescaled[0] == pytest.approx(rescaled[1], rel=1e-9)
    assert rescaled[2] == pytest.approx(rescaled[1], rel=1e-9)
    as_is = [diagnose(factor * rows, rows="raw", rescale=False)["isoscore_star"].value for factor in (0.01, 100.0)]
    assert as_is[0] > as_is[1] + 0.2


def test_a_cone_is_found_and_taking_the_mean_off_mends_it() -> None:
    found = diagnose(cone(800, 32, np.sqrt(0.7)))
    assert found["mean_cosine"].value == pytest.approx(0.7, abs=0.01)
    assert found["mean_cosine_centred"].value == pytest.approx(0.0, abs=0.01)
    assert (found.findings[0].level, found.findings[0].quantity) == ("watch", "mean_cosine")
    assert diagnose(cone(800, 32, np.sqrt(0.95))).level == "bad"


def test_lost_directions_are_found_and_are_no_cone() -> None:
    found = diagnose(rank_sphere(800, 64, 4))
    assert found["isoscore"].value == pytest.approx(3 / 63, rel=0.05)
    assert (found.findings[0].level, found.findings[0].quantity) == ("watch", "isoscore")
    assert abs(found["mean_cosine"].value) < 0.05


@pytest.mark.parametrize(("n", "dim"), [(40, 2), (100, 8), (60, 256), (500, 512), (1000, 16)])
def test_no_uniform_sphere_is_anything_but_good_and_lies_at_its_reference(n: int, dim: int) -> None:
    found = diagnose(sphere(n, dim))
    assert found.level == "good"
    assert found["isoscore"].value == pytest.approx(found["isoscore"].reference, rel=0.05)


def test_both_signs_of_an_eigenvector_count() -> None:
    """Rows far out on one side of one axis: Z(c) is large and Z(-c) is small for the same eigenvector."""
    rows = np.concatenate([0.01 * sphere(50, 2), [[3.0, 0.0]]])
    one_sided = dense.partition_isotropy(rows)
    vector = np.array([1.0, 0.0])
    sizes = [np.exp(sign * rows @ vector).sum() for sign in (1, -1)]
    assert one_sided == pytest.approx(min(sizes) / max(sizes), rel=0.05)
    assert diagnose(rows)["partition_raw"].value == pytest.approx(one_sided, rel=1e-9)


def test_huge_norms_do_not_overflow() -> None:
    found = diagnose(1e4 * _crooked())
    assert found["partition_raw"].value == 0.0
    assert found["partition_unit"].value == pytest.approx(dense.partition_isotropy(dense.unit_rows(_crooked())))


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_sums_over_both_signs_are_those_of_the_definition(scale: float) -> None:
    from cl_viz.diagnostics._geometry.isotropy_measures import _log_sums

    along = scale * np.random.default_rng(0).normal(size=(50, 7))
    expected = [logsumexp(along, axis=0), logsumexp(-along, axis=0)]
    np.testing.assert_allclose(_log_sums(along.copy()), expected, rtol=1e-12)


def test_blocks_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from cl_viz.core import validation
    from cl_viz.diagnostics._geometry import isotropy_measures as _isotropy_measures

    rows = _crooked()
    whole = diagnose(rows)

    def small(array: np.ndarray) -> object:
        return validation.row_blocks(array, block_bytes=12 * 8 * 7)

    monkeypatch.setattr(_isotropy_measures, "row_blocks", small)
    for name, quantity in diagnose(rows).quantities.items():
        assert quantity.value == pytest.approx(whole[name].value, rel=1e-12), name


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000))
def test_order_and_rotation_do_not_matter(seed: int) -> None:
    rows = _crooked(40, 5, seed)
    order = np.random.default_rng(seed).permutation(40)
    first, second = diagnose(rows), diagnose(rows[order] @ rotation(5, seed))
    for name, quantity in first.quantities.items():
        assert second[name].value == pytest.approx(quantity.value, rel=1e-6, abs=1e-9), name


@pytest.mark.slow
def test_the_interval_of_the_mean_cosine_covers_the_truth() -> None:
    def draw(n: int, seed: int) -> np.ndarray:
        generator = np.random.default_rng(seed)
        return generator.normal(size=(n, 8)) * np.linspace(0.3, 1.5, 8) + 0.4

    truth = np.mean([dense.mean_cosine(draw(2000, 10_000 + seed)) for seed in range(10)])
    covered = 0
    for seed in range(200):
        interval = diagnose(draw(60, seed))["mean_cosine"].interval
        assert interval is not None
        covered += interval.low <= truth <= interval.high
    assert 0.89 <= covered / 200 < 1.0


def test_equal_rows_have_no_isoscore() -> None:
    found = diagnose(np.tile(sphere(1, 7), (50, 1)).astype(np.float32))
    assert found["isoscore"].value is None
    assert found["isoscore_star"].value is None
    assert found["mean_cosine"].value == pytest.approx(1.0)
    assert found.findings[0].level == "bad"


def test_two_rows_cannot_say_how_evenly_dimensions_are_used() -> None:
    found = diagnose(np.random.default_rng(0).normal(size=(2, 8)))
    finding = next(finding for finding in found.findings if finding.quantity == "isoscore")
    assert finding.level == "unknown"
    assert "add samples" in finding.advice
    assert found.level != "bad"


def test_centred_rows_are_spoken_of_only_where_they_keep_a_mean_cosine() -> None:
    plain = diagnose(sphere(1000, 16))
    assert plain["mean_cosine_centred"].value is not None
    assert "mean row" not in _cone_of(plain)
    # Most rows lie on one side of the mean, a few very far on the other: the mean does not cancel their directions.
    lopsided = np.concatenate([np.eye(1, 8) + 0.01 * sphere(95, 8), -np.ones((5, 8))])
    told = diagnose(lopsided)
    assert (told["mean_cosine_centred"].value or 0) > 0.5
    assert "once the mean row is taken off" in _cone_of(told)


def _cone_of(found: cl_viz.Result) -> str:
    return next(finding.message for finding in found.findings if finding.quantity == "mean_cosine")

"""Spectrum: its numbers against dense definitions, its floor and its null, its findings, its intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cl_viz
from cl_viz.core import validation
from cl_viz.core.result import Result
from cl_viz.diagnostics._collapse import spectrum as _spectrum
from cl_viz.diagnostics._collapse.spectral_ranks import cliff
from cl_viz.diagnostics._collapse.sphere_spectrum import _marchenko_pastur, sphere_spectrum
from cl_viz.diagnostics._dense import collapse as dense
from cl_viz.testing import clusters, collapsed, cone, exact_spectrum, rank_sphere, rotation, sphere


def spectrum(given: np.ndarray | cl_viz.EmbeddingSet, **params: object) -> Result:
    target = given if isinstance(given, cl_viz.EmbeddingSet) else one_view(given)
    return cl_viz.diagnose("spectrum", target, params=params)


def one_view(rows: np.ndarray) -> cl_viz.EmbeddingSet:
    return cl_viz.EmbeddingSet.from_arrays(rows)


def level(result: Result, quantity: str) -> str:
    return next(finding.level for finding in result.findings if finding.quantity == quantity)


def eigenvalues(result: Result) -> np.ndarray:
    return result.views["spectrum"].series[0].y


def test_the_curve_and_its_numbers_are_those_of_their_dense_definitions() -> None:
    rows = clusters(160, 20, 4, 0.5, seed=2).views["view_1"] + 0.3
    found = spectrum(rows)
    expected = dense.covariance_singular_values(rows)
    assert eigenvalues(found) == pytest.approx(expected, rel=1e-9)
    assert found["total_variance"].value == pytest.approx(expected.sum(), rel=1e-12)
    assert found["std_of_unit_rows"].value == pytest.approx(dense.std_of_l2_normalized(rows), rel=1e-12)
    assert found["largest_share"].value == pytest.approx(expected[0] / expected.sum(), rel=1e-9)
    assert found["above_floor"].value == 20


@pytest.mark.parametrize("rows", ["unit", "raw"])
@pytest.mark.parametrize("centred", [True, False])
def test_rows_and_mean_are_what_the_switches_say(rows: str, centred: bool) -> None:
    given = 3 * clusters(90, 7, 3, 0.5).views["view_1"] + 0.5
    values = given / np.linalg.norm(given, axis=1, keepdims=True) if rows == "unit" else given
    matrix = np.cov(values, rowvar=False) if centred else values.T @ values / 90
    found = spectrum(given, rows=rows, centred=centred)
    assert eigenvalues(found) == pytest.approx(np.linalg.eigvalsh(matrix)[::-1], rel=1e-9)
    assert found.caveats.normalised == (rows == "unit")
    assert found.caveats.centred == centred
    # Complete collapse is a question of unit centred rows, whatever is shown.
    unit = given / np.linalg.norm(given, axis=1, keepdims=True)
    assert found["total_variance"].value == pytest.approx(unit.var(axis=0, ddof=1).sum(), rel=1e-10)


@pytest.mark.parametrize(("n", "dim"), [(60, 4), (100, 30), (500, 16), (40, 64), (1000, 128), (129, 128), (3, 2)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_uniform_sphere_has_not_collapsed(n: int, dim: int, seed: int) -> None:
    found = spectrum(sphere(n, dim, seed))
    assert "bad" not in {finding.level for finding in found.findings}
    if n >= 100 and n > 1.2 * dim:
        assert found.level == "good"


@pytest.mark.parametrize(("n", "dim"), [(500, 16), (400, 100), (60, 200), (2000, 24)])
def test_the_null_is_the_spectrum_of_uniform_spheres(n: int, dim: int) -> None:
    null = sphere_spectrum(n, dim)
    size = min(n - 1, dim)
    drawn = np.mean([np.linalg.eigvalsh(np.cov(sphere(n, dim, seed), rowvar=False))[::-1] for seed in range(5)], axis=0)
    assert len(null.values) == size
    assert null.values == pytest.approx(drawn[:size], rel=0.05)
    assert null.values.sum() == pytest.approx(1.0, rel=0.01)
    assert (null.low <= null.values).all()
    assert (null.values <= null.high).all()


def test_in_many_dimensions_the_null_is_the_marchenko_pastur_law() -> None:
    null = sphere_spectrum(2401, 600)
    assert "Marchenko" in null.how
    drawn = np.linalg.eigvalsh(np.cov(sphere(2401, 600), rowvar=False))[::-1]
    assert null.values[5:-5] == pytest.approx(drawn[5:-5], rel=0.03)
    assert _marchenko_pastur(300, 300)[-1] < 1e-6


@pytest.mark.parametrize("rank", [1, 3, 10])
def test_dimensional_collapse_is_found_where_it_was_planted(rank: int) -> None:
    # One dimension of a sphere is two opposite points: the rank is that of its rows.
    found = spectrum(rank_sphere(400, 32, rank, noise=0.01))
    assert found["before_cliff"].value == rank
    assert found["above_floor"].value == 32
    assert level(found, "before_cliff") == "bad"
    # Two opposite points are far apart, which says nothing good of one dimension.
    assert level(found, "total_variance") == ("watch" if rank == 1 else "good")
    exact = spectrum(rank_sphere(400, 32, rank))
    assert exact["above_floor"].value == rank
    assert level(exact, "before_cliff") == "bad"
    assert "do not vary by more than rounding" in exact.findings[0].message


def test_one_long_direction_is_no_cliff() -> None:
    found = spectrum(exact_spectrum(500, np.array([50.0, *np.ones(20)])), rows="raw")
    assert found["before_cliff"].value == 21
    assert level(found, "before_cliff") == "good"
    assert cliff(np.array([50.0, 1.0, 1.0]), 1e-12).place == 1  # 2 of 52 are under 5 %.
    assert cliff(np.array([30.0, 1.0, 1.0]), 1e-12).place == 2  # 2 of 32 are not.


def test_complete_collapse_is_found_and_a_cone_is_not_taken_for_it() -> None:
    found = spectrum(collapsed(300, 32, 1e-3))
    assert level(found, "total_variance") == "bad"
    assert found["total_variance"].value == pytest.approx(31 * 1e-6, rel=0.1)
    narrow = spectrum(cone(300, 32, 0.8))
    assert narrow["total_variance"].value == pytest.approx(0.36, rel=0.01)
    assert level(narrow, "total_variance") == "good"
    assert level(spectrum(cone(300, 32, 0.97)), "total_variance") == "watch"


def test_rows_that_are_all_equal_have_no_direction() -> None:
    for value in (1.0, 0.1, 1e-20, 3e7):
        found = spectrum(np.full((30, 5), value))
        assert found["above_floor"].value == 0
        assert found["total_variance"].value == pytest.approx(0.0, abs=1e-25)
        assert {finding.level for finding in found.findings} == {"bad"}


@pytest.mark.parametrize(("dtype", "scale"), [("float16", 1.0), ("float32", 1.0), ("float64", 1.0), ("int8", 100.0)])
def test_steps_of_the_stored_type_are_below_the_floor(dtype: str, scale: float) -> None:
    """Rows of rank 3 that were rounded have full rank, but what the rounding adds is no dimension."""
    rows = (scale * rank_sphere(500, 24, 3)).round() if dtype == "int8" else scale * rank_sphere(500, 24, 3)
    found = spectrum(rows.astype(dtype))
    # The steps are noise of about the floor's own size: a handful of eigenvalues may stand just above it.
    assert found["before_cliff"].value == 3
    assert 3 <= found["above_floor"].value <= 12
    floor = float(next(note for note in found.caveats.notes if "floor" in note).split()[-1])
    above = eigenvalues(found)[3:]
    assert (above < 20 * floor).all()


def test_with_few_samples_only_so_many_dimensions_are_possible() -> None:
    found = spectrum(sphere(12, 40))
    assert found["above_floor"].value == 11
    assert found["above_floor"].reference == 11
    assert found.level == "good"


def test_more_dimensions_than_a_scatter_matrix_may_have() -> None:
    rows = sphere(30, 4100)
    found = spectrum(rows)
    # The dense definition decomposes D x D numbers; of fewer rows than D these are its values, and the rest are 0.
    centred = np.float64(rows) - np.float64(rows).mean(axis=0)
    expected = np.square(np.linalg.svd(centred, compute_uv=False)) / 29
    assert eigenvalues(found) == pytest.approx(expected[:29], rel=1e-9)
    many = cl_viz.EmbeddingSet.from_arrays(np.broadcast_to(np.float32(1.0), (4200, 4100)))
    assert cl_viz.diagnose("spectrum", many).level == "unknown"


def test_bad_rows_are_left_out_and_counted() -> None:
    rows = sphere(50, 6)
    spoiled = np.concatenate([rows, np.full((2, 6), np.nan), np.zeros((1, 6))])
    found = spectrum(spoiled)
    assert eigenvalues(found) == pytest.approx(eigenvalues(spectrum(rows)), rel=1e-12)
    assert (found.caveats.n_used, found.caveats.n_excluded) == (50, 3)


def test_blocks_of_rows_give_what_all_rows_give(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = clusters(100, 6, 4, 0.5).views["view_1"]
    whole = spectrum(rows)
    monkeypatch.setattr(validation.row_blocks, "__defaults__", (7 * 6 * 8,))
    parts = spectrum(rows)
    for name, quantity in whole.quantities.items():
        assert parts[name].value == pytest.approx(quantity.value, rel=1e-9), name
        if quantity.interval is not None:
            assert parts[name].interval.low == pytest.approx(quantity.interval.low, rel=1e-9)


def test_each_view_has_its_own_numbers_and_the_worst_is_named() -> None:
    views = {"image": sphere(200, 16), "text": rank_sphere(200, 16, 2, noise=0.001)}
    found = spectrum(cl_viz.EmbeddingSet.from_arrays(views))
    assert found["before_cliff"].value == 16
    assert spectrum(cl_viz.EmbeddingSet.from_arrays(views), view=2)["before_cliff"].value == 2
    assert found.level == "bad"
    assert "of text" in found.findings[0].message
    absent = spectrum(cl_viz.EmbeddingSet.from_arrays(views), view=3)
    assert absent.level == "unknown"
    assert "choose a view from 1 to 2" in absent.findings[0].advice


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(1e-3, 1e3))
def test_order_rotation_and_scale_of_rows_do_not_matter(seed: int, scale: float) -> None:
    generator = np.random.default_rng(seed)
    rows = clusters(50, 6, 3, 0.5, seed).views["view_1"]
    moved = scale * rows[generator.permutation(50)] @ rotation(6, seed)
    first, second = spectrum(rows), spectrum(moved)
    assert eigenvalues(second) == pytest.approx(eigenvalues(first), rel=1e-8)
    for name in ("total_variance", "largest_share", "above_floor", "before_cliff", "largest_drop"):
        assert second[name].value == pytest.approx(first[name].value, rel=1e-7, abs=1e-9), name


def test_duplicates_change_only_the_denominator() -> None:
    rows = clusters(80, 6, 3, 0.5).views["view_1"]
    twice = spectrum(np.concatenate([rows, rows]))
    assert eigenvalues(twice) == pytest.approx(eigenvalues(spectrum(rows)) * (2 * 79) / 159, rel=1e-9)


def test_intervals_from_a_draw_of_rows_are_those_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = clusters(4000, 8, 5, 0.7, seed=1).views["view_1"]
    whole = spectrum(rows)["largest_share"].interval
    monkeypatch.setattr(_spectrum, "INFLUENCE_ROWS", 2000)
    drawn = spectrum(rows)["largest_share"].interval
    assert drawn.high - drawn.low == pytest.approx(whole.high - whole.low, rel=0.08)
    assert drawn.high - drawn.low != whole.high - whole.low
    assert "4,000 samples" in drawn.method


@pytest.mark.slow
def test_intervals_cover_as_often_as_they_say() -> None:
    """95 % intervals over 200 draws, against the mean of the statistic over draws of the same N."""

    def draw(seed: int) -> Result:
        generator = np.random.default_rng(seed)
        scales = np.arange(1, 9) ** -0.7
        rows = 0.4 * generator.normal(size=(160, 8)) * scales + sphere(5, 8, 77)[generator.integers(0, 5, 160)]
        return spectrum(rows)

    names = ("total_variance", "std_of_unit_rows", "largest_share")
    found = [draw(seed) for seed in range(200)]
    for name in names:
        truth = np.mean([result[name].value for result in found])
        covered = np.mean([r[name].interval.low <= truth <= r[name].interval.high for r in found])
        # 200 draws of a 95 % event lie above 0.89 but once in two thousand.
        assert covered >= 0.89, (name, covered)

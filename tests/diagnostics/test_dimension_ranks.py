"""Ranks: each against its dense definition, their order, what collapse does to them, their intervals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cl_viz
from cl_viz.core.result import Result
from cl_viz.diagnostics._collapse import rank_measures as _rank_measures
from cl_viz.diagnostics._collapse import spectral_ranks as formulas
from cl_viz.diagnostics._collapse import spectral_slopes as _spectral_slopes
from cl_viz.diagnostics._dense import collapse as dense
from cl_viz.testing import clusters, collapsed, exact_spectrum, rank_sphere, rotation, sphere


def ranks(rows: np.ndarray, **params: object) -> Result:
    return cl_viz.diagnose("dimension_ranks", cl_viz.EmbeddingSet.from_arrays(rows), params=params)


DENSE = {
    "rankme": dense.rankme,
    "rankme_centred": lambda rows: dense.rankme(rows, centred=True),
    "effective_rank": dense.effective_rank,
    "effective_rank_centred": lambda rows: dense.effective_rank(rows, centred=True),
    "covariance_entropy_rank": dense.covariance_entropy_rank,
    "participation_ratio": dense.participation_ratio,
    "nesum": dense.nesum,
    "stable_rank": dense.stable_rank,
    "numerical_rank": dense.numerical_rank,
}


@pytest.mark.parametrize("offset", [0.0, 0.5])
@pytest.mark.parametrize(("n", "dim"), [(300, 16), (40, 64)])
def test_every_rank_is_that_of_its_dense_definition(n: int, dim: int, offset: float) -> None:
    rows = 2 * clusters(n, dim, 5, 0.6, seed=3).views["view_1"] + offset
    found = ranks(rows)
    assert set(found.quantities) == set(DENSE)
    for name, definition in DENSE.items():
        # Singular values of a Gram matrix lose digits below the root of the float64 epsilon.
        assert found[name].value == pytest.approx(definition(rows), rel=1e-7), name


@pytest.mark.parametrize("epsilon", [1e-7, 1e-5])
def test_the_constant_of_rankme_is_the_one_asked_for(epsilon: float) -> None:
    rows = rank_sphere(300, 64, 2)
    assert ranks(rows, epsilon=epsilon)["rankme"].value == pytest.approx(dense.rankme(rows, epsilon), rel=1e-5)


def test_a_rank_one_set_in_many_dimensions_shows_what_the_constant_adds() -> None:
    values = np.zeros(2048)
    values[0] = 1.0
    assert formulas.rankme(values, 1e-7) == pytest.approx(1.0033, abs=1e-4)
    assert formulas.rankme(values, 1e-5) == pytest.approx(1.266, abs=1e-3)
    assert formulas.entropy_rank(values) == 1.0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=40))
def test_ranks_keep_their_order(values: list[float]) -> None:
    eigenvalues = np.array(values)
    counts = [
        1.0,
        formulas.over_largest(eigenvalues),
        formulas.participation_ratio(eigenvalues),
        formulas.entropy_rank(eigenvalues),
        formulas.entropy_rank(np.sqrt(eigenvalues)),
        float(len(values)),
    ]
    for lower, upper in itertools.pairwise(counts):
        assert lower <= upper * (1 + 1e-9)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.01, 10), min_size=2, max_size=12), st.integers(0, 11))
def test_slopes_are_those_of_finite_differences(values: list[float], place: int) -> None:
    eigenvalues, step = np.sort(np.array(values))[::-1].copy(), 1e-6
    if eigenvalues[0] - eigenvalues[1] < 1e-4:
        eigenvalues[0] += 0.1
    place %= len(values)
    for name, count in _rank_measures._COUNTS.items():
        moved = [eigenvalues + sign * step * (np.arange(len(values)) == place) for sign in (1, -1)]
        measured = (count.value(moved[0], 1e-7) - count.value(moved[1], 1e-7)) / (2 * step)
        assert count.slope(eigenvalues, 1e-7)[place] == pytest.approx(measured, rel=1e-4, abs=1e-5), name


def test_slopes_of_nothing_are_nothing() -> None:
    zeros = np.zeros(4)
    for slope in (_spectral_slopes.entropy_rank, _spectral_slopes.participation_ratio, _spectral_slopes.over_largest):
        assert not slope(zeros).any()
    assert not _spectral_slopes.rankme(zeros, 1e-7).any()


def test_flat_and_power_law_spectra_have_their_ranks_in_closed_form() -> None:
    flat = ranks(exact_spectrum(200, np.ones(12)))
    for name in ("covariance_entropy_rank", "participation_ratio", "nesum", "stable_rank", "rankme"):
        assert flat[name].value == pytest.approx(12, rel=1e-5), name
    eigenvalues = np.arange(1.0, 13.0) ** -2
    found = ranks(exact_spectrum(200, eigenvalues))
    assert found["nesum"].value == pytest.approx(eigenvalues.sum(), rel=1e-9)
    assert found["participation_ratio"].value == pytest.approx(
        eigenvalues.sum() ** 2 / np.square(eigenvalues).sum(), rel=1e-9
    )


def test_a_constant_cloud_has_one_direction_and_no_spread() -> None:
    found = ranks(np.full((40, 6), 0.3))
    assert found["rankme"].value == pytest.approx(1.0, abs=1e-5)
    assert found["stable_rank"].value == pytest.approx(1.0)
    for name in ("rankme_centred", "covariance_entropy_rank", "participation_ratio", "nesum"):
        assert found[name].value == 0.0, name
    assert found.level == "bad"
    for measure in (formulas.entropy_rank, formulas.participation_ratio, formulas.over_largest):
        assert measure(np.zeros(5)) == 0.0


def test_a_large_mean_lowers_the_ranks_that_are_not_centred() -> None:
    rows = sphere(400, 16)
    moved = ranks(rows + 5.0)
    assert moved["rankme"].value < 0.5 * moved["rankme_centred"].value
    assert moved["rankme_centred"].value == pytest.approx(ranks(rows)["rankme_centred"].value, rel=1e-6)


def test_the_numerical_rank_sees_what_a_gram_matrix_loses() -> None:
    rows = exact_spectrum(200, np.array([1.0, 1.0, 1e-20, 1e-20]))
    assert ranks(rows)["numerical_rank"].value == 4 == dense.numerical_rank(rows)


def test_where_a_decomposition_of_the_rows_costs_too_much_the_floor_is_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_rank_measures, "_QR_WORK", 1.0)
    found = ranks(rank_sphere(200, 12, 5))
    assert found["numerical_rank"].value == 5
    assert any("from the Gram matrix" in note for note in found.caveats.notes)


@pytest.mark.parametrize(("n", "dim"), [(60, 4), (100, 30), (500, 16), (40, 64), (1000, 128)])
def test_a_uniform_sphere_fills_its_dimensions(n: int, dim: int) -> None:
    found = ranks(sphere(n, dim))
    assert found.level == "good"
    for name, quantity in found.quantities.items():
        if quantity.reference is not None and name != "nesum" and name != "stable_rank":
            assert quantity.value == pytest.approx(quantity.reference, rel=0.05), name


def test_a_collapsed_set_fills_few() -> None:
    assert ranks(rank_sphere(300, 32, 2, noise=0.01)).level == "bad"
    assert ranks(rank_sphere(300, 32, 5, noise=0.01)).level == "watch"
    # What is left of a complete collapse is noise in every direction: the centred rank is high, RankMe is 1.
    found = ranks(collapsed(400, 8, 1e-4).views["view_1"])
    assert found["rankme"].value < 1.01
    assert found["covariance_entropy_rank"].value > 7
    # Counts are shares and do not see it; the finding does.
    (finding,) = found.findings
    assert finding.level == "bad"
    assert "collapsed to nearly one point" in finding.message


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(1e-2, 1e2))
def test_order_rotation_scale_and_duplicates_do_not_matter(seed: int, scale: float) -> None:
    rows = clusters(60, 6, 3, 0.5, seed).views["view_1"] + 0.2
    moved = scale * np.concatenate([rows, rows])[np.random.default_rng(seed).permutation(120)] @ rotation(6, seed)
    first, second = ranks(rows), ranks(moved)
    for name, quantity in first.quantities.items():
        assert second[name].value == pytest.approx(quantity.value, rel=1e-6), name


def test_intervals_are_given_where_they_cover() -> None:
    assert ranks(sphere(200, 16))["rankme"].interval is not None
    few = ranks(sphere(100, 16))
    assert few["rankme"].interval is None
    assert any("N ≥ 10 D" in note for note in few.caveats.notes)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["isotropic", "power law", "clusters"])
def test_intervals_cover_as_often_as_they_say(kind: str) -> None:
    """95 % intervals over 150 draws, against the mean of the statistic over draws of the same N."""

    def draw(seed: int) -> Result:
        generator = np.random.default_rng(seed)
        rows = generator.normal(size=(160, 16))
        if kind == "power law":
            rows *= np.arange(1, 17) ** -0.5
        if kind == "clusters":
            rows = 0.3 * rows + np.random.default_rng(99).normal(size=(5, 16))[generator.integers(0, 5, 160)]
        return ranks(rows)

    found = [draw(seed) for seed in range(150)]
    for name in _rank_measures._COUNTS:
        truth = np.mean([result[name].value for result in found])
        covered = np.mean([r[name].interval.low <= truth <= r[name].interval.high for r in found])
        # 150 draws of a 95 % event lie above 0.88 but once in two thousand.
        assert covered >= 0.88, (name, covered)


def test_one_row_of_large_norm_is_told_from_directions_that_are_few() -> None:
    rows = sphere(1000, 64)
    rows[3] *= 1000
    found = ranks(rows)
    (finding,) = found.findings
    assert finding.level == "watch"
    assert "times the median" in finding.message
    assert "of raw rows" in finding.message
    assert found["covariance_entropy_rank"].value == pytest.approx(dense.covariance_entropy_rank(rows), rel=1e-7)
    # Norms hide nothing: directions that are few are bad whatever the norms of their rows.
    few = rank_sphere(300, 32, 2, noise=0.01)
    assert ranks(few * np.random.default_rng(0).uniform(0.5, 2, (300, 1))).level == "bad"


@pytest.mark.parametrize("scale", [1e37, 1e-44])
def test_no_scale_of_float64_rows_changes_a_rank(scale: float) -> None:
    rows = np.asarray(sphere(200, 16), dtype=np.float64) + 0.2
    plain, scaled = ranks(rows), ranks(rows * scale)
    assert scaled.level == plain.level == "good"
    for name, quantity in plain.quantities.items():
        assert scaled[name].value == pytest.approx(quantity.value, rel=1e-6), name

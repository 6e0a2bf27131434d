"""Spectral decay: known exponents, its dense definition, and when it refuses."""

from __future__ import annotations

import numpy as np
import pytest

import cl_viz
from cl_viz.core.errors import InputError
from cl_viz.core.result import Result
from cl_viz.diagnostics._dense import collapse as dense
from cl_viz.testing import exact_spectrum, sphere


def decay(rows: np.ndarray, **params: object) -> Result:
    return cl_viz.diagnose("alpha_req", cl_viz.EmbeddingSet.from_arrays(rows), params=params)


def power_rows(exponent: float, n: int = 400, dim: int = 128) -> np.ndarray:
    return exact_spectrum(n, np.arange(1.0, dim + 1) ** -exponent)


@pytest.mark.parametrize("exponent", [0.5, 1.0, 1.8])
def test_a_power_law_has_its_exponent(exponent: float) -> None:
    found = decay(power_rows(exponent))
    assert found["alpha"].value == pytest.approx(exponent, rel=1e-6)
    assert found["fit"].value == pytest.approx(1.0, abs=1e-9)
    assert found.level == "good"


@pytest.mark.parametrize(("first", "last"), [(11, 100), (5, 60), (1, 40)])
def test_the_fit_is_that_of_its_dense_definition(first: int, last: int) -> None:
    rows = np.random.default_rng(1).normal(size=(700, 128)) * np.arange(1, 129) ** -0.6
    found = decay(rows, fit_from=first, fit_to=last)
    assert found["alpha"].value == pytest.approx(dense.alpha_req(rows, first - 1, last).exponent, rel=1e-8)
    assert found["fit"].value == pytest.approx(dense.alpha_req_fit(rows, first - 1, last, last), rel=1e-8)


def test_the_fit_is_a_weighted_least_squares_line() -> None:
    values = np.sort(np.random.default_rng(0).lognormal(size=120))[::-1]
    ranks = np.arange(11, 101)
    slope, level = np.polyfit(np.log(ranks), np.log(values[10:100]), 1, w=ranks**-0.5)
    law = dense.ranks.power_law(values)
    assert law.exponent == pytest.approx(-slope, rel=1e-9)
    assert law.level == pytest.approx(level, rel=1e-9)
    assert law.weights @ np.log(values[10:100]) == pytest.approx(law.exponent, rel=1e-9)


@pytest.mark.parametrize(
    "rows", [sphere(400, 32), sphere(400, 100), sphere(80, 200), power_rows(1.0)[:, :1] * np.ones(128)]
)
def test_it_refuses_what_has_too_few_eigenvalues(rows: np.ndarray) -> None:
    found = decay(rows)
    assert found.level == "unknown"
    assert not found.quantities
    assert "more than 100 dimensions" in found.findings[0].advice
    assert decay(sphere(400, 32), fit_to=31)["alpha"].value is not None


def test_a_range_that_is_too_short_is_an_error() -> None:
    with pytest.raises(InputError, match="longer range"):
        decay(power_rows(1.0), fit_from=95, fit_to=100)


def test_a_spectrum_that_is_no_power_law_is_said_to_be_none() -> None:
    eigenvalues = np.where(np.arange(128) < 50, 1.0, 1e-6) * np.linspace(2, 1, 128)
    found = decay(exact_spectrum(400, eigenvalues))
    assert found.level == "watch"
    assert "no power law" in found.findings[0].message


def test_scale_does_not_matter_and_steep_is_watched() -> None:
    assert decay(100 * power_rows(1.2))["alpha"].value == pytest.approx(1.2, rel=1e-6)
    assert decay(power_rows(2.5)).level == "watch"


@pytest.mark.slow
def test_the_interval_covers_as_often_as_it_says() -> None:
    def draw(seed: int) -> Result:
        rows = np.random.default_rng(seed).normal(size=(300, 24)) * np.arange(1, 25) ** -0.6
        return decay(rows, fit_from=3, fit_to=20)

    found = [draw(seed) for seed in range(200)]
    truth = np.mean([result["alpha"].value for result in found])
    covered = np.mean([r["alpha"].interval.low <= truth <= r["alpha"].interval.high for r in found])
    # 200 draws of a 95 % event lie above 0.89 but once in two thousand.
    assert covered >= 0.89

"""Intervals and thresholds: the small pieces that every finding rests on."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cl_viz.core.result import format_number, influence_interval
from cl_viz.diagnostics._thresholds import scores as _thresholds


def test_interval_of_a_mean_is_the_usual_one() -> None:
    values = np.random.default_rng(0).normal(3, 2, size=400)
    interval = influence_interval(values.mean(), values - values.mean())
    error = values.std(ddof=1) / 20
    assert interval.low == pytest.approx(values.mean() - 1.959964 * error, rel=1e-6)
    assert interval.high == pytest.approx(values.mean() + 1.959964 * error, rel=1e-6)


def test_independent_groups_add_their_variances() -> None:
    first, second = (np.random.default_rng(seed).normal(size=size) for seed, size in ((0, 50), (1, 80)))
    interval = influence_interval(0.0, first, second)
    error = math.sqrt(first.var(ddof=1) / 50 + second.var(ddof=1) / 80)
    assert interval.high == pytest.approx(1.959964 * error, rel=1e-6)


@pytest.mark.parametrize("estimate", [0.001, 0.5, 0.999])
def test_an_interval_does_not_leave_its_limits(estimate: float) -> None:
    interval = influence_interval(
        estimate, np.random.default_rng(0).normal(size=20) * estimate * (1 - estimate), limits=(0.0, 1.0)
    )
    assert 0 < interval.low < estimate < interval.high < 1


def test_thresholds_go_in_the_direction_of_trouble() -> None:
    assert [_thresholds.AUC.level(value) for value in (0.95, 0.8, 0.5)] == ["good", "watch", "bad"]
    assert [_thresholds.NEGATIVE_MEAN.level(value) for value in (0.1, 0.6, 0.95)] == ["good", "watch", "bad"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.99712, "0.997"),
        (12345.6, "12,346"),
        (10.0, "10"),
        (2000.0, "2,000"),
        (-0.0312, "-0.0312"),
        (1e-9, "1.00e-09"),
        (math.nan, "not defined"),
        (0.9994, "0.999"),
        (0.99996, "0.99996"),
        (-0.9999999, "-0.9999999"),
        (1 - 1e-14, "1.000"),
    ],
)
def test_numbers_have_three_significant_digits(value: float, text: str) -> None:
    assert format_number(value) == text

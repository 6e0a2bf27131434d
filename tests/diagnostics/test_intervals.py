"""Intervals and thresholds: the small pieces that every finding rests on."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.result import format_number, influence_interval
from cl_viz.diagnostics import DIAGNOSTICS, diagnose
from cl_viz.diagnostics._running import NO_ESTIMATES, NO_INTERVAL
from cl_viz.diagnostics._thresholds import scores as _thresholds
from cl_viz.diagnostics.cross_view_retrieval import _of_median


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


@pytest.mark.parametrize("size", [7, 40, 101])
def test_the_interval_of_a_median_rank_holds_the_median_as_often_as_it_says(size: int) -> None:
    generator = np.random.default_rng(0)
    # Half of the ranks are up to 500: the median is between 500 and 501.
    intervals = [_of_median(generator.integers(1, 1001, size)) for _ in range(2000)]
    held = np.mean([found is not None and found.low <= 500.5 <= found.high for found in intervals])
    # The binomial law has steps: at least 95 %, and more with few queries; three standard errors of the share.
    assert 0.95 - 3 * math.sqrt(0.95 * 0.05 / 2000) <= held <= 0.99


def test_a_median_of_very_few_ranks_has_no_interval() -> None:
    assert _of_median(np.array([1, 2, 3, 4, 5])) is None


def test_numbers_without_an_interval_are_named_and_drawing_intervals_say_their_seed() -> None:
    rows = np.random.default_rng(0).normal(size=(120, 6))
    found = EmbeddingSet.from_arrays({"one": rows, "two": rows + 0.1}, label=np.arange(120) % 3)
    hidden, shown = diagnose("modality_gap", found), diagnose("neural_collapse", found)
    bare = [entry.label for entry in hidden.quantities.values() if entry.interval is None]
    assert "Margin" in bare
    assert f"{NO_INTERVAL}: {'; '.join(bare)}" in hidden.caveats.lines()
    assert all(entry.interval is not None for entry in shown.quantities.values())
    assert NO_INTERVAL not in "".join(shown.caveats.lines())
    interval = shown["nc1_quotient"].interval
    assert interval is not None
    assert interval.method == "jackknife over 20 groups of 120 samples, drawn with seed 0"
    assert shown.caveats.seed == 0
    assert NO_INTERVAL not in "".join(diagnose("data_quality", found).caveats.lines())


def test_what_is_no_estimate_is_declared() -> None:
    for name, known in NO_ESTIMATES.items():
        assert known <= {spec.name for spec in DIAGNOSTICS[name].quantities}, name

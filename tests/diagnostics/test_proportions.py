"""Wilson's interval against scipy, and what is made of it against simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from cl_viz.diagnostics._proportions import mean_of_proportions, wilson, worst_and_gap


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (3, 10), (10, 10), (480, 500)])
def test_wilson_is_that_of_scipy(successes: int, trials: int) -> None:
    expected = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    found = wilson(successes, trials)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


SHARES = np.array([0.95, 0.8, 0.99, 0.6])
TRIALS = np.array([60, 40, 30, 80])


def test_the_intervals_of_balanced_accuracy_worst_group_and_gap_cover_the_truth() -> None:
    generator = np.random.default_rng(1)
    held = np.zeros(3)
    for _ in range(400):
        hits = generator.binomial(TRIALS, SHARES)
        found = (mean_of_proportions(hits, TRIALS), *worst_and_gap(hits, TRIALS))
        truth = (SHARES.mean(), SHARES.min(), np.ptp(SHARES))
        held += [interval.low <= value <= interval.high for interval, value in zip(found, truth, strict=True)]
    mean, worst, gap = held / 400
    # 400 draws: a coverage of 0.95 shows between 0.92 and 0.98.
    assert 0.92 <= mean <= 0.985
    assert worst >= 0.94
    assert gap >= 0.94


def test_equal_groups_have_no_gap_for_sure_and_full_marks_still_have_a_width() -> None:
    trials = np.full(5, 50)
    worst, gap = worst_and_gap(np.array([45, 44, 46, 43, 45]), trials)
    assert gap.low == 0
    assert worst.low < 43 / 50 < worst.high
    perfect = mean_of_proportions(trials, trials)
    assert perfect.high == 1
    assert 0.9 < perfect.low < 1


def test_one_group_is_wilsons_interval() -> None:
    one, alone = mean_of_proportions(np.array([45]), np.array([50])), wilson(45, 50)
    assert (one.low, one.high) == pytest.approx((alone.low, alone.high))

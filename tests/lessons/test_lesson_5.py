"""Lesson 5: every rank that is quoted is that of the set, and each collapse is what it is called."""

import numpy as np
import pytest

from cl_viz import lessons
from cl_viz.lessons import _ranks as ranks
from cl_viz.lessons._measuring import number


def test_a_collapsed_set_has_full_numerical_rank_and_no_variance() -> None:
    found = ranks.one_point(0.01)
    assert ranks.rank(found, "numerical_rank") == ranks.POINT_DIM
    assert number("spectrum", "total_variance", found) < 0.01
    assert ranks.rank(found, "rankme") < 5 < 30 < ranks.rank(found, "rankme_centred")


def test_without_noise_all_ranks_count_the_dimensions_that_are_used() -> None:
    clean = ranks.flat_sphere(8, 0.0)
    for name in ("numerical_rank", "rankme", "covariance_entropy_rank", "participation_ratio"):
        assert ranks.rank(clean, name) == pytest.approx(8, abs=0.3)
    noisy = ranks.flat_sphere(8, 0.05)
    assert ranks.rank(noisy, "rankme") > 30 > 12 > ranks.rank(noisy, "participation_ratio")


def test_both_entropy_ranks_follow_from_the_spectrum() -> None:
    eigenvalues = np.arange(1, ranks.SPECTRUM_DIM + 1.0) ** -1.5

    def entropy_rank(values: np.ndarray) -> float:
        shares = values / values.sum()
        return float(np.exp(-(shares * np.log(shares)).sum()))

    found = ranks.power_law(1.5, 0.0)
    assert ranks.rank(found, "covariance_entropy_rank") == pytest.approx(entropy_rank(eigenvalues), rel=1e-3)
    assert ranks.rank(found, "rankme") == pytest.approx(entropy_rank(np.sqrt(eigenvalues)), rel=1e-3)
    moved = ranks.power_law(1.5, 2.0)
    assert ranks.rank(moved, "rankme") < ranks.rank(found, "rankme")
    assert ranks.rank(moved, "rankme_centred") == pytest.approx(ranks.rank(found, "rankme_centred"), rel=1e-3)


def test_class_collapse_leaves_classes_and_loses_subclasses() -> None:
    assert ranks.accuracy(0.0, False) == 1
    assert ranks.accuracy(0.0, True) < 0.45
    assert ranks.accuracy(1.0, True) > 0.95


def test_the_supervised_loss_keeps_the_dimensions_of_a_simplex() -> None:
    assert ranks.flow_answer() == pytest.approx(2, abs=0.5)
    assert ranks.dimensions(ranks.course_of("ntxent").spectrum[-1]) > 10


@pytest.mark.parametrize("controls", [{"decay": 0.5}, {"offset": 8.0}, {"decay": 0.0, "offset": 1.0}])
def test_one_control_does_not_fool_anybody(controls: dict[str, float]) -> None:
    assert not lessons.check("three_collapses", **controls).passed

"""Lesson 6: the push on false negatives in closed form, the clamp, the exponent of beta, and extrapolated pairs."""

import math

import numpy as np
import pytest

from cl_viz import lessons
from cl_viz.lessons import _false_and_hard as hard
from cl_viz.testing import paired_sphere


@pytest.mark.parametrize(("score", "temperature"), [(0.6, 0.2), (0.0, 1.0), (0.8, 0.1)])
def test_the_push_on_false_negatives_is_that_of_the_formula(score: float, temperature: float) -> None:
    false, rest = 7, 56
    assert false + rest == hard.LABELS * hard.PER_LABEL - 1
    raised = false * math.exp(score / temperature)
    assert hard.false_push(score, temperature) == pytest.approx(raised / (raised + rest), rel=1e-6)
    assert hard.false_share() == pytest.approx(7 / 63)


def test_a_right_prior_clamps_at_a_low_temperature_only() -> None:
    assert hard.six_class_share() == pytest.approx(0.16, abs=0.005)
    assert hard.reweighting("clamped_share", 0.2, 0.0, 0.16) > 0.8
    assert hard.reweighting("clamped_share", 0.5, 0.0, 0.16) == 0


def test_beta_is_a_lower_temperature_of_the_negatives() -> None:
    """Weights times terms have the exponent (1 + beta) s / temperature."""
    doubled = hard.reweighting("reweighted_false_negative_push", 0.5, 1.0, 0.0)
    assert doubled == pytest.approx(hard.reweighting("reweighted_false_negative_push", 0.25, 0.0, 0.0), rel=1e-9)


@pytest.mark.parametrize("coefficient", [1.0, 1.5, 2.0])
def test_extrapolated_pairs_have_the_product_that_is_told(coefficient: float) -> None:
    found = paired_sphere(5, 8, 0.8)
    query, key = (np.asarray(view) for view in found.views.values())
    other = 1 - coefficient
    product = ((coefficient * query + other * key) * (coefficient * key + other * query)).sum(axis=1)
    assert product == pytest.approx(np.full(5, hard.transformed_score(0.8, coefficient)))
    assert hard.transform_answer() == pytest.approx(0.5)


@pytest.mark.parametrize("controls", [{"temperature": 0.5}, {"beta": 2.0}, {"temperature": 0.2, "beta": 2.0}])
def test_one_change_is_not_enough(controls: dict[str, float]) -> None:
    assert not lessons.check("false_and_hard_negatives", **controls).passed

"""Lesson 6: the push on false negatives in closed form, the clamp, the exponent of beta, and extrapolated pairs."""

import math

import numpy as np
import pytest

from cl_viz import lessons
from cl_viz.lessons import _changed_features as features
from cl_viz.lessons import _false_and_hard as hard
from cl_viz.lessons.lesson_6_false_and_hard_negatives import SPEC
from cl_viz.testing import paired_sphere


@pytest.mark.parametrize(("score", "temperature"), [(0.6, 0.2), (0.0, 1.0), (0.8, 0.1)])
def test_the_push_on_false_negatives_is_that_of_the_formula(score: float, temperature: float) -> None:
    false, rest = 7, 56
    assert false + rest == hard.LABELS * hard.PER_LABEL - 1
    raised = false * math.exp(score / temperature)
    assert hard.false_push(score, temperature) == pytest.approx(raised / (raised + rest), rel=1e-6)
    assert hard.false_share() == pytest.approx(7 / 63)


def test_a_right_prior_clamps_at_a_low_temperature_only() -> None:
    """Lower temperatures clamp more at the right prior; at a higher one that is no rule."""
    assert hard.six_class_share() == pytest.approx(0.16, abs=0.005)
    right, high = (
        [hard.reweighting("clamped_share", temperature, 0.0, prior) for temperature in (0.1, 0.2, 0.5)]
        for prior in (0.16, 0.3)
    )
    assert right == sorted(right, reverse=True)
    assert right == pytest.approx([0.908, 0.863, 0], abs=1e-3)
    assert high[:2] == pytest.approx([0.950, 0.971], abs=1e-3)
    text = SPEC.step("debias").explained()
    for said in ("86.2 % of the positives", "90.8 % at 0.1 and 0 % at 0.5", "95 % at 0.1 and 97.1 % at 0.2"):
        assert said in text


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
    assert product == pytest.approx(np.full(5, features.transformed_score(0.8, coefficient)))
    assert features.transform_answer() == pytest.approx(0.5)


def measure(name: str, positives: str, queue: str, mixtures: str) -> float:
    value = features.changed(positives, queue, mixtures)[name].value
    assert value is not None
    return value


def test_each_change_of_features_does_what_is_told_of_it_alone() -> None:
    effective, variance = "effective_negatives_after", "negative_variance_after"
    nothing = measure(effective, "keep", "keep", "none")
    assert nothing == pytest.approx(measure("effective_negatives_before", "keep", "keep", "none"))
    mixed, hard_ones, pushed, every = (
        measure(effective, *choice)
        for choice in (
            ("keep", "mix", "none"), ("keep", "keep", "add"), ("extrapolate", "keep", "none"),
            ("extrapolate", "mix", "add"),
        )
    )  # fmt: skip
    assert abs(mixed - nothing) < 0.01 * nothing
    assert every < min(hard_ones, pushed) < 0.9 * nothing
    assert measure(variance, "keep", "mix", "none") < 0.65 * measure(variance, "keep", "keep", "none")
    alone, both = (measure("mixed_push", "keep", queue, "add") for queue in ("keep", "mix"))
    assert both > 1.5 * alone
    text = SPEC.step("transform").explained()
    for label, value in (
        ("none", nothing), ("queue mixing alone", mixed), ("extrapolation alone", pushed),
        ("hard mixtures alone", hard_ones), ("all three", every),
    ):  # fmt: skip
        assert f"| {label} | {value:.1f} |" in text
    assert f"take {100 * alone:.1f} % of it" in text
    assert f"it is {100 * both:.1f} %" in text
    assert f"{100 * measure('hardest_same_label', 'keep', 'keep', 'add'):.1f} % of the hardest items" in text


def test_hard_mixtures_have_several_items_to_choose_from_and_the_sizes_are_told() -> None:
    sizes = features.sample_sizes()
    assert (sizes.anchors, sizes.queue) == (256, 600 - 256)
    assert sizes.hardest == round(0.016 * sizes.queue) == 6
    assert sizes.mixtures == round(0.008 * sizes.queue) + round(0.002 * sizes.queue) == 4
    step = SPEC.step("transform")
    told = step.told(step.params())
    assert "N = 256 anchors and a queue of 344, of 600 samples; temperature 0.1" in told
    assert "the 4 mixtures of an anchor" in told
    assert "4 of them for each anchor, from its 6 hardest items" in step.explained()
    assert "nothing is added" in step.told(step.params.make({"hard_mixtures": "none"}))


@pytest.mark.parametrize("controls", [{"temperature": 0.5}, {"beta": 2.0}, {"temperature": 0.2, "beta": 2.0}])
def test_one_change_is_not_enough(controls: dict[str, float]) -> None:
    assert not lessons.check("false_and_hard_negatives", **controls).passed

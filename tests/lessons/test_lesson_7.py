"""Lesson 7: the published curve, planted harm, and effects that add up."""

import math

import pytest

from cl_viz import lessons
from cl_viz.lessons import _harm as harm
from cl_viz.lessons.lesson_7_who_is_harmed import SPEC


def test_a_vanishing_block_collapses_with_enough_connectivity_only() -> None:
    ends = [harm.block_cosines(alpha, "script")[0] for alpha in harm.ALPHAS]
    assert ends == sorted(ends)
    assert [end > harm.COLLAPSED for end in ends] == [False, False, False, True, True]
    for alpha in harm.ALPHAS[:3]:
        assert harm.block_cosines(alpha, "graph")[0] < harm.COLLAPSED
    threshold = 0.95 * (2 * math.tanh(1) - 1)
    assert float(harm.block_numbers()["threshold"]) == pytest.approx(threshold, abs=5e-4)
    assert 0.4 < threshold < 0.6


@pytest.mark.parametrize("moved", [0.0, 0.1, 0.5])
def test_planted_harm_is_found(moved: float) -> None:
    assert harm.known(harm.moved_result(moved), "nearest") == pytest.approx(1 - moved, abs=1e-6)


def test_effects_add_up_and_the_encoder_matters_where_classes_touch() -> None:
    for overlap in ("none", "some", "much"):
        result = harm.mediation(overlap)
        total, indirect, reverse = (
            harm.known(result, name) for name in ("total_effect", "indirect_effect", "reverse_direct_effect")
        )
        assert total == pytest.approx(indirect - reverse)
    assert harm.known(harm.mediation("none"), "indirect_effect") == 0
    assert abs(harm.known(harm.mediation("some"), "indirect_effect")) < 0.1
    much = harm.mediation("much")["indirect_effect"]
    assert much.interval is not None
    assert much.interval.high < 0


def test_the_published_effects_are_those_of_the_text() -> None:
    text = SPEC.step("mediation").explained()
    assert "97.2 points in all and 9.50 by the encoder (9.8 %" in text


@pytest.mark.parametrize("controls", [{"alpha": 0.6}, {"halvings": 2}, {"alpha": 0.4, "halvings": 2}])
def test_rarity_or_connectivity_alone_is_not_enough(controls: dict[str, float]) -> None:
    assert not lessons.check("who_is_harmed", **controls).passed

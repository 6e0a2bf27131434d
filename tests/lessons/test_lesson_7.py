"""Lesson 7: the published curve, planted harm, and effects that add up."""

import math

import pytest

from cl_viz import lessons
from cl_viz.core.view import Lines
from cl_viz.lessons import _harm as harm
from cl_viz.lessons.lesson_7_who_is_harmed import SPEC
from cl_viz.simulate.stochastic_block_model import Weights, collapse_curves


def test_a_vanishing_block_collapses_with_enough_connectivity_only() -> None:
    ends = [harm.block_cosines(alpha, "script")[0] for alpha in harm.ALPHAS]
    assert ends == sorted(ends)
    assert [end > harm.COLLAPSED for end in ends] == [False, False, False, True, True]
    for alpha in harm.ALPHAS[:3]:
        assert harm.block_cosines(alpha, "graph")[0] < harm.COLLAPSED
    for weights in harm.WEIGHTS:
        middle = harm.block_cosines(0.2, weights)
        assert middle[-1] < middle[0] < harm.COLLAPSED
    threshold = 0.95 * (2 * math.tanh(1) - 1)
    assert float(harm.block_numbers()["threshold"]) == pytest.approx(threshold, abs=5e-4)
    assert 0.4 < threshold < 0.6


def test_both_rows_of_the_table_are_those_of_their_weights_after_the_steps_that_are_told() -> None:
    text = SPEC.step("blocks").explained()
    curves = lessons.view("who_is_harmed", "blocks", alpha=0.4)
    assert isinstance(curves, Lines)
    assert curves.series[0].x[-1] == 1 / (3 * harm.SHARES[0])
    assert [round(float(entry.y[-1]), 3) for entry in curves.series] == [0.998, 0.925]
    assert "at a share of 0.130 %, after 1,000 steps" in text
    assert harm.SHARES[0] == pytest.approx(2**-8 / 3)
    rows: dict[Weights, str] = {
        "script": "| Weights of the authors' script | -0.206 | -0.0334 | 0.331 | 0.998 | 1.000 |",
        "graph": "| Weights of simulated graphs | 0.638 | 0.690 | 0.772 | 0.925 | 0.99997 |",
    }
    for weights, row in rows.items():
        assert row in text
        from_elsewhere = collapse_curves([2**-8 / 3], harm.ALPHAS, weights=weights, steps=1000, seed=1)[0, :, 0, 1]
        told = [float(value) for value in row.split("|")[2:-1]]
        assert from_elsewhere == pytest.approx(told, abs=0.002)


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
        direct, both = (harm.known(result, name) for name in ("direct_effect", "interaction"))
        assert total == pytest.approx(direct + indirect + both)
    assert harm.known(harm.mediation("none"), "indirect_effect") == 0
    some = harm.mediation("some")["indirect_effect"]
    assert some.interval is not None
    assert some.interval.high >= 0 > some.interval.low
    much = harm.mediation("much")["indirect_effect"]
    assert much.interval is not None
    assert much.interval.high < 0
    assert harm.known(harm.mediation("much"), "interaction") > 0.2


def test_effects_are_told_with_their_intervals_and_with_the_samples_that_these_rest_on() -> None:
    step = SPEC.step("mediation")
    for overlap in ("none", "some", "much"):
        result, told = harm.mediation(overlap), step.told(step.params.make({"overlap": overlap}))
        for name in ("total_effect", "indirect_effect", "direct_effect", "interaction"):
            entry = result[name]
            assert entry.n == 32
            assert entry.interval is not None
            assert harm.effect(overlap, name) in told
        assert "N = 32 tested samples of the 120 of the class" in told
    text = step.explained()
    assert "97.2 points in all and 9.50 by the encoder (9.8 %" in text
    assert "At *some* overlap NIE is -9.38 [-20.7, 0] points (N = 32 tested samples): its interval reaches 0" in text
    assert "TE is -96.9 [-100, -90.3] and NDE -96.9 [-100, -90.3]" in text
    assert "the *interaction*, 34.4 [19.2, 50]" in text


@pytest.mark.parametrize("controls", [{"alpha": 0.6}, {"halvings": 2}, {"alpha": 0.4, "halvings": 2}])
def test_rarity_or_connectivity_alone_is_not_enough(controls: dict[str, float]) -> None:
    assert not lessons.check("who_is_harmed", **controls).passed

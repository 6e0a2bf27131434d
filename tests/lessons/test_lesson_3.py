"""Lesson 3: the coupling in closed form, in the diagnostic, and in the gradients of the losses themselves."""

import math

import pytest

from cl_viz import lessons
from cl_viz.core.view import Lines
from cl_viz.lessons import _coupled_gradients as coupled


@pytest.mark.parametrize(("batch", "score", "temperature"), [(8, 0.9, 0.1), (64, 0.5, 0.2), (4, 0.0, 1.0)])
def test_the_factor_is_the_same_three_times(batch: int, score: float, temperature: float) -> None:
    negatives = 2 * batch - 2
    expected = negatives / (negatives + math.exp(score / temperature))
    assert coupled.multiplier(batch, score, temperature) == pytest.approx(expected, rel=1e-6)
    assert 1 / coupled.ratio(batch, score, temperature) == pytest.approx(expected, rel=1e-6)
    curve = lessons.view("batch_size", "multiplier", batch=batch, score=score, temperature=temperature)
    assert isinstance(curve, Lines)
    assert curve.series[0].y[coupled.BATCHES.index(batch)] == pytest.approx(expected)


def test_larger_batches_keep_more_and_vary_less() -> None:
    batches = (4, 16, 64, 120)
    kept = [coupled.of_batch("multiplier", batch, 0.1) for batch in batches]
    varied = [coupled.of_batch("variation", batch, 0.1) for batch in batches]
    assert kept == sorted(kept)
    assert varied == sorted(varied, reverse=True)


def test_in_a_large_batch_at_a_high_temperature_the_losses_are_one() -> None:
    assert coupled.ratio(256, 0.9, 0.5) < 1.05


@pytest.mark.parametrize("controls", [{"batch": 64}, {"temperature": 0.1}, {"batch": 64, "temperature": 0.3}])
def test_half_an_answer_fails_the_exercise(controls: dict[str, float]) -> None:
    assert not lessons.check("batch_size", **controls).passed

"""Lesson 4: the four failures fail as they are said to, and what is said of the best uniformity is so."""

import math

import numpy as np
import pytest

from cl_viz import lessons
from cl_viz.lessons import _four_failures as failures
from cl_viz.lessons.lesson_4_alignment_and_uniformity import SPEC


def test_each_encoder_fails_in_its_own_way() -> None:
    aligned = {name: failures.alignment(name, 3) for name in failures.ENCODERS}
    uniform = {name: failures.uniformity(name, 3) for name in failures.ENCODERS}
    assert {name for name, value in aligned.items() if value > 0.1} == {"B"}
    assert aligned["B"] == pytest.approx(2, abs=0.4)
    assert uniform["A"] == pytest.approx(0, abs=0.01)
    assert uniform["A"] > uniform["D"] > uniform["C"] > uniform["E"]
    assert uniform["B"] == pytest.approx(uniform["E"], abs=1e-3)
    assert failures.best(3) == "E"


@pytest.mark.parametrize("points", [2, 9])
def test_a_simplex_lies_below_minus_4(points: int) -> None:
    assert failures.of_set(failures.simplex(points)) == pytest.approx(-4 * points / (points - 1), rel=1e-6)


def test_the_best_uniformity_depends_on_the_dimension() -> None:
    """On the circle it is log I0(4) - 4; it falls towards -4 and does not reach it."""
    best = [failures.best_possible(dim) for dim in (2, 8, 128)]
    assert best[0] == pytest.approx(-4 + math.log(np.i0(4.0)))
    assert best[0] > best[1] > best[2] > -4
    assert failures.of_set(failures.uniform_sphere(8)) == pytest.approx(best[1], abs=0.02)
    assert "-1.58" in SPEC.exercise.told()


def test_free_rows_under_alignment_alone_meet_their_positives_and_no_one_else() -> None:
    course = failures.course_of("alignment", "circle")
    assert course.measures["alignment"][-1] < 1e-3
    assert course.measures["uniformity"][-1] < -0.3
    assert failures.force_answer() == failures.PAIRS
    both = failures.course_of("align_uniform", "circle").measures
    assert both["uniformity"][-1] < course.measures["uniformity"][-1] - 0.5


@pytest.mark.parametrize(
    "controls",
    [{"arc": 360, "places": 64}, {"arc": 360, "places": 2, "noise": 0}, {"arc": 90, "places": 64, "noise": 0}],
)
def test_one_of_the_two_is_not_enough(controls: dict[str, int]) -> None:
    assert not lessons.check("alignment_and_uniformity", **controls).passed

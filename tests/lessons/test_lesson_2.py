"""Lesson 2: what is said of temperature holds on the six classes; the published table is the paper's."""

import pytest

from cl_viz import lessons
from cl_viz.lessons import _sharp_pushes as sharp
from cl_viz.lessons.lesson_2_temperature import SPEC


def test_effective_negatives_and_the_push_on_the_own_class_move_one_way() -> None:
    temperatures = (0.02, 0.05, 0.1, 0.3, 1.0, 5.0)
    effective = [sharp.hardness("effective_negatives", value) for value in temperatures]
    false = [sharp.hardness("false_negative_push", value) for value in temperatures]
    assert effective == sorted(effective)
    assert false == sorted(false, reverse=True)
    assert sharp.hardness("false_negative_push", 5.0) == pytest.approx(sharp.false_share(), abs=0.02)


def test_the_set_has_the_samples_and_negatives_that_the_text_names() -> None:
    found = sharp.six_classes()
    assert found.n == sharp.SAMPLES == 120
    assert 2 * found.n - 2 == sharp.NEGATIVES
    assert "238 negatives" in SPEC.step("effective").question
    labels = found.role("label")
    assert labels is not None
    assert len(set(labels.tolist())) == 6


def test_the_published_table_is_whole_and_its_ends_are_what_the_text_says() -> None:
    assert {len(values) for values in sharp.TABLE.values()} == {4}
    assert sharp.best_temperature() == "0.3"
    assert list(sharp.TABLE["tolerance"]) == sorted(sharp.TABLE["tolerance"])
    assert list(sharp.TABLE["uniformity"]) == sorted(sharp.TABLE["uniformity"])


def test_a_low_temperature_spreads_more_evenly_and_tears_classes_apart() -> None:
    cold, warm = (sharp.course_of(value).measures for value in (0.1, 1.0))
    assert cold["class_separation"][-1] < warm["class_separation"][-1]
    assert cold["uniformity"][-1] < warm["uniformity"][-1]


@pytest.mark.parametrize("temperature", [0.05, 0.15, 0.6, 2.0])
def test_other_temperatures_fail_the_exercise(temperature: float) -> None:
    assert not lessons.check("temperature", temperature=temperature).passed

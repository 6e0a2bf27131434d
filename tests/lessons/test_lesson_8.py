"""Lesson 8: the planted gap is measured, closing it changes little, and retrieval follows the noise."""

import pytest

from cl_viz import lessons
from cl_viz.lessons import _gap as gap


@pytest.mark.parametrize("distance", [0.25, 1.0, 1.5])
def test_the_gap_is_the_planted_one_and_a_plane_finds_it(distance: float) -> None:
    assert gap.measured_gap("gap_norm", distance, 0.3) == pytest.approx(distance, abs=0.02)
    assert gap.measured_gap("separability", distance, 0.3) == 1


def test_closing_changes_no_more_than_chance_and_noise_changes_all() -> None:
    for noise in gap.NOISES:
        assert abs(gap.change(1.0, noise)) <= 5
        assert gap.recall(1.5, noise) == pytest.approx(gap.recall(0.0, noise))
    recalls = [gap.recall(0.5, noise) for noise in gap.NOISES]
    assert recalls == sorted(recalls, reverse=True)


def test_the_model_with_the_largest_gap_finds_most() -> None:
    gaps = {name: gap.of_model(name, "gap") for name in gap.MODELS}
    assert max(gaps, key=lambda name: gaps[name]) == gap.best_model() == "X"
    assert min(gaps, key=lambda name: gaps[name]) == "Z"


def test_with_a_large_gap_strangers_of_the_own_modality_are_nearer() -> None:
    assert gap.mixed_answer() == gap.STRANGER
    assert gap.measured_gap("own_mean", 0.25, 0.3) < gap.measured_gap("positive_mean", 0.25, 0.3)


@pytest.mark.parametrize("controls", [{"gap": 1.0}, {"noise": 0.3}, {"gap": 0.5, "noise": 0.3}])
def test_other_models_refute_nothing(controls: dict[str, float]) -> None:
    assert not lessons.check("two_modalities", **controls).passed

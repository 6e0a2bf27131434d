"""Lesson 8: the planted gap is measured, closing it changes little, and retrieval follows the noise."""

import numpy as np
import pytest

from cl_viz import lessons
from cl_viz.core.view import Histogram
from cl_viz.lessons import _gap as gap
from cl_viz.lessons.lesson_8_two_modalities import SPEC


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
    """Even where the caption wins on average: the nearest of many strangers counts."""
    assert gap.mixed_answer() == gap.MOST
    own, positive = (gap.measured_gap(name, 1.0, 0.3) for name in ("own_mean", "positive_mean"))
    assert own == pytest.approx(0.258, abs=1e-3)
    assert positive == pytest.approx(0.443, abs=1e-3)
    curves = lessons.view("two_modalities", "scores")
    assert isinstance(curves, Histogram)
    assert {entry.name for entry in curves.series} == {"own caption", "images", "captions"}
    text = SPEC.step("mixed").explained()
    for said in (
        "caption scores 0.443", "stranger's image 0.258", "for 96 of 96 images", "the median 16 images",
        "at a gap of 1.5 it is 95", "first for 2.08 %", "captions alone 100 %", "with 95 strangers",
    ):  # fmt: skip
        assert said in text


@pytest.mark.parametrize("distance", [0.0, 0.5, 0.8, 1.0, 1.5])
def test_what_comes_first_is_what_a_search_through_both_modalities_finds(distance: float) -> None:
    """One image at a time, through a sorted list."""
    found = gap.pair(distance, 0.3)
    rows = np.concatenate([np.asarray(view, dtype=np.float64) for view in found.views.values()])
    first, before = [], []
    for image in range(gap.PAIRS):
        order = [place for place in np.argsort(-(rows @ rows[image]), kind="stable") if place != image]
        first.append(order[0] < gap.PAIRS)
        before.append(sum(place < gap.PAIRS for place in order[: order.index(gap.PAIRS + image)]))
    order_found = gap.mixed_order(distance)
    assert order_found.image_first == pytest.approx(np.mean(first))
    assert order_found.before_caption == np.median(before)
    shares = [gap.mixed_order(value).image_first for value in gap.MIXED_GAPS]
    assert shares == sorted(shares)


def test_the_change_by_closing_is_that_of_no_gap_at_all() -> None:
    """What is moved without a gap is the difference that 96 samples leave between two centres."""
    for distance in gap.GAPS:
        assert [gap.change(distance, 1.0, way) for way in ("there", "back")] == pytest.approx([200 / 96, -200 / 96])
    assert gap.measured_gap("gap_norm", 0.0, 1.0) == pytest.approx(0.108, abs=1e-3)
    text = SPEC.step("closing").explained()
    for said in ("+2.08 points from images", "is 2 of 96 images", "-2.08 points the other", "0 (+2.08 and -2.08)",
                 "96 samples leave the centres 0.108 apart"):  # fmt: skip
        assert said in text
    assert gap.of_model("Z", "gap") == pytest.approx(0.126, abs=1e-3)
    assert "the 0.126 that is measured is what 96 samples leave" in SPEC.step("smaller").explained()


def test_the_formula_of_closing_is_the_operation() -> None:
    """Differences of an image's scores after the move are those of the formula, up to the new length."""
    images, captions = (np.asarray(view, dtype=np.float64) for view in gap.pair(1.0, 1.0).views.values())
    delta = images.mean(axis=0) - captions.mean(axis=0)
    moved = images - delta
    length = np.linalg.norm(moved, axis=1, keepdims=True)
    hits = ((moved / length) @ captions.T).argmax(axis=1) == np.arange(gap.PAIRS)
    assert hits.mean() == pytest.approx(gap.measured_gap("recall_at_1_there_after", 1.0, 1.0))
    difference = captions[3] - captions[5]
    assert (moved / length) @ difference * length[:, 0] == pytest.approx(images @ difference - delta @ difference)
    # Without the samples' own part the gap has the same product with every caption.
    assert np.ptp(captions[:, 0]) == pytest.approx(0)


@pytest.mark.parametrize("controls", [{"gap": 1.0}, {"noise": 0.3}, {"gap": 0.5, "noise": 0.3}])
def test_other_models_refute_nothing(controls: dict[str, float]) -> None:
    assert not lessons.check("two_modalities", **controls).passed

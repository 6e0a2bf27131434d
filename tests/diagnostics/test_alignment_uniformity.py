"""Alignment and uniformity: dense twins through the public call, closed forms, intervals, findings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cl_viz
from cl_viz.core.run import Run, Snapshot
from cl_viz.diagnostics._dense import geometry as dense
from cl_viz.testing import clusters, collapsed, cone, paired_sphere, rotation, sphere


def diagnose(embedding_set: cl_viz.EmbeddingSet, **params: object) -> cl_viz.Result:
    return cl_viz.diagnose("alignment_uniformity", embedding_set, params=params)


@pytest.mark.parametrize("t", [0.5, 2.0, 10.0])
@pytest.mark.parametrize("spread", [0.05, 0.3, 1.0])
def test_every_number_is_that_of_its_dense_definition(spread: float, t: float) -> None:
    embedding_set = clusters(160, 20, 4, spread, seed=2)
    views = list(embedding_set.views.values())
    found = diagnose(embedding_set, sharpness=t)
    assert found["alignment"].value == pytest.approx(dense.alignment(*views), rel=1e-9)
    assert found["alignment_distance"].value == pytest.approx(dense.alignment(*views, alpha=1), rel=1e-9)
    uniformity = np.mean([dense.uniformity(view, t) for view in views])
    assert found["uniformity"].value == pytest.approx(uniformity, rel=2e-6)
    assert found["uniformity"].reference == pytest.approx(dense.uniformity_of_sphere(20, t), rel=1e-12)
    assert found["uniformity_share"].value == pytest.approx(uniformity / dense.uniformity_of_sphere(20, t), rel=2e-6)
    different = [np.linalg.norm(dense.unit_rows(views[0])[i] - dense.unit_rows(views[1]), axis=1) for i in range(160)]
    chance = np.mean([np.delete(row**2, i) for i, row in enumerate(different)])
    assert found["alignment_share"].value == pytest.approx(dense.alignment(*views) / chance, rel=1e-6)


def test_alignment_is_twice_one_less_the_score() -> None:
    found = diagnose(paired_sphere(300, 16, 0.4))
    assert found["alignment"].value == pytest.approx(1.2, abs=1e-12)
    assert found["alignment_distance"].value == pytest.approx(np.sqrt(1.2), abs=1e-12)


def test_near_duplicates_keep_their_digits() -> None:
    first = sphere(50, 16)
    second = first + 1e-8 * sphere(50, 16, seed=1)
    found = diagnose(cl_viz.EmbeddingSet.from_arrays({"a": first, "b": second}))
    assert found["alignment"].value == pytest.approx(dense.alignment(first, second), rel=1e-6)
    assert 0 < found["alignment"].value < 1.1e-16


@pytest.mark.parametrize("dim", [3, 32, 512])
def test_a_uniform_sphere_lies_on_its_line(dim: int) -> None:
    found = diagnose(cl_viz.EmbeddingSet.from_arrays(sphere(1500, dim)))
    assert found["uniformity"].value == pytest.approx(dense.uniformity_of_sphere(dim), rel=5e-3)
    assert [finding.level for finding in found.findings if finding.quantity == "uniformity"] == ["good"]


def test_the_line_goes_on_where_the_series_overflows() -> None:
    slopes = [dense.uniformity_of_sphere(512, t) for t in (300.0, 340.0, 360.0, 400.0)]
    assert np.all(np.diff(slopes) < 0)
    # Between the two formulas nothing jumps: neighbouring slopes are alike.
    steps = np.diff(slopes) / np.diff([300.0, 340.0, 360.0, 400.0])
    np.testing.assert_allclose(steps, steps.mean(), rtol=0.1)
    assert dense.uniformity_of_sphere(3, 2.0) == pytest.approx(np.log((1 - np.exp(-8.0)) / 8.0), rel=1e-12)


def test_two_opposite_rows_lie_below_the_line() -> None:
    rows = np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    found = diagnose(cl_viz.EmbeddingSet.from_arrays(rows))
    assert found["uniformity"].value == pytest.approx(-8.0, rel=1e-6)


def test_one_view_has_uniformity_and_says_what_alignment_needs() -> None:
    found = diagnose(cl_viz.EmbeddingSet.from_arrays(sphere(100, 8)))
    assert found["alignment"].value is None
    assert "second view" in found["alignment"].missing
    assert "plane" not in found.views
    assert found.level == "unknown"
    assert found["uniformity"].value is not None


def test_collapse_and_strangers_are_found() -> None:
    assert diagnose(collapsed(200, 16, 1e-4)).level == "bad"
    strangers = cl_viz.EmbeddingSet.from_arrays({"a": sphere(300, 16, 0), "b": sphere(300, 16, 1)})
    worst = diagnose(strangers).findings[0]
    assert (worst.level, worst.quantity) == ("bad", "alignment_share")
    assert diagnose(paired_sphere(300, 16, 0.9)).level == "good"


@pytest.mark.parametrize(("n", "dim"), [(40, 2), (100, 8), (300, 64), (500, 512), (1000, 16)])
def test_no_uniform_sphere_is_bad(n: int, dim: int) -> None:
    levels = {finding.level for finding in diagnose(paired_sphere(n, dim, 0.8)).findings}
    assert levels == {"good"}


def test_captions_of_one_image_count_as_its_own() -> None:
    images, generator = sphere(60, 8), np.random.default_rng(0)
    pairs = np.stack([np.repeat(np.arange(60), 2), np.arange(120)], axis=1)
    captions = images[pairs[:, 0]] + 0.2 * generator.normal(size=(120, 8))
    found = diagnose(cl_viz.EmbeddingSet.from_arrays({"image": images, "text": captions}, pairs=pairs))
    assert found["alignment"].value == pytest.approx(dense.alignment(images[pairs[:, 0]], captions), rel=1e-9)
    assert found["alignment"].n == 60
    assert found["alignment"].interval is not None


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 50.0))
def test_order_rotation_and_scale_do_not_matter(seed: int, scale: float) -> None:
    embedding_set = clusters(40, 6, 3, 0.5, seed=seed)
    order = np.random.default_rng(seed).permutation(40)
    turned = {view: scale * rows[order] @ rotation(6, seed) for view, rows in embedding_set.views.items()}
    first, second = diagnose(embedding_set), diagnose(cl_viz.EmbeddingSet.from_arrays(turned))
    for name, quantity in first.quantities.items():
        assert second[name].value == pytest.approx(quantity.value, rel=1e-4), name


def test_farthest_views_are_listed_once_a_sample() -> None:
    embedding_set = clusters(80, 8, 4, 0.5)
    three = {**embedding_set.views, "view_3": embedding_set.views["view_1"] + 0.1 * sphere(80, 8)}
    table = diagnose(cl_viz.EmbeddingSet.from_arrays(three, label=np.arange(80) % 4)).views["farthest_views"]
    rows, distances = table.columns["row"], table.columns["distance"]
    assert len(np.unique(rows)) == len(rows) == 80
    assert (np.diff(distances) <= 0).all()
    assert list(table.columns["label"]) == [row % 4 for row in rows]


def test_the_path_of_a_training_ends_where_the_last_step_stands() -> None:
    label = np.arange(90) % 3
    steps = {
        Snapshot(step, "projector"): cl_viz.EmbeddingSet.from_arrays(
            {name: cone(90, 8, mean, seed=seed) for seed, name in enumerate("ab")}, label=label
        )
        for step, mean in ((0, 0.2), (10, 0.6), (20, 0.999))
    }
    found = cl_viz.diagnose("alignment_uniformity_path", Run("falling", steps))
    (series,) = found.views["path"].series
    assert len(series.x) == 3
    last = diagnose(steps[Snapshot(20, "projector")])
    assert found["uniformity_last"].value == last["uniformity"].value == series.y[-1]
    assert found["alignment_last"].value == last["alignment"].value == series.x[-1]
    assert found.level == "bad"
    assert "best" in found.findings[0].message
    rising = {Snapshot(20 - key.step, key.layer): value for key, value in steps.items()}  # type: ignore[operator]
    assert cl_viz.diagnose("alignment_uniformity_path", Run("rising", rising)).level == "good"


def test_a_path_needs_two_views() -> None:
    steps = {Snapshot(step, None): cl_viz.EmbeddingSet.from_arrays(sphere(40, 4, step)) for step in (0, 1)}
    found = cl_viz.diagnose("alignment_uniformity_path", Run("one view", steps))
    assert found.level == "unknown"
    assert "second view" in found.findings[0].advice


@pytest.mark.slow
def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """95 % intervals over 200 draws of 80 samples, against large draws."""

    def draw(n: int, seed: int) -> cl_viz.Result:
        generator = np.random.default_rng(seed)
        sample = np.eye(6)[np.arange(n) % 3] + 0.5 * generator.normal(size=(n, 6))
        return diagnose(
            cl_viz.EmbeddingSet.from_arrays({name: sample + 0.3 * generator.normal(size=(n, 6)) for name in "ab"})
        )

    names = ("alignment", "alignment_distance", "uniformity")
    large = (draw(900, 10_000 + seed) for seed in range(6))
    drawn = [[found[name].value for name in names] for found in large]
    truth = dict(zip(names, np.mean(drawn, axis=0), strict=True))
    covered = dict.fromkeys(names, 0)
    for seed in range(200):
        found = draw(80, seed)
        for name in names:
            interval = found[name].interval
            assert interval is not None
            covered[name] += interval.low <= truth[name] <= interval.high
    for name, count in covered.items():
        assert 0.89 <= count / 200 < 1.0, (name, count / 200)


@pytest.mark.parametrize("row", ["ones", "drawn"])
def test_rows_that_are_all_equal_are_told_to_mend_the_collapse(row: str) -> None:
    rows = np.ones((50, 8)) if row == "ones" else np.tile(sphere(1, 8), (50, 1))
    found = diagnose(cl_viz.EmbeddingSet.from_arrays({"a": rows, "b": rows.copy()}))
    (told,) = [finding for finding in found.findings if finding.quantity.startswith("alignment")]
    assert told.level == "unknown"
    assert "all rows are equal" in told.message
    assert told.advice.startswith("Mend the collapse first")
    assert found["alignment_share"].value is None


def test_views_that_were_made_for_the_encoding_are_not_blamed_on_the_training() -> None:
    apart = sphere(200, 8, seed=1), sphere(200, 8, seed=2)
    views = cl_viz.EmbeddingSet.from_arrays({"view_1": apart[0], "view_2": apart[1]})
    cards = {"training's": {}, "made": {"view_recipe": "view_1: image, augmented", "augmentation": {"flip": 0.5}}}
    for name, quantity in (("alignment_uniformity", "alignment_share"), ("score_distribution", "auc_per_anchor")):
        advice = {}
        for whose, card in cards.items():
            found = cl_viz.diagnose(name, cl_viz.Run.from_set(views, card=card))
            (advice[whose],) = (finding.advice for finding in found.findings if finding.quantity == quantity)
        assert "SimCLR's published augmentations" in advice["made"]
        assert "SimCLR" not in advice["training's"] != ""

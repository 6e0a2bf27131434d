"""Flows lead where theory says, keep what they had when they break, and can be stopped."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from cl_viz.core.errors import Cancelled, InputError, MissingInputError
from cl_viz.losses import compute, losses
from cl_viz.simulate.flow_start import FlowStart, named_start
from cl_viz.simulate.gradient_flow import MEASURES, FlowConfig, gradient_flow

CIRCLE = named_start("random", n=24, seed=1)


def _gaps(points):
    angle = np.sort(np.arctan2(points[:, 1], points[:, 0]))
    return np.diff(angle, append=angle[0] + 2 * np.pi)


@pytest.mark.parametrize("t", [2.0, 5.0])
def test_uniformity_spreads_points_equally_on_the_circle(t):
    start = named_start("cone", n=8, n_views=1, seed=3)
    config = FlowConfig("uniformity", {"t": t}, steps=1500, step_size=0.005, records=2)
    flow = gradient_flow(config, start)
    assert _gaps(flow.positions[0, 0]).max() > 3
    np.testing.assert_allclose(_gaps(flow.positions[-1, 0]), 2 * np.pi / 8, rtol=1e-3)
    spaced = torch.from_numpy(named_start("equally_spaced", n=8).views[0])
    assert flow.measures["uniformity"][-1] == pytest.approx(float(compute("uniformity", spaced)), abs=1e-4)
    assert flow.loss[-1] == pytest.approx(float(compute("uniformity", spaced, t=t)), abs=1e-4)
    assert flow.rises == 0


def test_steps_that_are_too_long_jump_about_unless_they_are_steadied():
    start = named_start("cone", n=12, n_views=1, seed=3)
    config = FlowConfig("uniformity", {"t": 20.0}, steps=600, steady=False, records=2)
    jumping, steady = gradient_flow(config, start), gradient_flow(replace(config, steady=True), start)
    assert jumping.rises > 50
    assert steady.time[-1] < jumping.time[-1]
    assert steady.loss[-1] < jumping.loss[-1] - 0.3
    assert steady.loss[-1] == pytest.approx(
        float(compute("uniformity", torch.from_numpy(named_start("equally_spaced", n=12).views[0]), t=20.0)), abs=0.15
    )


def test_alignment_alone_brings_pairs_together_and_keeps_them_where_they_are():
    flow = gradient_flow(FlowConfig("alignment", steps=400), CIRCLE)
    assert flow.measures["alignment"][0] > 0.02
    assert flow.measures["alignment"][-1] < 1e-6
    # The two views meet half-way: nothing pushes samples apart or together.
    middle = CIRCLE.views[0] + CIRCLE.views[1]
    middle /= np.linalg.norm(middle, axis=1, keepdims=True)
    np.testing.assert_allclose(flow.positions[-1, 0], middle, atol=1e-3)


def test_supcon_of_one_class_collapses_to_a_point():
    start = replace(named_start("cone", n=16, n_views=1, seed=2), labels=np.zeros(16, dtype=np.int64))
    flow = gradient_flow(FlowConfig("supcon_out", {"temperature": 0.3}, steps=600, step_size=0.2), start)
    points = flow.positions[-1, 0]
    assert (points @ points.T).min() > 0.999
    assert flow.loss[-1] == pytest.approx(math.log(15), abs=1e-4)
    assert flow.measures["effective_rank"][-1] < 1.1


def test_supcon_collapses_classes_to_equally_spaced_points():
    start = named_start("random", n=30, n_classes=3, seed=4)
    flow = gradient_flow(FlowConfig("supcon_out", {"temperature": 0.5}, steps=800, step_size=0.2), start)
    points, labels = flow.positions[-1].reshape(-1, 2), np.tile(start.labels, 2)
    scores = points @ points.T
    same = labels[:, None] == labels
    assert scores[same].min() > 0.999
    # Three classes on the circle: a simplex, cosine -1/2.
    np.testing.assert_allclose(scores[~same], -0.5, atol=0.02)
    assert flow.measures["class_separation"][0] < 0.3
    assert flow.measures["class_separation"][-1] == pytest.approx(1.5, abs=0.03)
    assert flow.measures["knn_accuracy"][-1] == 1
    assert flow.measures["effective_rank"][-1] == pytest.approx(2, abs=0.01)
    np.testing.assert_allclose(flow.spectrum[-1], [0.5, 0.5], atol=0.01)


@pytest.mark.parametrize("name", sorted(losses()))
def test_every_loss_falls_along_its_flow(name):
    start = named_start("random", n=20, dim=3, n_views=3 if name == "triplet_explicit" else 2, seed=6)
    drawn = {name for name in losses() if "seed" in {info.name for info in losses()[name].params.describe()}}
    # Draws that stay the same make one function of it.
    parameters = {"seed": 3} if name in drawn else {}
    flow = gradient_flow(FlowConfig(name, parameters, steps=60, step_size=0.02, records=5, largest_turn=0.02), start)
    assert flow.stopped is None
    surrogates = {"macl", "sogclr", "sogclr_bimodal", "groco", "byol", "simsiam", "dclw", "dclw_one_way", "swav"}
    if name not in surrogates:
        assert flow.loss[-1] < flow.loss[0]
    if losses()[name].rows == "unit":
        np.testing.assert_allclose(np.linalg.norm(flow.positions, axis=-1), 1, atol=1e-5)


def test_records_are_states_at_their_steps():
    config = FlowConfig("ntxent", {"temperature": 0.3}, steps=30, records=4)
    flow = gradient_flow(config, CIRCLE)
    assert flow.recorded.tolist() == [0, 10, 20, 30]
    assert flow.positions.shape == (4, 2, 24, 2)
    assert flow.positions.dtype == np.float32
    np.testing.assert_allclose(flow.positions[0], np.stack(CIRCLE.views), atol=1e-6)
    for index in range(4):
        views = list(flow.positions[index])
        assert float(compute("ntxent", views, temperature=0.3).mean()) == pytest.approx(flow.loss[index], rel=1e-5)
        first, second = (view.astype(np.float64) for view in views)
        positive = (first * second).sum(axis=1)
        assert flow.measures["alignment"][index] == pytest.approx((2 - 2 * positive).mean(), abs=1e-5)
    # Each pair once: N positives, the rest of 2N over 2 negatives.
    assert (flow.positive_counts.sum(axis=1) == 24).all()
    assert (flow.negative_counts.sum(axis=1) == 48 * 47 // 2 - 24).all()
    points = flow.positions[-1].reshape(-1, 2).astype(np.float64)
    scores = (points @ points.T)[np.triu_indices(48, 1)]
    same_sample, same_class = (
        (codes[:, None] == codes)[np.triu_indices(48, 1)]
        for codes in (np.tile(np.arange(24), 2), np.tile(CIRCLE.labels, 2))
    )
    assert flow.measures["mean_positive_score"][-1] == pytest.approx(scores[same_sample].mean(), abs=1e-6)
    assert flow.measures["mean_negative_score"][-1] == pytest.approx(scores[~same_sample].mean(), abs=1e-6)
    separation = scores[same_class & ~same_sample].mean() - scores[~same_class].mean()
    assert flow.measures["class_separation"][-1] == pytest.approx(separation, abs=1e-6)
    expected = np.histogram(scores[~same_sample].clip(-1, 1), flow.bin_edges)[0]
    assert np.abs(flow.negative_counts[-1] - expected).sum() <= 4
    assert flow.time[-1] == pytest.approx(30 * 0.05)
    assert set(flow.measures) == set(MEASURES)
    shorter = gradient_flow(replace(config, steps=20, records=2), CIRCLE)
    np.testing.assert_array_equal(shorter.positions[-1], flow.positions[2])


def test_a_step_is_riemannian_and_turns_no_further_than_allowed():
    config = FlowConfig("ntxent", {"temperature": 0.01}, steps=1, step_size=10.0, largest_turn=0.1)
    flow = gradient_flow(config, CIRCLE)
    turned = np.arccos(np.clip((flow.positions[0] * flow.positions[1]).sum(axis=-1), -1, 1))
    assert turned.max() == pytest.approx(math.atan(0.1), rel=1e-2)
    assert flow.time[1] < 10
    free = gradient_flow(replace(config, largest_turn=None), CIRCLE)
    assert free.time[1] == 10


def test_the_number_of_samples_does_not_slow_a_flow():
    config = FlowConfig("alignment", steps=5, records=2, largest_turn=None)
    starts = [named_start("random", n=n, view_noise=0.02, seed=1) for n in (10, 500)]
    shares = [flow.loss[1] / flow.loss[0] for flow in (gradient_flow(config, start) for start in starts)]
    # Each of two unit rows closes 2 h of the gap d: d falls by (1 - 4 h) a step, the loss by its square.
    assert shares == pytest.approx([(1 - 4 * 0.05) ** 10] * 2, rel=0.05)


def test_a_flow_that_diverges_says_so_and_keeps_what_it_had():
    generator = np.random.default_rng(0)
    start = FlowStart("raw", tuple(generator.normal(size=(20, 4)).astype(np.float32) for _ in range(2)))
    flow = gradient_flow(FlowConfig("vicreg", step_size=500.0, largest_turn=None, records=300), start)
    assert flow.stopped.startswith("The flow diverged: ")
    assert flow.stopped.endswith("The states before are kept.")
    assert 1 <= len(flow.recorded) < 201
    assert np.isfinite(flow.loss).all()
    assert np.isfinite(flow.positions).all()
    held = gradient_flow(FlowConfig("vicreg", step_size=500.0, largest_turn=0.1), start)
    assert held.stopped is None


def test_a_loss_that_stops_being_defined_on_the_way_ends_the_flow_with_its_reason():
    config = FlowConfig("macl", {"alpha": 1.0, "reference": 0.95}, steps=50, step_size=0.5)
    start = named_start("random", n=10, view_noise=3.0, seed=0)
    with pytest.raises(InputError, match="temperature"):
        gradient_flow(replace(config, loss_parameters={"alpha": 10.0, "reference": 1.0}), start)
    generator = np.random.default_rng(0)
    flat = generator.normal(size=(12, 3)).astype(np.float32)
    collapsing = FlowStart("raw", (flat, flat + 1e-3))
    flow = gradient_flow(FlowConfig("w_mse", steps=20, step_size=1e6, largest_turn=None), collapsing)
    assert flow.stopped is None or "step" in flow.stopped


def test_progress_is_told_and_cancelling_keeps_or_raises():
    told = []

    def stop(fraction, message):
        told.append((fraction, message))
        if len(told) == 7:
            raise Cancelled("stopped")

    config = FlowConfig("ntxent", steps=20, records=21)
    with pytest.raises(Cancelled):
        gradient_flow(config, CIRCLE, progress=stop)
    assert told[0][0] == pytest.approx(1 / 20)
    assert "step 1 of 20, loss" in told[0][1]
    told.clear()
    flow = gradient_flow(config, CIRCLE, progress=stop, keep_on_cancel=True)
    assert flow.stopped == "The flow was stopped after step 7 of 20."
    assert flow.recorded.tolist() == list(range(7))


def test_draws_are_those_of_the_seed():
    one, again, other = (
        gradient_flow(FlowConfig("mochi", {"hardest": 8}, steps=5, seed=seed), CIRCLE).positions for seed in (0, 0, 50)
    )
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_a_flat_map_is_one_map_for_all_states():
    generator = np.random.default_rng(0)
    views = tuple(generator.normal(size=(30, 8)).astype(np.float32) for _ in range(2))
    flow = gradient_flow(FlowConfig("ntxent", steps=10, records=3), FlowStart("drawn", views))
    flat = flow.flat()
    assert flat.shape == (3, 2, 30, 2)
    # A linear map: differences of states are mapped alike, and no distance grows.
    moved, seen = flow.positions[1] - flow.positions[0], flat[1] - flat[0]
    matrix = np.linalg.lstsq(moved.reshape(-1, 8), seen.reshape(-1, 2), rcond=None)[0]
    np.testing.assert_allclose(moved.reshape(-1, 8) @ matrix, seen.reshape(-1, 2), atol=1e-5)
    assert (np.linalg.norm(seen, axis=-1) <= np.linalg.norm(moved, axis=-1) + 1e-6).all()
    assert gradient_flow(FlowConfig(steps=2), CIRCLE).flat(3).shape == (3, 2, 24, 3)


def test_one_view_with_labels_counts_pairs_of_a_class_as_positives():
    start = named_start("random", n=20, n_views=1, n_classes=4)
    flow = gradient_flow(FlowConfig("supcon_out", steps=3, records=2), start)
    assert flow.positive_counts.sum(axis=1).tolist() == [4 * 10, 4 * 10]
    assert flow.negative_counts.sum(axis=1).tolist() == [190 - 40, 190 - 40]
    unknown = gradient_flow(FlowConfig("uniformity", steps=3), replace(start, labels=None))
    assert unknown.positive_counts.sum() == 0
    assert np.isnan(unknown.measures["alignment"]).all()
    assert np.isnan(unknown.measures["class_separation"]).all()


@pytest.mark.parametrize(
    "changed", [{"loss": "none"}, {"steps": 0}, {"step_size": 0.0}, {"step_size": math.inf}, {"largest_turn": 0.0},
                {"records": 1}, {"bins": 1}, {"loss_parameters": {"temperature": -1.0}}],
)  # fmt: skip
def test_configurations_out_of_range_are_refused(changed):
    with pytest.raises(InputError, match="Allowed"):
        FlowConfig(**changed)


def test_starts_that_lack_something_are_refused():
    with pytest.raises(MissingInputError, match="a third view"):
        gradient_flow(FlowConfig("triplet_explicit"), CIRCLE)
    zero = FlowStart("zero", (np.zeros((4, 3), dtype=np.float32),) * 2)
    with pytest.raises(InputError, match="without a direction"):
        gradient_flow(FlowConfig("ntxent"), zero)

"""Where flows begin: samples of a set, and named starts on the circle and the sphere."""

import numpy as np
import pytest

import cl_viz
from cl_viz.core.errors import InputError, MissingInputError
from cl_viz.simulate.flow_start import STARTS, named_start, start_from


def _set(n=60, views=2, **metadata):
    generator = np.random.default_rng(0)
    arrays = {f"v{number}": generator.normal(size=(n, 5)).astype(np.float32) for number in range(views)}
    return cl_viz.EmbeddingSet.from_arrays(arrays, name="made", **metadata)


def test_a_sample_is_drawn_without_replacement_and_by_its_seed():
    made = _set(label=np.arange(60) % 3)
    one, again, other = (start_from(made, n=20, seed=seed) for seed in (0, 0, 1))
    assert len(np.unique(one.rows)) == one.n == 20
    assert np.array_equal(one.rows, again.rows)
    assert not np.array_equal(one.rows, other.rows)
    for view, name in zip(one.views, made.view_names, strict=True):
        np.testing.assert_array_equal(view, made.views[name][one.rows])
    np.testing.assert_array_equal(one.labels, one.rows % 3)
    assert one.label_names == ("0", "1", "2")
    assert one.name == "20 of 60 samples of made"


def test_the_queue_holds_other_samples_and_prototypes_are_class_means():
    made = _set(label=np.arange(60) % 3)
    start = start_from(made, n=20)
    assert start.queue.shape == (40, 5)
    drawn = {tuple(row) for row in made.views["v1"][start.rows]}
    assert not drawn & {tuple(row) for row in start.queue}
    assert len(start.queue_labels) == 40
    for k in range(3):
        np.testing.assert_allclose(start.prototypes[k], start.views[0][start.labels == k].mean(axis=0), rtol=1e-6)
    everything = start_from(made, n=600)
    assert everything.n == 60
    assert everything.queue is None


def test_what_cannot_be_used_is_left_out():
    rows = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    rows[3] = 0
    rows[5, 1] = np.nan
    labels = np.array(["a", "b", None, *"ababababa"], dtype=object)
    start = start_from(cl_viz.EmbeddingSet.from_arrays(rows, label=labels), n=12)
    assert sorted(start.rows) == [0, 1, 4, 6, 7, 8, 9, 10, 11]
    assert start_from(cl_viz.EmbeddingSet.from_arrays(rows), n=12).n == 10


def test_views_joined_by_pairs_are_matched():
    made = _set(10, pairs=np.array([[0, 3], [0, 4], [2, 1], [5, 5], [7, 1]]))
    start = start_from(made)
    pairs = {tuple(pair) for pair in np.stack([start.rows, [
        int(np.flatnonzero((made.views["v1"] == row).all(axis=1))[0]) for row in start.views[1]]], axis=1)}  # fmt: skip
    assert pairs == {(0, 3), (2, 1), (5, 5)}


def test_missing_inputs_are_named():
    start = start_from(_set(8, views=1), n=8)
    assert start.missing("ntxent") == ("a second view",)
    assert start.missing("uniformity") == ()
    with pytest.raises(MissingInputError, match="a second view and a queue of negatives and prototypes"):
        start.spec_of("protonce")


def test_too_few_samples_are_refused():
    made = cl_viz.EmbeddingSet.from_arrays(np.array([[1.0, 2.0], [0.0, 0.0], [0.0, 0.0]]))
    with pytest.raises(InputError, match="at least 2 samples"):
        start_from(made)
    with pytest.raises(InputError, match="at least 2 samples"):
        start_from(_set(), n=1)


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("name", STARTS)
def test_named_starts_lie_on_the_sphere_and_are_what_they_say(name, dim):
    start = named_start(name, n=60, dim=dim, n_classes=3, n_views=3, seed=5)
    assert [view.shape for view in start.views] == [(60, dim)] * 3
    for view in start.views:
        np.testing.assert_allclose(np.linalg.norm(view, axis=1), 1, rtol=1e-6)
    scores = start.views[0] @ start.views[0].T
    same = start.labels[:, None] == start.labels
    if name == "one_point":
        assert scores.min() > 0.99
    elif name == "cone":
        assert 0.3 < scores.mean() < 0.9
    elif name == "two_points":
        assert np.abs(scores).min() > 0.99
        assert scores.min() < -0.99
    elif name == "clusters":
        assert scores[same].mean() > scores[~same].mean() + 1
    else:
        assert abs(scores.mean()) < 0.2
        assert name == "equally_spaced" or abs(scores[same].mean() - scores[~same].mean()) < 0.5
    if name == "equally_spaced":
        nearest = np.sort(scores, axis=1)[:, -2]
        assert nearest.max() - nearest.min() < (1e-6 if dim == 2 else 0.05)
    again = named_start(name, n=60, dim=dim, n_classes=3, n_views=3, seed=5)
    assert all(np.array_equal(one, other) for one, other in zip(start.views, again.views, strict=True))


@pytest.mark.parametrize(
    ("name", "changed"),
    [("nowhere", {}), ("random", {"dim": 4}), ("random", {"n_classes": 1}), ("cone", {"n_views": 0})],
)
def test_starts_that_do_not_exist_are_refused(name, changed):
    with pytest.raises(InputError, match="Allowed"):
        named_start(name, **changed)

"""The trainer: seeded, stoppable, honest about bad input."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cl_viz.core.errors import Cancelled, InputError
from cl_viz.encoders.tiny import TinyArchitecture
from cl_viz.simulate.train import TrainingConfig, train

SMALL = TrainingConfig(batch_size=20, epochs=2, architecture=TinyArchitecture(widths=(8, 8, 8)))


@pytest.fixture(scope="module")
def digits():
    generator = np.random.default_rng(0)
    labels = np.arange(100) % 10
    patterns = generator.integers(0, 256, (10, 28, 28))
    noise = generator.integers(0, 60, (100, 28, 28))
    return np.clip(patterns[labels] - noise, 0, 255).astype(np.uint8), labels


def _weights(snapshot):
    return {name: value.clone() for name, value in snapshot.network.state_dict().items()}


def test_snapshots_stand_where_the_shares_say(digits):
    snapshots = list(train(replace(SMALL, snapshot_shares=(0.0, 0.3, 1.0)), *digits))
    assert [snapshot.step for snapshot in snapshots] == [0, 3, 10]
    assert np.isnan(snapshots[0].loss)
    assert snapshots[2].loss < snapshots[1].loss
    assert not any(snapshot.network.training for snapshot in snapshots)


def test_a_snapshot_does_not_change_afterwards(digits):
    snapshots = train(SMALL, *digits)
    first = next(snapshots)
    before = _weights(first)
    list(snapshots)
    for name, value in first.network.state_dict().items():
        assert torch.equal(value, before[name])


def test_the_seed_decides_everything_and_the_global_generator_nothing(digits):
    def last(seed, global_seed):
        torch.manual_seed(global_seed)
        state = torch.random.get_rng_state()
        weights = _weights(list(train(replace(SMALL, seed=seed), *digits))[-1])
        assert torch.equal(torch.random.get_rng_state(), state)
        return weights

    one, again, other = last(1, 0), last(1, 99), last(2, 0)
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_progress_goes_from_nothing_to_one_and_can_stop(digits):
    seen = []
    list(train(SMALL, *digits, progress=lambda fraction, message: seen.append((fraction, message))))
    assert [round(fraction, 6) for fraction, _ in seen] == [round(step / 10, 6) for step in range(1, 11)]
    assert "step 10 of 10" in seen[-1][1]

    def stop(fraction, message):
        if fraction >= 0.5:
            raise Cancelled("stopped")

    kept = []
    with pytest.raises(Cancelled):
        kept.extend(snapshot.step for snapshot in train(SMALL, *digits, progress=stop))
    assert len(seen) == 10


@pytest.mark.parametrize("loss", ["ntxent", "dcl", "clip", "supcon_out", "align_uniform", "vicreg", "simsiam"])
@pytest.mark.parametrize("inputs", ["grey", "tinted"])
def test_every_loss_trains_on_every_kind_of_image(digits, loss, inputs):
    architecture = TinyArchitecture(widths=(8, 8, 8), channels=3 if inputs == "tinted" else 1)
    config = replace(SMALL, loss=loss, inputs=inputs, architecture=architecture, epochs=1)
    start, *_, end = train(config, *digits)
    assert np.isfinite(end.loss)
    assert not torch.equal(_weights(start)["projector.0.weight"], _weights(end)["projector.0.weight"])


def test_captions_train_a_second_tower(digits):
    config = replace(SMALL, loss="clip", inputs="captioned", architecture=TinyArchitecture(widths=(8, 8, 8), words=31))
    start, *_, end = train(config, *digits)
    for name in ("text_tower.0.weight", "image_tower.0.weight"):
        assert not torch.equal(_weights(start)[name], _weights(end)[name])


def test_labels_matter_only_to_supervised_losses(digits):
    images, labels = digits
    shuffled = labels[np.random.default_rng(1).permutation(100)]
    for loss, same in {"ntxent": True, "supcon_out": False}.items():
        config = replace(SMALL, loss=loss)
        ends = [_weights(list(train(config, images, y))[-1]) for y in (labels, shuffled)]
        assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0]) is same


def test_an_incomplete_batch_is_left_out(digits):
    images, labels = digits
    assert SMALL.steps(99) == 8
    assert list(train(SMALL, images[:99], labels[:99]))[-1].step == 8
    assert list(train(replace(SMALL, batch_size=500), *digits))[-1].step == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "magic"}, "magic"),
        ({"loss_parameters": {"temperature": -1.0}}, "temperature"),
        ({"loss_parameters": {"heat": 1.0}}, "heat"),
        ({"batch_size": 1}, "batch_size"),
        ({"epochs": 0}, "epochs"),
        ({"snapshot_shares": (1.5,)}, "shares"),
        ({"inputs": "sound"}, "sound"),
    ],
)
def test_a_config_that_cannot_be_trained_says_why(changes, message):
    with pytest.raises(InputError, match=message):
        replace(SMALL, **changes)


def test_images_and_labels_must_fit(digits):
    images, labels = digits
    for wrong in ((images, labels[:-1]), (images[:, :20], labels), (images[:1], labels[:1])):
        with pytest.raises(InputError, match="labels of shape"):
            next(train(SMALL, *wrong))


def test_a_loss_that_runs_away_is_an_error(digits):
    config = replace(SMALL, loss="vicreg", learning_rate=1e12, epochs=20)
    with pytest.raises(InputError, match=r"the loss is .* at step"):
        list(train(config, *digits))

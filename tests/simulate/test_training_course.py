"""Several losses on equal terms: what is kept, what is measured, and what happens when one goes wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cl_viz
from cl_viz.core.errors import Cancelled, FormatError, InputError, MissingInputError
from cl_viz.simulate.training_course import (
    TrainingBudget,
    TrainingPoint,
    missing_to_train,
    run_name,
    train_losses,
    train_run,
    training_seconds,
)
from cl_viz.simulate.training_images import TrainingImages, bundled_digits, read_image_folder
from cl_viz.simulate.training_measures import MEASURES, effective_rank, knn_accuracy, measure
from cl_viz.simulate.training_views import FIGURES, training_findings, training_views

SHORT = TrainingBudget(epochs=2, batch_size=20)


@pytest.fixture(scope="module")
def images() -> TrainingImages:
    digits = bundled_digits()
    evaluated, trained = np.flatnonzero(digits.is_evaluation)[::16][:60], np.flatnonzero(~digits.is_evaluation)
    rows = np.concatenate([evaluated, trained[::33][:120]])
    return TrainingImages("few", digits.images[rows], digits.labels[rows], digits.label_names, np.arange(180) < 60)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of 15 colour pictures of different sizes."""
    generator = np.random.default_rng(0)
    for number, name in enumerate(("cat", "dog")):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for index in range(15):
            pixels = generator.integers(0, 100, (30 + index, 40, 3)).astype(np.uint8)
            pixels[:, :, number] += 120
            Image.fromarray(pixels).save(tmp_path / "pets" / name / f"{index:02}.png")
    return tmp_path / "pets"


def test_each_loss_becomes_a_run_with_steps_and_layers(images: TrainingImages) -> None:
    seen: list[TrainingPoint] = []
    trained = train_losses(["ntxent", ("dcl", {"temperature": 0.2})], images, SHORT, on_point=seen.append)
    assert [entry.run.name for entry in trained] == ["trained-ntxent", "trained-dcl-temperature-0.2"]
    for entry in trained:
        assert entry.stopped == ""
        assert entry.run.steps[0] == 0
        assert entry.run.steps[-1] == 12
        assert entry.run.layers == ("projector", "backbone")
        found = entry.run.get()
        assert found.sizes == (60, 60)
        assert (found.role("label") == images.labels[:60].astype(str)).all()
        assert str(found.role("image")[0]).startswith("data:image/png")  # type: ignore[index]
    assert trained[1].run.card["temperature"] == 0.2
    assert [point.loss for point in seen] == [p.loss for entry in trained for p in entry.points]
    assert all(set(point.values) == set(MEASURES) for point in seen)
    assert cl_viz.diagnose("score_distribution", trained[0].run)["auc"].value is not None


def test_all_begin_from_the_same_weights_and_seed_decides(images: TrainingImages) -> None:
    first, second, again = (
        train_losses([loss], images, SHORT)[0] for loss in ("ntxent", "align_uniform", "ntxent")
    )  # fmt: skip
    start, other, repeated = (entry.run.get(0).views["view_1"] for entry in (first, second, again))
    assert np.array_equal(start, other)
    assert np.array_equal(first.run.get().views["view_1"], again.run.get().views["view_1"])
    assert np.array_equal(start, repeated)
    assert not np.array_equal(first.run.get().views["view_1"], second.run.get().views["view_1"])


def test_measuring_does_not_change_the_training(images: TrainingImages) -> None:
    """The curves are taken at more steps than the snapshots; the weights stay those of a plain training."""
    from cl_viz.encoders.tiny import TinyEncoder
    from cl_viz.simulate.train import TrainingConfig, train
    from cl_viz.simulate.training_course import _Course

    config = TrainingConfig(batch_size=20, epochs=2)
    rows = ~images.is_evaluation
    network = list(train(config, images.images[rows], images.labels[rows]))[-1].network
    batches = _Course(config, {}, images, "x").batches
    expected = TinyEncoder(network).encode(batches["view_1"], "view_1")["projector"]
    assert train_losses(["ntxent"], images, SHORT)[0].run.get().views["view_1"] == pytest.approx(expected, abs=1e-6)


def test_a_stop_keeps_what_was_reached_and_begins_no_other(images: TrainingImages) -> None:
    def stop(done: float, message: str) -> None:
        if done > 0.3:
            raise Cancelled("stopped")

    (kept,) = train_losses(["ntxent", "dcl"], images, SHORT, progress=stop)
    assert kept.stopped.startswith("Stopped by hand after step")
    assert 0 < (kept.run.steps[-1] or 0) < 12
    assert kept.run.card["stopped"] == kept.stopped
    assert kept.run.get().n == 60


def test_a_diverging_loss_keeps_what_it_had_and_the_next_goes_on(images: TrainingImages) -> None:
    budget = TrainingBudget(epochs=20, batch_size=20, learning_rate=1.0)
    diverged, other = train_losses(["vicreg", "ntxent"], images, budget)
    assert diverged.stopped.startswith("It ended after step")
    assert "the loss has grown from" in diverged.stopped
    assert np.isfinite(diverged.run.get().views["view_1"]).all()
    assert training_findings([diverged])[0].level == "bad"
    assert other.points


def test_what_training_does_not_give_is_said_before_it_begins(images: TrainingImages) -> None:
    unlabelled = TrainingImages("few", images.images, images.labels, (), images.is_evaluation)
    assert missing_to_train("supcon_out", images) == ()
    assert missing_to_train("supcon_out", unlabelled) == ("labels",)
    assert missing_to_train("mochi", images) == ("a queue of negatives",)
    assert missing_to_train("triplet_explicit", images) == ("a third view",)
    with pytest.raises(MissingInputError, match="labels"):
        train_losses(["supcon_out"], unlabelled, SHORT)
    with pytest.raises(InputError, match=r"0\.001 to 100"):
        train_losses([("ntxent", {"temperature": 1000.0})], images, SHORT)
    with pytest.raises(InputError, match="epochs"):
        train_run(epochs=0)


def test_curves_become_figures_and_sentences(images: TrainingImages) -> None:
    trained = train_losses(["ntxent", "uniformity"], images, SHORT)
    views = training_views({entry.run.name: entry.points for entry in trained}, n_images=60)
    assert tuple(views) == FIGURES
    for view in views.values():
        assert {series.run for series in view.series} == {"trained-ntxent", "trained-uniformity"}
        assert view.n == 60
        cl_viz.render(view)
    assert "trained-ntxent" in views["knn_accuracy"].title
    for finding in training_findings(trained):
        assert "N = 60 images" in finding.message
    assert "knn_accuracy" not in training_views(
        {"a": [TrainingPoint("a", 0, {**dict.fromkeys(MEASURES, 1.0), "knn_accuracy": float("nan")})]}
    )


def test_an_estimate_grows_with_the_work() -> None:
    digits = bundled_digits()
    one = training_seconds(digits, TrainingBudget(epochs=20))
    assert 10 < one < 60
    assert training_seconds(digits, TrainingBudget(epochs=20), n_losses=3) == pytest.approx(3 * one)


def test_measures_have_their_known_values() -> None:
    generator = np.random.default_rng(0)
    basis = np.eye(4, dtype=np.float32)
    assert effective_rank(np.repeat(basis, 5, axis=0)) == pytest.approx(4)
    assert effective_rank(np.ones((9, 4))) == pytest.approx(1)
    assert effective_rank(np.zeros((9, 4))) == 0
    rows = np.repeat(basis, 30, axis=0) + 0.01 * generator.normal(size=(120, 4)).astype(np.float32)
    labels = np.repeat(np.arange(4), 30)
    found = measure({"projector": (rows, rows), "backbone": (rows, rows)}, labels)
    assert found["knn_accuracy"] == 1
    assert found["positive_mean"] == pytest.approx(1)
    assert found["negative_mean"] == pytest.approx(29 / 119, abs=0.01)
    assert np.isnan(measure({"projector": (rows, rows), "backbone": (rows, rows)}, None)["knn_accuracy"])
    torch = pytest.importorskip("torch")
    noise = torch.nn.functional.normalize(torch.randn(400, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    assert knn_accuracy(noise, torch.arange(400) % 4) == pytest.approx(0.25, abs=0.1)


def test_class_folders_are_labels(folder: Path) -> None:
    read = read_image_folder(folder)
    assert read.label_names == ("cat", "dog")
    assert read.images.shape == (30, 28, 28, 3)
    assert read.files[0] == "cat/00.png"
    assert read.n_evaluation == 6
    assert [int(read.labels[read.is_evaluation].sum()), int(read.labels.sum())] == [3, 15]
    assert read.images[0, :, :, 0].mean() > 120 > read.images[-1, :, :, 0].mean()
    run = train_run("ntxent", folder, epochs=1, batch_size=8)
    assert run.get().role("label") is not None
    assert set(run.get().columns()["file"]) <= set(read.files)


def test_bad_images_are_listed_and_left_out(folder: Path, tmp_path: Path) -> None:
    (folder / "cat" / "text.png").write_text("no picture")
    whole = (folder / "cat" / "00.png").read_bytes()
    (folder / "cat" / "half.png").write_bytes(whole[: len(whole) // 2])
    Image.new("L", (4, 300)).save(folder / "dog" / "thin.png")
    Image.new("1", (6000, 5000)).save(folder / "dog" / "huge.png")
    outside = tmp_path / "secret.png"
    Image.new("RGB", (40, 40)).save(outside)
    (folder / "dog" / "link.png").symlink_to(outside)
    (folder / "dog" / "notes.txt").write_text("not looked at")
    read = read_image_folder(folder)
    reasons = dict(read.skipped)
    assert len(read.images) == 30
    assert set(reasons) == {"cat/text.png", "cat/half.png", "dog/thin.png", "dog/huge.png", "dog/link.png"}
    assert "leads out of the folder" in reasons["dog/link.png"]
    assert "pixels" in reasons["dog/huge.png"]
    assert "smaller than" in reasons["dog/thin.png"]


def test_a_class_folder_that_links_elsewhere_is_not_followed(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    Image.new("RGB", (40, 40)).save(elsewhere / "secret.png")
    (folder / "fox").symlink_to(elsewhere)
    read = read_image_folder(folder)
    assert read.label_names == ("cat", "dog")
    assert all("secret" not in file for file in read.files)


def test_grey_and_see_through_images_are_read(tmp_path: Path) -> None:
    for index in range(20):
        Image.fromarray(np.full((30, 30), index, dtype=np.uint8)).save(tmp_path / f"{index:02}.png")
    assert read_image_folder(tmp_path).images.shape == (20, 28, 28)
    assert not read_image_folder(tmp_path).has_labels
    Image.new("RGBA", (30, 30), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    Image.fromarray(np.linspace(0, 60000, 900).reshape(30, 30).astype(np.uint16)).save(tmp_path / "deep.png")
    read = read_image_folder(tmp_path)
    clear = read.images[read.files.index("clear.png")]
    assert clear.min() == 255
    assert read.images[read.files.index("deep.png")].max() > 200


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda folder: folder / "absent", "no such folder"),
        (lambda folder: folder / "cat", "usable images"),
        (lambda folder: (Image.new("L", (30, 30)).save(folder / "top.png"), folder)[1], "beside class folders"),
    ],
)
def test_a_folder_that_cannot_be_used_says_why(folder: Path, prepare: object, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read_image_folder(prepare(folder))  # type: ignore[operator]


def test_names_of_runs_say_what_was_chosen() -> None:
    assert run_name("ntxent", {}) == "trained-ntxent"
    assert run_name("align_uniform", {"t": 3.0}) == "trained-align-uniform-t-3.0"

"""The Train page: what it trains on, its losses and their parameters, and the runs it leaves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from cl_viz.core.errors import Cancelled
from cl_viz.dashboard import loss_choice
from cl_viz.dashboard.training_job import Standing, TrainingJob
from cl_viz.simulate import TrainingBudget, TrainingImages, bundled_digits

OpenApp = Callable[..., AppTest]
NTXENT, SUPCON, MOCHI = (loss_choice._option(loss) for loss in ("ntxent", "supcon_out", "mochi"))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Thirty pictures of two classes, and one file that is none."""
    generator = np.random.default_rng(0)
    for number, name in enumerate(("cat", "dog")):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for index in range(15):
            pixels = generator.integers(0, 100, (32, 32, 3)).astype(np.uint8)
            pixels[:, :, number] += 120
            Image.fromarray(pixels).save(tmp_path / "pets" / name / f"{index:02}.png")
    (tmp_path / "pets" / "dog" / "broken.png").write_text("no picture")
    return tmp_path / "pets"


def texts(app: AppTest) -> str:
    return "\n".join(str(e.value) for e in [*app.markdown, *app.caption, *app.info, *app.error]).replace("\\", "")


def press(app: AppTest, start: str) -> AppTest:
    return next(button for button in app.button if button.label.startswith(start)).click().run()


def finish(app: AppTest) -> AppTest:
    job = app.session_state["_training"]
    job.wait(120)
    assert not job.standing().running
    return app.run()


def at_page(open_app: OpenApp, tmp_path: Path, **query: str | list[str]) -> AppTest:
    return open_app(tmp_path / "none.npz", page="losses/train", **query)


def test_the_page_asks_and_says_what_to_do(open_app: OpenApp, tmp_path: Path) -> None:
    app = at_page(open_app, tmp_path)
    assert not app.exception
    assert app.title[0].value.endswith("?")
    assert "press Train" in texts(app)
    assert any(button.label.startswith("Train 3 losses, about ") for button in app.button)


def test_a_training_is_drawn_found_and_opened_as_a_run(open_app: OpenApp, tmp_path: Path) -> None:
    app = at_page(open_app, tmp_path, losses=[NTXENT], epochs="1", batch_size="512")
    app = finish(press(app, "Train 1 loss"))
    assert not app.exception
    assert list(app.session_state["_runs"]) == ["trained-ntxent"]
    opened = app.session_state["_runs"]["trained-ntxent"]
    assert opened.private
    assert opened.expression == "cl_viz.train_run('ntxent', epochs=1, batch_size=512)"
    assert opened.run.steps[-1] == 7
    assert "-badge[:material/" in texts(app)
    assert "neighbours name the label of" in texts(app)
    assert len(app.get("plotly_chart")) == 6
    code = "\n".join(element.value for element in app.code)
    assert "simulate.train_losses(['ntxent'], simulate.bundled_digits()" in code
    app.switch_page("pages/scores/distributions.py").run()
    assert not app.exception
    assert len(app.error) == 1  # the missing file the test began with
    assert len(app.get("plotly_chart")) > 2


def test_a_stop_keeps_what_was_reached(open_app: OpenApp, tmp_path: Path) -> None:
    app = press(at_page(open_app, tmp_path, losses=[NTXENT, SUPCON], epochs="50"), "Train 2 losses")
    press(app, "Stop")
    app = finish(app)
    assert "trained-ntxent: Stopped by hand after step" in texts(app)
    assert "Not trained: trained-supcon-out. The run it left is open: every other page shows it." in texts(app)
    assert "Stopped by hand after step" in app.session_state["_runs"]["trained-ntxent"].run.card["stopped"]


def standing(seconds: float, fraction: float, warm: tuple[float, float], *, running: bool = True) -> Standing:
    return Standing(fraction, "step", seconds, {}, (), running, warm=warm)


def test_the_time_left_leaves_out_what_only_the_beginning_takes() -> None:
    # Eight seconds until the first of a hundred steps is done, then one step every half second.
    warm = (8.0, 0.01)
    assert standing(5.0, 0.0, (0.0, 0.0)).seconds_left is None
    assert standing(8.5, 0.02, warm).seconds_left is None
    assert standing(10.5, 0.06, warm).seconds_left == pytest.approx(47.0)
    assert standing(32.5, 0.50, warm).seconds_left == pytest.approx(25.0)
    assert standing(57.5, 1.00, warm, running=False).seconds_left is None


def test_a_job_knows_when_its_first_step_was_done() -> None:
    job = TrainingJob([("ntxent", {})], bundled_digits(), TrainingBudget(epochs=1))
    assert job.standing().warm == (0.0, 0.0)
    job._note_progress(0.1, "step 1")
    first = job.standing().warm
    job._note_progress(0.2, "step 2")
    assert job.standing().warm == first
    assert first[0] > 0
    assert first[1] == 0.1


def test_a_folder_of_ones_own_is_read_and_bad_files_are_listed(
    open_app: OpenApp, tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cl_viz.dashboard.opening.paths_allowed", lambda: True)
    app = at_page(open_app, tmp_path, losses=[SUPCON], images="Your own images", batch_size="8", epochs="1")
    assert "No folder yet" in texts(app)
    app.text_input(key="image_folder").set_value(str(pictures)).run()
    assert "24 images to train on, 6 to measure; 2 classes; colour" in texts(app)
    assert any("1 file was left out" in expander.label for expander in app.expander)
    app = finish(press(app, "Train 1 loss"))
    opened = app.session_state["_runs"]["trained-supcon-out"]
    assert str(pictures) in opened.expression
    assert opened.run.get().codes("label")[1] == ("cat", "dog")  # type: ignore[index]
    app.text_input(key="image_folder").set_value(str(tmp_path / "absent")).run()
    assert "no such folder" in texts(app)


def test_a_loss_that_cannot_be_trained_is_grey_and_says_what_is_missing(open_app: OpenApp, tmp_path: Path) -> None:
    app = at_page(open_app, tmp_path, losses=[NTXENT, MOCHI])
    assert ":gray[:material/block: Hard-negative mixing (MoCHi): needs a queue of negatives]" in texts(app)
    assert ":gray[Triplet, given triplets: needs a third view]" in texts(app)
    assert any(button.label.startswith("Train 1 loss") for button in app.button)


def test_a_parameter_out_of_range_is_refused_with_the_allowed_range(open_app: OpenApp, tmp_path: Path) -> None:
    app = at_page(open_app, tmp_path, losses=[NTXENT])
    app.number_input(key="ntxent.temperature").set_value(5000.0).run()
    assert "Allowed: 0.001 to 100" in texts(app)
    assert any(button.label.startswith("Train 0 losses") and button.disabled for button in app.button)
    app.number_input(key="ntxent.temperature").set_value(0.2).run()
    app.number_input(key="epochs").set_value(1000).run()
    assert "Allowed: 1 to 200" in texts(app)


def test_a_link_restores_losses_and_parameters(open_app: OpenApp, tmp_path: Path) -> None:
    again = f"{NTXENT} (again)"
    query: dict[str, str | list[str]] = {
        "losses": [NTXENT, again], "ntxent.temperature": "0.2", "ntxent-again.temperature": "1.5", "curve": "Loss",
    }  # fmt: skip
    app = at_page(open_app, tmp_path, **query)
    assert app.multiselect(key="losses").value == [NTXENT, again]
    assert app.number_input(key="ntxent.temperature").value == 0.2
    assert app.number_input(key="ntxent-again.temperature").value == 1.5
    assert any(button.label.startswith("Train 2 losses") for button in app.button)


def test_uploaded_folders_stay_inside_the_sessions_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cl_viz.dashboard import image_choice

    class File:
        def __init__(self, name: str) -> None:
            self.name, self.size = name, 3

        def getvalue(self) -> bytes:
            return b"abc"

    monkeypatch.setattr(image_choice, "_upload_folder", lambda: tmp_path / "session" / "images")
    names = ("pets/cat/1.png", "../../cat/2.png", "/etc/dog/3.png", "pets\\dog\\..\\4.png", ".hidden/.png")
    folder = image_choice._stored([File(name) for name in names])
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.glob("**/*") if path.is_file()}
    assert len(found) == len(names)
    assert all(name.startswith("session/images/") for name in found)
    assert (folder / "cat" / "1.png").is_file()


def test_a_job_says_what_ended_it() -> None:
    digits = bundled_digits()
    unlabelled = TrainingImages("few", digits.images[:60], digits.labels[:60], (), np.arange(60) < 20)
    job = TrainingJob([("supcon_out", {})], unlabelled, TrainingBudget(epochs=1))
    job.start()
    job.wait(60)
    assert "labels" in str(job.standing().error)
    stopped = TrainingJob([("ntxent", {})], unlabelled, TrainingBudget(epochs=1))
    stopped.stop()
    with pytest.raises(Cancelled):
        stopped._note_progress(0.5, "half")

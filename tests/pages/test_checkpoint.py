"""The Checkpoint page: what was recognised, an encoding that opens as a run, and what is refused."""

from __future__ import annotations

import io
import pickle
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

from cl_viz.core.encoder import Encoder, EncoderSpec, Recognised
from cl_viz.core.errors import InputError
from cl_viz.encoders import ENCODERS, sample_folder
from cl_viz.encoders._encoding import Encoding

OpenApp = Callable[..., AppTest]
COLOUR = sample_folder() / "runs" / "mnist-colour-shortcut" / "step_000300.safetensors"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    for index in range(10):
        folder = tmp_path / "pictures" / ("<b>cat", "dog")[index % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 255, (32, 32, 3)).astype(np.uint8)).save(folder / f"{index}.png")
    (tmp_path / "pictures" / "dog" / "x.png").write_text("broken")
    return tmp_path / "pictures"


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"program")
    spec = EncoderSpec(
        "a_program", "A program", lambda p: Recognised("a_program", "a program", ("image",), ("out",))
        if p == path else None, lambda p: pytest.fail("it was run"), "Runs.", runs_code=True,
    )  # fmt: skip
    ENCODERS._entries["a_program"] = spec
    yield path
    del ENCODERS._entries["a_program"]


@pytest.fixture
def at_page(open_app: OpenApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    monkeypatch.setattr("cl_viz.dashboard.opening.paths_allowed", lambda: True)

    def start(checkpoint: Path | None = None, data: Path | None = None) -> AppTest:
        given: dict[str, str] = {}
        if checkpoint is not None:
            given |= {"checkpoint_from": "Path", "checkpoint_path": str(checkpoint)}
        if data is not None:
            given |= {"encode_data_from": "Path", "encode_data_path": str(data)}
        return open_app(tmp_path / "none.npz", page="start/checkpoint", **given)

    return start


def texts(app: AppTest) -> str:
    return "\n".join(str(e.value) for e in [*app.markdown, *app.caption, *app.info, *app.error]).replace("\\", "")


def button(app: AppTest, start: str) -> Button:
    return next(entry for entry in app.button if entry.label.startswith(start))


def encode(app: AppTest) -> AppTest:
    button(app, "Encode ").click().run()
    job = app.session_state["_encoding"]
    job.wait(120)
    assert not job.standing().running
    return app.run()


def test_a_newcomer_encodes_the_bundled_digits_with_one_click(at_page: Callable[..., AppTest]) -> None:
    app = at_page()
    assert not app.exception
    assert app.title[0].value.endswith("?")
    assert "Three convolutions and a projector, D = 32" in texts(app)
    assert "The bundled digits, 1,000 rows" in texts(app)
    app = encode(app)
    assert not app.exception
    assert list(app.session_state["_runs"]) == ["mnist-healthy-step_000300-digits"]
    assert "is open as a run: N = 1,000, D = 32, views view_1, view_2, layer projector." in texts(app)
    opened = app.session_state["_runs"]["mnist-healthy-step_000300-digits"]
    assert opened.private
    assert opened.expression.startswith("cl_viz.encode(")


def test_a_folder_of_ones_own_keeps_what_was_encoded_and_lists_what_was_skipped(
    at_page: Callable[..., AppTest], pictures: Path, tmp_path: Path
) -> None:
    app = at_page(COLOUR, pictures)
    assert "Folder of images, 11 rows" in texts(app)
    assert "layers: projector, backbone" in texts(app)
    app.selectbox(key="encode_layer").set_value("all")
    app.selectbox(key="encode_views").set_value("plain")
    app.selectbox(key="encode_pixels").set_value("halves")
    app.number_input(key="encode_size").set_value(28)
    app.text_input(key="encode_out").set_value(str(tmp_path / "kept")).run()
    assert "layer='all', views='plain', pixels='halves', size=28, out=" in app.code[0].value
    app = encode(app)
    assert not app.exception
    assert (tmp_path / "kept" / "card.json").is_file()
    assert "N = 10" in texts(app)
    assert "layer projector, backbone" in texts(app)
    assert any("1 row could not be read" in expander.label for expander in app.expander)
    opened = next(iter(app.session_state["_runs"].values()))
    assert opened.origin == "path"
    assert opened.run.card["preprocessing"]["mean"] == [0.5, 0.5, 0.5]
    assert pictures in app.session_state["_media_folders"]
    assert opened.run.get().codes("label")[1] == ("<b>cat", "dog")


def test_what_takes_long_asks_first_and_can_be_declined_or_stopped(
    at_page: Callable[..., AppTest], pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Encoding, "estimate", lambda self: 7200.0)
    app = button(at_page(COLOUR, pictures), "Encode 11 rows").click().run()
    job = app.session_state["_encoding"]
    for _ in range(1000):
        if job.standing().phase == "asking":
            break
        job.wait(0.02)
    app.run()
    assert "Encoding takes about 2.0 h" in texts(app)
    assert button(app, "Encode").disabled
    button(app, "Do not").click().run()
    job.wait(60)
    app.run()
    assert "Stopped after 0 % of the rows" in texts(app)
    button(app, "Encode 11 rows").click().run()
    job = app.session_state["_encoding"]
    job.confirm()
    job.wait(60)
    app.run()
    assert "is open as a run: N = 10" in texts(app)


def test_an_encoder_that_is_never_built_can_be_left_behind(
    at_page: Callable[..., AppTest], pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    building, may_end = threading.Event(), threading.Event()
    build = ENCODERS["tiny"].build

    def slow(path: Path) -> Encoder:
        building.set()
        assert may_end.wait(60)
        return build(path)

    monkeypatch.setitem(ENCODERS._entries, "tiny", replace(ENCODERS["tiny"], build=slow))
    app = button(at_page(COLOUR, pictures), "Encode 11 rows").click().run()
    left = app.session_state["_encoding"]
    assert building.wait(60)
    app.run()
    assert "building the encoder, " in left.standing().told
    assert button(app, "Encode").disabled
    button(app, "Stop").click().run()
    monkeypatch.setitem(ENCODERS._entries, "tiny", replace(ENCODERS["tiny"], build=build))
    app.number_input(key="encode_seed").set_value(5).run()
    app = encode(app)
    assert "is open as a run: N = 10" in texts(app)
    may_end.set()
    left.wait(60)
    assert not left.standing().running
    app.run()
    assert len(app.session_state["_runs"]) == 1


def test_a_run_that_cannot_be_opened_is_told_and_stays_told(
    at_page: Callable[..., AppTest], pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: object, **named: object) -> None:
        raise InputError("no room for another run", where="the sidebar")

    app = at_page(COLOUR, pictures)
    monkeypatch.setattr("cl_viz.dashboard.state.add_run", refuse)
    app = encode(app)
    assert "no room for another run" in texts(app.run().run()).lower()
    assert not app.exception


def test_two_passes_are_offered_where_they_differ(at_page: Callable[..., AppTest], tmp_path: Path) -> None:
    (tmp_path / "texts.csv").write_text("text\nseven: bold\ntwo: narrow")
    towers = sample_folder() / "runs" / "mnist-two-towers"
    app = at_page(sorted(towers.glob("step_*.safetensors"))[-1], tmp_path / "texts.csv")
    assert app.selectbox(key="encode_views").options == ["As the data suggests", "Plain", "Columns"]


def test_a_program_and_a_pickle_are_never_run(
    at_page: Callable[..., AppTest], program: Path, pictures: Path, tmp_path: Path
) -> None:
    app = at_page(program, pictures)
    assert "runs whatever code its author put there" in texts(app)
    assert "--trust" in texts(app)
    assert not any(entry.label.startswith("Encode") for entry in app.button)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"a": np.zeros(2)}))
    app.text_input(key="checkpoint_path").set_value(str(tmp_path / "model.pkl")).run()
    assert "torch.save(" in texts(app)
    assert not any(entry.label.startswith("Encode") for entry in app.button)
    assert not app.exception


def test_what_is_missing_is_said(at_page: Callable[..., AppTest], tmp_path: Path, pictures: Path) -> None:
    app = at_page(tmp_path / "absent.pt", tmp_path / "nowhere")
    assert texts(app).count("there is no such file or folder") == 2 + 1  # the dump the test began with
    app.text_input(key="checkpoint_path").set_value("")
    app.text_input(key="encode_data_path").set_value("").run()
    assert "No checkpoint yet" in texts(app)
    assert "No data yet" in texts(app)
    (tmp_path / "texts.csv").write_text("text\none\ntwo")
    app.text_input(key="checkpoint_path").set_value(str(COLOUR))
    app.text_input(key="encode_data_path").set_value(str(tmp_path / "texts.csv")).run()
    assert "the checkpoint embeds images, the table has none" in texts(app)
    assert button(app, "Encode 2 rows").disabled
    app.text_input(key="encode_data_path").set_value(str(pictures)).run()
    app.selectbox(key="encode_views").set_value("columns").run()
    app.multiselect(key=f"encode_columns {pictures}").set_value([]).run()
    assert "no view, or one twice" in texts(app)
    assert not app.exception


def test_uploads_stay_in_the_session(at_page: Callable[..., AppTest]) -> None:
    app = at_page()
    app.segmented_control(key="checkpoint_from").set_value("file")
    app.segmented_control(key="encode_data_from").set_value("file").run()
    images = io.BytesIO()
    np.save(images, np.random.default_rng(0).integers(0, 255, (6, 28, 28, 3)).astype(np.uint8))
    app.file_uploader(key="_checkpoint_file").upload("../../evil\\step_000300.safetensors", COLOUR.read_bytes())
    app.file_uploader(key="_encode_data_file").upload("images.npy", images.getvalue()).run()
    assert "Array of images, 28 x 28 x 3, 6 rows" in texts(app)
    app = encode(app)
    assert "is open as a run: N = 6" in texts(app)
    # A name that says little is that of an upload, not of the folder it was put into.
    assert "**upload-step_000300-images**" in texts(app)


def test_only_uploads_are_offered_where_paths_are_not_allowed(
    open_app: OpenApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cl_viz.dashboard.opening.paths_allowed", lambda: False)
    app = open_app(tmp_path / "none.npz", page="start/checkpoint", checkpoint_from="Path")
    assert app.segmented_control(key="checkpoint_from").options == ["Bundled", "Upload file", "Upload folder"]
    assert not [entry for entry in app.text_input if entry.key == "encode_out"]

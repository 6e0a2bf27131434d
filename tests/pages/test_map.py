"""The Map page without a browser: what it draws of several sets, what its address restores, hard inputs."""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from cl_viz.core.errors import InputError
from cl_viz.dashboard import map_layouts, map_neighbors
from cl_viz.diagnostics._selection import nearest_samples
from cl_viz.projections import Projection, judge, lay_out, project

OpenApp = Callable[..., AppTest]
PAGE = "runs/map"


def sent(app: AppTest) -> list[dict[str, Any]]:
    """Return the headers of the maps that went to the browser."""
    protos = [getattr(element, "proto", None) for element in app.main]
    return [_header(proto.bytes) for proto in protos if type(proto).__name__ == "BidiComponent"]


def _header(content: bytes) -> dict[str, Any]:
    (length,) = struct.unpack_from("<I", content)
    found: dict[str, Any] = json.loads(content[4 : 4 + length])
    return found


def text(app: AppTest) -> str:
    """Return what stands on the page as Markdown and captions."""
    return "\n".join(str(part.value) for part in (*app.markdown, *app.caption)).replace("\\", "")


def fine(app: AppTest) -> AppTest:
    assert not app.exception
    assert not app.error, [box.value for box in app.error]
    return app


def test_a_map_says_what_it_keeps_and_how_it_is_coloured(open_app: OpenApp, dump: Callable[..., Path]) -> None:
    app = fine(open_app(dump(), page=PAGE))
    assert app.title[0].value == "What lies near what?"
    (message,) = sent(app)
    assert message["kind"] == "points"
    assert [kind["name"] for kind in message["categories"]] == ["0", "1", "2", "3"]
    assert message["n"] == 120
    assert "PCA keeps" in text(app)
    assert "N = 120" in text(app)
    assert message["plotly"].startswith("cl_viz-assets/plotly-")
    assert "label" in message["description"]


def test_a_link_restores_method_colour_window_outline_and_hidden_kinds(
    open_app: OpenApp, dump: Callable[..., Path]
) -> None:
    query = {
        "colour": "error of the map", "window": "-1,1,-0.5,0.5", "outline": "-9,-9 9,-9 9,9 -9,9",
        "outline_of": "left@None", "at": "0,0", "at_of": "left@None",
    }  # fmt: skip
    app = fine(open_app(dump(), page=PAGE, **query))
    (message,) = sent(app)
    assert message["scale"]["low"] == 0.0
    assert message["scale"]["high"] == 1.0
    assert message["command"]["window"] == [-1, 1, -0.5, 0.5]
    assert message["command"]["outlines"] == [[[-9, -9], [9, -9], [9, 9], [-9, 9]]]
    assert "Selected: 120 of 120 samples" in text(app)
    assert any("nearest samples" in part.value for part in app.header)
    hidden = fine(open_app(dump(), page=PAGE, hide="1", outline=query["outline"], outline_of="left@None"))
    assert sent(hidden)[0]["hidden"] == [1]
    assert "Selected: 90 of 120 samples" in text(hidden)
    clear = next(button for button in hidden.button if "Clear" in button.label)
    assert "Selected" not in text(fine(clear.click().run()))
    assert "outline" not in hidden.query_params


def test_a_link_with_nonsense_is_harmless(open_app: OpenApp, dump: Callable[..., Path]) -> None:
    query = {"window": "1,0,a,b", "outline": "1,2 3", "at": "nan,1", "at_of": "left@None", "hide": "-1,x,999"}
    app = fine(open_app(dump(), page=PAGE, **query))
    (message,) = sent(app)
    assert message["hidden"] == []
    assert message["command"]["window"] is None
    assert "Selected" not in text(app)
    elsewhere = fine(open_app(dump(), page=PAGE, outline="0,0 1,0 1,1", outline_of="elsewhere"))
    assert "Selected" not in text(elsewhere)


def test_two_runs_stand_side_by_side_and_share_a_selection(open_app: OpenApp, dump: Callable[..., Path]) -> None:
    query = {"beside": "second", "outline": "-9,-9 9,-9 9,9 -9,9", "outline_of": "left@None"}
    app = fine(open_app(dump(), dump("second.npz", 2.0), page=PAGE, **query))
    left, right = sent(app)
    assert "chosen" not in left["arrays"]
    assert "chosen" in right["arrays"]
    assert "120 of 120 samples of second" in text(app)
    assert "Procrustes" in text(app)
    # Scores and mix of either run stand under its map; the table is of the run that is chosen.
    assert {element.proto.id.rsplit("-", 1)[-1] for element in app.get("plotly_chart")} == {
        "map scores left", "map mix left", "map scores right", "map mix right",
    }  # fmt: skip
    names = ["first", "second"]
    (chosen,) = [group for group in app.get("button_group") if group.label == "Samples as in"]
    assert (chosen.options, chosen.value) == (names, names[0])
    fine(chosen.set_value("second").run())
    (chosen,) = [group for group in app.get("button_group") if group.label == "Samples as in"]
    assert chosen.value == "second"


def test_a_clicked_sample_is_shown_with_its_nearest_in_both_runs(
    open_app: OpenApp, dump: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes longer than a moment goes on in the background, and can be stopped."""
    query = {"beside": "second", "at": "0,0", "at_of": "left@None"}
    app = fine(open_app(dump(), dump("second.npz", 2.0), page=PAGE, **query))
    assert [part.value.split(":")[0] for part in app.header] == ["first", "second"]
    held = threading.Event()

    def slowly(*given: Any) -> Any:
        held.wait(30)
        given[-1](0.5, "nearest samples")
        return nearest_samples(*given)

    monkeypatch.setattr(map_neighbors, "_MOMENT", 0.0)
    monkeypatch.setattr(map_neighbors, "nearest_samples", slowly)
    app = fine(open_app(dump("third.npz", 3.0), page=PAGE, **{**query, "beside": "none"}))
    (bar,) = app.get("progress")
    assert "Nearest samples of row" in bar.proto.text
    next(button for button in app.button if button.label == "Stop").click().run()
    held.set()
    assert "The search for the nearest samples" in fine(app).info[0].value


def test_samples_are_listed_with_the_error_of_the_map_only_where_it_is_known_of_all(
    open_app: OpenApp, tmp_path: Path
) -> None:
    everywhere = {"outline": "-9,-9 9,-9 9,9 -9,9", "outline_of": "left@None"}
    for n, known in ((300, True), (5_200, False)):
        path = tmp_path / f"rows {n}.npz"
        rows = np.random.default_rng(n).normal(size=(n, 3)).astype(np.float32)
        np.savez(path, view_1=rows, label=np.arange(n) % 3)
        app = fine(open_app(path, page=PAGE, **everywhere))
        (table,) = app.dataframe
        assert ("error of the map" in table.value.columns) == known
        assert len(table.value) == 50


def test_three_samples_without_labels_rows_without_a_direction_and_space(open_app: OpenApp, tmp_path: Path) -> None:
    few, broken = tmp_path / "few.npz", tmp_path / "broken.npz"
    np.savez(few, view_1=np.eye(3, 5, dtype=np.float32))
    rows = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)
    rows[3], rows[4] = np.nan, 0
    np.savez(broken, view_1=rows, number=np.where(np.arange(30) % 2, np.nan, 1.5))
    app = fine(open_app(few, page=PAGE, outline="-9,-9 9,-9 9,9", outline_of="left@None"))
    assert sent(app)[0]["n"] == 3
    assert sent(app)[0]["colouring"] == "samples"
    app = fine(open_app(broken, page=PAGE, colour="number", dim="3"))
    (message,) = sent(app)
    assert message["n"] == 28
    assert not message["flat"]
    assert "2 have no place" in message["status"]


def test_labels_of_markup_a_hundred_thousand_names_and_missing_pictures(open_app: OpenApp, tmp_path: Path) -> None:
    path, n = tmp_path / "hostile.npz", 300
    label = np.array(["<img src=x onerror=evil()>", "**bold** :smile:", ""] * (n // 3))
    image = np.array(["nowhere.png", "/etc/passwd", ""] * (n // 3))
    names = np.array([f"name {index}" for index in range(n)])
    rows = np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32)
    np.savez(path, view_1=rows, label=label, image=image, name=names)
    query = {"outline": "-9,-9 9,-9 9,9 -9,9", "outline_of": "left@None"}
    app = fine(open_app(path, page=PAGE, **query))
    shown = [kind["name"] for kind in sent(app)[0]["categories"]]
    assert shown == ["**bold** :smile:", "<img src=x onerror=evil()>", "no entry"]
    assert not any("<img" in part.value.replace("\\<img", "") for part in (*app.markdown, *app.caption))
    app = fine(open_app(path, page=PAGE, colour="name", **query))
    assert len(sent(app)[0]["categories"]) == 21
    assert "most frequent of 300 entries" in text(app)


def test_a_long_map_is_asked_for_first(
    open_app: OpenApp, dump: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cl_viz.dashboard.map_layouts.estimate_layout", lambda *_: 90.0)
    app = fine(open_app(dump(), page=PAGE, method="UMAP"))
    assert sent(app) == []
    assert "about 90 s" in app.info[0].value
    assert any(button.label == "Compute" for button in app.button)


class Worker:
    """Stands for a worker that has ended."""

    done, fraction, message, seconds = True, 1.0, "done", 1.0

    def __init__(self, *given: Any, **arguments: Any) -> None:
        self.given, self.arguments = given, arguments

    def result(self) -> Projection:
        return project(self.given[0], "pca")


class Failing(Worker):
    """Stands for one that has failed."""

    def result(self) -> Projection:
        raise InputError("the layout is not finite", remedy="use other parameters")


def test_what_a_worker_has_made_is_shown_and_what_it_could_not_make_is_said(
    open_app: OpenApp, dump: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(map_layouts, "start", Worker)
    monkeypatch.setattr(map_layouts, "estimate_layout", lambda *_: 5.0)
    app = fine(open_app(dump(), page=PAGE, method="UMAP", colour="Score of the positive"))
    (message,) = sent(app)
    assert message["axes"][0] == "Component 1 (cosine units)"
    assert message["colouring"] == "Score of the positive (cosine)"
    monkeypatch.setattr(map_layouts, "start", Failing)
    app = open_app(dump("second.npz"), page=PAGE, method="t-SNE")
    assert "the layout is not finite" in app.error[0].value
    assert "was stopped" in fine(app.run()).info[0].value


def test_without_a_run_it_says_what_to_do(open_app: OpenApp, dump: Callable[..., Path]) -> None:
    app = open_app(dump(), page=PAGE)
    app.session_state["_shown first"] = False
    assert "No run is shown" in fine(app.run()).info[0].value


def test_a_map_is_shown_before_it_is_known_what_it_keeps(
    open_app: OpenApp, dump: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Judging goes on in the background; it can be stopped, and is taken over when it has ended."""
    held = threading.Event()

    def slowly(projection: Projection, *given: Any, progress: Callable[[float, str], None], **also: Any) -> Projection:
        progress(0.4, "ranks of the map's neighbours")
        held.wait(30)
        progress(0.5, "ranks of the map's neighbours")
        return judge(projection, *given, **also)

    monkeypatch.setattr(map_layouts, "AT_ONCE_SECONDS", 0.0)
    monkeypatch.setattr(map_layouts, "start", LaidOut)
    monkeypatch.setattr(map_layouts, "judge", slowly)
    app = fine(open_app(dump("first.npz", 7.0), page=PAGE))
    assert sent(app)[0]["n"] == 120
    assert "what it keeps is not known yet" in text(app)
    (bar,) = app.get("progress")
    assert "What is kept in PCA of" in bar.proto.text
    assert "so far" in bar.proto.text
    held.set()
    (running,) = app.session_state["_map_jobs"].values()
    running.result()
    assert "PCA keeps" in text(fine(app.run()))
    held.clear()
    app = fine(open_app(dump("second.npz", 8.0), page=PAGE))
    next(button for button in app.button if button.label == "Stop").click().run()
    held.set()
    fine(app)
    assert "What is kept in PCA of second was stopped" in app.info[0].value
    assert sent(app)[0]["n"] == 120
    next(button for button in app.button if button.label == "Compute").click().run()
    for running in list(app.session_state["_map_jobs"].values()):
        running.result()
    assert "PCA keeps" in text(fine(app.run()))


class LaidOut(Worker):
    """Stands for a worker that has laid a map out."""

    def result(self) -> Projection:
        return lay_out(self.given[0], "pca", cache=False)

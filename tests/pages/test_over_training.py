"""The page Over training: one bar for all figures, only what is chosen is computed, and folders are followed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

import cl_viz
from cl_viz.engine import scanner

OpenApp = Callable[..., AppTest]
Dump = Callable[..., Path]
PAGE = "runs/over_training"


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[..., cl_viz.Recorder]:
    """Record a course: the views come closer from step to step."""

    def write(name: str = "course", steps: tuple[int, ...] = (0, 10, 20), label: bool = True) -> cl_viz.Recorder:
        generator = torch.Generator().manual_seed(0)
        classes = torch.arange(80) % 4
        clean = 3 * torch.eye(4, 8)[classes]
        noise = torch.randn(2, 80, 8, generator=generator)
        given = {"label": [f"<i>{entry}</i> **b**" for entry in classes.tolist()]} if label else {}
        recorder = cl_viz.Recorder(tmp_path / name, (noise[0], noise[1]), every=10, **given)
        for step in steps:
            recorder.step(lambda batch, view, step=step: clean + batch * 2 / (1 + step), step)
        return recorder

    return write


def words(app: AppTest) -> str:
    return "\n".join(str(element.value) for element in [*app.markdown, *app.caption, *app.info])


def drawn(app: AppTest) -> list[str]:
    return [element.proto.spec for element in app.get("plotly_chart")]


def titles(app: AppTest) -> list[str]:
    return [json.loads(spec)["layout"]["title"]["text"].replace("<br>", " ") for spec in drawn(app)]


def test_the_bar_moves_every_figure(open_app: OpenApp, recorded: Callable[..., cl_viz.Recorder]) -> None:
    app = open_app(recorded().path, page=PAGE)
    assert not app.exception
    assert not app.error
    assert app.title[0].value == "What changes while it trains?"
    before = drawn(app)
    assert len(before) == 6
    app.select_slider(key="step").set_value("10").run()
    assert not app.error
    assert [one != two for one, two in zip(before, drawn(app), strict=True)] == [True] * 6
    assert "At step 10" in [element.value for element in app.header]
    marked = [element.value for element in app.code if ", 10, {run.name: run.steps})" in element.value]
    assert len(marked) == 5  # all but the distribution, which shows the step itself


@pytest.mark.parametrize(
    "aspect", ["Scores", "Dimensions", "Alignment and uniformity", "Classes and groups", "Step against step"]
)
def test_a_link_restores_the_aspect_and_the_step(
    aspect: str, open_app: OpenApp, recorded: Callable[..., cl_viz.Recorder]
) -> None:
    app = open_app(recorded().path, page=PAGE, aspect=aspect, step="10")
    assert not app.exception
    assert not app.error
    assert app.select_slider(key="step").value == "10"
    assert len(drawn(app)) >= 3
    assert "-badge[:material/" in words(app)
    assert any("step 10" in json.dumps(json.loads(spec)["layout"]) for spec in drawn(app))
    for element in app.markdown:
        assert element.allow_html is False
    assert "<i>" not in words(app).replace("\\<i", "")


def test_only_the_chosen_aspect_is_computed(
    open_app: OpenApp, recorded: Callable[..., cl_viz.Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recorded().path
    app = open_app(path, page="start/data")
    scanned: list[str] = []
    monkeypatch.setattr(scanner, "scan", lambda embedding_set, *_, **__: scanned.append(embedding_set.name))
    app.query_params["aspect"] = "Dimensions"
    app.switch_page(f"pages/{PAGE}.py")
    app.query_params["aspect"] = "Dimensions"
    app.run()
    assert not app.error
    assert scanned == []
    assert len(drawn(app)) == 4


def test_runs_of_different_steps_stand_in_one_bar(open_app: OpenApp, recorded: Callable[..., cl_viz.Recorder]) -> None:
    app = open_app(recorded("one").path, recorded("two", (0, 20, 40)).path, page=PAGE)
    assert app.select_slider(key="step").options == ["0", "10", "20", "40", "last"]
    app.select_slider(key="step").set_value("40").run()
    assert not app.error
    assert "Without a snapshot at step 40: one" in words(app)


def test_without_labels_groups_say_what_to_add(open_app: OpenApp, recorded: Callable[..., cl_viz.Recorder]) -> None:
    app = open_app(recorded(label=False).path, page=PAGE, aspect="Classes and groups")
    assert not app.exception
    assert not app.error
    assert "label column" in words(app)


def test_one_step_says_what_to_add(open_app: OpenApp, dump: Dump) -> None:
    app = open_app(dump(), page=PAGE)
    assert not app.error
    assert "one training step each" in words(app)
    assert drawn(app) == []

"""The pages of collapse and of neural collapse follow their controls, and say what is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from cl_viz.dashboard import aspects
from cl_viz.engine import scanner

Dump = Callable[..., Path]
OpenApp = Callable[..., AppTest]


def drawn(app: AppTest) -> list[str]:
    return [element.proto.spec for element in app.get("plotly_chart")]


def words(app: AppTest) -> str:
    return "\n".join(str(element.value) for element in [*app.markdown, *app.caption, *app.info, *app.header])


@pytest.mark.parametrize(
    ("aspect", "question", "said"),
    [
        ("Spectrum", "", "fitted to eigenvalues 11 to 100"),
        ("Ranks", "by which count", ""),
        ("Over training", "while the encoder trains", "one training step each"),
        ("LiDAR", "tell samples apart", ""),
        ("Decay", "spectrum decay", "fitted to eigenvalues 11 to 100"),
        ("Projector and backbone", "projector lose", "one layer each"),
    ],
)
def test_every_question_has_its_aspect_and_findings_of_all_stand_on_top(
    aspect: str,
    question: str,
    said: str,
    open_app: OpenApp,
    dump: Dump,
    controls_of_parameters: Callable[[AppTest, str], set[str]],
) -> None:
    app = open_app(dump(), page="geometry/collapse", collapse=aspect)
    assert not app.error
    assert question in "".join(element.value for element in app.header)
    assert said in words(app)
    assert ("gray[Decay:]" in words(app)) == (aspect != "Decay")
    assert "**Definition**" in words(app)
    taken = aspects.parameters("geometry/collapse", aspect)
    assert controls_of_parameters(app, "geometry/collapse") == taken, "controls are those that change something"


def test_the_spectrum_follows_its_controls(open_app: OpenApp, dump: Dump) -> None:
    app = open_app(dump(), page="geometry/collapse")
    before = drawn(app)
    app.segmented_control(key="rows").set_value("raw").run()
    raw = drawn(app)
    assert raw[0] != before[0]
    app.toggle(key="centred").set_value(False).run()
    assert drawn(app)[0] != raw[0]
    assert not app.error


def test_delta_and_epsilon_move_only_their_own_figures(open_app: OpenApp, dump: Dump) -> None:
    app = open_app(dump(), page="geometry/collapse", collapse="LiDAR")
    before = drawn(app)
    app.select_slider(key="delta").set_value("0.01").run()
    assert drawn(app) != before
    app.segmented_control(key="collapse").set_value("Ranks").run()
    ranks = drawn(app)
    app.select_slider(key="epsilon").set_value("0.0001").run()
    assert not app.error
    assert len(drawn(app)) == len(ranks)
    app.segmented_control(key="collapse").set_value("LiDAR").run()
    assert app.select_slider(key="delta").value == "0.01", "a control that was out of sight keeps its value"


def test_the_page_never_looks_at_pairs(open_app: OpenApp, dump: Dump, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_app(dump(), page="start/data")
    scanned: list[str] = []
    monkeypatch.setattr(scanner, "scan", lambda embedding_set, *_, **__: scanned.append(embedding_set.name))
    for page in ("collapse", "neural_collapse"):
        app.switch_page(f"pages/geometry/{page}.py").run()
        assert not app.error
        assert not app.exception
    assert scanned == []


def test_classes_follow_their_controls(open_app: OpenApp, dump: Dump) -> None:
    label = np.repeat(np.arange(4), [60, 30, 20, 10])
    app = open_app(dump("uneven.npz", label=label), page="geometry/neural_collapse")
    before = drawn(app)
    assert len(before) == 3
    app.segmented_control(key="mean").set_value("samples").run()
    after = drawn(app)
    assert after[1] != before[1]
    app.segmented_control(key="rows").set_value("raw").run()
    assert drawn(app)[0] != after[0]
    assert not app.error


def test_without_labels_the_page_says_what_to_add(open_app: OpenApp, dump: Dump) -> None:
    app = open_app(dump("bare.npz", note=np.array([f"n{i}" for i in range(120)])), page="geometry/neural_collapse")
    assert not app.error
    assert "add a label column" in words(app)
    assert drawn(app) == []

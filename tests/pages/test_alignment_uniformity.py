"""The page of alignment and uniformity: its questions, its controls, what it says where an input is missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.dashboard import checkup
from cl_viz.engine import scanner

Dump = Callable[..., Path]
OpenApp = Callable[..., AppTest]
PAGE = "geometry/alignment_uniformity"


@pytest.fixture(autouse=True)
def _quiet_checkup(monkeypatch: pytest.MonkeyPatch) -> None:
    """The app opens on the checkup, which would answer every question of every run first."""
    monkeypatch.setattr(checkup, "show", lambda runs: {})


def boxes(app: AppTest) -> list[str]:
    return [element.value for element in app.error]


def titles(app: AppTest) -> list[str]:
    specs = [json.loads(element.proto.spec) for element in app.get("plotly_chart")]
    return [spec["layout"]["title"]["text"].replace("<br>", " ") for spec in specs]


def test_every_question_of_geometry_is_answered(open_app: OpenApp, dump: Dump) -> None:
    app = open_app(dump("first.npz"), dump("second.npz", spread=2.0), page=PAGE)
    assert boxes(app) == []
    assert app.title[0].value == "Are the views of a sample close, and is the whole sphere used?"
    assert titles(app)[0].startswith("Uniformity from")
    drawn = len(titles(app))
    for aspect, question in (
        ("Over training", "Where do alignment and uniformity go while the encoder trains?"),
        ("Isotropy", "Do embeddings point everywhere, or fill a cone or a few directions?"),
        ("Hubs", "Are a few samples everybody's neighbours?"),
        ("Intrinsic dimension", "How many dimensions do the embeddings really have?"),
    ):
        app.segmented_control(key="alignment_uniformity").set_value(aspect).run()
        assert boxes(app) == []
        assert question in [element.value for element in app.header]
        drawn += len(titles(app))
        if aspect == "Over training":
            assert "one training step each" in "\n".join(element.value for element in app.info)
    assert drawn == 8


def test_controls_move_their_figure_and_never_look_at_the_pairs_again(
    open_app: OpenApp, dump: Dump, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_app(dump("first.npz"), page=PAGE)
    passes: list[str] = []
    for name in ("scan", "nearest"):
        real = getattr(scanner, name)

        def counted(embedding_set: EmbeddingSet, *rest: object, name: str = name, real: object = real, **named: object):  # type: ignore[no-untyped-def]
            passes.append(name)
            return real(embedding_set, *rest, **named)  # type: ignore[operator]

        monkeypatch.setattr(scanner, name, counted)
    for aspect, kind, key, value in (
        ("Alignment and uniformity", "select_slider", "sharpness", "10"),
        ("Isotropy", "segmented_control", "rows", "raw"),
        ("Hubs", "slider", "k", 5),
        ("Intrinsic dimension", "slider", "neighbours", 40),
    ):
        app.segmented_control(key="alignment_uniformity").set_value(aspect).run()
        before = titles(app)
        getattr(app, kind)(key=key).set_value(value).run()
        assert boxes(app) == []
        assert titles(app) != before
    assert passes == []
    app.segmented_control(key="alignment_uniformity").set_value("Alignment and uniformity").run()
    assert app.select_slider(key="sharpness").value == "10"


def test_one_view_shows_uniformity_and_says_what_to_add(open_app: OpenApp, tmp_path: Path) -> None:
    path = tmp_path / "single.npy"
    np.save(path, np.random.default_rng(0).normal(size=(80, 6)))
    app = open_app(path, page=PAGE)
    assert boxes(app) == []
    text = "\n".join(element.value for element in app.markdown)
    assert "how close the views of a sample are" in text
    assert "add a second view" in text
    assert any("of a uniform sphere's over t" in title for title in titles(app))


def test_the_path_and_the_collapse_of_a_sample_run_are_shown(open_app: OpenApp) -> None:
    app = open_app(Path("sample:mnist-complete-collapse"), page=PAGE)
    assert boxes(app) == []
    assert any("it was best" in element.value for element in app.markdown)
    app.segmented_control(key="alignment_uniformity").set_value("Over training").run()
    assert any("from step 0 to 60" in title for title in titles(app))

"""The page that compares runs, steps and layers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from cl_viz.dashboard import checkup

Dump = Callable[..., Path]
OpenApp = Callable[..., AppTest]
PAGE = "runs/compare"


@pytest.fixture(autouse=True)
def _quiet_checkup(monkeypatch: pytest.MonkeyPatch) -> None:
    """The app opens on the checkup, which would answer every question of every run first."""
    monkeypatch.setattr(checkup, "show", lambda runs: {})


def boxes(app: AppTest) -> list[str]:
    return [element.value for element in app.error]


def texts(app: AppTest) -> str:
    return "\n".join(str(element.value) for element in [*app.markdown, *app.caption, *app.info])


def titles(app: AppTest) -> list[str]:
    specs = [json.loads(element.proto.spec) for element in app.get("plotly_chart")]
    return [spec["layout"]["title"]["text"].replace("<br>", " ") for spec in specs]


def test_every_other_run_is_compared_with_the_reference(open_app: OpenApp, dump: Dump) -> None:
    app = open_app(dump("first.npz"), dump("second.npz", spread=2.0), page=PAGE)
    assert boxes(app) == []
    assert titles(app)[0].startswith("second and first: CKA")
    assert "one training step each" in texts(app)
    assert "one layer each" in texts(app)
    app.selectbox(key="reference_run").set_value("second").run()
    assert boxes(app) == []
    assert titles(app)[0].startswith("first and second: CKA")


def test_the_reference_alone_says_what_to_add(open_app: OpenApp, dump: Dump) -> None:
    app = open_app(dump("first.npz"), page=PAGE)
    assert boxes(app) == []
    assert "there is no second run to compare with" in texts(app)
    assert titles(app) == []


def test_other_samples_are_refused_in_words(open_app: OpenApp, dump: Dump, tmp_path: Path) -> None:
    other = tmp_path / "other.npz"
    with other.open("wb") as file:
        np.savez(file, view_1=np.random.default_rng(0).normal(size=(50, 12)))
    app = open_app(dump("first.npz"), other, page=PAGE)
    assert boxes(app) == []
    assert "other has 50 samples in view" in texts(app)
    assert "same order" in texts(app)


def test_steps_and_layers_of_sample_runs_are_compared(open_app: OpenApp) -> None:
    app = open_app(Path("sample:mnist-healthy"), Path("sample:mnist-vicreg"), page=PAGE)
    assert boxes(app) == []
    shown = titles(app)
    assert any("CKA, first with last step" in title for title in shown)
    assert any(title.startswith("Least alike: projector and backbone") for title in shown)
    assert "The matrices show mnist-healthy" in texts(app)

"""The pages of temperature: controls change what they stand above, and missing inputs are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from cl_viz.dashboard import aspects

OpenApp = Callable[..., AppTest]
Dump = Callable[..., Path]


def texts(app: AppTest) -> str:
    return "\n".join(str(element.value) for element in [*app.markdown, *app.caption, *app.info])


def drawn(app: AppTest) -> list[str]:
    return [element.proto.spec for element in app.get("plotly_chart")]


def control(app: AppTest, key: str) -> object:
    return next(e for e in [*app.select_slider, *app.slider, *app.toggle] if e.key == key)


@pytest.mark.parametrize(
    ("aspect", "key", "value", "changed"),
    [
        ("Push", "temperature", "0.5", "at temperature 0.5"),
        ("Batch size", "batch_size", "8", "A batch of 8 keeps"),
        ("Reweighting", "beta", 2.5, "With beta 2.5"),
        ("Reweighting", "class_prior", 0.3, "of the positives are"),
        ("Adaptive", "alpha", 1.0, "Temperature 0.1"),
    ],
)
def test_each_control_of_hardness_moves_its_figures(
    aspect: str,
    key: str,
    value: object,
    changed: str,
    open_app: OpenApp,
    dump: Dump,
    controls_of_parameters: Callable[[AppTest, str], set[str]],
) -> None:
    app = open_app(dump(), page="temperature/hardness", hardness=aspect)
    taken = aspects.parameters("temperature/hardness", aspect)
    assert controls_of_parameters(app, "temperature/hardness") == taken, "controls are those that change something"
    before = drawn(app)
    assert len(before) > 1
    control(app, key).set_value(value).run()  # type: ignore[attr-defined]
    assert not app.exception
    after = drawn(app)
    assert before != after
    assert any(changed in spec for spec in after)


def test_a_link_restores_the_temperature_and_negatives_can_be_chosen(open_app: OpenApp, dump: Dump) -> None:
    app = open_app(dump(), page="temperature/hardness", temperature="0.5")
    assert any("at temperature 0.5" in spec for spec in drawn(app))
    assert "238 an anchor" in texts(app)
    app.segmented_control(key="negative_views").set_value("cross").run()
    assert "119 an anchor" in texts(app)


def test_one_view_without_labels_shows_what_it_can_and_says_what_to_add(open_app: OpenApp, tmp_path: Path) -> None:
    path = tmp_path / "one.npz"
    np.savez(path, embeddings=np.random.default_rng(0).normal(size=(60, 8)))
    app = open_app(path, page="temperature/hardness")
    assert not app.exception
    assert any("of the negatives carry the push" in spec for spec in drawn(app))
    assert "add a second view" in texts(app)
    assert "add a label column" in texts(app)


def test_individual_temperatures_follow_rho(open_app: OpenApp, dump: Dump) -> None:
    app = open_app(dump(), page="temperature/individual_temperatures")
    before = drawn(app)
    control(app, "rho").set_value("2").run()  # type: ignore[attr-defined]
    assert not app.exception
    assert drawn(app) != before
    assert any("At rho 2 " in spec for spec in drawn(app))
    assert len(app.dataframe) >= 2

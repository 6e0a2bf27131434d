"""The page of class collapse and feature suppression."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from streamlit.testing.v1 import AppTest

from cl_viz.testing import suppressed_feature

PAGE = "groups/suppression"


def test_a_suppressed_feature_is_named_and_another_may_be_chosen(
    open_app: Callable[..., AppTest], tmp_path: Path
) -> None:
    made, path = suppressed_feature(150, 6), tmp_path / "shortcut.npz"
    with path.open("wb") as file:
        np.savez(file, view_1=made.views["view_1"], label=made.columns()["digit"], colour=made.columns()["colour"])
    app = open_app(path, page=PAGE)
    assert not app.exception
    assert not app.error
    text = "\n".join(str(element.value) for element in app.markdown)
    assert "Label is read for" in text
    assert "add a subclass column" in text
    before = [element.proto.spec for element in app.get("plotly_chart")]
    app.selectbox(key="feature").set_value("colour").run()
    assert not app.exception
    after = [element.proto.spec for element in app.get("plotly_chart")]
    assert before[0] == after[0]
    assert before[1:] != after[1:]
    assert "upper_bound" in [control.key for control in app.number_input]
    app.segmented_control(key="suppression").set_value("Subclasses").run()
    assert "upper_bound" not in [control.key for control in app.number_input], "it says nothing of subclasses"
    assert not app.exception
    assert "Do classes keep their subclasses apart?" in [element.value for element in app.header]

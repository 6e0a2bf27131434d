"""The page of the modality gap."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from streamlit.testing.v1 import AppTest

from cl_viz.testing import modality_pair

PAGE = "geometry/modality_gap"


def planted(path: Path, gap: float) -> Path:
    with path.open("wb") as file:
        np.savez(file, **modality_pair(150, 8, gap).views)
    return path


def test_a_planted_gap_is_named_and_none_is_not(open_app: Callable[..., AppTest], tmp_path: Path) -> None:
    app = open_app(planted(tmp_path / "wide.npz", 1.2), planted(tmp_path / "none.npz", 0.0), page=PAGE)
    assert not app.exception
    assert not app.error
    text = "\n".join(str(element.value) for element in app.markdown)
    assert "wide**: The centres of" in text
    assert "There is no gap beyond chance" in text
    assert len(app.get("plotly_chart")) == 5
    titles = [json.loads(chart.proto.spec)["layout"]["title"]["text"] for chart in app.get("plotly_chart")]
    titles = [title.replace("<br>", " ") for title in titles]
    assert len(set(titles)) == len(titles), "no two figures of a page say the same"
    assert any(title.startswith("Shift at which the centres meet from") for title in titles)
    before = [chart.proto.spec for chart in app.get("plotly_chart")]
    app.select_slider(key="temperature").set_value("0.5").run()
    assert not app.exception
    after = [chart.proto.spec for chart in app.get("plotly_chart")]
    assert sum(one != two for one, two in zip(before, after, strict=True)) == 1
    assert not any("first view" in box.label.lower() for box in [*app.slider, *app.number_input])

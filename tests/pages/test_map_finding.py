"""Samples found by words or SQL on the Map page; selections kept, shown again, and used as groups."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cl_viz.dashboard import selections

OpenApp = Callable[..., AppTest]
PAGE = "runs/map"


def text(app: AppTest) -> str:
    return "\n".join(str(part.value) for part in (*app.markdown, *app.caption)).replace("\\", "")


def press(app: AppTest, label: str) -> AppTest:
    app = next(button for button in app.button if button.label == label).click().run()
    assert not app.exception
    return app


def test_what_is_found_is_selected_and_opens_by_link(open_app: OpenApp, dump: Callable[..., Path]) -> None:
    app = open_app(dump(), page=PAGE, where="label = 2 AND row < 70")
    assert not app.exception
    assert "Selected: 10 of 120 samples" in text(app)
    app.text_input(key="where").set_value("label >= 2").run()
    assert "Selected: 60 of 120 samples" in text(app)
    app.text_input(key="find").set_value("3").run()
    assert "Selected: 30 of 120 samples" in text(app)
    app.text_input(key="find").set_value("").run()
    app.text_input(key="where").set_value("").run()
    assert "Selected" not in text(app)


def test_a_condition_that_cannot_be_used_is_explained_and_the_map_stays(
    open_app: OpenApp, dump: Callable[..., Path]
) -> None:
    app = open_app(dump(), page=PAGE, where="label IN (SELECT 1 FROM read_text('/etc/passwd'))")
    for mistake in ("colour = 'red'", "row <"):
        assert not app.exception
        assert "the condition cannot be used" in app.error[0].value.replace("\\", "")
        assert "root:" not in app.error[0].value
        assert "PCA keeps" in text(app)
        app.text_input(key="where").set_value(mistake).run()
    # A mistake is told until it is mended, and nothing is selected meanwhile.
    app.run()
    assert app.error
    assert app.text_input(key="where").value == "row <"
    assert "Selected" not in text(app)
    app.text_input(key="where").set_value("row < 7").run()
    assert not app.error
    assert "Selected: 7 of 120 samples" in text(app)
    # The field empties when something else is selected: it would link to what is not shown.
    press(app, "Clear selection")
    assert "Selected" not in text(app)
    assert app.text_input(key="where").value == ""
    # Other pages know a view by its number, under the key "view".
    keys = {control.key for control in app.button_group}
    assert "map_view" in keys
    assert "view" not in keys


def test_a_selection_is_kept_shown_again_and_used_as_a_group(open_app: OpenApp, dump: Callable[..., Path]) -> None:
    app = open_app(dump(), page=PAGE, where="row < 12")
    app.text_input(key="selection_name").set_value("<b>first</b> dozen")
    press(app, "Keep")
    assert "12 of 120, row < 12" in text(app)
    app.text_input(key="where").set_value("").run()
    assert "Selected" not in text(app)
    press(app, "Show")
    assert "Selected: 12 of 120 samples" in text(app)
    app.multiselect(key="selection_groups").set_value(["<b>first</b> dozen"]).run()
    press(app, "Use as groups")
    (opened,) = app.session_state["_runs"].values()
    group = opened.run.get().role("group")
    assert int((group == "<b>first</b> dozen").sum()) == 12
    assert "group_run" in opened.expression
    press(app, "Give back the run's own groups")
    (opened,) = app.session_state["_runs"].values()
    assert opened.run.get().role("group") is None
    press(app, "Forget")
    assert app.session_state["_selections"] == {}


def test_what_cannot_be_kept_is_refused(
    monkeypatch: pytest.MonkeyPatch, open_app: OpenApp, dump: Callable[..., Path]
) -> None:
    app = open_app(dump(), page=PAGE, where="row < 12")
    press(app, "Keep")
    assert "cannot be called" in app.error[0].value.replace("\\", "")
    monkeypatch.setattr(selections, "MOST", 0)
    app.text_input(key="selection_name").set_value("one too many")
    press(app, "Keep")
    assert "forget one first" in app.error[0].value.replace("\\", "")
    assert app.session_state["_selections"] == {}

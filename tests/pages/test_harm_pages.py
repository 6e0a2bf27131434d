"""The pages of harm: families of sample runs, what is missing, and the block model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

OpenPage = Callable[..., AppTest]
RARE, BALANCED = "sample:mnist-rare-4-seed-0", "sample:mnist-balanced-seed-0"


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch, checkout: Path) -> OpenPage:
    """Open samples straight on a page, without the checkup of all of them."""

    def start(*samples: str, page: str, **query: str) -> AppTest:
        monkeypatch.setattr("sys.argv", ["app.py", *samples])
        app = AppTest.from_file(str(checkout / "app.py"), default_timeout=120)
        app.switch_page(f"pages/{page}.py")
        for name, value in query.items():
            app.query_params[name] = value
        return app.run()

    return start


def _texts(app: AppTest) -> str:
    return "\n".join(str(element.value) for element in [*app.markdown, *app.caption, *app.info, *app.error])


def _titles(app: AppTest) -> list[str]:
    layouts = [json.loads(element.proto.spec)["layout"] for element in app.get("plotly_chart")]
    return [layout["title"]["text"].replace("<br>", " ") for layout in layouts]


def test_a_pair_of_twins_shows_its_harm_and_its_layer(open_page: OpenPage) -> None:
    app = open_page(RARE, BALANCED, page="groups/representation_harm", layer="backbone", bootstraps="200")
    assert not app.exception
    assert [box.value for box in app.error] == []
    shown = _texts(app)
    assert "on the backbone" in shown
    assert "class 9" in shown
    assert "paired seed" in shown
    assert len(_titles(app)) == 2
    # With one pair of seeds there is no interval over seeds, and no empty columns for it.
    assert app.dataframe
    assert not any(table.value.isna().all().any() for table in app.dataframe)
    app.segmented_control(key="representation_harm").set_value("Class cosines").run()
    assert "This describes single runs" in _texts(app)
    assert len(_titles(app)) == 1


def test_without_the_twin_the_page_says_which_run_to_open(open_page: OpenPage) -> None:
    for page in ("groups/representation_harm", "groups/allocation_harm"):
        app = open_page(RARE, page=page)
        assert not app.exception
        assert "open the balanced twin mnist-balanced-seed-0" in _texts(app)
        assert "compares runs" in _texts(app)


def test_the_block_model_follows_its_controls(open_page: OpenPage) -> None:
    app = open_page(BALANCED, page="groups/representation_harm", representation_harm="Block model")
    assert "collapse needs rarity and connectivity" in _texts(app)
    assert any("becomes block 2 at α = 0.4, not at 0.05, 0.1, 0.2" in title for title in _titles(app))
    app.slider(key="block_alpha").set_value(0.7).run()
    assert any("becomes block 2 at α = 0.4, 0.7, not at" in title for title in _titles(app))
    next(control for control in app.segmented_control if control.key == "block_weights").set_value("graph").run()
    assert any("becomes block 2 at α = 0.7, not at" in title for title in _titles(app))
    next(button for button in app.button if button.key == "block_graph").click().run()
    assert [box.value for box in app.error] == []
    assert "on the graph, against" in _texts(app)


def test_allocation_harm_and_groups_of_twins(open_page: OpenPage) -> None:
    app = open_page(RARE, BALANCED, page="groups/allocation_harm", splits="1", bootstraps="200", run=RARE[7:])
    for button in app.button:
        if button.label.startswith("Compute"):
            button.click().run()
            break
    assert not app.exception
    assert [box.value for box in app.error] == []
    shown = _texts(app)
    assert "NIE" in shown
    assert "test samples of the class" in shown
    assert len(_titles(app)) == 3
    app.segmented_control(key="allocation_harm").set_value("Groups").run()
    assert [box.value for box in app.error] == []
    assert "group" in _texts(app)
    assert len(_titles(app)) == 3


def test_a_page_without_a_rare_class_opens_samples_that_have_one(open_page: OpenPage) -> None:
    app = open_page("sample:mnist-healthy", page="groups/representation_harm", bootstraps="200")
    app.button(key="_open_harm_samples").click().run()
    assert not app.exception
    assert {RARE[7:], BALANCED[7:]} <= {box.key.removeprefix("_shown ") for box in app.sidebar.checkbox if box.key}
    assert len(_titles(app)) == 2

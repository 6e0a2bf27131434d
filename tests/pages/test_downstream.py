"""The page of downstream proxies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest

PAGE = "groups/downstream"


def charts(app: AppTest) -> int:
    return len(app.get("plotly_chart"))


def test_every_question_has_its_numbers(open_app: Callable[..., AppTest], dump: Callable[..., Path]) -> None:
    app = open_app(dump("first.npz"), page=PAGE)
    drawn, questions = charts(app), []
    for aspect in ("Linear probe", "Retrieval", "Clusters"):
        app.segmented_control(key="downstream").set_value(aspect).run()
        assert not app.exception
        assert not app.error
        questions += [element.value for element in app.header]
        drawn += charts(app)
    assert questions == [
        "Can a linear classifier read the label?",
        "Does a search find samples of the same label?",
        "Does a sample find itself in the other view?",
        "Do the classes stand apart as clusters?",
        "Would clustering find the classes?",
    ]
    assert drawn >= 10


def test_a_control_changes_its_own_figure_and_a_grid_adds_one(
    open_app: Callable[..., AppTest], dump: Callable[..., Path]
) -> None:
    app = open_app(dump("first.npz"), page=PAGE, downstream="Linear probe")
    before = charts(app)
    app.toggle(key="grid").set_value(True).run()
    assert not app.exception
    assert charts(app) == before + 1
    app.segmented_control(key="downstream").set_value("Neighbours").run()
    titles = [element.proto.spec for element in app.get("plotly_chart")]
    assert app.number_input(key="neighbours").placeholder == "automatic"
    assert any(element.value == "Chosen by the data: neighbours 20" for element in app.caption)
    app.number_input(key="neighbours").set_value(1).run()
    assert not any("Chosen by the data" in element.value for element in app.caption)
    assert not app.exception
    assert app.get("plotly_chart")[0].proto.spec != titles[0]


def test_without_labels_the_page_says_what_to_add(open_app: Callable[..., AppTest], dump: Callable[..., Path]) -> None:
    import numpy as np

    app = open_app(dump("plain.npz", number=np.linspace(0, 1, 120)), page=PAGE)
    assert not app.exception
    text = "\n".join(str(element.value) for element in [*app.markdown, *app.info])
    assert "add a label column" in text

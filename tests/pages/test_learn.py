"""Every lesson can be followed to its end; its answer is hidden until one predicts; a link brings back any moment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from cl_viz.core.lesson import Animation, LessonSpec, Prediction
from cl_viz.dashboard import lesson_runner
from cl_viz.figures import render
from cl_viz.lessons import LESSONS, lessons

OpenApp = Callable[..., AppTest]
NOWHERE = Path("missing.npz")
FIRST = lessons()[0]
FOLLOWED = ("what_a_loss_sees", "false_and_hard_negatives")
"""Lessons with every kind of prediction, of control and of figure; a browser follows all (`tests/browser`)."""


def texts(app: AppTest) -> str:
    found = [*app.markdown, *app.caption, *app.success, *app.warning, *app.info]
    return "\n".join(str(element.value) for element in found)


def press(app: AppTest, label: str) -> None:
    next(button for button in app.button if button.label == label).click().run()


def figures(app: AppTest) -> list[str]:
    return [element.proto.spec for element in app.get("plotly_chart")]


def widget(app: AppTest, key: str) -> Any:
    kinds = (app.radio, app.number_input, app.get("button_group"), app.slider, app.select_slider, app.toggle)
    return next(element for kind in kinds for element in kind if element.key == key)


def predict(app: AppTest, lesson: LessonSpec, step: str, value: str | float) -> None:
    widget(app, f"{lesson.name}.{step}").set_value(value)
    press(app, "Predict")


def healthy(app: AppTest) -> None:
    """Nothing failed; the one error box is that of the path that the app was told to open."""
    assert not app.exception
    assert [box.value for box in app.error if "missing" not in box.value] == []


def wrong(prediction: Prediction) -> str | float:
    if prediction.kind == "number":
        return next(end for end in prediction.range if not prediction.is_right(end))
    return next(option for option in prediction.options if not prediction.is_right(option))


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_lesson_can_be_followed_to_its_end(name: str, open_app: OpenApp) -> None:
    """The answers are hidden until one predicts."""
    lesson = LESSONS[name]
    app = open_app(NOWHERE, page=f"learn/{name}")
    assert app.title[0].value == lesson.question
    for number, step in enumerate(lesson.steps):
        assert step.title in [heading.value for heading in app.header]
        assert "when you have made a prediction" in texts(app)
        assert len(figures(app)) == (step.setup is not None)
        if step.prediction.kind == "number":
            low, high = step.prediction.range
            asked = widget(app, f"{lesson.name}.{step.name}").proto.placeholder
            assert asked == f"Type a number from {low:g} to {high:g}"
        assert step.explained() not in texts(app)
        right = number % 2 == 0
        predict(app, lesson, step.name, step.prediction.answer() if right else wrong(step.prediction))
        healthy(app)
        assert len(app.success) == right
        assert len(app.warning) == (not right)
        assert len(figures(app)) >= len(step.figures)
        assert step.explained() in texts(app)
        press(app, "Next")
    assert "Not yet." in texts(app)
    for name, value in lesson.exercise.solution.items():
        app.session_state[name] = value if name in app.session_state and not isinstance(
            app.session_state[name], str) else f"{value:g}" if isinstance(value, float) else value  # fmt: skip
    app.run()
    healthy(app)
    assert "Solved." in texts(app)
    press(app, "Next")
    healthy(app)
    made = len(lesson.steps)
    assert f"{made} of {made} predictions made, {(made + 1) // 2} right at the first try; exercise solved" in texts(app)


@pytest.mark.parametrize("lesson", lessons(), ids=lambda lesson: lesson.name)
def test_every_step_of_every_lesson_has_its_place_and_lines_that_draw_its_figures(lesson: LessonSpec) -> None:
    places = lesson_runner._places(lesson)
    assert len(set(places.values())) == len(places) == len(lesson.steps) + 2
    for part in lesson.parts:
        params = part.params.make(dict(lesson.exercise.solution) if part is lesson.exercise else {})
        for name, draw in part.figures.items():
            expected = draw(params)
            if isinstance(expected, Animation):
                continue  # every moment is drawn where figures are called by their name
            namespace: dict[str, Any] = {}
            lines = lesson_runner._lines(lesson, name, params).replace("lessons.figure", "drawn = lessons.figure")
            exec(lines, namespace)
            assert namespace["drawn"].to_json() == render(expected).to_json()


def test_a_link_brings_back_step_prediction_and_controls(open_app: OpenApp) -> None:
    query = {
        f"{FIRST.name}.step": "3. Pull and push", f"{FIRST.name}.push": "B", "temperature": "0.1",
    }  # fmt: skip
    app = open_app(NOWHERE, page=f"learn/{FIRST.name}", **query)
    healthy(app)
    assert "Not so. You said B" in texts(app)
    assert "At temperature 0.1 sample F" in texts(app).replace("\\", "")


def test_a_hostile_link_is_no_more_than_an_empty_one(open_app: OpenApp) -> None:
    query = {
        f"{FIRST.name}.step": "<script>", f"{FIRST.name}.pairs": "nan", "samples": "1e99", "temperature": "-1",
    }  # fmt: skip
    app = open_app(NOWHERE, page=f"learn/{FIRST.name}", **query)
    healthy(app)
    assert "when you have made a prediction" in texts(app)


def test_progress_is_kept_while_one_looks_elsewhere(open_app: OpenApp) -> None:
    app = open_app(NOWHERE, page=f"learn/{FIRST.name}")
    predict(app, FIRST, FIRST.steps[0].name, 6.0)
    press(app, "Next")
    app.switch_page("pages/learn/lessons.py").run()
    assert f"1 of {len(FIRST.steps)} predictions made, 1 right at the first try" in texts(app)
    for lesson in LESSONS.values():
        assert lesson.summary.split(",")[0].split(".")[0] in texts(app).replace("\\", "")
    app.switch_page(f"pages/learn/{FIRST.name}.py").run()
    healthy(app)
    assert FIRST.steps[1].title in [heading.value for heading in app.header]
    press(app, "Back")
    assert "Right: 6 negatives" in texts(app)


def test_a_figure_that_moves_waits_for_whoever_plays_it(open_app: OpenApp) -> None:
    """Until the browser says that motion is welcome there is a bar, and nothing to play."""
    query = {f"{FIRST.name}.step": "4. Where it leads", f"{FIRST.name}.flow": "All rows end at one point"}
    app = open_app(NOWHERE, page=f"learn/{FIRST.name}", **query)
    healthy(app)
    last = figures(app)[0]
    assert "Play" not in last
    bar = widget(app, f"moment {FIRST.name} flow")
    bar.set_value(bar.options[0]).run()
    assert figures(app)[0] != last
    app.session_state["_motion_allowed"] = True
    app.run()
    assert "Play" in figures(app)[0]

"""A person with a keyboard and no mouse: a lesson from its first question to its end."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Locator, Page, expect

from cl_viz.core.lesson import LessonSpec, Prediction
from cl_viz.lessons import LESSONS, lessons
from tests.browser.driving import SETTLE, settle

pytestmark = pytest.mark.browser
NewPage = Callable[..., Page]
LESSON = LESSONS["what_a_loss_sees"]


def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until `target` has the focus: whoever cannot be reached so cannot be used without a mouse."""
    target.wait_for(timeout=SETTLE)
    found = target.element_handle()
    for _ in range(150):
        # To look the element up by its role again after each key would take longer than the key itself.
        where = found.evaluate("it => !it.isConnected ? 'gone' : it === document.activeElement ? 'here' : 'elsewhere'")
        if where == "here":
            return
        if where == "gone":
            found = target.element_handle()
        else:
            page.keyboard.press("Tab")
    raise AssertionError(f"{target} cannot be reached with the Tab key")


def press(page: Page, name: str) -> None:
    tab_to(page, page.get_by_test_id("stMain").get_by_role("button", name=name, exact=True))
    page.keyboard.press("Enter")
    settle(page)


def say(page: Page, words: str) -> None:
    expect(page.get_by_test_id("stMain")).to_contain_text(words, timeout=SETTLE)
    settle(page)


def test_a_lesson_is_followed_to_its_end_by_keyboard(address: str, new_page: NewPage) -> None:
    page = new_page()
    page.goto(f"{address}/{LESSON.name}")
    settle(page)
    main = page.get_by_test_id("stMain")
    for answer in ("6", "0.5"):
        tab_to(page, main.get_by_role("spinbutton"))
        page.keyboard.type(answer)
        page.keyboard.press("Enter")
        say(page, "Right:")
        press(page, "Next")
    # One of several choices has the focus; the arrow keys go from one to the next.
    tab_to(page, main.get_by_role("radio", name="B", exact=True))
    for _ in "CDEF":
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    press(page, "Predict")
    say(page, "Right: F")
    press(page, "Next")
    tab_to(page, main.get_by_test_id("stRadio").get_by_role("radio").first)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    press(page, "Predict")
    say(page, "Right: The two views of a sample meet")
    tab_to(page, main.get_by_test_id("stSlider").filter(has_text="Step").get_by_role("slider"))
    page.keyboard.press("Home")
    expect(main.locator(".js-plotly-plot").first).to_contain_text("step 0", timeout=SETTLE)
    press(page, "Next")
    say(page, "Not yet.")
    for label, key in (("View turn", "Home"), ("Spacing", "End")):
        tab_to(page, main.get_by_test_id("stSlider").filter(has_text=label).get_by_role("slider"))
        page.keyboard.press(key)
        settle(page)
    say(page, "Solved.")
    press(page, "Next")
    say(page, "Now on your own run")
    say(page, "4 of 4 predictions made, 4 right at the first try; exercise solved")
    assert f"{LESSON.name}.step=Your+own+run" in page.url
    expect(page.get_by_test_id("stAlertContentError")).to_have_count(0)


def answer(page: Page, prediction: Prediction) -> None:
    """Give the right answer with the keyboard."""
    main = page.get_by_test_id("stMain")
    right = prediction.answer()
    if prediction.kind == "number":
        tab_to(page, main.get_by_role("spinbutton").first)
        page.keyboard.type(f"{right:.10g}")
        page.keyboard.press("Enter")
        return
    if prediction.kind == "pick":
        first = main.get_by_role("radio", name=prediction.options[0], exact=True)
    else:
        first = main.get_by_test_id("stRadio").get_by_role("radio").first
    tab_to(page, first)
    for _ in range(prediction.options.index(str(right))):
        page.keyboard.press("ArrowRight" if prediction.kind == "pick" else "ArrowDown")
    page.keyboard.press("Space")
    press(page, "Predict")


@pytest.mark.slow
@pytest.mark.parametrize("lesson", [lesson for lesson in lessons() if lesson is not LESSON], ids=lambda it: it.name)
def test_every_other_lesson_is_followed_to_its_end_too(address: str, new_page: NewPage, lesson: LessonSpec) -> None:
    page = new_page()
    page.goto(f"{address}/{lesson.name}")
    settle(page)
    for step in lesson.steps:
        # Its heading: the list of steps has the title from the start.
        heading = page.get_by_test_id("stMain").get_by_role("heading", level=2, name=step.title, exact=True)
        expect(heading).to_be_visible(timeout=SETTLE)
        settle(page)
        answer(page, step.prediction)
        say(page, "Right:")
        press(page, "Next")
    say(page, "Not yet.")
    say(page, f"{len(lesson.steps)} of {len(lesson.steps)} predictions made, {len(lesson.steps)} right")
    # A teacher's link brings the exercise solved; from there on to the end.
    solved = urlencode(
        {f"{lesson.name}.step": "Exercise"} | {key: str(it) for key, it in lesson.exercise.solution.items()}
    )
    page.goto(f"{address}/{lesson.name}?{solved}")
    settle(page)
    say(page, "Solved.")
    press(page, "Next")
    say(page, "Now on your own run")
    expect(page.get_by_test_id("stAlertContentError")).to_have_count(0)


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_who_asked_for_reduced_motion_gets_a_bar_and_nothing_to_play(
    address: str, new_page: NewPage, motion: str
) -> None:
    page = new_page()
    page.emulate_media(reduced_motion=motion)  # type: ignore[arg-type]
    page.goto(
        f"{address}/{LESSON.name}?{LESSON.name}.step=4.+Where+it+leads&{LESSON.name}.flow=All+rows+end+at+one+point"
    )
    settle(page)
    plot = page.locator(".js-plotly-plot").first
    plot.wait_for(timeout=SETTLE)
    page.wait_for_timeout(1500)
    settle(page)
    buttons = plot.locator(".updatemenu-button")
    expect(buttons).to_have_count(0 if motion == "reduce" else 2, timeout=SETTLE)
    expect(page.get_by_test_id("stSlider").filter(has_text="Step")).to_have_count(1)

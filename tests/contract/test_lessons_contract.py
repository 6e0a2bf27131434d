"""Every lesson: whole, answerable, checked by real diagnostics, with a page, on the numbers it computes."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

import cl_viz
from cl_viz import lessons
from cl_viz.core.errors import InputError
from cl_viz.core.lesson import Animation, Exercise, LessonSpec, LessonStep
from cl_viz.dashboard.navigation import SECTIONS
from cl_viz.diagnostics import DIAGNOSTICS
from cl_viz.lessons import LESSONS
from cl_viz.reporting.formulas import mathml

SPECS = list(lessons.lessons())
STEPS = [(spec, step) for spec in SPECS for step in spec.steps]
PARTS = [(spec, part) for spec in SPECS for part in spec.parts]
FIGURES = [(spec.name, name) for spec in SPECS for name in spec.drawings()]
by_name = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
by_step = pytest.mark.parametrize(("spec", "step"), STEPS, ids=lambda entry: entry.name)


def test_lessons_are_numbered_in_order() -> None:
    assert [spec.number for spec in SPECS] == list(range(1, len(SPECS) + 1))


@by_name
def test_a_lesson_has_its_page_and_is_short(spec: LessonSpec, checkout: Path) -> None:
    assert (checkout / "pages" / "learn" / f"{spec.name}.py").is_file()
    assert SECTIONS["learn"].index(spec.name) == spec.number
    assert 0 < spec.minutes < 15
    assert spec.question.endswith("?")
    assert len({step.name for step in spec.steps}) == len(spec.steps)
    assert not {step.name for step in spec.steps} & {"exercise", "own_run", "step"}
    assert len(spec.drawings()) == sum(len(part.figures) for part in spec.parts)


@by_name
def test_own_runs_lead_to_the_page_of_their_diagnostic(spec: LessonSpec, checkout: Path) -> None:
    for entry in spec.own_run:
        assert DIAGNOSTICS[entry.diagnostic].page == entry.page
        assert (checkout / "pages" / f"{entry.page}.py").is_file()
    assert [name for name in spec.exercise.diagnostics if name not in DIAGNOSTICS] == []


@by_step
def test_a_prediction_can_be_right_and_wrong(spec: LessonSpec, step: LessonStep) -> None:
    prediction = step.prediction
    answer = prediction.answer()
    assert prediction.ask.endswith("?")
    assert lessons.predict(spec.name, step.name, answer)
    if prediction.kind == "number":
        low, high = prediction.range
        assert low <= float(answer) <= high
        assert not prediction.is_right(low if abs(low - float(answer)) > prediction.within else high)
        with pytest.raises(InputError):
            prediction.is_right(high + 1)
    else:
        assert len(set(prediction.options)) == len(prediction.options) >= 3
        assert sum(prediction.is_right(option) for option in prediction.options) == 1
        with pytest.raises(InputError):
            prediction.is_right("anything else")


@by_step
def test_words_come_with_their_numbers_and_their_n(spec: LessonSpec, step: LessonStep) -> None:
    told = step.told(step.params())
    assert "N = " in told
    assert re.search(r"\d", told)
    assert "nan" not in told
    explained = step.explained()
    assert "{" not in explained
    assert "!" not in f"{step.question}{told}{explained}"
    assert "\\" not in mathml(step.formula)


@pytest.mark.parametrize(("name", "figure"), FIGURES)
def test_figures_are_drawn_by_name_in_light_and_dark(name: str, figure: str) -> None:
    drawn = lessons.figure(name, figure, theme="dark")
    assert len(drawn.data)
    moves = "Animation" in str(LESSONS[name].drawings()[figure][1].__annotations__["return"])
    assert bool(drawn.frames) == moves
    if moves:
        found = lessons.view(name, figure)
        assert isinstance(found, Animation)
        assert len(drawn.frames) == len(found.moments) > 5
        assert "autoplay" not in drawn.to_json()
        assert [button.label for button in drawn.layout.updatemenus[0].buttons] == ["Play", "Pause"]
        assert len(drawn.layout.sliders[0].steps) == len(found.moments)
        assert {len(frame.data) for frame in drawn.frames} == {len(drawn.data)}


@pytest.mark.parametrize(("spec", "part"), PARTS, ids=lambda entry: getattr(entry, "name", "exercise"))
def test_figures_answer_at_the_ends_of_their_controls(spec: LessonSpec, part: LessonStep | Exercise) -> None:
    for info in part.params.describe():
        ends = (info.choices[0], info.choices[-1]) if info.choices else (info.low, info.high)
        assert None not in ends, info.name
        for value in ends:
            params = part.params.make({info.name: value})
            for draw in part.figures.values():
                draw(params)
            if isinstance(part, LessonStep):
                assert "nan" not in part.told(params)
            else:
                spec.exercise.check(params)


@by_name
def test_the_exercise_fails_as_it_stands_and_passes_with_its_solution(spec: LessonSpec) -> None:
    exercise = spec.exercise
    for outcome, passed in ((lessons.check(spec.name), False), (lessons.check(spec.name, **exercise.solution), True)):
        assert outcome.passed is passed
        assert "N = " in outcome.message
        assert outcome.numbers
        assert all(math.isfinite(value) for value in outcome.numbers.values())
        for name in outcome.numbers:
            diagnostic, _, quantity = name.partition(".")
            assert diagnostic in exercise.diagnostics
            assert DIAGNOSTICS[diagnostic].quantity(quantity)
    assert "{" not in exercise.told()


@by_name
def test_sources_are_told(spec: LessonSpec) -> None:
    for source in spec.sources:
        assert source.citation
        assert source.url.startswith("https://")


def test_lessons_are_called_by_the_name_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without importing them first: they are imported when they are first asked for."""
    script = "import cl_viz, sys; assert 'cl_viz.lessons' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)
    monkeypatch.delattr(cl_viz, "lessons")
    assert cl_viz.lessons.LESSONS is LESSONS


def test_an_unknown_figure_or_control_is_refused() -> None:
    first = SPECS[0].name
    with pytest.raises(InputError, match="no figure"):
        lessons.view(first, "absent")
    with pytest.raises(InputError, match="unknown parameter"):
        lessons.check(first, absent=1)
    with pytest.raises(InputError, match="no step"):
        LESSONS[first].step("absent")

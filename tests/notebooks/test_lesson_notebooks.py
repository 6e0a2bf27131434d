"""Notebooks of lessons say what the specs say, run from top to bottom, and keep the answers to themselves."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import plotly.graph_objects as go
import pytest

from cl_viz import lessons
from cl_viz.core.errors import InputError
from cl_viz.core.lesson import Animation, LessonSpec, LessonStep
from docs import lesson_notebooks

LESSONS = lessons.lessons()
STEPS = [(lesson, step) for lesson in LESSONS for step in lesson.steps]
NO_PREDICTION = "No prediction yet"


def path_of(lesson: LessonSpec) -> Path:
    return lesson_notebooks.NOTEBOOKS / f"{lesson.number}_{lesson.name}.ipynb"


def code_of(lesson: LessonSpec) -> list[str]:
    return [cell.source for cell in nbformat.read(path_of(lesson), as_version=4).cells if cell.cell_type == "code"]


def run(cell: str, namespace: dict[str, Any]) -> Any:
    """Run a cell and return the value of its last line, which a notebook would show."""
    lines = cell.splitlines()
    exec(compile("\n".join(lines[:-1]), "<cell>", "exec"), namespace)
    if lines[-1].startswith(("lessons.", "worked")) and " = " not in lines[-1]:
        return eval(lines[-1], namespace)
    exec(lines[-1], namespace)
    return None


def test_the_notebooks_are_up_to_date() -> None:
    assert lesson_notebooks.out_of_date() == [], "run `make docs`"


def test_a_notebook_that_differs_is_found_and_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lesson_notebooks, "NOTEBOOKS", tmp_path / "lessons")
    assert lesson_notebooks.out_of_date() == sorted(lesson_notebooks.notebooks())
    lesson_notebooks.write()
    (tmp_path / "lessons" / "2_temperature.ipynb").write_text("old")
    (tmp_path / "lessons" / "9_gone.ipynb").write_text("a lesson that was removed")
    assert lesson_notebooks.out_of_date() == ["2_temperature.ipynb", "9_gone.ipynb"]
    lesson_notebooks.write()
    assert lesson_notebooks.out_of_date() == []


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_a_notebook_is_valid_holds_its_lesson_and_gives_no_answer_away(lesson: LessonSpec) -> None:
    notebook = nbformat.read(path_of(lesson), as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
    text = "\n".join(cell.source for cell in notebook.cells)
    asked = [part for step in lesson.steps for part in (step.question, step.prediction.ask)]
    for part in (lesson.question, lesson.summary, lesson.exercise.told(), *asked):
        assert part in text
    for name in lesson.drawings():
        assert f'lessons.figure("{lesson.name}", "{name}"' in text
    for step in lesson.steps:
        assert step.explained() not in text


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_every_cell_runs_without_a_warning(lesson: LessonSpec) -> None:
    namespace: dict[str, Any] = {}
    shown = [run(cell, namespace) for cell in code_of(lesson)]
    assert sum(isinstance(entry, go.Figure) for entry in shown) >= len(lesson.drawings())
    assert sum(NO_PREDICTION in str(entry) for entry in shown) == len(lesson.steps)
    assert namespace["worked"].passed
    assert not lessons.check(lesson.name, **namespace["mine"]).passed


@pytest.mark.parametrize(("lesson", "step"), STEPS, ids=lambda part: part.name)
def test_one_prediction_is_right(lesson: LessonSpec, step: LessonStep) -> None:
    """Each offered line, with its # taken away, is a prediction; of a number the answer itself is right."""
    cell = lesson_notebooks.prediction_cell(step.prediction)
    assert cell in code_of(lesson)
    offered = [line for line in cell.splitlines() if line.startswith("# prediction")]
    assert bool(offered) == (step.prediction.kind != "number")
    verdicts = []
    for line in offered or [f"prediction = {step.prediction.answer()!r}"]:
        namespace: dict[str, Any] = {}
        exec(line.removeprefix("# "), namespace)
        verdicts.append(str(lessons.verdict(lesson.name, step.name, namespace["prediction"])))
    assert sum(text.startswith("**Right:**") for text in verdicts) == 1
    # Without a prediction the answer is kept back.
    assert NO_PREDICTION in str(lessons.verdict(lesson.name, step.name, None))


def test_a_wrong_number_is_told_the_answer_and_an_impossible_one_what_is_allowed() -> None:
    assert str(lessons.verdict("what_a_loss_sees", "pairs", 7)) == "**Not so.** It is: 6 negatives"
    with pytest.raises(InputError, match="0 to 64"):
        lessons.verdict("what_a_loss_sees", "pairs", -1)


def test_an_explanation_has_numbers_formula_and_papers() -> None:
    step = lessons.LESSONS["temperature"].step("effective")
    cold, warm = (
        lessons.explain("temperature", "effective", temperature=value)._repr_markdown_() for value in (0.05, 1.0)
    )
    assert cold != warm
    for text in (cold, warm):
        assert step.explained() in text
        assert f"$$\n{step.formula}\n$$" in text
        assert all(f"[{source.citation}]({source.url})" in text for source in step.sources)
    with pytest.raises(InputError, match="0\\.02 to 5"):
        lessons.explain("temperature", "effective", temperature=9)


def test_what_stands_before_a_prediction_is_drawn_where_there_is_something() -> None:
    with_setup = [(lesson, step) for lesson, step in STEPS if step.setup is not None]
    assert with_setup
    lesson, step = with_setup[0]
    assert isinstance(lessons.setup(lesson.name, step.name), go.Figure)
    with pytest.raises(InputError, match="shows nothing before"):
        lessons.setup("temperature", "effective")


def test_a_control_changes_figures_and_sentence() -> None:
    shown = lessons.explore("temperature", "effective", temperature=0.1)
    (control,) = shown.children[0].children
    assert control.value == 0.1
    before, told = shown.children[1].children[0].to_plotly_json(), shown.children[2].value
    control.value = control.options[0][1]
    assert shown.children[1].children[0].to_plotly_json() != before
    assert shown.children[2].value != told
    assert len(shown.children[1].children) == 2


def test_a_figure_that_moves_has_a_slider_of_its_moments() -> None:
    found = lessons.view("temperature", "flow")
    assert isinstance(found, Animation)
    shown = lessons.explore("temperature", "dilemma")
    slider, place = shown.children[1].children[0].children
    assert [label for label, _ in slider.options] == list(found.labels)
    last = place.children[0].to_plotly_json()
    slider.value = 0
    assert place.children[0].to_plotly_json() != last


def test_a_table_with_gaps_is_sent_as_json() -> None:
    """The diagonal of the roles is NaN, which JSON has not."""
    before = lessons.figure("what_a_loss_sees", "roles")
    assert np.isnan(before.data[0].z).any()
    shown = lessons.explore("what_a_loss_sees", "pairs").children[1].children[0]
    table = json.loads(json.dumps(shown.to_plotly_json()["data"][0]["z"], allow_nan=False))
    assert [[entry is None for entry in row] for row in table] == np.isnan(before.data[0].z).tolist()


@pytest.mark.parametrize("step", ["effective", "dilemma"])
def test_without_the_library_the_first_figure_is_shown(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    assert type(lessons.explore("temperature", step)) is go.Figure

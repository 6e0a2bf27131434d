"""Make the notebooks of the lessons from their own specs.

``python -m docs.lesson_notebooks`` writes them into ``notebooks/lessons``, ``python -m docs.lesson_notebooks --check``
only says which are out of date. They hold questions and calls, no answers: those are computed when a cell is run.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cl_viz.core.lesson import Exercise, LessonSpec, LessonStep, OwnRun, Prediction
from cl_viz.core.params import Params
from cl_viz.lessons import lessons

NOTEBOOKS = Path(__file__).parents[1] / "notebooks" / "lessons"
_WIDTH = 110

Cell = tuple[str, str]
"""``markdown`` or ``code``, and the text."""


def notebooks() -> dict[str, str]:
    """Return the text of every notebook, by file name."""
    return {f"{lesson.number}_{lesson.name}.ipynb": stored(cells(lesson)) for lesson in lessons()}


def out_of_date() -> list[str]:
    """Return the notebooks that differ from what the specs say, and those that no lesson asks for any more."""
    wanted = notebooks()
    held = {path.name: path.read_text(encoding="utf-8") for path in NOTEBOOKS.glob("*.ipynb")}
    return sorted(name for name in wanted.keys() | held.keys() if wanted.get(name) != held.get(name))


def write() -> None:
    """Write every notebook and remove those that no lesson asks for any more."""
    wanted = notebooks()
    NOTEBOOKS.mkdir(parents=True, exist_ok=True)
    for name in out_of_date():
        if name in wanted:
            (NOTEBOOKS / name).write_text(wanted[name], encoding="utf-8")
        else:
            (NOTEBOOKS / name).unlink()


def stored(found: list[Cell]) -> str:
    """Return cells as the text of a notebook without outputs."""
    made = []
    for place, (kind, text) in enumerate(found):
        cell: dict[str, Any] = {"cell_type": kind, "id": f"cell-{place:02}", "metadata": {}}
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        made.append({**cell, "source": text.splitlines(keepends=True)})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {
        "cells": [{key: cell[key] for key in sorted(cell)} for cell in made],
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def cells(lesson: LessonSpec) -> list[Cell]:
    """Return the cells of a lesson's notebook."""
    found = [
        ("markdown", f"# {lesson.number}. {lesson.question}\n\n{lesson.summary}\n\n{_how(lesson)}"),
        ("code", "from cl_viz import lessons"),
    ]
    for number, step in enumerate(lesson.steps, start=1):
        found += _step(lesson.name, number, step)
    return [*found, *_exercise(lesson.name, lesson.exercise), *_own_run(lesson.own_run)]


def _how(lesson: LessonSpec) -> str:
    return (
        f"About {lesson.minutes} minutes. Run the cells in their order. Each step asks for a prediction: write it down "
        "before you run on, for the cells that follow tell the answer. Then change the numbers in the calls and run "
        f"them again. The same lesson is in the dashboard: *Learn*, *{lesson.title}*."
    )


def _step(lesson: str, number: int, step: LessonStep) -> list[Cell]:
    named = f"{_written(lesson)}, {_written(step.name)}"
    found = [("markdown", f"## {number}. {step.title}\n\n{step.question}")]
    if step.setup is not None:
        found.append(("code", _call("lessons.setup", named)))
    found += [
        ("markdown", f"**Predict: {step.prediction.ask}**"),
        ("code", prediction_cell(step.prediction)),
        ("code", _call("lessons.verdict", f"{named}, prediction")),
    ]
    values = step.params().as_dict()
    about = _controls(step.params)
    for place, name in enumerate(step.figures):
        call = _call("lessons.figure", f"{_written(lesson)}, {_written(name)}", values)
        found.append(("code", call if place else about + call))
    found.append(("code", _call("lessons.explain", named, values)))
    if values:
        with_sliders = "# The figures with their controls, where ipywidgets and anywidget are installed\n"
        found.append(("code", with_sliders + _call("lessons.explore", named)))
    return found


def prediction_cell(prediction: Prediction) -> str:
    """Return the cell into which a prediction is written."""
    if prediction.kind == "number":
        low, high = prediction.range
        unit = f" ({prediction.unit})" if prediction.unit else ""
        return f"prediction = None  # a number from {low:g} to {high:g}{unit}"
    options = "\n".join(f"# prediction = {_written(option)}" for option in prediction.options)
    return f"# Take away the # before what you believe.\nprediction = None\n{options}"


def _exercise(lesson: str, exercise: Exercise) -> list[Cell]:
    checked = ", ".join(f"`{name}`" for name in exercise.diagnostics)
    hint = f"<details><summary>A hint</summary>\n\n{exercise.hint}\n\n</details>"
    values = exercise.params().as_dict()
    entries = "".join(f"    {name}={_written(value)},\n" for name, value in values.items())
    mine = f"{_controls(exercise.params)}mine = dict(\n{entries})\n"
    figures = [("code", f"lessons.figure({_written(lesson)}, {_written(name)}, **mine)") for name in exercise.figures]
    return [
        ("markdown", f"## Exercise\n\n{exercise.told()}\n\nChecked by the diagnostics: {checked}.\n\n{hint}"),
        ("code", f"{mine}lessons.check({_written(lesson)}, **mine)"),
        *figures,
        ("markdown", "### One answer that passes\n\nThere may be others: try your own first."),
        ("code", f"worked = {_call('lessons.check', _written(lesson), exercise.solution)}\nworked"),
    ]


def _own_run(entries: tuple[OwnRun, ...]) -> list[Cell]:
    asked = "\n".join(f"- {entry.text}" for entry in entries)
    names = dict.fromkeys(entry.diagnostic for entry in entries)
    calls = "\n".join(f"# cl_viz.diagnose({_written(name)}, run)" for name in names)
    opening = "# Take away the # and name a file of yours; `cl_viz.open_run` opens checkpoints and whole trainings.\n"
    return [
        ("markdown", f"## Now on your own run\n\n{asked}"),
        ("code", f'{opening}# import cl_viz\n#\n# run = cl_viz.load("dump.npz")\n{calls}'),
    ]


def _controls(params: type[Params]) -> str:
    """Return comments that say what each control is and may be."""
    told = (f"{info.name}: {info.help.rstrip('.')} ({info.allowed})" for info in params.describe())
    return "".join(textwrap.fill(line, _WIDTH, initial_indent="# ", subsequent_indent="#   ") + "\n" for line in told)


def _call(function: str, first: str, values: Mapping[str, Any] | None = None) -> str:
    given = "".join(f", {name}={_written(value)}" for name, value in (values or {}).items())
    return f"{function}({first}{given})"


def _written(value: Any) -> str:
    """Return a value as Python, texts in double quotes."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        stale = out_of_date()
        print("\n".join(f"out of date: notebooks/lessons/{name}" for name in stale) or "the notebooks are up to date")
        sys.exit(bool(stale))
    write()

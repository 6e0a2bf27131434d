"""The lessons by name: their figures, predictions and checks as calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cl_viz.core.errors import InputError
from cl_viz.core.lesson import Animation, Figure, LessonSpec, Outcome
from cl_viz.core.registry import Registry
from cl_viz.figures.animation import animate
from cl_viz.figures.rendering import render
from cl_viz.figures.theme import ThemeName

if TYPE_CHECKING:
    import plotly.graph_objects as go

LESSONS: Registry[LessonSpec] = Registry("cl_viz.lessons", LessonSpec)


def lessons() -> tuple[LessonSpec, ...]:
    """Return all lessons in their order."""
    return tuple(sorted(LESSONS.values(), key=lambda lesson: lesson.number))


def view(lesson: str, name: str, **controls: Any) -> Figure:
    """Return a figure of a lesson as data.

    Parameters
    ----------
    lesson : str
        A key of `LESSONS`.
    name : str
        Name of the figure; `LessonSpec.drawings` lists them.
    **controls
        Values of its controls; those not given take their defaults.

    Returns
    -------
    View or Animation

    Raises
    ------
    InputError
        On an unknown figure or control, or a value out of range.
    """
    drawings = LESSONS[lesson].drawings()
    if name not in drawings:
        raise InputError(f"no figure {name!r}", where=f"lesson {lesson}", allowed=", ".join(drawings))
    params, draw = drawings[name]
    return draw(params.make(controls))


def figure(lesson: str, name: str, *, theme: ThemeName | None = None, **controls: Any) -> go.Figure:
    """Draw a figure of a lesson; one that moves has buttons to play and pause, and a slider.

    Parameters
    ----------
    lesson, name, **controls
        See `view`.
    theme : {"light", "dark"}, optional

    Returns
    -------
    plotly.graph_objects.Figure
    """
    found = view(lesson, name, **controls)
    if isinstance(found, Animation):
        return animate(found, theme)
    return render(found, theme)


def check(lesson: str, **controls: Any) -> Outcome:
    """Check the exercise of a lesson with the real diagnostics.

    Parameters
    ----------
    lesson : str
    **controls
        Values of the exercise's controls; those not given take their defaults.
    """
    exercise = LESSONS[lesson].exercise
    return exercise.check(exercise.params.make(controls))


def predict(lesson: str, step: str, given: str | float) -> bool:
    """Return whether a prediction is right.

    Parameters
    ----------
    lesson, step : str
        Names of the lesson and of its step.
    given : str or float
        One of the options, or a number.
    """
    return LESSONS[lesson].step(step).prediction.is_right(given)

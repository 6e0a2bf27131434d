"""Lessons in a notebook: what a prediction gets for an answer, what is explained after it, and controls."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cl_viz.core.errors import InputError
from cl_viz.core.lesson import Animation, Draw, LessonStep
from cl_viz.core.params import Params
from cl_viz.core.result import Source
from cl_viz.figures.animation import animate
from cl_viz.figures.controls import Moving, Shown, widgets_installed, with_controls
from cl_viz.figures.rendering import render
from cl_viz.figures.theme import ThemeName
from cl_viz.lessons._calling import LESSONS

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True)
class Told:
    """Sentences that a notebook shows as Markdown.

    Attributes
    ----------
    text : str
        Markdown.
    """

    text: str

    def __str__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        return self.text


def setup(lesson: str, step: str, *, theme: ThemeName | None = None) -> go.Figure:
    """Draw what a step shows before its prediction.

    Parameters
    ----------
    lesson, step : str
        Names of the lesson and of its step.
    theme : {"light", "dark"}, optional

    Returns
    -------
    plotly.graph_objects.Figure

    Raises
    ------
    InputError
        If the step shows nothing before its prediction.
    """
    found = LESSONS[lesson].step(step).setup
    if found is None:
        shown = ", ".join(entry.name for entry in LESSONS[lesson].steps if entry.setup is not None)
        raise InputError(f"step {step!r} shows nothing before", where=f"lesson {lesson}", allowed=shown or "no step")
    return render(found(), theme)


def verdict(lesson: str, step: str, given: str | float | None) -> Told:
    """Say whether a prediction is right, and what the answer is.

    Parameters
    ----------
    lesson, step : str
        Names of the lesson and of its step.
    given : str, float or None
        One of the options, or a number; None where nothing was predicted yet: then the answer is kept back.

    Raises
    ------
    InputError
        If it is none of the options, or outside the range.
    """
    prediction = LESSONS[lesson].step(step).prediction
    if given is None:
        return Told("**No prediction yet.** Write one in the cell above, run it, and run this cell again.")
    right = prediction.is_right(given)
    answer = html.escape(prediction.answer_text(), quote=False)
    return Told(f"**Right:** {answer}" if right else f"**Not so.** It is: {answer}")


def explain(lesson: str, step: str, **controls: Any) -> Told:
    """Say what the figures of a step show, why, by which formula, and in which papers.

    Parameters
    ----------
    lesson, step : str
        Names of the lesson and of its step.
    **controls
        Values of the step's controls; those not given take their defaults.

    Raises
    ------
    InputError
        On an unknown control, or a value out of range.
    """
    found = LESSONS[lesson].step(step)
    shown = html.escape(found.told(found.params.make(controls)), quote=False)
    papers = "\n".join(f"- {_cited(source)}" for source in found.sources)
    return Told(f"*{shown}*\n\n{found.explained()}\n\n$$\n{found.formula}\n$$\n\n{papers}")


def explore(lesson: str, step: str, *, theme: ThemeName | None = None, **controls: Any) -> Any:
    """Show the figures of a step in a notebook, with its controls above them.

    Parameters
    ----------
    lesson, step : str
        Names of the lesson and of its step.
    theme : {"light", "dark"}, optional
    **controls
        Where the controls start; those not given start at their defaults.

    Returns
    -------
    ipywidgets.Widget or plotly.graph_objects.Figure
        The first figure alone where ipywidgets or anywidget (the extra ``notebook``) is not installed.

    Raises
    ------
    InputError
        On an unknown control, or a value out of range.
    """
    found = LESSONS[lesson].step(step)
    start = found.params.make(controls)
    if not widgets_installed():
        first = next(iter(found.figures.values()))(start)
        return animate(first, theme) if isinstance(first, Animation) else render(first, theme)
    return with_controls(
        found.params.describe(), start.as_dict(), _shown(found, start, theme),
        lambda values: _shown(found, found.params.make(values), theme),
    )  # fmt: skip


def _shown(step: LessonStep, params: Params, theme: ThemeName | None) -> Shown:
    figures = tuple(_drawn(draw, params, theme) for draw in step.figures.values())
    return Shown(figures, f"<p>{html.escape(step.told(params))}</p>")


def _drawn(draw: Draw, params: Params, theme: ThemeName | None) -> Any:
    found = draw(params)
    if isinstance(found, Animation):
        return Moving(lambda moment: render(found.moments[moment], theme), found.labels, found.unit)
    return render(found, theme)


def _cited(source: Source) -> str:
    return f"[{source.citation}]({source.url})" if source.url else source.citation

"""Lessons as pages: a question, a prediction, then the figure that answers; everything stands in the link."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from cl_viz.core.lesson import Animation, Draw, Exercise, LessonSpec, LessonStep, OwnRun, Prediction
from cl_viz.core.params import Params
from cl_viz.core.result import Source
from cl_viz.core.view import View, told
from cl_viz.dashboard import drawn_figures, errors, figure_buttons, forms, motion, navigation, state
from cl_viz.dashboard.text import cite, escape
from cl_viz.figures.animation import animate, at_moment
from cl_viz.figures.rendering import render

EXERCISE, OWN_RUN = "exercise", "own_run"
_HEIGHT = 400


def show(lesson: LessonSpec) -> None:
    """Draw the page of a lesson."""
    st.title(lesson.question, anchor=False)
    st.fragment(_lesson)(lesson)


def overview(lessons: Sequence[LessonSpec]) -> None:
    """Draw the list of all lessons, with what was done of each in this session."""
    st.title("How does contrastive learning work?", anchor=False)
    st.markdown(
        f"{len(lessons)} lessons on the loss functions, the engine and the diagnostics of this app, on small sets "
        "whose answers are known. Each asks a question; you predict, and then the figure answers. "
        f"Together they take about {sum(lesson.minutes for lesson in lessons)} minutes."
    )
    for lesson in lessons:
        with st.container(border=True, gap="xxsmall"):
            st.page_link(
                navigation.page_path(f"learn/{lesson.name}"), label=f"**{lesson.number}. {escape(lesson.question)}**"
            )
            st.markdown(escape(lesson.summary))
            st.caption(f"About {lesson.minutes} minutes. {_progress(lesson)}")


def _lesson(lesson: LessonSpec) -> None:
    memory = state.lesson_memory(lesson.name)
    top = st.container()
    place = _step_control(lesson, memory)
    with errors.boundary(f"lesson {lesson.name} {place}"):
        if place == EXERCISE:
            _exercise(lesson, lesson.exercise, memory)
        elif place == OWN_RUN:
            _own_run(lesson.own_run, lesson.sources)
        else:
            _step(lesson, lesson.step(place), memory)
    _onward(lesson, place)
    with top:
        st.caption(f"Lesson {lesson.number}, about {lesson.minutes} minutes. {_progress(lesson)}")


# -- where one is ----------------------------------------------------------------------------------------------------
def _places(lesson: LessonSpec) -> dict[str, str]:
    """Return the places of a lesson, in order, with their labels."""
    steps = {step.name: f"{number}. {step.title}" for number, step in enumerate(lesson.steps, start=1)}
    return {**steps, EXERCISE: "Exercise", OWN_RUN: "Your own run"}


def _step_key(lesson: LessonSpec) -> str:
    return f"{lesson.name}.step"


def _step_control(lesson: LessonSpec, memory: dict[str, Any]) -> str:
    places, key = _places(lesson), _step_key(lesson)
    if key not in st.session_state and key not in st.query_params and memory["step"] in places:
        st.session_state[key] = memory["step"]
    place = st.segmented_control(
        "Step", list(places), default=next(iter(places)), required=True, format_func=places.__getitem__, key=key,
        bind="query-params", label_visibility="collapsed",
    )  # fmt: skip
    memory["step"] = place
    return str(place)


def _onward(lesson: LessonSpec, place: str) -> None:
    places = list(_places(lesson))
    at = places.index(place)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        if at > 0:
            st.button(
                "Back", key=f"back {lesson.name}", icon=":material/arrow_back:", on_click=_go,
                args=(lesson, places[at - 1]),
            )  # fmt: skip
        if at < len(places) - 1:
            st.button(
                "Next", key=f"next {lesson.name}", icon=":material/arrow_forward:", type="primary", on_click=_go,
                args=(lesson, places[at + 1]),
            )  # fmt: skip
        else:
            st.page_link(navigation.page_path("learn/lessons"), label="All lessons", icon=":material/school:")


def _go(lesson: LessonSpec, place: str) -> None:
    st.session_state[_step_key(lesson)] = place


def _progress(lesson: LessonSpec) -> str:
    memory = state.lesson_memory(lesson.name)
    first = memory["first"]
    right = sum(step.prediction.is_right(first[step.name]) for step in lesson.steps if step.name in first)
    exercise = "exercise solved" if memory["solved"] else "exercise open"
    return f"{len(first)} of {len(lesson.steps)} predictions made, {right} right at the first try; {exercise}."


# -- a step ----------------------------------------------------------------------------------------------------------
def _step(lesson: LessonSpec, step: LessonStep, memory: dict[str, Any]) -> None:
    st.header(step.title, anchor=False)
    st.markdown(step.question)
    setup = None if step.setup is None else st.container()
    given = _predicted(lesson, step, memory)
    if given is None:
        if setup is not None and step.setup is not None:
            with setup:
                _chart(_answer(lesson.name, f"{step.name} before", "", step.setup), f"{lesson.name} {step.name} before")
        st.caption("The figure answers when you have made a prediction.")
        return
    _verdict(step.prediction, given)
    params = _controls(step.params)
    _figures(lesson, step.figures, params)
    st.markdown(escape(step.told(params)))
    st.markdown(step.explained())
    st.latex(_one_a_line(step.formula))
    _cited(step.sources)


def _predicted(lesson: LessonSpec, step: LessonStep, memory: dict[str, Any]) -> str | float | None:
    """Draw the form of a prediction; return what was predicted, or None."""
    key = f"{lesson.name}.{step.name}"
    remembered = memory["predictions"]
    if key not in st.session_state and key not in st.query_params and step.name in remembered:
        st.session_state[key] = remembered[step.name]
    with st.form(f"form {key}", border=True):
        given = _asked(step.prediction, key)
        st.form_submit_button("Predict", icon=":material/psychology_alt:", type="primary")
    if given is not None:
        remembered[step.name] = given
        memory["first"].setdefault(step.name, given)
    return given


def _asked(prediction: Prediction, key: str) -> str | float | None:
    label = f"**Predict: {prediction.ask}**"
    if prediction.kind == "number":
        low, high = (None if math.isinf(end) else float(end) for end in prediction.range)
        between = "" if low is None or high is None else f" from {low:g} to {high:g}"
        return st.number_input(
            label, low, high, None, key=key, bind="query-params", placeholder=f"Type a number{between}", width=420
        )
    if prediction.kind == "pick":
        return st.segmented_control(label, prediction.options, key=key, bind="query-params")
    return st.radio(label, prediction.options, None, key=key, bind="query-params")


def _verdict(prediction: Prediction, given: str | float) -> None:
    answer = escape(prediction.answer_text())
    said = given if isinstance(given, str) else f"{given:g}"
    if prediction.is_right(given):
        st.success(f"Right: {answer}", icon=":material/check_circle:")
    else:
        st.warning(f"Not so. You said {escape(said)}; it is: {answer}", icon=":material/lightbulb:")


def _controls(params: type[Params]) -> Params:
    """Draw the controls; return their values, checked."""
    infos = params.describe()
    if infos:
        with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
            for info in infos:
                forms.control(info, ())
    return params.make(forms.chosen_values(params))


# -- figures ---------------------------------------------------------------------------------------------------------
def _figures(lesson: LessonSpec, figures: Mapping[str, Draw], params: Params) -> None:
    """Draw figures, two in a row."""
    names = list(figures)
    for first in range(0, len(names), 2):
        row = names[first : first + 2]
        for column, name in zip(st.columns(len(row), gap="medium"), row, strict=True):
            with column:
                drawn = _answer(lesson.name, name, repr(params), partial(figures[name], params))
                key = f"{lesson.name} {name}"
                moves = isinstance(drawn, Animation)
                shown = _moving(drawn, key, wide=len(row) == 1) if moves else _chart(drawn, key)
                figure_buttons.row(shown, key, _lines(lesson, name, params))


@st.cache_resource(show_spinner=False, max_entries=256)
def _answer(lesson: str, name: str, controls: str, _draw: Callable[[], Any]) -> Any:
    """Return a figure as data, made only once for each choice of controls: it depends on nothing else."""
    return _draw()


def _chart(view: View, key: str) -> View:
    theme = state.theme()
    drawn = drawn_figures.once([view], (theme,), lambda: render(view, theme))
    drawn_figures.chart(drawn, f"figure {key}", told(view), _HEIGHT)
    return view


def _moving(animation: Animation, key: str, *, wide: bool) -> View:
    """Draw a figure that moves: the bar shows any moment, and the buttons play up to it."""
    place = st.container()
    label = st.select_slider(
        f"{animation.unit[:1].upper()}{animation.unit[1:]}", animation.labels, animation.labels[-1],
        key=f"moment {key}", help="Drag, or use the arrow keys, to see how it came about.",
    )  # fmt: skip
    moment = animation.labels.index(label)
    theme = state.theme()
    drawn = drawn_figures.once([animation], (theme, wide), lambda: animate(animation, theme, slider=False, wide=wide))
    with place:
        play = motion.may_move()
        shown = at_moment(drawn, moment, play=play)
        title = told(animation.moments[moment])
        drawn_figures.chart(shown, f"figure {key}", title, _HEIGHT, wide=wide, moves=play)
    if play:
        st.caption(
            "Play and Pause answer to a mouse or a finger. With a keyboard, go to the bar with Tab and use the arrow "
            "keys: it shows every moment."
        )
    return animation.moments[moment]


def _lines(lesson: LessonSpec, name: str, params: Params) -> str:
    given = {
        info.name: getattr(params, info.name)
        for info in params.describe()
        if getattr(params, info.name) != info.default
    }
    arguments = "".join(f", {key}={value!r}" for key, value in given.items())
    return f"from cl_viz import lessons\nlessons.figure({lesson.name!r}, {name!r}{arguments})"


# -- exercise and own run --------------------------------------------------------------------------------------------
def _exercise(lesson: LessonSpec, exercise: Exercise, memory: dict[str, Any]) -> None:
    st.header("Exercise", anchor=False)
    st.markdown(exercise.told())
    params = _controls(exercise.params)
    found = exercise.check(params)
    if found.passed:
        memory["solved"] = True
        st.success(f"Solved. {escape(found.message)}", icon=":material/check_circle:")
    else:
        st.info(f"Not yet. {escape(found.message)}", icon=":material/pending:")
    _figures(lesson, exercise.figures, params)
    with st.expander("A hint", icon=":material/lightbulb:"):
        st.markdown(exercise.hint)
    st.caption(f"Checked by the diagnostics: {escape(', '.join(exercise.diagnostics))}")


def _own_run(entries: Sequence[OwnRun], sources: Sequence[Source]) -> None:
    st.header("Now on your own run", anchor=False)
    if not state.open_runs():
        st.markdown("No run is open yet: open one of yours, or a sample.")
        st.page_link(navigation.page_path("start/data"), label="Open a run", icon=":material/add:")
    for entry in entries:
        with st.container(border=True, gap="xxsmall"):
            st.markdown(entry.text)
            name = entry.page.partition("/")[2]
            st.page_link(
                navigation.page_path(entry.page), label=navigation.page_title(name), icon=":material/arrow_outward:"
            )
            st.caption(f"In Python: `cl_viz.diagnose({entry.diagnostic!r}, run)`")
    st.markdown("**The papers of this lesson**")
    _cited(sources)


def _cited(sources: Sequence[Source]) -> None:
    st.markdown("\n".join(f"- {cite(source)}" for source in sources))


def _one_a_line(formula: str) -> str:
    """Put formulas one a line: side by side they would be cut off."""
    lines = formula.replace(r", \qquad", r" \\[6pt]").replace(r", \quad", r" \\[6pt]")
    return rf"\begin{{gathered}} {lines} \end{{gathered}}"

"""The Loss Lab's flows: where each loss leads, from the user's embeddings or a chosen start, with a scrub bar."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import streamlit as st

from cl_viz.core.progress import ProgressCallback
from cl_viz.core.view import View
from cl_viz.dashboard import finding_lines, forms, loss_figures, panels
from cl_viz.dashboard.loss_choice import Choice, colours_of, explain
from cl_viz.dashboard.loss_work import Work, answers
from cl_viz.dashboard.text import escape
from cl_viz.simulate.flow_start import STARTS, FlowStart, named_start
from cl_viz.simulate.flow_views import (
    CURVES,
    flow_curve,
    flow_findings,
    flow_positions,
    flow_scores,
    flow_spectrum,
)
from cl_viz.simulate.gradient_flow import MEASURES, Flow, FlowConfig, gradient_flow

SPACES = {"circle": 2, "sphere": 3}
_TRIED_STEPS = 3


def settings_control(prefix: str, *, steps: int, samples: int | None = None) -> dict[str, Any]:
    """Draw how far and how finely the flow goes; return the values by name."""
    values: dict[str, Any] = {}
    if samples is not None:
        values["n"] = int(
            st.number_input(
                "Samples", 8, 2048, samples, 8, key=f"{prefix}_samples", bind="query-params", width=forms.SLIDER_WIDTH,
                help="Drawn from the run. Time grows with their square.",
            )
        )  # fmt: skip
    values["steps"] = int(
        st.number_input(
            "Steps", 1, 5000, steps, 10, key=f"{prefix}_steps", bind="query-params", width=forms.SLIDER_WIDTH,
            help="Steps of plain gradient descent.",
        )
    )  # fmt: skip
    sizes = ["0.005", "0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1", "2"]
    size = st.select_slider(
        "Step size", sizes, "0.05", key=f"{prefix}_size", bind="query-params", width=forms.SLIDER_WIDTH,
        help="A row moves by this times N times its gradient of the mean loss, at most by 0.2 radians.",
    )  # fmt: skip
    values["step_size"] = float(size)
    return values


def seed_control(prefix: str) -> int:
    """Draw the seed of the samples or points, and of losses that draw."""
    return int(
        st.number_input(
            "Seed", 0, 2**31 - 1, 0, 1, key=f"{prefix}_seed", bind="query-params",
            help="Of the draw of samples or points, and of losses that draw.",
        )
    )  # fmt: skip


def start_control() -> tuple[FlowStart, dict[str, Any], str]:
    """Draw the choice of a named start; return it, the settings of the flow, and the Python that makes it."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        space = st.segmented_control(
            "Space", list(SPACES), default="circle", required=True, key="space", bind="query-params",
            help="Unit rows of two or of three coordinates.",
        )  # fmt: skip
        name = st.selectbox(
            "Start", list(STARTS), list(STARTS).index("cone"), key="start", bind="query-params", width=210,
            format_func=STARTS.__getitem__,
            help="Where the points of the first view begin; the second view is the first with noise.",
        )  # fmt: skip
        settings = settings_control("circle", steps=100)
        with st.popover("More", icon=":material/tune:", help="Samples, classes, noise between views, seed"):
            points = int(
                st.number_input("Samples", 8, 256, 48, 8, key="points", bind="query-params", help="Each has two views.")
            )
            classes = int(st.number_input("Classes", 2, 8, 4, 1, key="classes", bind="query-params"))
            noise = float(st.slider("Noise between views", 0.0, 1.0, 0.2, 0.05, key="noise", bind="query-params"))
            settings["seed"] = seed_control("circle")
    dim = SPACES[space]
    start = named_start(name, n=points, dim=dim, n_classes=classes, view_noise=noise, seed=settings["seed"])
    expression = (
        f"simulate.named_start({name!r}, n={points}, dim={dim}, n_classes={classes}, view_noise={noise:g}, "
        f"seed={settings['seed']})"
    )
    return start, settings, expression


def flows_of(choices: Sequence[Choice], start: FlowStart, key: Any, settings: Mapping[str, Any]) -> dict[str, Flow]:
    """Return the flow of each loss by its label, computed once; long work is asked for first."""
    works = []
    for choice in choices:
        config = FlowConfig(
            loss=choice.loss, loss_parameters=dict(choice.parameters), steps=settings["steps"],
            step_size=settings["step_size"], seed=settings["seed"], records=min(41, settings["steps"] + 1),
        )  # fmt: skip
        identity = (key, choice.loss, tuple(sorted(choice.parameters.items())), tuple(sorted(settings.items())))
        works.append(
            Work(choice.label, ("flow", identity), partial(_seconds, config, start), partial(_flow, config, start))
        )
    return answers("The flow", works)


def _flow(config: FlowConfig, start: FlowStart, progress: ProgressCallback) -> Flow:
    return gradient_flow(config, start, progress=progress)


def _seconds(config: FlowConfig, start: FlowStart) -> float:
    """Try a few steps and return about how long all of them take, with what is measured at each record."""

    def timed(steps: int) -> float:
        tried = replace(config, steps=steps, records=2)
        began = time.monotonic()
        gradient_flow(tried, start)
        return time.monotonic() - began

    timed(1)  # what is done only once is not counted
    one, several = timed(1), timed(1 + _TRIED_STEPS)
    a_step = max(several - one, 0.0) / _TRIED_STEPS
    return config.steps * a_step + len(config.recorded) * max(one - a_step, 0.0) / 2


def scrubbed(
    flows: Mapping[str, Flow], choices: Sequence[Choice], start_lines: str, settings: Mapping[str, Any], *, small: bool
) -> None:
    """Draw the scrub bar and the figures at its step; only these are drawn again when it moves.

    Parameters
    ----------
    flows : Mapping from label to Flow
    choices : sequence of Choice
        Those of the flows.
    start_lines : str
        Python that makes ``start``.
    settings : Mapping
        Of the flow.
    small : bool
        The points themselves are the main figures: on the circle and the sphere.
    """
    if flows:
        st.fragment(_scrubbed)(flows, [c for c in choices if c.label in flows], start_lines, settings, small)


def _scrubbed(
    flows: Mapping[str, Flow], choices: list[Choice], start_lines: str, settings: Mapping[str, Any], small: bool
) -> None:
    longest = max(flows.values(), key=lambda flow: len(flow.recorded))
    steps = [int(step) for step in longest.recorded]
    step = st.select_slider(
        "Step of the flow", steps, steps[-1], key="circle_step" if small else "flow_step",
        help="Drag to see the flow go on. 0 is the start.",
    )  # fmt: skip
    record = steps.index(step)
    colours = colours_of(choices)
    lines = partial(_lines, choices, start_lines, settings)

    def draw(view: View | None, key: str, code: str, height: int, *, main: bool = False) -> None:
        if view is not None:
            how = partial(_explanation, choices) if main else None
            loss_figures.figure(view, f"flow {key}", colours, lines(code), explain=how, height=height)

    def side_by_side(parts: Sequence[Callable[[], None]]) -> None:
        for first in range(0, len(parts), 2):
            for column, part in zip(st.columns(2, gap="medium"), parts[first : first + 2], strict=False):
                with column:
                    part()

    positions = [
        partial(
            draw, flow_positions(flow, label, record), f"positions {label}",
            f"simulate.flow_positions(flows[{label!r}], {label!r}, {record})",
            panels.MAIN_HEIGHT if flow.start.dim == 2 else panels.SIDE_HEIGHT,
            main=small and index == 0,
        )
        for index, (label, flow) in enumerate(flows.items())
    ]  # fmt: skip
    scores = partial(
        draw, flow_scores(flows, record), "scores", f"simulate.flow_scores(flows, {record})",
        panels.SIDE_HEIGHT if small else panels.MAIN_HEIGHT, main=not small,
    )  # fmt: skip
    spectrum = partial(
        draw, flow_spectrum(flows, record), "spectrum", f"simulate.flow_spectrum(flows, {record})", panels.SIDE_HEIGHT
    )
    curves = [
        partial(draw, view, name, f"simulate.flow_curve(flows, {name!r}, {record})", panels.SIDE_HEIGHT)
        for name in CURVES[: 4 if small else 6]
        if (view := flow_curve(flows, name, record)) is not None
    ]
    if small:
        side_by_side([*positions, scores, *curves])
    else:
        scores()
        side_by_side([spectrum, *curves, *positions])
    _caveats(flows, settings)


def findings(flows: Mapping[str, Flow]) -> None:
    """Draw where each loss leads, worst first."""
    finding_lines.box([(finding, "flow") for finding in flow_findings(flows)])


def _lines(choices: Sequence[Choice], start_lines: str, settings: Mapping[str, Any], code: str) -> str:
    chosen = {choice.label: (choice.loss, dict(choice.parameters)) for choice in choices}
    records = min(41, settings["steps"] + 1)
    given = (
        f"steps={settings['steps']}, step_size={settings['step_size']:g}, seed={settings['seed']}, records={records}"
    )
    return (
        "import cl_viz\nfrom cl_viz import simulate\n"
        f"start = {start_lines}\n"
        f"chosen = {chosen!r}\n"
        f"flows = {{label: simulate.gradient_flow(simulate.FlowConfig(loss, parameters, {given}), start)\n"
        "         for label, (loss, parameters) in chosen.items()}\n"
        f"cl_viz.render({code})"
    )


def _caveats(flows: Mapping[str, Flow], settings: Mapping[str, Any]) -> None:
    start = next(iter(flows.values())).start
    facts = [
        f"N = {start.n:,} samples ({start.name}), D = {start.dim}, {start.n_views} views",
        "rows on the sphere for losses of unit rows, raw rows for the others; not centred",
        f"{settings['steps']:,} steps of {settings['step_size']:g}, seed {settings['seed']}",
        "free embeddings: no encoder stands between, so this is what a loss asks for, not what training gives",
    ]
    rising = [label for label, flow in flows.items() if flow.rises > len(flow.recorded)]
    if rising:
        facts.append(f"the loss often rose from one step to the next: {', '.join(rising)}; try smaller steps")
    st.caption(escape(" · ".join(facts)))


def _explanation(choices: Sequence[Choice]) -> None:
    st.markdown(
        "Every sample's embedding is moved down the gradient of the loss, step by step, without any encoder. A row's "
        "velocity is minus N times its gradient of the mean loss; rows of losses on the sphere stay on it."
    )
    st.markdown("**Measures**")
    st.markdown("\n".join(f"- **{escape(label)}** ({escape(unit)})" for label, unit in MEASURES.values()))
    st.markdown("**Traps**")
    st.markdown(
        "An encoder cannot move samples freely: what it learned for one moves others. Losses have different scales, so "
        "one step size takes them differently far: compare where they end, and drag all of them to their end. Labels "
        "colour the points and measure the separation; only supervised losses see them."
    )
    explain(choices)

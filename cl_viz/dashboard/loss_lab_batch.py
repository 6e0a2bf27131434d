"""The Loss Lab on batches of the open run: values, where each loss pushes, and how alike their gradients are."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from cl_viz.core.progress import ProgressCallback
from cl_viz.core.view import Table
from cl_viz.dashboard import figure_buttons, finding_lines, forms, loss_figures, panels
from cl_viz.dashboard.loss_choice import Choice, colours_of, explain
from cl_viz.dashboard.loss_work import Work, answers
from cl_viz.dashboard.text import escape
from cl_viz.simulate.flow_start import FlowStart
from cl_viz.simulate.force_views import (
    alignment_heatmap,
    force_findings,
    force_shares,
    force_values,
    force_weights,
)
from cl_viz.simulate.forces import GradientAlignment, LossForces, gradient_alignment, loss_forces


def settings_control() -> dict[str, int]:
    """Draw the size and number of the batches."""
    entries = (
        ("batch_size", "Batch size", 2, 4096, 256, "Samples in a batch, each with all its views."),
        ("batches", "Batches", 1, 64, 8, "Drawn one after the other; the spread is over them."),
    )
    values = {}
    for key, label, low, high, default, help_text in entries:
        values[key] = int(
            st.number_input(
                label, low, high, default, 1, key=key, bind="query-params", width=forms.SLIDER_WIDTH, help=help_text
            )
        )
    return values


def forces_of(
    choices: Sequence[Choice], start: FlowStart, key: Any, settings: Mapping[str, int]
) -> dict[str, LossForces]:
    """Return the forces of each loss by its label, computed once; long work is asked for first."""
    given = _arguments(settings)
    works = []
    for choice in choices:
        parameters = dict(choice.parameters)

        def make(progress: ProgressCallback, loss: str = choice.loss, parameters: Any = parameters) -> LossForces:
            return loss_forces(loss, start, parameters=parameters, progress=progress, **given)

        def seconds(loss: str = choice.loss, parameters: Any = parameters) -> float:
            began = time.monotonic()
            loss_forces(loss, start, parameters=parameters, **{**given, "batches": 1})
            return (time.monotonic() - began) * settings["batches"]

        identity = ("forces", key, choice.loss, tuple(sorted(parameters.items())), tuple(sorted(given.items())))
        works.append(Work(choice.label, identity, seconds, make))
    return answers("The look at batches", works)


def alignment_of(
    choices: Sequence[Choice], start: FlowStart, key: Any, settings: Mapping[str, int]
) -> GradientAlignment | None:
    """Return the cosines between the losses' gradients; None with fewer than two losses, or where it must wait."""
    if len(choices) < 2:
        return None
    chosen = [(choice.loss, dict(choice.parameters)) for choice in choices]
    given = _arguments(settings)

    def make(progress: ProgressCallback) -> GradientAlignment:
        return gradient_alignment(chosen, start, progress=progress, **given)

    def seconds() -> float:
        began = time.monotonic()
        gradient_alignment(chosen, start, **{**given, "batches": 1})
        return (time.monotonic() - began) * settings["batches"]

    identity = tuple((choice.loss, tuple(sorted(choice.parameters.items()))) for choice in choices)
    work = Work("all losses", ("alignment", key, identity, tuple(sorted(given.items()))), seconds, make)
    return answers("The comparison of gradients", [work]).get("all losses")


def _arguments(settings: Mapping[str, int]) -> dict[str, Any]:
    return {"batches": settings["batches"], "batch_size": settings["batch_size"], "seed": settings["batch_seed"]}


def findings(forces: Mapping[str, LossForces]) -> None:
    """Draw what each loss spends its gradient on, worst first."""
    finding_lines.box([(finding, "forces") for finding in force_findings(forces)])


def show(
    forces: Mapping[str, LossForces],
    alignment: GradientAlignment | None,
    choices: Sequence[Choice],
    start: FlowStart,
    start_lines: str,
    settings: Mapping[str, int],
) -> None:
    """Draw the figures of the batches."""
    if not forces:
        return
    shown = [choice for choice in choices if choice.label in forces]
    colours = colours_of(shown)
    lines = partial(_lines, shown, start_lines, settings)
    how = partial(_explanation, shown)
    weights = force_weights(forces)
    if weights is not None:
        made = lines("simulate.force_weights(forces), wide=True")
        loss_figures.figure(weights, "lab weights", colours, made, explain=how, wide=True)
    for label, found in forces.items():
        if found.acts_on == "embeddings":
            st.caption(f"{escape(label)}: {escape(found.said)}")
    shares = force_shares(forces)
    left, right = st.columns(2, gap="medium")
    with left:
        if shares is not None:
            loss_figures.figure(
                shares, "lab shares", colours, lines("simulate.force_shares(forces)"),
                explain=None if weights is not None else how, height=panels.SIDE_HEIGHT,
            )  # fmt: skip
    with right if shares is not None else left:
        if alignment is not None:
            labels = tuple(choice.label for choice in choices)
            loss_figures.figure(
                alignment_heatmap(alignment, labels), "lab alignment", colours,
                _alignment_lines(choices, start_lines, settings), height=panels.SIDE_HEIGHT,
            )  # fmt: skip
    _values(force_values(forces), lines("simulate.force_values(forces)"))
    _caveats(forces, start, settings)


def _values(view: Table, lines: str) -> None:
    st.header("Value with its spread over batches", anchor=False)
    frame = pd.DataFrame(dict(view.columns))
    config = {
        name: st.column_config.NumberColumn(name, format="%.4g")
        for name, values in view.columns.items()
        if np.asarray(values).dtype.kind == "f"
    }
    st.dataframe(frame, hide_index=True, column_config=config, width="stretch", height="content")
    figure_buttons.row(view, "lab values", lines)


def _lines(choices: Sequence[Choice], start_lines: str, settings: Mapping[str, int], code: str) -> str:
    chosen = {choice.label: (choice.loss, dict(choice.parameters)) for choice in choices}
    return (
        "import cl_viz\nfrom cl_viz import simulate\n"
        f"start = {start_lines}\n"
        f"chosen = {chosen!r}\n"
        f"forces = {{label: simulate.loss_forces(loss, start, parameters=parameters, {_given(settings)})\n"
        "          for label, (loss, parameters) in chosen.items()}\n"
        f"cl_viz.render({code})"
    )


def _alignment_lines(choices: Sequence[Choice], start_lines: str, settings: Mapping[str, int]) -> str:
    chosen = [(choice.loss, dict(choice.parameters)) for choice in choices]
    labels = tuple(choice.label for choice in choices)
    return (
        "import cl_viz\nfrom cl_viz import simulate\n"
        f"start = {start_lines}\n"
        f"alignment = simulate.gradient_alignment({chosen!r}, start, {_given(settings)})\n"
        f"cl_viz.render(simulate.alignment_heatmap(alignment, {labels!r}))"
    )


def _given(settings: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={value}" for name, value in _arguments(settings).items())


def _caveats(forces: Mapping[str, LossForces], start: FlowStart, settings: Mapping[str, int]) -> None:
    found = next(iter(forces.values()))
    facts = [
        f"{found.n_batches} batches of {found.batch_size:,} of {start.name}, D = {start.dim}, {start.n_views} views",
        "labels: " + ("used for false negatives and by supervised losses" if start.labels is not None else "none"),
        f"queue: {'none' if start.queue is None else f'{len(start.queue):,} rows of other samples'}",
        "rows normalised for losses of unit rows, raw for the others; not centred",
        f"seed {settings['batch_seed']}; the spread is the standard deviation over batches",
    ]
    st.caption(escape(" · ".join(facts)))


def _explanation(choices: Sequence[Choice]) -> None:
    st.markdown(
        "A batch of the run's own samples is drawn, and each loss is computed on it with its gradient. Where a loss "
        "depends on scores alone, the weight of a pair is N times the size of the loss's derivative by its score: how "
        "hard that pair is pulled or pushed. The shares say what part of all weights falls on positives, on false "
        "negatives (negatives of the anchor's label) and on the hardest hundredth of the negatives. The cosine "
        "compares the gradients of two losses with respect to the same embeddings."
    )
    st.markdown("**Traps**")
    st.markdown(
        "Values of different losses have different units and zeros. A weight says how hard a pair is pushed now, not "
        "where that leads: look at the flow. A cosine near 1 means the same direction, whatever the size of the step. "
        "Batches drawn from one run overlap: their spread is that of resampling, not of new data."
    )
    explain(choices)

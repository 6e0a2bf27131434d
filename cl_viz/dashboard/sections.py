"""Parts that several pages share: questions over training, their empty state, figures in two columns."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import streamlit as st

from cl_viz.core.specs import DiagnosticSpec
from cl_viz.dashboard import panels, state


def trained_runs(spec: DiagnosticSpec, runs: Sequence[state.OpenRun]) -> list[state.OpenRun]:
    """Draw a question over training, and say what to add where no run has several steps; return the runs that do."""
    st.subheader(spec.question, anchor=False)
    trained = several_steps(runs)
    if not trained:
        one_step_each()
    return trained


def several_steps(runs: Sequence[state.OpenRun]) -> list[state.OpenRun]:
    """Return the runs with several training steps."""
    return [opened for opened in runs if len([step for step in opened.run.steps if step is not None]) > 1]


def one_step_each() -> None:
    """Say what to add for questions over training."""
    st.info(
        "Unknown: the shown runs have one training step each. Record a training with `cl_viz.Recorder`, or save "
        "embeddings at several steps, to see it.",
        icon=":material/help:",
    )


def over_training(spec: DiagnosticSpec, runs: Sequence[state.OpenRun], layer: str | None) -> None:
    """Draw a question over training: its findings and all its figures, of the runs that have several steps."""
    trained = trained_runs(spec, runs)
    if not trained:
        return
    shown = panels.ask(spec, trained, layer=layer)
    panels.findings(shown)
    two_columns(shown)
    panels.explained(spec)
    panels.caveats(shown)


def two_columns(
    shown: panels.Shown, left_out: Collection[str] = (), suffix: str = "", *, marked: int | None = None
) -> None:
    """Draw the figures of a diagnostic in two columns; titles compare the quantity of their name and `suffix`.

    `marked` is a training step that is marked in them.
    """
    names = dict.fromkeys(name for result in shown.results for name in result.views if name not in left_out)
    columns = st.columns(2, gap="medium")
    for index, name in enumerate(names):
        with columns[index % 2]:
            panels.figure(
                shown, name, quantity=f"{name}{suffix}", height=panels.SIDE_HEIGHT, explained=False, marked=marked
            )

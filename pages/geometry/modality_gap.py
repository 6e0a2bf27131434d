"""Modality gap: how far two views lie apart, and what closing the gap changes."""

import streamlit as st

from cl_viz.dashboard import forms, missing, panels, state
from cl_viz.diagnostics import DIAGNOSTICS

SPEC = DIAGNOSTICS["modality_gap"]
CONTROLS = {info.name: info for info in SPEC.params.describe()}


def controls(runs: list[state.OpenRun]) -> tuple[int | None, str | None]:
    """Draw the controls of the main figure, in one row; return the step and the layer."""
    many = any(len(opened.run.get().view_names) > 2 for opened in runs)
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        if many:
            for name in ("first_view", "second_view"):
                forms.control(CONTROLS[name], runs)
        layer, step = forms.layer_control(runs), forms.step_control(runs)
        forms.control(CONTROLS["temperature"], runs)
        with st.popover("More", icon=":material/tune:", help="How many pairs and queries, and the seed of the draws"):
            for name in ("pairs", "queries", "seed"):
                forms.control(CONTROLS[name], runs)
    return step, layer


def show(runs: list[state.OpenRun]) -> None:
    """Draw the page."""
    top = st.container()
    step, layer = controls(runs)
    shown = panels.ask(SPEC, runs, step=step, layer=layer)
    with top:
        panels.findings(shown)
    if missing.says_what_to_add(shown):
        return
    panels.figure(shown, "along_gap", quantity="gap_norm")
    left, right = st.columns(2, gap="medium")
    with left:
        panels.figure(shown, "shift", quantity="closing_shift", height=panels.SIDE_HEIGHT, explained=False)
        panels.figure(
            shown, "retrieval", quantity="recall_at_1_there_after", height=panels.SIDE_HEIGHT, explained=False
        )
    with right:
        panels.figure(shown, "loss", quantity="lowest_loss_shift", height=panels.SIDE_HEIGHT, explained=False)
        panels.figure(shown, "scores", quantity="positive_mean", height=panels.SIDE_HEIGHT, explained=False)
        if panels.has_view(shown, "every_pair"):
            panels.figure(panels.one_of(shown, "every_pair"), "every_pair", height=panels.SIDE_HEIGHT, explained=False)
    panels.quantities(shown)
    if panels.has_view(shown, "farthest"):
        st.header("The samples behind this", anchor=False)
        panels.table(panels.one_of(shown, "farthest"), "farthest")
    panels.caveats(shown)


panels.question(SPEC)
shown_runs = state.shown_runs()
if shown_runs:
    show(shown_runs)
else:
    panels.no_runs()

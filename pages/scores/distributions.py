"""Scores: positives against negatives, of one run or several, at one step and over training."""

import streamlit as st

from cl_viz.dashboard import forms, panels, sections, state
from cl_viz.diagnostics import DIAGNOSTICS

SCORES, CURVES = DIAGNOSTICS["score_distribution"], DIAGNOSTICS["score_curves"]
CONTROLS = {info.name: info for info in SCORES.params.describe()}


def controls(runs: list[state.OpenRun]) -> tuple[int | None, str | None]:
    """Draw the controls of the main figure, in one row; return the step and the layer."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        for name in ("positives", "negatives"):
            forms.control(CONTROLS[name], runs)
        layer = forms.layer_control(runs)
        forms.control(CONTROLS["temperature"], runs)
        with st.popover("More", icon=":material/tune:", help="Training step, bins, logarithmic density"):
            step = forms.step_control(runs)
            forms.control(CONTROLS["bins"], runs)
            st.toggle(
                "Logarithmic density",
                key="log_density",
                bind="query-params",
                help="Shows the tails, where the hard negatives are.",
            )
    return step, layer


def show(runs: list[state.OpenRun]) -> None:
    """Draw the page."""
    top = st.container()
    step, layer = controls(runs)
    shown = panels.ask(SCORES, runs, step=step, layer=layer)
    with top:
        panels.findings(shown)
    logarithmic = bool(st.session_state.get("log_density"))
    panels.figure(shown, "distribution", quantity="auc", log_y=logarithmic, leads_to_pairs=True)
    left, right = st.columns(2, gap="medium")
    with left:
        panels.figure(shown, "rank", quantity="auc_per_anchor", height=panels.SIDE_HEIGHT, explained=False)
    with right:
        panels.figure(
            shown, "false_negatives", quantity="false_negative_push", height=panels.SIDE_HEIGHT, explained=False
        )
    panels.quantities(shown)
    if panels.has_view(shown, "weakest_positives"):
        st.subheader("The samples behind this", anchor=False)
        panels.table(panels.one_of(shown, "weakest_positives"), "weakest_positives")
    panels.caveats(shown)
    sections.over_training(CURVES, runs, layer)


panels.question(SCORES)
shown_runs = state.shown_runs()
if shown_runs:
    show(shown_runs)
else:
    panels.no_runs()

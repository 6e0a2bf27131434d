"""Allocation harm: what a rare class loses through the encoder, and what through the labels of the probe."""

import streamlit as st

from cl_viz.dashboard import forms, panels, state
from cl_viz.dashboard.harm_runs import one_of_each_family
from cl_viz.diagnostics import DIAGNOSTICS

HARM, GROUPS = DIAGNOSTICS["allocation_harm"], DIAGNOSTICS["group_table"]
CONTROLS = {info.name: info for spec in (GROUPS, HARM) for info in spec.params.describe()}


def controls(runs: list[state.OpenRun]) -> tuple[int | None, str | None]:
    """Draw the controls of the study, in one row; return the step and the layer."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        layer = forms.layer_control(runs)
        forms.control(CONTROLS["imbalance_ratio"], runs)
        forms.control(CONTROLS["splits"], runs)
        with st.popover("More", icon=":material/tune:", help="Training step, draws and seed"):
            step = forms.step_control(runs)
            forms.control(CONTROLS["bootstraps"], runs)
            forms.control(CONTROLS["seed"], runs)
    return step, layer


def mediation(shown: panels.Shown) -> None:
    """Draw the effects in the shown families."""
    if not panels.has_view(shown, "effects"):
        if shown.results:
            st.info(
                "Allocation harm compares runs: open one whose card names an under-represented class together with its "
                "balanced twin. The samples mnist-rare-4-seed-0 and mnist-balanced-seed-0 are such a pair.",
                icon=":material/help:",
            )
        return
    one = panels.one_of(shown, "effects")
    panels.figure(one, "effects")
    left, right = st.columns(2, gap="medium")
    with left:
        panels.figure(shown, "accuracy", quantity="indirect_effect", height=panels.SIDE_HEIGHT, explained=False)
    with right:
        panels.figure(one, "indirect", height=panels.SIDE_HEIGHT, explained=False)
    panels.table(one, "cells")
    with st.expander("The probes behind this", icon=":material/query_stats:"):
        panels.table(one, "probes")
    panels.quantities(shown)
    panels.caveats(shown)


def groups(runs: list[state.OpenRun], step: int | None, layer: str | None) -> None:
    """Draw what each group of each shown run is worth."""
    st.subheader(GROUPS.question, anchor=False)
    top = st.container()
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        for name in ("groups", "least", "k", "view"):
            forms.control(CONTROLS[name], runs)
    shown = panels.ask(GROUPS, runs, step=step, layer=layer)
    with top:
        panels.findings(shown)
    if panels.has_view(shown, "table"):
        one = panels.one_of(shown, "table")
        panels.figure(one, "accuracy")
        left, right = st.columns(2, gap="medium")
        with left:
            panels.figure(one, "alignment", height=panels.SIDE_HEIGHT, explained=False)
        with right:
            panels.figure(one, "uniformity", height=panels.SIDE_HEIGHT, explained=False)
        panels.table(one, "table")
        if len(shown.results) > 1:
            st.caption("The figures show the reference run, chosen in the sidebar; the numbers below all shown runs.")
        panels.quantities(shown)
    panels.caveats(shown)


def show(runs: list[state.OpenRun]) -> None:
    """Draw the page."""
    top = st.container()
    step, layer = controls(runs)
    shown = panels.ask(HARM, one_of_each_family(runs), step=step, layer=layer)
    with top:
        panels.findings(shown)
    mediation(shown)
    groups(runs, step, layer)


panels.question(HARM)
shown_runs = state.shown_runs()
if shown_runs:
    show(shown_runs)
else:
    panels.no_runs()

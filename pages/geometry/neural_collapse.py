"""Neural collapse: classes as points, the frame of their means, a linear head against them, and all over training."""

import streamlit as st

from cl_viz.dashboard import forms, panels, sections, state
from cl_viz.dashboard.text import escape
from cl_viz.diagnostics import DIAGNOSTICS

CLASSES, HEAD = DIAGNOSTICS["neural_collapse"], DIAGNOSTICS["classifier_duality"]
CURVES = DIAGNOSTICS["neural_collapse_curves"]
CONTROLS = {info.name: info for info in CLASSES.params.describe()}


def controls(runs: list[state.OpenRun]) -> tuple[int | None, str | None]:
    """Draw the controls of both questions, in one row; return the step and the layer."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        forms.control(CONTROLS["rows"], runs)
        forms.control(CONTROLS["mean"], runs)
        layer = forms.layer_control(runs)
        with st.popover("More", icon=":material/tune:", help="Training step, view"):
            step = forms.step_control(runs)
            forms.control(CONTROLS["view"], runs)
    return step, layer


def show(runs: list[state.OpenRun]) -> None:
    """Draw the page."""
    top = st.container()
    step, layer = controls(runs)
    classes = panels.ask(CLASSES, runs, step=step, layer=layer)
    head = panels.ask(HEAD, runs, step=step, layer=layer)
    with top:
        panels.findings(classes, head)
    if panels.has_view(classes, "class_cosines"):
        one = panels.one_of(classes, "class_cosines")
        if len(classes.results) > 1:
            st.caption(f"Class means of {escape(one.runs[0].name)}, the reference run:")
        panels.figure(one, "class_cosines", quantity="mean_cosine")
        left, right = st.columns(2, gap="medium")
        with left:
            panels.figure(classes, "class_spread", quantity="nc1_quotient", height=panels.SIDE_HEIGHT, explained=False)
        with right:
            panels.figure(classes, "class_norms", quantity="nc2_equinorm", height=panels.SIDE_HEIGHT, explained=False)
        panels.quantities(classes)
    else:
        panels.explained(CLASSES)
    panels.caveats(classes)
    st.subheader(HEAD.question, anchor=False)
    if panels.has_view(head, "head_cosines"):
        panels.figure(head, "head_cosines", quantity="nc4_agreement", height=panels.SIDE_HEIGHT)
        panels.quantities(head)
    else:
        panels.explained(HEAD)
    panels.caveats(head)
    sections.over_training(CURVES, runs, layer)


panels.question(CLASSES)
shown_runs = state.shown_runs()
if shown_runs:
    show(shown_runs)
else:
    panels.no_runs()

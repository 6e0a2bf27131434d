"""Feature transformation: what extrapolated positives, interpolated negatives and mixtures would change."""

import streamlit as st

from cl_viz.dashboard import forms, panels, state
from cl_viz.diagnostics import DIAGNOSTICS

SPEC = DIAGNOSTICS["feature_transformation"]
CONTROLS = {info.name: info for info in SPEC.params.describe()}
MAIN = ("positive_change", "positive_alpha", "negative_change", "negative_alpha", "mixed_pairs", "mixed_with_query")
MORE = ("hardest", "coefficient", "normalise", "temperature", "anchors", "queue", "seed", "bins")


def controls(runs: list[state.OpenRun]) -> tuple[int | None, str | None]:
    """Draw the controls of the main figure, in one row; return the step and the layer."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        for name in MAIN:
            forms.control(CONTROLS[name], runs)
        layer = forms.layer_control(runs)
        with st.popover("More", icon=":material/tune:", help="What is mixed, how it is drawn, and on which samples"):
            step = forms.step_control(runs)
            for name in MORE:
                forms.control(CONTROLS[name], runs)
    return step, layer


def show(runs: list[state.OpenRun]) -> None:
    """Draw the page."""
    top = st.container()
    step, layer = controls(runs)
    shown = panels.ask(SPEC, runs, step=step, layer=layer)
    with top:
        panels.findings(shown)
    if panels.has_view(shown, "distribution"):
        one = panels.one_of(shown, "distribution")
        panels.say_whose(shown, one)
        panels.figure(one, "distribution")
        left, right = st.columns(2, gap="medium")
        with left:
            panels.figure(one, "push_by_rank", height=panels.SIDE_HEIGHT, explained=False)
        with right:
            panels.figure(one, "positives", height=panels.SIDE_HEIGHT, explained=False)
    panels.quantities(shown)
    panels.caveats(shown)


panels.question(SPEC)
shown_runs = state.shown_runs()
if shown_runs:
    show(shown_runs)
else:
    panels.no_runs()

"""Representation harm: did a rare class move towards another, which classes lie close, and what theory expects."""

import streamlit as st

from cl_viz.dashboard import block_model, forms, panels, state
from cl_viz.dashboard.harm_runs import one_of_each_family
from cl_viz.diagnostics import DIAGNOSTICS

HARM, COSINES = DIAGNOSTICS["representation_harm"], DIAGNOSTICS["class_cosines"]
CONTROLS = {info.name: info for info in HARM.params.describe()}


def controls(runs: list[state.OpenRun]) -> tuple[int | None, str | None]:
    """Draw the controls of both figures, in one row; return the step and the layer."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        layer = forms.layer_control(runs)
        forms.control(CONTROLS["self_pairs"], runs)
        with st.popover("More", icon=":material/tune:", help="Training step, draws and seed of the bootstrap"):
            step = forms.step_control(runs)
            forms.control(CONTROLS["bootstraps"], runs)
            forms.control(CONTROLS["seed"], runs)
    return step, layer


def harm(shown: panels.Shown) -> None:
    """Draw the harm of the shown families."""
    if not panels.has_view(shown, "classes"):
        st.info(
            "Representation harm compares runs: open one whose card names an under-represented class together with its "
            "balanced twin. The samples mnist-rare-4-seed-0 and mnist-balanced-seed-0 are such a pair.",
            icon=":material/help:",
        )
        return
    panels.figure(shown, "harm", quantity="nearest")
    one = panels.one_of(shown, "classes")
    left, right = st.columns(2, gap="medium")
    with left:
        panels.figure(one, "matrix", height=panels.SIDE_HEIGHT, explained=False)
    with right:
        panels.table(one, "classes")
    panels.quantities(shown)
    with st.expander("Each pair of runs", icon=":material/compare_arrows:"):
        panels.table(one, "seeds")
    panels.caveats(shown)


def cosines(shown: panels.Shown) -> None:
    """Draw the mean cosines between the classes of the reference run."""
    st.subheader(COSINES.question, anchor=False)
    panels.findings(shown)
    st.caption("This describes single runs and is no harm: similar classes may lie close in every encoder.")
    if panels.has_view(shown, "matrix"):
        one = panels.one_of(shown, "matrix")
        left, right = st.columns([3, 2], gap="medium")
        with left:
            panels.figure(one, "matrix", leads_to_pairs=True)
        with right:
            panels.table(one, "pairs")
        if len(shown.results) > 1:
            st.caption("The figure shows the reference run, chosen in the sidebar; the numbers below all shown runs.")
        panels.quantities(shown)
    panels.caveats(shown)


def show(runs: list[state.OpenRun]) -> None:
    """Draw the page."""
    top = st.container()
    step, layer = controls(runs)
    harmed = panels.ask(HARM, one_of_each_family(runs), step=step, layer=layer)
    described = panels.ask(COSINES, runs, step=step, layer=layer)
    with top:
        panels.findings(harmed)
    harm(harmed)
    cosines(described)
    block_model.show()


panels.question(HARM)
shown_runs = state.shown_runs()
if shown_runs:
    show(shown_runs)
else:
    panels.no_runs()

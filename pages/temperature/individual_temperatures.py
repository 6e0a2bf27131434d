"""Individual temperatures: which temperature each sample would choose for itself."""

import streamlit as st

from cl_viz.dashboard import forms, panels, state
from cl_viz.diagnostics import DIAGNOSTICS

SPEC = DIAGNOSTICS["individual_temperatures"]
CONTROLS = {info.name: info for info in SPEC.params.describe()}


def controls(runs: list[state.OpenRun]) -> tuple[int | None, str | None]:
    """Draw the controls of the main figure, in one row; return the step and the layer."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        for name in ("rho", "smallest", "largest"):
            forms.control(CONTROLS[name], runs)
        layer = forms.layer_control(runs)
        with st.popover(
            "More",
            icon=":material/tune:",
            help="Views of the negatives, training step, every row, the run's temperature",
        ):
            forms.control(CONTROLS["negative_views"], runs)
            step = forms.step_control(runs)
            forms.control(CONTROLS["every_row"], runs)
            forms.control(CONTROLS["temperature"], runs)
    return step, layer


def show(runs: list[state.OpenRun]) -> None:
    """Draw the page."""
    top = st.container()
    step, layer = controls(runs)
    shown = panels.ask(SPEC, runs, step=step, layer=layer)
    with top:
        panels.findings(shown)
    panels.figure(shown, "histogram", quantity="median_temperature")
    left, right = st.columns(2, gap="medium")
    with left:
        panels.figure(shown, "by_rho", quantity="median_temperature", height=panels.SIDE_HEIGHT, explained=False)
    with right:
        panels.figure(shown, "by_label", quantity="median_temperature", height=panels.SIDE_HEIGHT, explained=False)
    panels.quantities(shown)
    if panels.has_view(shown, "lowest"):
        st.header("The samples behind this", anchor=False)
        one = panels.one_of(shown, "lowest")
        left, right = st.columns(2, gap="medium")
        with left:
            panels.table(one, "lowest")
        with right:
            panels.table(one, "highest")
    panels.caveats(shown)


panels.question(SPEC)
shown_runs = state.shown_runs()
if shown_runs:
    show(shown_runs)
else:
    panels.no_runs()

"""Representation harm: did a rare class move towards another, which classes lie close, and what theory expects."""

from collections.abc import Sequence

import streamlit as st

from cl_viz.dashboard import aspects, block_model, forms, harm_runs, panels, state
from cl_viz.diagnostics import DIAGNOSTICS

PAGE = "groups/representation_harm"
HARM, COSINES = DIAGNOSTICS["representation_harm"], DIAGNOSTICS["class_cosines"]
CONTROLS = {info.name: info for info in HARM.params.describe()}
Drawn = Sequence[panels.Shown]


def controls(aspect: str, runs: list[state.OpenRun]) -> tuple[int | None, str | None]:
    """Draw the controls of an aspect, in one row; return the step and the layer."""
    if aspect == "Block model":
        return None, None
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        layer = forms.layer_control(runs)
        forms.control(CONTROLS["self_pairs"], runs)
        with st.popover("More", icon=":material/tune:", help="Training step, draws and seed of the bootstrap"):
            step = forms.step_control(runs)
            if "bootstraps" in aspects.parameters(PAGE, aspect):
                forms.control(CONTROLS["bootstraps"], runs)
            forms.control(CONTROLS["seed"], runs)
    return step, layer


def harm(runs: list[state.OpenRun], step: int | None, layer: str | None) -> Drawn:
    """Draw the harm of the shown families."""
    shown = panels.ask(HARM, harm_runs.one_of_each_family(runs), step=step, layer=layer)
    if not panels.has_view(shown, "classes"):
        harm_runs.what_to_open("Representation harm")
        panels.explained(HARM)
        return [shown]
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
    return [shown]


def cosines(runs: list[state.OpenRun], step: int | None, layer: str | None) -> Drawn:
    """Draw the mean cosines between the classes of the reference run."""
    shown = panels.ask(COSINES, runs, step=step, layer=layer)
    st.caption("This describes single runs and is no harm: similar classes may lie close in every encoder.")
    if panels.has_view(shown, "matrix"):
        one = panels.one_of(shown, "matrix")
        panels.figure(one, "matrix", leads_to_pairs=True)
        panels.say_whose(shown, one, "The matrix shows")
        panels.table(one, "pairs")
        panels.quantities(shown)
    else:
        panels.explained(COSINES)
    panels.caveats(shown)
    return [shown]


def theory(*_: object) -> Drawn:
    """Draw what a model of three blocks expects of a rare one."""
    block_model.show()
    return []


panels.question(HARM)
shown_runs = state.shown_runs()
if shown_runs:
    aspects.show(PAGE, {"Harm": harm, "Class cosines": cosines, "Block model": theory}, controls, shown_runs)
else:
    panels.no_runs()

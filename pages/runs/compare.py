"""Compare: each run with the reference run, and the steps and layers of one run with each other."""

import streamlit as st

from cl_viz.core.specs import DiagnosticSpec
from cl_viz.dashboard import forms, panels, state
from cl_viz.diagnostics import DIAGNOSTICS

PAIR, STEPS, LAYERS = (DIAGNOSTICS[name] for name in ("run_similarity", "step_similarity", "layer_similarity"))


def controls(runs: list[state.OpenRun]) -> tuple[int | None, str | None]:
    """Draw the controls, in one row; return the step and the layer."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        for info in PAIR.params.describe():
            forms.control(info, runs)
        return forms.step_control(runs), forms.layer_control(runs)


def with_reference(shown: panels.Shown) -> None:
    """Draw the runs against the reference run."""
    panels.figure(shown, "measures", quantity="cka_debiased")
    left, right = st.columns(2, gap="medium")
    with left:
        panels.figure(shown, "overlap", quantity="neighbor_overlap", height=panels.SIDE_HEIGHT, explained=False)
    with right:
        panels.figure(shown, "correlations", quantity="cca_squared", height=panels.SIDE_HEIGHT, explained=False)
    panels.quantities(shown)
    if panels.has_view(shown, "moved"):
        st.subheader("The samples behind this", anchor=False)
        panels.table(shown, "moved")
    panels.caveats(shown)


def within(spec: DiagnosticSpec, runs: list[state.OpenRun], missing: str, **where: int | str | None) -> panels.Shown:
    """Draw the steps or the layers of the runs that have several; matrices show the reference run."""
    st.subheader(spec.question, anchor=False)
    if not runs:
        st.info(missing, icon=":material/help:")
        return panels.Shown(spec, (), ())
    shown = panels.ask(spec, runs, **where)  # type: ignore[arg-type]
    if panels.has_view(shown, "with_last"):
        panels.figure(shown, "with_last", quantity="first_to_last")
    if panels.has_view(shown, "cka"):
        one = panels.one_of(shown, "cka")
        left, right = st.columns(2, gap="medium")
        with left:
            panels.figure(one, "cka", height=panels.SIDE_HEIGHT, explained="with_last" not in one.results[0].views)
        with right:
            panels.figure(one, "neighbours", height=panels.SIDE_HEIGHT, explained=False)
        if len(shown.results) > 1:
            st.caption(f"The matrices show {one.results[0].run}, the reference run where it is shown.")
    panels.quantities(shown)
    panels.caveats(shown)
    return shown


def show(runs: list[state.OpenRun]) -> None:
    """Draw the page."""
    top = st.container()
    step, layer = controls(runs)
    reference = state.reference_run()
    others = [opened for opened in runs if reference is None or opened.name != reference.name]
    # Alone, the reference run says what to add.
    pair = panels.ask(PAIR, others or runs, step=step, layer=layer)
    with_reference(pair)
    trained = [opened for opened in runs if len(opened.run.steps) > 1]
    layered = [opened for opened in runs if len(opened.run.layers) > 1]
    steps = within(
        STEPS,
        trained,
        "Unknown: the shown runs have one training step each. Save embeddings at several steps to see it.",
        layer=layer,
    )
    layers = within(
        LAYERS,
        layered,
        "Unknown: the shown runs have one layer each. Save the backbone's and the projector's embeddings as two layers "
        "of one run to see it.",
        step=step,
    )
    with top:
        panels.findings(pair, steps, layers)


panels.question(PAIR)
shown_runs = state.shown_runs()
if shown_runs:
    show(shown_runs)
else:
    panels.no_runs()

"""Collapse: spectrum, ranks, decay, LiDAR, ranks over training, projector against backbone."""

import streamlit as st

from cl_viz.dashboard import forms, panels, sections, state
from cl_viz.diagnostics import DIAGNOSTICS

SPECTRUM, RANKS = DIAGNOSTICS["spectrum"], DIAGNOSTICS["dimension_ranks"]
DECAY, LIDAR = DIAGNOSTICS["alpha_req"], DIAGNOSTICS["lidar"]
CURVES, LAYERS = DIAGNOSTICS["rank_curves"], DIAGNOSTICS["projector_backbone"]
CONTROLS = {info.name: info for spec in (SPECTRUM, RANKS, DECAY, LIDAR) for info in spec.params.describe()}


def controls(runs: list[state.OpenRun]) -> tuple[int | None, str | None]:
    """Draw the controls of the main figure, in one row; return the step and the layer."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        forms.control(CONTROLS["rows"], runs)
        layer = forms.layer_control(runs)
        forms.control(CONTROLS["centred"], runs)
        with st.popover("More", icon=":material/tune:", help="Training step, view"):
            step = forms.step_control(runs)
            forms.control(CONTROLS["view"], runs)
    return step, layer


def row_of_controls(runs: list[state.OpenRun], *names: str) -> None:
    """Draw some controls in one row."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        for name in names:
            forms.control(CONTROLS[name], runs)


def section(shown: panels.Shown, view: str, quantity: str, *, side: bool = False) -> None:
    """Draw the figure of a diagnostic, or what is missing for it, with its numbers and what they rest on."""
    if panels.has_view(shown, view):
        panels.figure(shown, view, quantity=quantity, height=panels.SIDE_HEIGHT if side else panels.MAIN_HEIGHT)
        panels.quantities(shown)
    else:
        panels.findings(shown)
        panels.explained(shown.spec)
    panels.caveats(shown)


def layers(runs: list[state.OpenRun], step: int | None) -> None:
    """Draw projector against backbone for the runs that have several layers."""
    st.subheader(LAYERS.question, anchor=False)
    layered = [opened for opened in runs if len(opened.run.layers) > 1]
    if not layered:
        st.info(
            "Unknown: the shown runs have one layer each. Save embeddings of backbone and projector to see it.",
            icon=":material/help:",
        )
        return
    shown = panels.ask(LAYERS, layered, step=step)
    panels.findings(shown)
    panels.figure(shown, "spectra", quantity="entropy_rank_projector", height=panels.SIDE_HEIGHT)
    sections.two_columns(shown, left_out=("spectra",), suffix="_projector")
    panels.quantities(shown)
    panels.caveats(shown)


def show(runs: list[state.OpenRun]) -> None:
    """Draw the page."""
    top = st.container()
    step, layer = controls(runs)
    spectrum = panels.ask(SPECTRUM, runs, step=step, layer=layer)
    panels.figure(spectrum, "spectrum", quantity="before_cliff")
    left, right = st.columns(2, gap="medium")
    with left:
        panels.figure(spectrum, "cumulative", quantity="largest_share", height=panels.SIDE_HEIGHT, explained=False)
    with right:
        panels.quantities(spectrum)
        panels.caveats(spectrum)
    st.subheader(RANKS.question, anchor=False)
    row_of_controls(runs, "epsilon")
    ranks = panels.ask(RANKS, runs, step=step, layer=layer)
    section(ranks, "ranks", "covariance_entropy_rank")
    sections.over_training(CURVES, runs, layer)
    st.subheader(LIDAR.question, anchor=False)
    row_of_controls(runs, "delta", "scaling")
    lidar = panels.ask(LIDAR, runs, step=step, layer=layer)
    section(lidar, "delta", "lidar", side=True)
    st.subheader(DECAY.question, anchor=False)
    row_of_controls(runs, "fit_from", "fit_to")
    decay = panels.ask(DECAY, runs, step=step, layer=layer)
    section(decay, "decay", "alpha", side=True)
    with top:
        panels.findings(spectrum, ranks, lidar, decay)
    layers(runs, step)


panels.question(SPECTRUM)
shown_runs = state.shown_runs()
if shown_runs:
    show(shown_runs)
else:
    panels.no_runs()

"""Geometry: alignment against uniformity, isotropy, hubs and intrinsic dimension."""

import streamlit as st

from cl_viz.core.specs import DiagnosticSpec
from cl_viz.dashboard import forms, panels, sections, state
from cl_viz.diagnostics import DIAGNOSTICS

ALIGNMENT, PATH = DIAGNOSTICS["alignment_uniformity"], DIAGNOSTICS["alignment_uniformity_path"]
ISOTROPY, HUBNESS = DIAGNOSTICS["isotropy"], DIAGNOSTICS["hubness"]
DIMENSION = DIAGNOSTICS["intrinsic_dimension"]


def parameters(spec: DiagnosticSpec, runs: list[state.OpenRun]) -> None:
    """Draw the controls of one question, in one row."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        for info in spec.params.describe():
            forms.control(info, runs)


def main_controls(runs: list[state.OpenRun]) -> tuple[int | None, str | None]:
    """Draw the controls of the main figure and those of all questions; return the step and the layer."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        for info in ALIGNMENT.params.describe():
            forms.control(info, runs)
        return forms.step_control(runs), forms.layer_control(runs)


def alignment(shown: panels.Shown) -> None:
    """Draw alignment against uniformity of all runs; without positives, uniformity alone."""
    if panels.has_view(shown, "plane"):
        panels.figure(shown, "plane", quantity="uniformity")
        left, right = st.columns(2, gap="medium")
        with left:
            panels.figure(shown, "uniformity", quantity="uniformity_share", height=panels.SIDE_HEIGHT, explained=False)
        with right:
            panels.figure(shown, "distances", quantity="alignment_distance", height=panels.SIDE_HEIGHT, explained=False)
    else:
        panels.figure(shown, "uniformity", quantity="uniformity_share")
    panels.quantities(shown)
    samples(shown, "farthest_views")
    panels.caveats(shown)


def over_training(runs: list[state.OpenRun], layer: str | None) -> panels.Shown | None:
    """Draw the path of the runs that have several steps."""
    trained = sections.trained_runs(PATH, runs)
    if not trained:
        return None
    shown = panels.ask(PATH, trained, layer=layer)
    panels.figure(shown, "path", quantity="uniformity_last")
    panels.caveats(shown)
    return shown


def isotropy(runs: list[state.OpenRun], step: int | None, layer: str | None) -> panels.Shown:
    """Draw cones and lost directions."""
    st.subheader(ISOTROPY.question, anchor=False)
    parameters(ISOTROPY, runs)
    shown = panels.ask(ISOTROPY, runs, step=step, layer=layer)
    left, right = st.columns(2, gap="medium")
    with left:
        panels.figure(shown, "measures", quantity="mean_cosine", height=panels.SIDE_HEIGHT)
    with right:
        panels.figure(shown, "partition", quantity="partition_unit", height=panels.SIDE_HEIGHT, explained=False)
    panels.quantities(shown)
    panels.caveats(shown)
    return shown


def hubness(runs: list[state.OpenRun], step: int | None, layer: str | None) -> panels.Shown:
    """Draw how often rows are neighbours, and the hubs."""
    st.subheader(HUBNESS.question, anchor=False)
    parameters(HUBNESS, runs)
    shown = panels.ask(HUBNESS, runs, step=step, layer=layer)
    left, right = st.columns(2, gap="medium")
    with left:
        panels.figure(shown, "occurrence", quantity="skewness", height=panels.SIDE_HEIGHT)
    with right:
        samples(shown, "hubs")
    panels.quantities(shown)
    panels.caveats(shown)
    return shown


def dimension(runs: list[state.OpenRun], step: int | None, layer: str | None) -> panels.Shown:
    """Draw the intrinsic dimension against the size of the part it is estimated on."""
    st.subheader(DIMENSION.question, anchor=False)
    parameters(DIMENSION, runs)
    shown = panels.ask(DIMENSION, runs, step=step, layer=layer)
    left, right = st.columns(2, gap="medium")
    with left:
        panels.figure(shown, "by_size", quantity="two_nn", height=panels.SIDE_HEIGHT)
    with right:
        panels.figure(shown, "local", quantity="levina_bickel", height=panels.SIDE_HEIGHT, explained=False)
    panels.quantities(shown)
    panels.caveats(shown)
    return shown


def samples(shown: panels.Shown, view_name: str) -> None:
    """Draw the samples behind a figure, of the reference run."""
    if panels.has_view(shown, view_name):
        panels.table(panels.one_of(shown, view_name), view_name)


def show(runs: list[state.OpenRun]) -> None:
    """Draw the page."""
    top = st.container()
    step, layer = main_controls(runs)
    plane = panels.ask(ALIGNMENT, runs, step=step, layer=layer)
    alignment(plane)
    path = over_training(runs, layer)
    rest = [part(runs, step, layer) for part in (isotropy, hubness, dimension)]
    with top:
        panels.findings(plane, *([] if path is None else [path]), *rest)


panels.question(ALIGNMENT)
shown_runs = state.shown_runs()
if shown_runs:
    show(shown_runs)
else:
    panels.no_runs()

"""Collapse: spectrum, ranks, decay, LiDAR, ranks over training, projector against backbone."""

from collections.abc import Sequence

import streamlit as st

from cl_viz.core.specs import DiagnosticSpec
from cl_viz.dashboard import aspects, forms, panels, sections, state
from cl_viz.diagnostics import DIAGNOSTICS

PAGE = "geometry/collapse"
SPECTRUM, RANKS = DIAGNOSTICS["spectrum"], DIAGNOSTICS["dimension_ranks"]
DECAY, LIDAR = DIAGNOSTICS["alpha_req"], DIAGNOSTICS["lidar"]
CURVES, LAYERS = DIAGNOSTICS["rank_curves"], DIAGNOSTICS["projector_backbone"]
CONTROLS = {info.name: info for spec in (SPECTRUM, RANKS, DECAY, LIDAR) for info in spec.params.describe()}
# Controls of each aspect.
ROWS = {
    "Spectrum": ("rows", "centred"),
    "Ranks": ("epsilon",),
    "Over training": (),
    "LiDAR": ("delta", "scaling"),
    "Decay": ("fit_from", "fit_to"),
    "Projector and backbone": (),
}
Drawn = Sequence[panels.Shown]


def controls(aspect: str, runs: list[state.OpenRun]) -> tuple[int | None, str | None]:
    """Draw the controls of an aspect, in one row; return the step and the layer."""
    step = layer = None
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        for name in ROWS[aspect]:
            forms.control(CONTROLS[name], runs)
        if aspect != "Projector and backbone":
            layer = forms.layer_control(runs)
        if "view" not in aspects.parameters(PAGE, aspect):
            return forms.step_control(runs), layer
        with st.popover("More", icon=":material/tune:", help="Training step, view"):
            if aspect != "Over training":
                step = forms.step_control(runs)
            forms.control(CONTROLS["view"], runs)
    return step, layer


def spectrum(runs: list[state.OpenRun], step: int | None, layer: str | None) -> Drawn:
    """Draw the spectrum, and the share of the variance in its first directions."""
    shown = panels.ask(SPECTRUM, runs, step=step, layer=layer)
    panels.figure(shown, "spectrum", quantity="before_cliff")
    panels.figure(shown, "cumulative", quantity="largest_share", height=panels.SIDE_HEIGHT, explained=False, wide=True)
    panels.quantities(shown)
    panels.caveats(shown)
    return [shown]


def one_figure(spec: DiagnosticSpec, view: str, quantity: str) -> aspects.Draw:
    """Return what draws the figure of a diagnostic, or what is missing for it, with its numbers."""

    def draw(runs: list[state.OpenRun], step: int | None, layer: str | None) -> Drawn:
        shown = panels.ask(spec, runs, step=step, layer=layer)
        if panels.has_view(shown, view):
            panels.figure(shown, view, quantity=quantity)
            panels.quantities(shown)
        else:
            panels.findings(shown)
            panels.explained(spec)
        panels.caveats(shown)
        return [shown]

    return draw


def over_training(runs: list[state.OpenRun], _: int | None, layer: str | None) -> Drawn:
    """Draw the ranks over training."""
    return sections.over_training(CURVES, runs, layer)


def layers(runs: list[state.OpenRun], step: int | None, _: str | None) -> Drawn:
    """Draw projector against backbone for the runs that have several layers."""
    layered = [opened for opened in runs if len(opened.run.layers) > 1]
    if not layered:
        st.info(
            "Unknown: the shown runs have one layer each. Save embeddings of backbone and projector to see it.",
            icon=":material/help:",
        )
        panels.explained(LAYERS)
        return []
    shown = panels.ask(LAYERS, layered, step=step)
    panels.figure(shown, "spectra", quantity="entropy_rank_projector")
    sections.two_columns(shown, left_out=("spectra",), suffix="_projector")
    panels.quantities(shown)
    panels.caveats(shown)
    return [shown]


panels.question(SPECTRUM)
shown_runs = state.shown_runs()
if shown_runs:
    drawing = {
        "Spectrum": spectrum,
        "Ranks": one_figure(RANKS, "ranks", "covariance_entropy_rank"),
        "Over training": over_training,
        "LiDAR": one_figure(LIDAR, "delta", "lidar"),
        "Decay": one_figure(DECAY, "decay", "alpha"),
        "Projector and backbone": layers,
    }
    aspects.show(PAGE, drawing, controls, shown_runs)
else:
    panels.no_runs()

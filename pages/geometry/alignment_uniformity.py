"""Geometry: alignment against uniformity, isotropy, hubs and intrinsic dimension."""

from collections.abc import Sequence

import streamlit as st

from cl_viz.dashboard import aspects, forms, panels, sections, state
from cl_viz.diagnostics import DIAGNOSTICS

PAGE = "geometry/alignment_uniformity"
ALIGNMENT, PATH = DIAGNOSTICS["alignment_uniformity"], DIAGNOSTICS["alignment_uniformity_path"]
ISOTROPY, HUBNESS = DIAGNOSTICS["isotropy"], DIAGNOSTICS["hubness"]
DIMENSION = DIAGNOSTICS["intrinsic_dimension"]
ASKED = dict(zip(aspects.PAGES[PAGE].titles, (ALIGNMENT, PATH, ISOTROPY, HUBNESS, DIMENSION), strict=True))
Drawn = Sequence[panels.Shown]


def controls(aspect: str, runs: list[state.OpenRun]) -> tuple[int | None, str | None]:
    """Draw the controls of an aspect, in one row; return the step and the layer."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        for info in ASKED[aspect].params.describe():
            forms.control(info, runs)
        step = None if aspect == "Over training" else forms.step_control(runs)
        return step, forms.layer_control(runs)


def closing(shown: panels.Shown, samples: str = "") -> None:
    """Draw all numbers, the samples behind them, and what they rest on."""
    panels.quantities(shown)
    if samples:
        panels.samples(shown, samples)
    panels.caveats(shown)


def alignment(runs: list[state.OpenRun], step: int | None, layer: str | None) -> Drawn:
    """Draw alignment against uniformity of all runs; without positives, uniformity alone."""
    shown = panels.ask(ALIGNMENT, runs, step=step, layer=layer)
    if panels.has_view(shown, "plane"):
        panels.figure(shown, "plane", quantity="uniformity")
        sections.pairs(shown, ("uniformity", "uniformity_share"), ("distances", "alignment_distance"))
    else:
        panels.figure(shown, "uniformity", quantity="uniformity_share")
    closing(shown, "farthest_views")
    return [shown]


def over_training(runs: list[state.OpenRun], _: int | None, layer: str | None) -> Drawn:
    """Draw the path of the runs that have several steps."""
    trained = sections.several_steps(runs)
    if not trained:
        sections.one_step_each()
        return []
    shown = panels.ask(PATH, trained, layer=layer)
    panels.figure(shown, "path", quantity="uniformity_last")
    closing(shown)
    return [shown]


def isotropy(runs: list[state.OpenRun], step: int | None, layer: str | None) -> Drawn:
    """Draw cones and lost directions."""
    shown = panels.ask(ISOTROPY, runs, step=step, layer=layer)
    sections.pairs(shown, ("measures", "mean_cosine"), ("partition", "partition_unit"), height=panels.MAIN_HEIGHT)
    panels.explained(ISOTROPY)
    closing(shown)
    return [shown]


def hubness(runs: list[state.OpenRun], step: int | None, layer: str | None) -> Drawn:
    """Draw how often rows are neighbours, and the hubs."""
    shown = panels.ask(HUBNESS, runs, step=step, layer=layer)
    panels.figure(shown, "occurrence", quantity="skewness")
    closing(shown, "hubs")
    return [shown]


def dimension(runs: list[state.OpenRun], step: int | None, layer: str | None) -> Drawn:
    """Draw the intrinsic dimension against the size of the part it is estimated on."""
    shown = panels.ask(DIMENSION, runs, step=step, layer=layer)
    sections.pairs(shown, ("by_size", "two_nn"), ("local", "levina_bickel"), height=panels.MAIN_HEIGHT)
    panels.explained(DIMENSION)
    closing(shown)
    return [shown]


panels.question(ALIGNMENT)
shown_runs = state.shown_runs()
if shown_runs:
    drawing = dict(zip(ASKED, (alignment, over_training, isotropy, hubness, dimension), strict=True))
    aspects.show(PAGE, drawing, controls, shown_runs)
else:
    panels.no_runs()

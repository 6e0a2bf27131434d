"""Neural collapse: classes as points, the frame of their means, a linear head against them, and all over training."""

from collections.abc import Sequence

import streamlit as st

from cl_viz.dashboard import aspects, forms, missing, panels, sections, state
from cl_viz.diagnostics import DIAGNOSTICS

PAGE = "geometry/neural_collapse"
CLASSES, HEAD = DIAGNOSTICS["neural_collapse"], DIAGNOSTICS["classifier_duality"]
CURVES = DIAGNOSTICS["neural_collapse_curves"]
CONTROLS = {info.name: info for info in CLASSES.params.describe()}
Drawn = Sequence[panels.Shown]


def controls(aspect: str, runs: list[state.OpenRun]) -> tuple[int | None, str | None]:
    """Draw the controls of an aspect, in one row; return the step and the layer."""
    step = None
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        forms.control(CONTROLS["rows"], runs)
        forms.control(CONTROLS["mean"], runs)
        layer = forms.layer_control(runs)
        with st.popover("More", icon=":material/tune:", help="Training step, view"):
            if aspect != "Over training":
                step = forms.step_control(runs)
            forms.control(CONTROLS["view"], runs)
    return step, layer


def classes(runs: list[state.OpenRun], step: int | None, layer: str | None) -> Drawn:
    """Draw the cosines between class means, and how far classes have collapsed to points."""
    shown = panels.ask(CLASSES, runs, step=step, layer=layer)
    if panels.has_view(shown, "class_cosines"):
        one = panels.one_of(shown, "class_cosines")
        panels.figure(one, "class_cosines", quantity="mean_cosine")
        panels.say_whose(shown, one, "The matrix shows")
        sections.pairs(shown, ("class_spread", "nc1_quotient"), ("class_norms", "nc2_equinorm"))
        panels.quantities(shown)
    elif not missing.says_what_to_add(shown):
        panels.explained(CLASSES)
    panels.caveats(shown)
    return [shown]


def head(runs: list[state.OpenRun], step: int | None, layer: str | None) -> Drawn:
    """Draw how a linear head agrees with the class means."""
    shown = panels.ask(HEAD, runs, step=step, layer=layer)
    if panels.has_view(shown, "head_cosines"):
        panels.figure(shown, "head_cosines", quantity="nc4_agreement")
        panels.quantities(shown)
    elif not missing.says_what_to_add(shown):
        panels.explained(HEAD)
    panels.caveats(shown)
    return [shown]


def over_training(runs: list[state.OpenRun], _: int | None, layer: str | None) -> Drawn:
    """Draw the collapse of the classes over training."""
    return sections.over_training(CURVES, runs, layer)


panels.question(CLASSES)
shown_runs = state.shown_runs()
if shown_runs:
    aspects.show(PAGE, {"Classes": classes, "Linear head": head, "Over training": over_training}, controls, shown_runs)
else:
    panels.no_runs()

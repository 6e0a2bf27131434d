"""Scores: positives against negatives, of one run or several, at one step and over training."""

from collections.abc import Sequence

import streamlit as st

from cl_viz.dashboard import aspects, forms, missing, panels, sections, state
from cl_viz.diagnostics import DIAGNOSTICS

PAGE = "scores/distributions"
SCORES, CURVES = DIAGNOSTICS["score_distribution"], DIAGNOSTICS["score_curves"]
CONTROLS = {info.name: info for info in SCORES.params.describe()}


def controls(aspect: str, runs: list[state.OpenRun]) -> tuple[int | None, str | None]:
    """Draw the controls of the main figure, in one row; return the step and the layer."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        for name in ("positives", "negatives"):
            forms.control(CONTROLS[name], runs)
        layer = forms.layer_control(runs)
        if aspect == "Over training":
            return None, layer
        forms.control(CONTROLS["temperature"], runs)
        with st.popover("More", icon=":material/tune:", help="Training step, bins, logarithmic density"):
            step = forms.step_control(runs)
            forms.control(CONTROLS["bins"], runs)
            st.toggle(
                "Logarithmic density",
                key="log_density",
                bind="query-params",
                help="Shows the tails, where the hard negatives are.",
            )
    return step, layer


def all_pairs(runs: list[state.OpenRun], step: int | None, layer: str | None) -> Sequence[panels.Shown]:
    """Draw positives against negatives, and the samples that stand worst."""
    shown = panels.ask(SCORES, runs, step=step, layer=layer)
    if missing.says_what_to_add(shown):
        panels.caveats(shown)
        return [shown]
    logarithmic = bool(st.session_state.get("log_density"))
    panels.figure(shown, "distribution", quantity="auc", log_y=logarithmic, leads_to_pairs=True)
    sections.pairs(shown, ("rank", "auc_per_anchor"), ("false_negatives", "false_negative_push"))
    panels.quantities(shown)
    panels.samples(shown, "weakest_positives")
    panels.caveats(shown)
    return [shown]


def over_training(runs: list[state.OpenRun], _: int | None, layer: str | None) -> Sequence[panels.Shown]:
    """Draw the moments of the scores over training."""
    return sections.over_training(CURVES, runs, layer)


panels.question(SCORES)
shown_runs = state.shown_runs()
if shown_runs:
    aspects.show(PAGE, {"All pairs": all_pairs, "Over training": over_training}, controls, shown_runs)
else:
    panels.no_runs()

"""Allocation harm: what a rare class loses through the encoder, and what through the labels of the probe."""

from collections.abc import Sequence

import streamlit as st

from cl_viz.dashboard import aspects, forms, harm_runs, missing, panels, sections, state
from cl_viz.diagnostics import DIAGNOSTICS

PAGE = "groups/allocation_harm"
HARM, GROUPS = DIAGNOSTICS["allocation_harm"], DIAGNOSTICS["group_table"]
CONTROLS = {info.name: info for spec in (GROUPS, HARM) for info in spec.params.describe()}
Drawn = Sequence[panels.Shown]


def controls(aspect: str, runs: list[state.OpenRun]) -> tuple[int | None, str | None]:
    """Draw the controls of an aspect, in one row; return the step and the layer."""
    of_groups = aspect == "Groups"
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        for name in ("groups", "least", "k") if of_groups else ("imbalance_ratio", "splits"):
            forms.control(CONTROLS[name], runs)
        layer = forms.layer_control(runs)
        with st.popover(
            "More", icon=":material/tune:", help="Training step, view" if of_groups else "Step, draws, seed"
        ):
            step = forms.step_control(runs)
            for name in ("view",) if of_groups else ("bootstraps", "seed"):
                forms.control(CONTROLS[name], runs)
    return step, layer


def mediation(runs: list[state.OpenRun], step: int | None, layer: str | None) -> Drawn:
    """Draw the effects in the shown families."""
    shown = panels.ask(HARM, harm_runs.one_of_each_family(runs), step=step, layer=layer)
    if not panels.has_view(shown, "effects"):
        if shown.results:
            harm_runs.what_to_open("Allocation harm")
        panels.explained(HARM)
        return [shown]
    one = panels.one_of(shown, "effects")
    panels.figure(one, "effects")
    sections.pairs(shown, ("accuracy", "indirect_effect"), ("indirect", ""), of_one=("indirect",))
    panels.table(one, "cells")
    with st.expander("The probes behind this", icon=":material/query_stats:"):
        panels.table(one, "probes")
    panels.quantities(shown)
    panels.caveats(shown)
    return [shown]


def groups(runs: list[state.OpenRun], step: int | None, layer: str | None) -> Drawn:
    """Draw what each group of each shown run is worth."""
    shown = panels.ask(GROUPS, runs, step=step, layer=layer)
    if not missing.says_what_to_add(shown):
        one = panels.one_of(shown, "table")
        panels.figure(one, "accuracy")
        panels.say_whose(shown, one)
        sections.pairs(one, ("alignment", ""), ("uniformity", ""))
        with st.expander("Every group", icon=":material/table_rows:"):
            panels.table(one, "table")
        panels.quantities(shown)
    panels.caveats(shown)
    return [shown]


panels.question(HARM)
shown_runs = state.shown_runs()
if shown_runs:
    aspects.show(PAGE, {"Harm": mediation, "Groups": groups}, controls, shown_runs)
else:
    panels.no_runs()

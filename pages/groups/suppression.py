"""Class collapse and feature suppression: what the embedding no longer tells."""

from collections.abc import Sequence

import streamlit as st

from cl_viz.dashboard import aspects, forms, missing, panels, sections, state
from cl_viz.diagnostics import DIAGNOSTICS

PAGE = "groups/suppression"
FEATURES, SUBCLASSES = DIAGNOSTICS["feature_suppression"], DIAGNOSTICS["subclass_collapse"]
SHARED = ("regularisation", "scaling", "shuffles", "most_samples", "seed")
# Figures that show one run.
OF_ONE = ("confusion", "null")
Drawn = Sequence[panels.Shown]


def feature_control(runs: list[state.OpenRun]) -> None:
    """Draw the choice of the column that is looked at closely, of those that the shown runs have."""
    names = dict.fromkeys(name for opened in runs for name in opened.run.get().columns())
    info = next(info for info in FEATURES.params.describe() if info.name == "feature")
    st.selectbox(
        "Feature",
        ["", *names],
        format_func=lambda name: name or "the label",
        key="feature",
        bind="query-params",
        help=info.help,
        width=200,
    )


def controls(aspect: str, runs: list[state.OpenRun]) -> tuple[int | None, str | None]:
    """Draw the controls of an aspect, in one row; return the step and the layer."""
    known = {info.name: info for spec in (FEATURES, SUBCLASSES) for info in spec.params.describe()}
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        if aspect == "Features":
            feature_control(runs)
            forms.control(known["upper_bound"], runs)
        layer, step = forms.layer_control(runs), forms.step_control(runs)
        with st.popover("More", icon=":material/tune:", help="View, probe, shuffles and draws"):
            for name in ("view", *SHARED):
                forms.control(known[name], runs)
    return step, layer


def features(runs: list[state.OpenRun], step: int | None, layer: str | None) -> Drawn:
    """Draw which features can be read."""
    shown = panels.ask(FEATURES, runs, step=step, layer=layer)
    if not missing.says_what_to_add(shown):
        panels.figure(shown, "features", quantity="lowest_skill")
        sections.pairs(shown, ("confusion", ""), ("null", ""), of_one=OF_ONE)
        with st.expander("Every feature", icon=":material/table_rows:"):
            panels.table(panels.one_of(shown, "table"), "table")
        panels.quantities(shown)
        panels.caveats(shown)
    return [shown]


def subclasses(runs: list[state.OpenRun], step: int | None, layer: str | None) -> Drawn:
    """Draw whether classes keep their subclasses apart."""
    shown = panels.ask(SUBCLASSES, runs, step=step, layer=layer)
    if not missing.says_what_to_add(shown):
        panels.figure(shown, "recalls", quantity="subclass_accuracy")
        sections.pairs(shown, ("confusion", ""), ("null", ""), of_one=OF_ONE)
        panels.quantities(shown)
        panels.caveats(shown)
    return [shown]


panels.question(FEATURES)
shown_runs = state.shown_runs()
if shown_runs:
    aspects.show(PAGE, {"Features": features, "Subclasses": subclasses}, controls, shown_runs)
else:
    panels.no_runs()

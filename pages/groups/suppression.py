"""Class collapse and feature suppression: what the embedding no longer tells."""

import streamlit as st

from cl_viz.dashboard import forms, missing, panels, state
from cl_viz.diagnostics import DIAGNOSTICS

FEATURES, SUBCLASSES = DIAGNOSTICS["feature_suppression"], DIAGNOSTICS["subclass_collapse"]
SHARED = ("regularisation", "scaling", "shuffles", "most_samples", "seed")


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


def controls(runs: list[state.OpenRun]) -> tuple[int | None, str | None]:
    """Draw the controls of both questions, in one row; return the step and the layer."""
    known = {info.name: info for spec in (FEATURES, SUBCLASSES) for info in spec.params.describe()}
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        feature_control(runs)
        forms.control(known["upper_bound"], runs)
        layer, step = forms.layer_control(runs), forms.step_control(runs)
        with st.popover("More", icon=":material/tune:", help="View, probe, shuffles and draws"):
            for name in ("view", *SHARED):
                forms.control(known[name], runs)
    return step, layer


def two(shown: panels.Shown, *views: tuple[str, str]) -> None:
    """Draw figures in two columns; matrices and shuffles show the reference run."""
    columns = st.columns(2, gap="medium")
    for column, (name, quantity) in zip(columns, views, strict=True):
        if panels.has_view(shown, name):
            with column:
                part = shown if quantity else panels.one_of(shown, name)
                panels.figure(part, name, quantity=quantity, height=panels.SIDE_HEIGHT, explained=False)


def show(runs: list[state.OpenRun]) -> None:
    """Draw the page."""
    top = st.container()
    step, layer = controls(runs)
    features = panels.ask(FEATURES, runs, step=step, layer=layer)
    if not missing.says_what_to_add(features):
        panels.figure(features, "features", quantity="lowest_skill")
        two(features, ("confusion", ""), ("null", ""))
        with st.expander("Every feature", icon=":material/table_rows:"):
            panels.table(panels.one_of(features, "table"), "table")
        ending(features)

    st.subheader(SUBCLASSES.question, anchor=False)
    subclasses = panels.ask(SUBCLASSES, runs, step=step, layer=layer)
    if not missing.says_what_to_add(subclasses):
        panels.figure(subclasses, "recalls", quantity="subclass_accuracy")
        two(subclasses, ("confusion", ""), ("null", ""))
        ending(subclasses)
    with top:
        panels.findings(features, subclasses)


def ending(shown: panels.Shown) -> None:
    """Draw the numbers and caveats of one diagnostic."""
    if len(shown.results) > 1:
        st.caption("Matrices and shuffles show the reference run, chosen in the sidebar.")
    panels.quantities(shown)
    panels.caveats(shown)


panels.question(FEATURES)
shown_runs = state.shown_runs()
if shown_runs:
    show(shown_runs)
else:
    panels.no_runs()

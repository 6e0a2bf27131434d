"""Downstream proxies: neighbours, retrieval, clusters and linear probes on the labels."""

import streamlit as st

from cl_viz.core.specs import DiagnosticSpec
from cl_viz.dashboard import forms, missing, panels, state
from cl_viz.diagnostics import DIAGNOSTICS

NEIGHBORS, PROBE = DIAGNOSTICS["neighbor_accuracy"], DIAGNOSTICS["linear_probe"]
RETRIEVAL, CROSS = DIAGNOSTICS["label_retrieval"], DIAGNOSTICS["cross_view_retrieval"]
SEPARATION, CLUSTERS = DIAGNOSTICS["class_separation"], DIAGNOSTICS["cluster_agreement"]
KNOWN = {info.name: info for info in NEIGHBORS.params.describe()}


def controls(
    spec: DiagnosticSpec, names: tuple[str, ...], runs: list[state.OpenRun], more: tuple[str, ...] = ()
) -> None:
    """Draw the controls of one diagnostic in a row; the rarer ones in a popover."""
    known = {info.name: info for info in spec.params.describe()}
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        for name in names:
            forms.control(known[name], runs)
        if more:
            with st.popover("More", icon=":material/tune:", key=f"more {spec.name}"):
                for name in more:
                    forms.control(known[name], runs)


def side_by_side(shown: panels.Shown, views: list[tuple[str, str]]) -> None:
    """Draw figures in two columns; matrices show the reference run."""
    present = [(name, quantity) for name, quantity in views if panels.has_view(shown, name)]
    columns = st.columns(2, gap="medium")
    for place, (name, quantity) in enumerate(present):
        of_one = name in ("confusion", "contingency")
        with columns[place % 2]:
            panels.figure(
                panels.one_of(shown, name) if of_one else shown,
                name,
                quantity=quantity,
                height=panels.SIDE_HEIGHT,
                explained=False,
            )
            if of_one and len(shown.results) > 1:
                st.caption("The reference run, chosen in the sidebar.")


def closing(shown: panels.Shown, samples: str = "") -> None:
    """Draw the numbers, the samples behind them and the caveats of one diagnostic."""
    panels.quantities(shown)
    if samples and panels.has_view(shown, samples):
        with st.expander("The samples behind this", icon=":material/table_rows:"):
            panels.table(panels.one_of(shown, samples), samples)
    panels.caveats(shown)


def probe_part(runs: list[state.OpenRun], step: int | None, layer: str | None) -> panels.Shown:
    """Draw the linear probe."""
    st.subheader(PROBE.question, anchor=False)
    controls(PROBE, ("regularisation", "scaling", "grid"), runs, ("folds", "most_samples", "seed"))
    shown = panels.ask(PROBE, runs, step=step, layer=layer)
    if not missing.says_what_to_add(shown):
        side_by_side(
            shown,
            [
                ("recalls", "balanced_accuracy"),
                ("confusion", ""),
                ("regularisation", "balanced_accuracy"),
                ("groups", "worst_group_accuracy"),
            ],
        )
        panels.explained(PROBE)
        closing(shown)
    return shown


def retrieval_part(runs: list[state.OpenRun], step: int | None, layer: str | None) -> tuple[panels.Shown, panels.Shown]:
    """Draw retrieval by label and across views."""
    st.subheader(RETRIEVAL.question, anchor=False)
    controls(RETRIEVAL, ("depth", "queries"), runs)
    shown = panels.ask(RETRIEVAL, runs, step=step, layer=layer)
    if not missing.says_what_to_add(shown):
        side_by_side(shown, [("by_depth", "hit_rate"), ("by_class", "map_at_r")])
        panels.explained(RETRIEVAL)
        closing(shown, "weakest")
    st.subheader(CROSS.question, anchor=False)
    cross = panels.ask(CROSS, runs, step=step, layer=layer)
    if not missing.says_what_to_add(cross):
        panels.figure(cross, "by_depth", quantity="recall_at_1_there", height=panels.SIDE_HEIGHT)
        closing(cross)
    return shown, cross


def cluster_part(runs: list[state.OpenRun], step: int | None, layer: str | None) -> tuple[panels.Shown, panels.Shown]:
    """Draw how far classes stand apart, and what clustering makes of them."""
    st.subheader(SEPARATION.question, anchor=False)
    controls(SEPARATION, ("rows",), runs)
    shown = panels.ask(SEPARATION, runs, step=step, layer=layer)
    if not missing.says_what_to_add(shown):
        side_by_side(shown, [("silhouettes", "silhouette_cosine"), ("by_class", "silhouette_cosine")])
        panels.explained(SEPARATION)
        closing(shown)
    st.subheader(CLUSTERS.question, anchor=False)
    controls(CLUSTERS, ("clusters", "starts"), runs)
    clusters = panels.ask(CLUSTERS, runs, step=step, layer=layer)
    if panels.has_view(clusters, "contingency"):
        panels.figure(panels.one_of(clusters, "contingency"), "contingency")
    if clusters.results and clusters.results[0].quantities:
        closing(clusters)
    else:
        missing.says_what_to_add(clusters)
    return shown, clusters


def show(runs: list[state.OpenRun]) -> None:
    """Draw the page."""
    top = st.container()
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        for name in ("neighbours", "vote_temperature"):
            forms.control(KNOWN[name], runs)
        layer, step = forms.layer_control(runs), forms.step_control(runs)
        if any(len(opened.run.get().view_names) > 1 for opened in runs):
            forms.control(KNOWN["view"], runs)
    neighbors = panels.ask(NEIGHBORS, runs, step=step, layer=layer)
    if not missing.says_what_to_add(neighbors):
        panels.figure(neighbors, "curve", quantity="accuracy")
        side_by_side(
            neighbors, [("recalls", "worst_class_recall"), ("confusion", ""), ("groups", "worst_group_accuracy")]
        )
        closing(neighbors, "mistakes")
    probe = probe_part(runs, step, layer)
    retrieval, cross = retrieval_part(runs, step, layer)
    separation, clusters = cluster_part(runs, step, layer)
    with top:
        panels.findings(neighbors, probe, retrieval, cross, separation, clusters)
    st.page_link("pages/temperature/hardness.py", label="How many negatives count", icon=":material/thermostat:")


panels.question(NEIGHBORS)
shown_runs = state.shown_runs()
if shown_runs:
    show(shown_runs)
else:
    panels.no_runs()

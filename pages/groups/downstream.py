"""Downstream proxies: neighbours, retrieval, clusters and linear probes on the labels."""

from collections.abc import Sequence

import streamlit as st

from cl_viz.dashboard import aspects, forms, missing, panels, sections, state
from cl_viz.diagnostics import DIAGNOSTICS

PAGE = "groups/downstream"
NEIGHBORS, PROBE = DIAGNOSTICS["neighbor_accuracy"], DIAGNOSTICS["linear_probe"]
RETRIEVAL, CROSS = DIAGNOSTICS["label_retrieval"], DIAGNOSTICS["cross_view_retrieval"]
SEPARATION, CLUSTERS = DIAGNOSTICS["class_separation"], DIAGNOSTICS["cluster_agreement"]
# Controls of each aspect, and the rarer ones.
CONTROLS = {
    "Neighbours": (NEIGHBORS, ("neighbours", "vote_temperature"), ()),
    "Linear probe": (PROBE, ("regularisation", "scaling", "grid"), ("folds", "most_samples", "seed")),
    "Retrieval": (RETRIEVAL, ("depth", "queries"), ()),
    "Clusters": (CLUSTERS, ("rows", "clusters", "starts"), ()),
}
MATRICES = ("confusion", "contingency")
Drawn = Sequence[panels.Shown]


def controls(aspect: str, runs: list[state.OpenRun]) -> tuple[int | None, str | None]:
    """Draw the controls of an aspect, in one row; return the step and the layer."""
    spec, names, more = CONTROLS[aspect]
    known = {info.name: info for part in (spec, SEPARATION) for info in part.params.describe()}
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        for name in names:
            forms.control(known[name], runs)
        layer, step = forms.layer_control(runs), forms.step_control(runs)
        if any(len(opened.run.get().view_names) > 1 for opened in runs):
            forms.control(known["view"], runs)
        if more:
            with st.popover("More", icon=":material/tune:", help="Folds, samples and seed"):
                for name in more:
                    forms.control(known[name], runs)
    return step, layer


def closing(shown: panels.Shown, samples: str = "", *, explained: bool = False) -> None:
    """Draw the numbers, the samples behind them and the caveats of one diagnostic."""
    panels.quantities(shown)
    if samples and panels.has_view(shown, samples):
        with st.expander("The samples behind this", icon=":material/table_rows:"):
            panels.table(panels.one_of(shown, samples), samples)
    if explained:
        panels.explained(shown.spec)
    panels.caveats(shown)


def neighbours(runs: list[state.OpenRun], step: int | None, layer: str | None) -> Drawn:
    """Draw what the nearest neighbours say of the labels."""
    shown = panels.ask(NEIGHBORS, runs, step=step, layer=layer)
    if not missing.says_what_to_add(shown):
        panels.figure(shown, "curve", quantity="accuracy")
        sections.pairs(
            shown, ("recalls", "worst_class_recall"), ("confusion", ""), ("groups", "worst_group_accuracy"),
            of_one=MATRICES,
        )  # fmt: skip
        closing(shown, "mistakes")
    return [shown]


def probe(runs: list[state.OpenRun], step: int | None, layer: str | None) -> Drawn:
    """Draw the linear probe."""
    shown = panels.ask(PROBE, runs, step=step, layer=layer)
    if not missing.says_what_to_add(shown):
        sections.pairs(
            shown, ("recalls", "balanced_accuracy"), ("confusion", ""), ("regularisation", "balanced_accuracy"),
            ("groups", "worst_group_accuracy"), of_one=MATRICES,
        )  # fmt: skip
        closing(shown, explained=True)
    return [shown]


def retrieval(runs: list[state.OpenRun], step: int | None, layer: str | None) -> Drawn:
    """Draw retrieval by label and across views."""
    shown = panels.ask(RETRIEVAL, runs, step=step, layer=layer)
    if not missing.says_what_to_add(shown):
        sections.pairs(shown, ("by_depth", "hit_rate"), ("by_class", "map_at_r"))
        closing(shown, "weakest", explained=True)
    st.header(CROSS.question, anchor=False)
    cross = panels.ask(CROSS, runs, step=step, layer=layer)
    if not missing.says_what_to_add(cross):
        panels.figure(cross, "by_depth", quantity="recall_at_1_there", height=panels.SIDE_HEIGHT, wide=True)
        closing(cross)
    return [shown, cross]


def clusters(runs: list[state.OpenRun], step: int | None, layer: str | None) -> Drawn:
    """Draw how far classes stand apart, and what clustering makes of them."""
    shown = panels.ask(SEPARATION, runs, step=step, layer=layer)
    if not missing.says_what_to_add(shown):
        sections.pairs(shown, ("silhouettes", "silhouette_cosine"), ("by_class", "silhouette_cosine"))
        closing(shown, explained=True)
    st.header(CLUSTERS.question, anchor=False)
    found = panels.ask(CLUSTERS, runs, step=step, layer=layer)
    if panels.has_view(found, "contingency"):
        one = panels.one_of(found, "contingency")
        panels.figure(one, "contingency")
        panels.say_whose(found, one, "The matrix shows")
    if found.results and found.results[0].quantities:
        closing(found)
    else:
        missing.says_what_to_add(found)
    return [shown, found]


panels.question(NEIGHBORS)
shown_runs = state.shown_runs()
if shown_runs:
    aspects.show(PAGE, dict(zip(CONTROLS, (neighbours, probe, retrieval, clusters), strict=True)), controls, shown_runs)
else:
    panels.no_runs()

"""Pages that answer several questions show one at a time; what the others found stands in the findings on top."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from cl_viz.core.errors import ClVizError
from cl_viz.core.result import Finding
from cl_viz.core.specs import DiagnosticSpec
from cl_viz.dashboard import cache, finding_lines, forms, panels, state
from cl_viz.dashboard.harm_runs import one_of_each_family
from cl_viz.diagnostics import DIAGNOSTICS


@dataclass(frozen=True)
class Aspects:
    """The aspects of one page.

    Attributes
    ----------
    key : str
        Of the control; also what stands in an address.
    titles : Mapping[str, tuple of str]
        Title of each aspect, the first being open at first -> the diagnostics it shows.
    """

    key: str
    titles: Mapping[str, tuple[str, ...]]

    def of(self, diagnostic: str) -> str:
        """Return the title of the aspect that shows a diagnostic; empty if none does."""
        return next((title for title, names in self.titles.items() if diagnostic in names), "")


PAGES: Mapping[str, Aspects] = {
    "scores/distributions": Aspects(
        "distributions", {"All pairs": ("score_distribution",), "Over training": ("score_curves",)}
    ),
    "temperature/hardness": Aspects(
        "hardness",
        {
            "Push": ("hardness",),
            "Suggested range": ("suggested_temperature",),
            "Batch size": ("batch_size",),
            "Reweighting": ("negative_reweighting",),
            "Adaptive": ("adaptive_temperature",),
            "Uniformity and tolerance": ("uniformity_tolerance",),
            "Over training": ("uniformity_tolerance_curves",),
        },
    ),
    "geometry/alignment_uniformity": Aspects(
        "alignment_uniformity",
        {
            "Alignment and uniformity": ("alignment_uniformity",),
            "Over training": ("alignment_uniformity_path",),
            "Isotropy": ("isotropy",),
            "Hubs": ("hubness",),
            "Intrinsic dimension": ("intrinsic_dimension",),
        },
    ),
    "geometry/collapse": Aspects(
        "collapse",
        {
            "Spectrum": ("spectrum",),
            "Ranks": ("dimension_ranks",),
            "Over training": ("rank_curves",),
            "LiDAR": ("lidar",),
            "Decay": ("alpha_req",),
            "Projector and backbone": ("projector_backbone",),
        },
    ),
    "geometry/neural_collapse": Aspects(
        "neural_collapse",
        {
            "Classes": ("neural_collapse",),
            "Linear head": ("classifier_duality",),
            "Over training": ("neural_collapse_curves",),
        },
    ),
    "groups/representation_harm": Aspects(
        "representation_harm",
        {"Harm": ("representation_harm",), "Class cosines": ("class_cosines",), "Block model": ()},
    ),
    "groups/allocation_harm": Aspects("allocation_harm", {"Harm": ("allocation_harm",), "Groups": ("group_table",)}),
    "groups/suppression": Aspects(
        "suppression", {"Features": ("feature_suppression",), "Subclasses": ("subclass_collapse",)}
    ),
    "groups/downstream": Aspects(
        "downstream",
        {
            "Neighbours": ("neighbor_accuracy",),
            "Linear probe": ("linear_probe",),
            "Retrieval": ("label_retrieval", "cross_view_retrieval"),
            "Clusters": ("class_separation", "cluster_agreement"),
        },
    ),
    "runs/over_training": Aspects(
        "aspect",
        {
            "Scores": ("score_ridges",),
            "Dimensions": (),
            "Alignment and uniformity": (),
            "Classes and groups": ("group_curves",),
            "Step against step": (),
        },
    ),
    "runs/compare": Aspects(
        "compared",
        {
            "All numbers": (),
            "One against another": (),
            "How alike": ("run_similarity",),
            "Steps and layers": ("step_similarity", "layer_similarity"),
        },
    ),
}
"""Aspects of pages, by page."""


def place_in_address(spec: DiagnosticSpec) -> dict[str, str]:
    """Return what stands in the address of a diagnostic's page so that it opens on its figures."""
    found = PAGES.get(spec.page)
    title = found.of(spec.name) if found is not None else ""
    return {found.key: title} if found is not None and title else {}


def parameters(page: str, title: str) -> frozenset[str]:
    """Return the names of the parameters that an aspect's diagnostics take: other controls change nothing in it."""
    names = PAGES[page].titles[title]
    return frozenset(info.name for name in names for info in DIAGNOSTICS[name].params.describe())


def choose(page: str) -> str:
    """Draw the choice of a page's aspect; return the title of the chosen one."""
    found = PAGES[page]
    titles = list(found.titles)
    chosen = st.segmented_control(
        "Aspect", titles, default=titles[0], required=True, key=found.key, bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    return str(chosen)


def findings(
    page: str,
    chosen: str,
    drawn: Sequence[panels.Shown],
    runs: Sequence[state.OpenRun],
    step: int | None = None,
    layer: str | None = None,
    own: Sequence[tuple[Finding, str]] = (),
) -> None:
    """Draw what all aspects of a page found, worst first; what lies in another aspect names it.

    Parameters
    ----------
    page, chosen : str
        The page, and the title of the aspect that is drawn.
    drawn : sequence of Shown
        What the chosen aspect shows.
    runs : sequence of OpenRun
    step, layer : optional
        Where the other aspects are asked; what would take long is left to them.
    own : sequence of (Finding, str)
        What the page found itself, and of which run.
    """
    found = PAGES[page]
    names = {part.spec.name for part in drawn}
    others = [
        _quietly(DIAGNOSTICS[name], runs, step, layer)
        for title, own in found.titles.items()
        for name in own
        if title != chosen and name not in names
    ]

    def place(finding: Finding) -> str:
        title = found.of(finding.diagnostic)
        return "" if title in ("", chosen) or finding.diagnostic in names else title

    every = [*drawn, *others]
    told = [(finding, result.run) for part in every for result in part.results for finding in result.findings]
    finding_lines.box([*own, *told], place)


def _quietly(spec: DiagnosticSpec, runs: Sequence[state.OpenRun], step: int | None, layer: str | None) -> panels.Shown:
    """Return what a diagnostic finds with the parameters of its controls, where that takes no long; no error is drawn.

    Errors and questions are drawn by its own aspect.
    """
    runs = one_of_each_family(runs) if spec.needs == "family" else runs
    reference = state.reference_run()
    if spec.needs == "pair" and reference is not None:
        # Beside others the reference run is what they are compared with; alone, it says what to add.
        runs = [opened for opened in runs if opened.name != reference.name] or runs
    params = forms.chosen(spec, runs)
    step = None if spec.needs == "steps" else step
    layer = None if spec.needs == "layers" else layer
    having, results = [], []
    for opened in runs:
        if (spec.needs == "steps" and len(opened.run.steps) < 2) or (
            spec.needs == "layers" and len(opened.run.layers) < 2
        ):
            continue
        try:
            results.append(cache.result(opened, spec.name, params, step, layer, only_kept=not spec.quick))
        except ClVizError:
            continue
        having.append(opened)
    return panels.Shown(spec, tuple(having), tuple(results), params, step, layer)


Draw = Callable[[list[state.OpenRun], int | None, str | None], Sequence[panels.Shown]]
"""Draws an aspect of some runs at a step and a layer, and returns what it shows."""


def show(
    page: str,
    draw: Mapping[str, Draw],
    controls: Callable[[str, list[state.OpenRun]], tuple[int | None, str | None]],
    runs: list[state.OpenRun],
) -> None:
    """Draw a page: the findings of all aspects, the choice of one, its controls and its figures.

    Parameters
    ----------
    page : str
    draw : Mapping
        Title of each aspect -> what draws it.
    controls : callable
        Draws the controls of an aspect, given its title; returns the step and the layer.
    runs : list of OpenRun
    """
    top = st.container()
    chosen = choose(page)
    names = PAGES[page].titles[chosen]
    if names and chosen != next(iter(draw)):
        st.header(DIAGNOSTICS[names[0]].question, anchor=False)
    step, layer = controls(chosen, runs)
    drawn = draw[chosen](runs, step, layer)
    with top:
        findings(page, chosen, drawn, runs, step, layer)

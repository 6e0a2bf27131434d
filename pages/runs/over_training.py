"""Over training: scores, dimensions, alignment and uniformity, classes and groups, by training step."""

import streamlit as st

from cl_viz.core.specs import DiagnosticSpec
from cl_viz.dashboard import aspects, forms, panels, scrubbing, sections, state
from cl_viz.diagnostics import DIAGNOSTICS

RIDGES, MOMENTS = DIAGNOSTICS["score_ridges"], DIAGNOSTICS["score_curves"]
RANKS, PATH = DIAGNOSTICS["rank_curves"], DIAGNOSTICS["alignment_uniformity_path"]
TOLERANCE, CLASSES = DIAGNOSTICS["uniformity_tolerance_curves"], DIAGNOSTICS["neural_collapse_curves"]
GROUPS, STEPS = DIAGNOSTICS["group_curves"], DIAGNOSTICS["step_similarity"]
SCORES_THEN, SPECTRUM_THEN = DIAGNOSTICS["score_distribution"], DIAGNOSTICS["spectrum"]
CONTROLS = {info.name: info for spec in (RIDGES, GROUPS) for info in spec.params.describe()}
PAGE = "runs/over_training"


def controls(aspect: str, runs: list[state.OpenRun]) -> tuple[int | None, str | None]:
    """Draw the scrub bar and the controls of an aspect, in one row; return the step and the layer."""
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        step = scrubbing.scrub_bar(runs)
        layer = forms.layer_control(runs)
        if aspect == "Classes and groups":
            forms.control(CONTROLS["groups"], runs)
        if aspect == "Scores":
            with st.popover("More", icon=":material/tune:", help="What counts as positive and as negative"):
                for name in ("positives", "negatives"):
                    forms.control(CONTROLS[name], runs)
    return step, layer


def then(spec: DiagnosticSpec, view: str, quantity: str, runs: list[state.OpenRun], step: int | None,
         layer: str | None) -> None:  # fmt: skip
    """Draw a figure of the runs at the chosen step."""
    st.header("At the last step" if step is None else f"At step {step:,}", anchor=False)
    shown = panels.ask(spec, scrubbing.with_step(runs, step), step=step, layer=layer)
    panels.figure(shown, view, quantity=quantity, height=panels.SIDE_HEIGHT, wide=True)
    panels.caveats(shown)


def course(spec: DiagnosticSpec, runs: list[state.OpenRun], step: int | None, layer: str | None,
           left_out: tuple[str, ...] = ()) -> panels.Shown:  # fmt: skip
    """Draw all curves of a diagnostic with the step marked, and return what is shown."""
    st.header(spec.question, anchor=False)
    shown = panels.ask(spec, runs, layer=layer)
    sections.two_columns(shown, left_out, marked=scrubbing.marked_step(runs, step))
    panels.explained(spec)
    panels.quantities(shown)
    panels.caveats(shown)
    return shown


def scores(runs: list[state.OpenRun], step: int | None, layer: str | None) -> list[panels.Shown]:
    """Draw ridgelines of the reference run, the scores at the step, and the moments over training."""
    ridges = panels.ask(RIDGES, runs, layer=layer)
    if panels.has_view(ridges, "ridges"):
        one = panels.one_of(ridges, "ridges")
        panels.figure(one, "ridges", quantity="overlap_last", marked=scrubbing.marked_step(list(one.runs), step))
        panels.say_whose(ridges, one, "The ridges show")
    panels.quantities(ridges)
    then(SCORES_THEN, "distribution", "auc", runs, step, layer)
    return [ridges, course(MOMENTS, runs, step, layer)]


def dimensions(runs: list[state.OpenRun], step: int | None, layer: str | None) -> list[panels.Shown]:
    """Draw ranks over training, and the spectrum at the step."""
    ranks = course(RANKS, runs, step, layer)
    then(SPECTRUM_THEN, "spectrum", "before_cliff", runs, step, layer)
    return [ranks]


def alignment(runs: list[state.OpenRun], step: int | None, layer: str | None) -> list[panels.Shown]:
    """Draw the path in the plane of alignment and uniformity, and what becomes of uniformity and tolerance."""
    path = panels.ask(PATH, runs, layer=layer)
    panels.figure(path, "path", quantity="uniformity_last", marked=scrubbing.marked_step(runs, step))
    panels.quantities(path)
    panels.caveats(path)
    return [path, course(TOLERANCE, runs, step, layer)]


def classes(runs: list[state.OpenRun], step: int | None, layer: str | None) -> list[panels.Shown]:
    """Draw groups one by one, of the reference run, and the classes' collapse of all."""
    st.header(GROUPS.question, anchor=False)
    groups = panels.ask(GROUPS, runs, layer=layer)
    if any(result.views for result in groups.results):
        name = next(view for result in groups.results for view in result.views)
        one = panels.one_of(groups, name)
        sections.two_columns(one, marked=scrubbing.marked_step(list(one.runs), step))
        panels.say_whose(groups, one, "The curves show")
    panels.explained(GROUPS)
    panels.quantities(groups)
    panels.caveats(groups)
    return [groups, course(CLASSES, runs, step, layer)]


def similarity(runs: list[state.OpenRun], step: int | None, layer: str | None) -> list[panels.Shown]:
    """Draw how alike the steps of a run are, with the step marked in the curves and in the matrices."""
    shown = panels.ask(STEPS, runs, layer=layer)
    panels.figure(shown, "with_last", quantity="first_to_last", marked=scrubbing.marked_step(runs, step))
    if panels.has_view(shown, "cka"):
        one = panels.one_of(shown, "cka")
        sections.two_columns(one, left_out=("with_last",), marked=scrubbing.marked_step(list(one.runs), step))
        panels.say_whose(shown, one, "The matrices show")
    panels.quantities(shown)
    panels.caveats(shown)
    return [shown]


DRAWN = dict(zip(aspects.PAGES[PAGE].titles, (scores, dimensions, alignment, classes, similarity), strict=True))

st.title("What changes while it trains?", anchor=False)
shown_runs = state.shown_runs()
if not shown_runs:
    panels.no_runs()
elif not (trained := sections.several_steps(shown_runs)):
    panels.findings(panels.ask(RIDGES, shown_runs))
    sections.one_step_each()
    panels.explained(RIDGES)
else:
    top = st.container()
    chosen = aspects.choose(PAGE)
    at, of_layer = controls(chosen, trained)
    found = DRAWN[chosen](trained, at, of_layer)
    with top:
        panels.findings(*found)

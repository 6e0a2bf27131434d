"""Compare: all numbers of the runs, one against another, how alike they are, and their steps and layers."""

from collections.abc import Sequence

import streamlit as st

from cl_viz.core.result import Finding
from cl_viz.core.specs import DiagnosticSpec
from cl_viz.dashboard import aspects, forms, panels, run_comparison, run_numbers, state
from cl_viz.diagnostics import DIAGNOSTICS

PAIR, STEPS, LAYERS = (DIAGNOSTICS[name] for name in ("run_similarity", "step_similarity", "layer_similarity"))
PAGE = "runs/compare"
CONTROLS = {info.name: info for info in PAIR.params.describe()}
# Controls of each aspect.
ROWS = {"How alike": ("k", "rows", "variance"), "Steps and layers": ("k", "rows")}
Drawn = Sequence[panels.Shown]


def controls(aspect: str, runs: list[state.OpenRun]) -> tuple[int | None, str | None]:
    """Draw the controls of an aspect; return the step and the layer."""
    for name in ROWS.get(aspect, ()):
        forms.control(CONTROLS[name], runs)
    return forms.step_control(runs), forms.layer_control(runs)


def with_reference(shown: panels.Shown) -> None:
    """Draw the runs against the reference run."""
    panels.figure(shown, "measures", quantity="cka_debiased")
    left, right = st.columns(2, gap="medium")
    with left:
        panels.figure(shown, "overlap", quantity="neighbor_overlap", height=panels.SIDE_HEIGHT, explained=False)
    with right:
        panels.figure(shown, "correlations", quantity="cca_squared", height=panels.SIDE_HEIGHT, explained=False)
    panels.quantities(shown)
    panels.caveats(shown)


def within(spec: DiagnosticSpec, runs: list[state.OpenRun], missing: str, **where: int | str | None) -> panels.Shown:
    """Draw the steps or the layers of the runs that have several; matrices show the reference run."""
    st.header(spec.question, anchor=False)
    if not runs:
        st.info(missing, icon=":material/help:")
        return panels.Shown(spec, (), ())
    shown = panels.ask(spec, runs, **where)  # type: ignore[arg-type]
    if panels.has_view(shown, "with_last"):
        panels.figure(shown, "with_last", quantity="first_to_last")
    if panels.has_view(shown, "cka"):
        one = panels.one_of(shown, "cka")
        left, right = st.columns(2, gap="medium")
        with left:
            panels.figure(one, "cka", height=panels.SIDE_HEIGHT, explained="with_last" not in one.results[0].views)
        with right:
            panels.figure(one, "neighbours", height=panels.SIDE_HEIGHT, explained=False)
        if len(shown.results) > 1:
            st.caption(f"The matrices show {one.results[0].run}, the reference run where it is shown.")
    panels.quantities(shown)
    panels.caveats(shown)
    return shown


def how_alike(runs: list[state.OpenRun], step: int | None, layer: str | None) -> Drawn:
    """Draw each run beside the reference run, every pair of runs, and the samples whose neighbours changed most."""
    reference = state.reference_run()
    others = [opened for opened in runs if reference is None or opened.name != reference.name]
    # Alone, the reference run says what to add.
    pair = panels.ask(PAIR, others or runs, step=step, layer=layer)
    neighbors = int(pair.params.get("k", CONTROLS["k"].default))
    with_reference(pair)
    run_comparison.every_pair(runs, step, layer, neighbors)
    run_comparison.moved_samples(pair, neighbors)
    return [pair]


def steps_and_layers(runs: list[state.OpenRun], step: int | None, layer: str | None) -> Drawn:
    """Draw the steps of each run, and its layers, beside each other."""
    trained = [opened for opened in runs if len(opened.run.steps) > 1]
    layered = [opened for opened in runs if len(opened.run.layers) > 1]
    steps = within(
        STEPS,
        trained,
        "Unknown: the shown runs have one training step each. Save embeddings at several steps to see it.",
        layer=layer,
    )
    layers = within(
        LAYERS,
        layered,
        "Unknown: the shown runs have one layer each. Save the backbone's and the projector's embeddings as two layers "
        "of one run to see it.",
        step=step,
    )
    return [steps, layers]


def show(runs: list[state.OpenRun]) -> None:
    """Draw the page: what was found, the choice of an aspect, its controls and its figures."""
    top = st.empty()
    chosen = aspects.choose(PAGE)
    row = st.container(horizontal=True, gap="small", vertical_alignment="bottom")
    with row:
        step, layer = controls(chosen, runs)

    def say(own: Sequence[tuple[Finding, str]] = (), drawn: Drawn = ()) -> None:
        with top.container():
            aspects.findings(PAGE, chosen, drawn, runs, step, layer, own)

    if chosen == "All numbers":
        run_numbers.all_numbers(runs, step, layer, row, say)
    elif chosen == "One against another":
        run_comparison.one_against_another(runs, step, layer)
        say()
    else:
        say(drawn=(how_alike if chosen == "How alike" else steps_and_layers)(runs, step, layer))


st.title("How do the runs differ?", anchor=False)
shown_runs = state.shown_runs()
if shown_runs:
    show(shown_runs)
else:
    panels.no_runs()

"""Compare: all numbers of the runs, one against another, how alike they are, and their steps and layers."""

import streamlit as st

from cl_viz.core.specs import DiagnosticSpec
from cl_viz.dashboard import forms, panels, run_comparison, run_numbers, state
from cl_viz.diagnostics import DIAGNOSTICS

PAIR, STEPS, LAYERS = (DIAGNOSTICS[name] for name in ("run_similarity", "step_similarity", "layer_similarity"))


ASPECTS = ("All numbers", "One against another", "How alike", "Steps and layers")
CONTROLS = {info.name: info for info in PAIR.params.describe()}


def controls(runs: list[state.OpenRun]) -> tuple[str, int | None, str | None]:
    """Draw the controls, in one row; return what is looked at, the step and the layer."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        aspect = st.segmented_control(
            "Aspect", ASPECTS, default=ASPECTS[0], required=True, key="compared", bind="query-params",
            help="Only the figures of the chosen one are computed.",
        )  # fmt: skip
        if aspect in ASPECTS[2:]:
            for name in ("k", "rows", "variance") if aspect == "How alike" else ("k", "rows"):
                forms.control(CONTROLS[name], runs)
        return str(aspect), forms.step_control(runs), forms.layer_control(runs)


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
    st.subheader(spec.question, anchor=False)
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


def how_alike(runs: list[state.OpenRun], step: int | None, layer: str | None) -> None:
    """Draw each run beside the reference run, every pair of runs, and the samples whose neighbours changed most."""
    top = st.container()
    reference = state.reference_run()
    others = [opened for opened in runs if reference is None or opened.name != reference.name]
    # Alone, the reference run says what to add.
    pair = panels.ask(PAIR, others or runs, step=step, layer=layer)
    neighbors = int(pair.params.get("k", CONTROLS["k"].default))
    with_reference(pair)
    run_comparison.every_pair(runs, step, layer, neighbors)
    run_comparison.moved_samples(pair, neighbors)
    with top:
        panels.findings(pair)


def steps_and_layers(runs: list[state.OpenRun], step: int | None, layer: str | None) -> None:
    """Draw the steps of each run, and its layers, beside each other."""
    top = st.container()
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
    with top:
        panels.findings(steps, layers)


DRAWN = dict(
    zip(
        ASPECTS,
        (run_numbers.all_numbers, run_comparison.one_against_another, how_alike, steps_and_layers),
        strict=True,
    )
)

st.title("How do the runs differ?", anchor=False)
shown_runs = state.shown_runs()
if shown_runs:
    chosen, at_step, at_layer = controls(shown_runs)
    DRAWN[chosen](shown_runs, at_step, at_layer)
else:
    panels.no_runs()

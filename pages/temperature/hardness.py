"""Temperature and hardness: what a temperature pushes on, what batch size, weights and truncation would change."""

import streamlit as st

from cl_viz.dashboard import forms, panels, sections, state
from cl_viz.diagnostics import DIAGNOSTICS

HARDNESS, SUGGESTED = DIAGNOSTICS["hardness"], DIAGNOSTICS["suggested_temperature"]
BATCH, WEIGHTS = DIAGNOSTICS["batch_size"], DIAGNOSTICS["negative_reweighting"]
ADAPTIVE, DILEMMA = DIAGNOSTICS["adaptive_temperature"], DIAGNOSTICS["uniformity_tolerance"]
OVER_TRAINING = DIAGNOSTICS["uniformity_tolerance_curves"]
ALL = (HARDNESS, SUGGESTED, BATCH, WEIGHTS, ADAPTIVE, DILEMMA)
CONTROLS = {info.name: info for spec in ALL for info in spec.params.describe()}
WISHES = ("fewest_negatives", "most_even", "most_false", "least_signal")


def row_of_controls(runs: list[state.OpenRun], *names: str) -> None:
    """Draw some controls in one row."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        for name in names:
            forms.control(CONTROLS[name], runs)


def controls(runs: list[state.OpenRun]) -> tuple[int | None, str | None]:
    """Draw the controls of the main figure, in one row; return the step and the layer."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        forms.control(CONTROLS["temperature"], runs)
        forms.control(CONTROLS["negative_views"], runs)
        layer = forms.layer_control(runs)
        with st.popover("More", icon=":material/tune:", help="Training step, bins"):
            step = forms.step_control(runs)
            forms.control(CONTROLS["bins"], runs)
    return step, layer


def pairs_of_figures(shown: panels.Shown, *figures: tuple[str, str]) -> None:
    """Draw figures (view, quantity) that some run has, two in a row."""
    there = [figure for figure in figures if panels.has_view(shown, figure[0])]
    columns = st.columns(2, gap="medium")
    for index, (view, quantity) in enumerate(there):
        with columns[index % 2]:
            panels.figure(
                shown,
                view,
                quantity=quantity,
                height=panels.SIDE_HEIGHT,
                explained=False,
                leads_to_pairs=view == "penalty",
            )


def closing(shown: panels.Shown) -> None:
    """Draw all numbers of a diagnostic, its explanation and what it rests on."""
    panels.quantities(shown)
    panels.explained(shown.spec)
    panels.caveats(shown)


def hardness(shown: panels.Shown) -> None:
    """Draw which negatives the temperature pushes on."""
    panels.figure(shown, "push", quantity="effective_share")
    pairs_of_figures(
        shown,
        ("effective", "effective_negatives"),
        ("penalty", "hardest_share"),
        ("false_negatives", "false_negative_push"),
        ("spread", "effective_sample_size"),
        ("loss", "loss"),
    )
    panels.quantities(shown)
    if panels.has_view(shown, "samples"):
        st.subheader("The samples behind this", anchor=False)
        panels.table(panels.one_of(shown, "samples"), "samples")
    panels.caveats(shown)


def missing(shown: panels.Shown, view: str) -> bool:
    """Say what to add where no run has the main figure of a diagnostic."""
    if panels.has_view(shown, view):
        return False
    panels.findings(shown)
    panels.explained(shown.spec)
    return True


def suggested(shown: panels.Shown) -> None:
    """Draw the suggested range and its reasons."""
    panels.figure(panels.one_of(shown, "range"), "range", quantity="low")
    panels.table(panels.one_of(shown, "reasons"), "reasons")
    if len(shown.results) > 1:
        st.caption("The figure shows the reference run, chosen in the sidebar; the numbers below all shown runs.")
    panels.quantities(shown)
    panels.caveats(shown)


def dilemma(shown: panels.Shown, runs: list[state.OpenRun], layer: str | None) -> None:
    """Draw where the runs stand between uniformity and tolerance, and how they came there."""
    if not missing(shown, "tradeoff"):
        panels.figure(shown, "tradeoff", quantity="tolerance")
        pairs_of_figures(
            shown,
            ("tolerance_by_temperature", "tolerance"),
            ("uniformity_by_temperature", "uniformity"),
            ("by_class", "tolerance"),
        )
        panels.quantities(shown)
        panels.caveats(shown)
    trained = sections.trained_runs(OVER_TRAINING, runs)
    if not trained:
        return
    moving = panels.ask(OVER_TRAINING, trained, layer=layer)
    if not missing(moving, "path"):
        panels.figure(moving, "path", quantity="tolerance", height=panels.SIDE_HEIGHT)
        pairs_of_figures(moving, ("tolerance", "tolerance"), ("uniformity", "uniformity"))
        panels.caveats(moving)


def show(runs: list[state.OpenRun]) -> None:
    """Draw the page."""
    top = st.container()
    step, layer = controls(runs)
    main = panels.ask(HARDNESS, runs, step=step, layer=layer)
    hardness(main)

    st.subheader(SUGGESTED.question, anchor=False)
    row_of_controls(runs, *WISHES)
    suggestion = panels.ask(SUGGESTED, runs, step=step, layer=layer)
    if not missing(suggestion, "range"):
        suggested(suggestion)

    st.subheader(BATCH.question, anchor=False)
    row_of_controls(runs, "batch_size")
    batch = panels.ask(BATCH, runs, step=step, layer=layer)
    if not missing(batch, "by_batch_size"):
        panels.figure(batch, "by_batch_size", quantity="multiplier", explained=False)
        pairs_of_figures(
            batch,
            ("by_temperature", "multiplier_of_all"),
            ("multipliers", "multiplier"),
            ("variation", "variation"),
        )
        closing(batch)

    st.subheader(WEIGHTS.question, anchor=False)
    row_of_controls(runs, "beta", "class_prior", "kept_share")
    weights = panels.ask(WEIGHTS, runs, step=step, layer=layer)
    if not missing(weights, "weights"):
        pairs_of_figures(
            weights,
            ("weights", "weights_sample_size"),
            ("clamped", "clamped_share"),
            ("truncation", "kept_push"),
        )
        closing(weights)

    st.subheader(ADAPTIVE.question, anchor=False)
    row_of_controls(runs, "alpha", "reference_alignment")
    adaptive = panels.ask(ADAPTIVE, runs, step=step, layer=layer)
    if not missing(adaptive, "by_alignment"):
        pairs_of_figures(adaptive, ("by_alignment", "adapted_temperature"), ("weights", "coupling"))
        closing(adaptive)

    st.subheader(DILEMMA.question, anchor=False)
    row_of_controls(runs, "kernel")
    standing = panels.ask(DILEMMA, runs, step=step, layer=layer)
    dilemma(standing, runs, layer)
    with top:
        panels.findings(main, suggestion, batch, weights, adaptive, standing)


panels.question(HARDNESS)
shown_runs = state.shown_runs()
if shown_runs:
    show(shown_runs)
else:
    panels.no_runs()

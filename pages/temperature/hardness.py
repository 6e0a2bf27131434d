"""Temperature and hardness: what a temperature pushes on, what batch size, weights and truncation would change."""

from collections.abc import Sequence

import streamlit as st

from cl_viz.core.specs import DiagnosticSpec
from cl_viz.dashboard import aspects, forms, panels, sections, state
from cl_viz.diagnostics import DIAGNOSTICS

PAGE = "temperature/hardness"
HARDNESS, SUGGESTED = DIAGNOSTICS["hardness"], DIAGNOSTICS["suggested_temperature"]
BATCH, WEIGHTS = DIAGNOSTICS["batch_size"], DIAGNOSTICS["negative_reweighting"]
ADAPTIVE, DILEMMA = DIAGNOSTICS["adaptive_temperature"], DIAGNOSTICS["uniformity_tolerance"]
OVER_TRAINING = DIAGNOSTICS["uniformity_tolerance_curves"]
ALL = (HARDNESS, SUGGESTED, BATCH, WEIGHTS, ADAPTIVE, DILEMMA)
CONTROLS = {info.name: info for spec in ALL for info in spec.params.describe()}
# Controls of each aspect beside those that all have.
OWN = {
    "Push": (),
    "Suggested range": ("fewest_negatives", "most_even", "most_false", "least_signal"),
    "Batch size": ("batch_size",),
    "Reweighting": ("beta", "class_prior", "kept_share"),
    "Adaptive": ("alpha", "reference_alignment"),
    "Uniformity and tolerance": ("kernel",),
    "Over training": (),
}
Drawn = Sequence[panels.Shown]


def controls(aspect: str, runs: list[state.OpenRun]) -> tuple[int | None, str | None]:
    """Draw the controls of an aspect, in one row; return the step and the layer."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        taken = aspects.parameters(PAGE, aspect)
        if aspect == "Over training":
            forms.control(CONTROLS["kernel"], runs)
            return None, forms.layer_control(runs)
        if aspect not in ("Suggested range", "Uniformity and tolerance"):
            forms.control(CONTROLS["temperature"], runs)
        for name in OWN[aspect]:
            forms.control(CONTROLS[name], runs)
        layer = forms.layer_control(runs)
        if "negative_views" not in taken:
            return forms.step_control(runs), layer
        with st.popover("More", icon=":material/tune:", help="Views of the negatives, training step, bins"):
            forms.control(CONTROLS["negative_views"], runs)
            step = forms.step_control(runs)
            if "bins" in taken:
                forms.control(CONTROLS["bins"], runs)
    return step, layer


def closing(shown: panels.Shown, *, explained: bool = False) -> None:
    """Draw all numbers of a diagnostic, its explanation and what it rests on."""
    panels.quantities(shown)
    if explained:
        panels.explained(shown.spec)
    panels.caveats(shown)


def missing(shown: panels.Shown, view: str) -> bool:
    """Say what to add where no run has the main figure of a diagnostic."""
    if panels.has_view(shown, view):
        return False
    panels.findings(shown)
    panels.explained(shown.spec)
    return True


def push(runs: list[state.OpenRun], step: int | None, layer: str | None) -> Drawn:
    """Draw which negatives the temperature pushes on."""
    shown = panels.ask(HARDNESS, runs, step=step, layer=layer)
    panels.figure(shown, "push", quantity="effective_share")
    sections.pairs(shown, ("effective", "effective_negatives"), ("false_negatives", "false_negative_push"))
    with st.expander("Penalty, spread and loss", icon=":material/area_chart:"):
        sections.pairs(shown, ("penalty", "hardest_share"), ("spread", "effective_sample_size"), ("loss", "loss"),
                       leads_to_pairs=("penalty",))  # fmt: skip
    panels.quantities(shown)
    panels.samples(shown, "samples")
    panels.caveats(shown)
    return [shown]


def suggested(runs: list[state.OpenRun], step: int | None, layer: str | None) -> Drawn:
    """Draw the suggested range and its reasons."""
    shown = panels.ask(SUGGESTED, runs, step=step, layer=layer)
    if not missing(shown, "range"):
        one = panels.one_of(shown, "range")
        panels.figure(one, "range", quantity="low")
        panels.table(panels.one_of(shown, "reasons"), "reasons")
        panels.say_whose(shown, one)
        closing(shown)
    return [shown]


def batch_size(runs: list[state.OpenRun], step: int | None, layer: str | None) -> Drawn:
    """Draw what a batch leaves of the gradient."""
    shown = panels.ask(BATCH, runs, step=step, layer=layer)
    if not missing(shown, "by_batch_size"):
        panels.figure(shown, "by_batch_size", quantity="multiplier")
        sections.pairs(
            shown, ("by_temperature", "multiplier_of_all"), ("multipliers", "multiplier"), ("variation", "variation")
        )
        closing(shown)
    return [shown]


def reweighting(runs: list[state.OpenRun], step: int | None, layer: str | None) -> Drawn:
    """Draw what weights, a class prior and truncation change."""
    return in_pairs(
        WEIGHTS, runs, step, layer, ("weights", "weights_sample_size"), ("clamped", "clamped_share"),
        ("truncation", "kept_push"),
    )  # fmt: skip


def adaptive(runs: list[state.OpenRun], step: int | None, layer: str | None) -> Drawn:
    """Draw the temperature that follows alignment."""
    return in_pairs(ADAPTIVE, runs, step, layer, ("by_alignment", "adapted_temperature"), ("weights", "coupling"))


def in_pairs(
    spec: DiagnosticSpec, runs: list[state.OpenRun], step: int | None, layer: str | None, *figures: tuple[str, str]
) -> Drawn:
    """Draw figures of equal weight, two in a row."""
    shown = panels.ask(spec, runs, step=step, layer=layer)
    if not missing(shown, figures[0][0]):
        sections.pairs(shown, *figures)
        closing(shown, explained=True)
    return [shown]


def dilemma(runs: list[state.OpenRun], step: int | None, layer: str | None) -> Drawn:
    """Draw where the runs stand between uniformity and tolerance."""
    shown = panels.ask(DILEMMA, runs, step=step, layer=layer)
    if not missing(shown, "tradeoff"):
        panels.figure(shown, "tradeoff", quantity="tolerance")
        sections.pairs(
            shown,
            ("tolerance_by_temperature", "tolerance"),
            ("uniformity_by_temperature", "uniformity"),
            ("by_class", "tolerance"),
        )
        closing(shown)
    return [shown]


def over_training(runs: list[state.OpenRun], _: int | None, layer: str | None) -> Drawn:
    """Draw how the runs came to stand between uniformity and tolerance."""
    trained = sections.several_steps(runs)
    if not trained:
        sections.one_step_each()
        panels.explained(OVER_TRAINING)
        return []
    shown = panels.ask(OVER_TRAINING, trained, layer=layer)
    if not missing(shown, "path"):
        panels.figure(shown, "path", quantity="tolerance")
        sections.pairs(shown, ("tolerance", "tolerance"), ("uniformity", "uniformity"))
        closing(shown)
    return [shown]


panels.question(HARDNESS)
shown_runs = state.shown_runs()
if shown_runs:
    drawing = dict(zip(OWN, (push, suggested, batch_size, reweighting, adaptive, dilemma, over_training), strict=True))
    aspects.show(PAGE, drawing, controls, shown_runs)
else:
    panels.no_runs()

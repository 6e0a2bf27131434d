"""Loss Lab: losses side by side on the open run: where each pushes, and where it would lead."""

import streamlit as st

from cl_viz.dashboard import errors, forms, loss_choice, loss_lab_batch, loss_lab_flow, panels, state
from cl_viz.dashboard.text import escape
from cl_viz.losses import missing_inputs
from cl_viz.simulate.flow_start import FlowStart, start_from

PUSH, LEAD, CIRCLE = PARTS = ("Where they push", "Where they lead", "Circle and sphere")


def part_control(reference: state.OpenRun | None) -> str:
    """Draw the choice of what is asked of the losses, and say on which run."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        part = st.segmented_control(
            "Question", PARTS, default=PUSH, required=True, key="part", bind="query-params",
            label_visibility="collapsed",
        )  # fmt: skip
        if reference is not None and part != CIRCLE:
            st.caption(f"On the reference run, {escape(reference.name)}")
    return part


def drawn_start(
    opened: state.OpenRun, n: int, seed: int, step: int | None, layer: str | None
) -> tuple[FlowStart, str, object]:
    """Draw samples of the reference run; return them, the Python that does the same, and what they depend on."""
    found = opened.run.get(step, layer)
    chosen = "" if step is None and layer is None else f"step={step!r}, layer={layer!r}"
    lines = f"simulate.start_from({opened.expression}.get({chosen}), n={n}, seed={seed})"
    return start_from(found, n=n, seed=seed), lines, (found.fingerprint, n, seed)


def batch_part(opened: state.OpenRun, top: st.delta_generator.DeltaGenerator) -> None:
    """Ask where each loss pushes on batches of the run."""
    place = st.container()
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        settings = loss_lab_batch.settings_control()
        layer = forms.layer_control([opened])
        with st.popover("More", icon=":material/tune:", help="Seed and training step"):
            settings["batch_seed"] = loss_lab_flow.seed_control("batch")
            step = forms.step_control([opened])
    # A quarter of the samples is left for the queue.
    n = max(2, min(2048, int(0.75 * opened.run.get(step, layer).n)))
    start, lines, key = drawn_start(opened, n, settings["batch_seed"], step, layer)
    with place:
        choices = loss_choice.choose(start.missing)
    forces = loss_lab_batch.forces_of(choices, start, key, settings)
    shown = [choice for choice in choices if choice.label in forces]
    alignment = loss_lab_batch.alignment_of(shown, start, key, settings)
    with top:
        loss_lab_batch.findings(forces)
    loss_lab_batch.show(forces, alignment, shown, start, lines, settings)


def flow_part(opened: state.OpenRun, top: st.delta_generator.DeltaGenerator) -> None:
    """Ask where each loss would lead the run's own embeddings."""
    place = st.container()
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        settings = loss_lab_flow.settings_control("flow", steps=100, samples=128)
        layer = forms.layer_control([opened])
        with st.popover("More", icon=":material/tune:", help="Seed and training step"):
            settings["seed"] = loss_lab_flow.seed_control("flow")
            step = forms.step_control([opened])
    start, lines, key = drawn_start(opened, settings["n"], settings["seed"], step, layer)
    with place:
        choices = loss_choice.choose(start.missing)
    flows = loss_lab_flow.flows_of(choices, start, key, settings)
    with top:
        loss_lab_flow.findings(flows)
    loss_lab_flow.scrubbed(flows, choices, lines, settings, small=False)


def circle_part(top: st.delta_generator.DeltaGenerator) -> None:
    """Show each loss by itself, from a chosen start."""
    place = st.container()
    start, settings, lines = loss_lab_flow.start_control()
    with place:
        choices = loss_choice.choose(start.missing)
    flows = loss_lab_flow.flows_of(choices, start, lines, settings)
    with top:
        loss_lab_flow.findings(flows)
    loss_lab_flow.scrubbed(flows, choices, lines, settings, small=True)


st.title("What would each loss do to these embeddings?", anchor=False)
findings = st.container()
reference = state.reference_run()
part = part_control(reference)
with errors.boundary("loss lab"):
    if part == CIRCLE:
        circle_part(findings)
    elif reference is None:
        panels.no_runs()
        loss_choice.choose(lambda loss: missing_inputs(loss, views=2, labels=True, queue=True, prototypes=True))
    elif part == PUSH:
        batch_part(reference, findings)
    else:
        flow_part(reference, findings)

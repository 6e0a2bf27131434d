"""One bar of training steps for all figures of a page."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from cl_viz.dashboard import state
from cl_viz.dashboard.text import escape

_LAST = "last"


def scrub_bar(runs: Sequence[state.OpenRun]) -> int | None:
    """Draw a bar over the steps of all runs; None stands for the last step of each.

    Its value stands in the address, under the name that other pages use for the training step.
    """
    steps = sorted({step for opened in runs for step in opened.run.steps if step is not None})
    if len(steps) < 2:
        return None
    options = [*map(str, steps), _LAST]
    if st.session_state.get("step", _LAST) not in options:
        st.session_state["step"] = _LAST
    value = st.select_slider(
        "Training step",
        options,
        value=_LAST,
        width=420,
        key="step",
        bind="query-params",
        help="All figures follow it: those over training mark the step, the others show it.",
    )
    return None if value == _LAST else int(value)


def with_step(runs: Sequence[state.OpenRun], step: int | None) -> list[state.OpenRun]:
    """Return the runs that have a step, and say which have not."""
    having = [opened for opened in runs if step is None or step in opened.run.steps]
    lacking = [opened.name for opened in runs if opened not in having]
    if lacking:
        st.caption(f"Without a snapshot at step {step:,}: {escape(', '.join(lacking))}.")
    return having


def marked_step(runs: Sequence[state.OpenRun], step: int | None) -> int | None:
    """Return the step that curves mark: the chosen one, or the last where all runs end at the same."""
    ends = {opened.run.steps[-1] for opened in runs}
    return step if step is not None else ends.pop() if len(ends) == 1 else None

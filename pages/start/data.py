"""Data: open runs, say what their columns are, and see whether their rows can be used."""

import streamlit as st

from cl_viz.dashboard import data_panels, panels, run_cards, state
from cl_viz.diagnostics import DIAGNOSTICS

QUALITY = DIAGNOSTICS["data_quality"]

panels.question(QUALITY)
data_panels.adding(expanded=not state.open_runs())
data_panels.recognised()
runs = state.shown_runs()
if runs:
    shown = panels.ask(QUALITY, runs)
    panels.findings(shown)
    left, right = st.columns(2, gap="medium")
    with left:
        panels.figure(shown, "norms", quantity="norm_mean", wide=False)
    with right:
        panels.figure(shown, "labels", quantity="classes", explained=False, wide=False)
    panels.quantities(shown)
    panels.caveats(shown)
    run_cards.cards(runs)
else:
    panels.no_runs()

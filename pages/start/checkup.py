"""Checkup: every open run against every question, worst first."""

import streamlit as st

from cl_viz.dashboard import checkup, panels, state

st.title("Is anything wrong with the open runs?", anchor=False)
if state.open_runs():
    checkup.show(list(state.open_runs().values()))
else:
    panels.no_runs()

"""Map: the samples of one run or two in the plane or in space, and what lies behind any part of it."""

import streamlit as st

from cl_viz.dashboard import errors, map_view, panels, state

st.title("What lies near what?", anchor=False)
shown_runs = state.shown_runs()
if shown_runs:
    asked = map_view.controls(shown_runs)
    with errors.boundary("map"):
        map_view.show(asked)
else:
    panels.no_runs()

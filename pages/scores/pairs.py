"""The pairs behind a question about scores: found exactly, shown side by side, marked and exported."""

import streamlit as st

from cl_viz.dashboard import errors, pair_panels, panels, state

st.title("Which pairs are behind the scores?", anchor=False)
shown_runs = state.shown_runs()
if shown_runs:
    asked = pair_panels.controls(shown_runs)
    found = pair_panels.find(asked)
    if found is not None:
        with errors.boundary("pairs figure"):
            pair_panels.figure(asked, found)
        with errors.boundary("pairs"):
            pair_panels.listing(asked, found)
        pair_panels.caveats(found)
else:
    panels.no_runs()

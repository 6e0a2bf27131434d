"""Checkup: every open run against every question, worst first."""

import streamlit as st

from cl_viz.dashboard import checkup, panels, state
from cl_viz.reporting import html_text, markdown_text, parquet_bytes

st.title("Is anything wrong with the open runs?", anchor=False)
if state.open_runs():
    found = checkup.show(list(state.open_runs().values()))
    runs = [list(own.values()) for own in found.values()]
    checkup.take_away(
        {
            "Report": (
                "html",
                "One page with findings and figures; needs no network",
                lambda: html_text(runs),
            ),
            "Markdown": ("md", "Findings and numbers as text", lambda: markdown_text(runs)),
            "Parquet": ("parquet", "All numbers as one table", lambda: parquet_bytes(runs)),
        }
    )
else:
    panels.no_runs()

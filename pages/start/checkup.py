"""Checkup: every open run against every question, worst first."""

import streamlit as st

from cl_viz.dashboard import checkup, panels, state
from cl_viz.diagnostics import RunTable
from cl_viz.reporting import compare_found, html_text, markdown_text, parquet_bytes

st.title("Is anything wrong with the open runs?", anchor=False)
if state.open_runs():
    opened = dict(state.open_runs())
    reference = state.reference_run()
    found = checkup.show(list(opened.values()))
    runs = [list(own.values()) for own in found.values()]

    def differences() -> RunTable | None:
        """Compare the runs, once a file is asked for."""
        checked = [(opened[name].run.get(), list(own.values())) for name, own in found.items()]
        return compare_found(checked, "" if reference is None else reference.name)

    checkup.take_away(
        {
            "Report": (
                "html",
                "One page with findings and figures; needs no network",
                lambda: html_text(runs, differences()),
            ),
            "Markdown": ("md", "Findings and numbers as text", lambda: markdown_text(runs, differences())),
            "Parquet": ("parquet", "All numbers as one table", lambda: parquet_bytes(runs)),
        }
    )
else:
    panels.no_runs()

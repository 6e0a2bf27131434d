"""What a page says in the place of figures that no shown run has."""

from __future__ import annotations

import streamlit as st

from cl_viz.dashboard import panels
from cl_viz.dashboard.text import escape


def says_what_to_add(shown: panels.Shown) -> bool:
    """Draw what the runs lack and where to add it, where none of them has a figure; return whether that is so."""
    if any(result.views for result in shown.results):
        return False
    lines = dict.fromkeys(
        f"{finding.message} {finding.advice}" for result in shown.results for finding in result.findings
    )
    if lines:
        st.info("  \n".join(escape(line) for line in lines), icon=":material/help:")
    if any("Data page" in line for line in lines):
        st.page_link("pages/start/data.py", label="Say what the columns are", icon=":material/database:")
    panels.explained(shown.spec)
    return True

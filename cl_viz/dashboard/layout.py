"""The room that pages leave at their edges: less than Streamlit's own, so that the first figure is seen at once."""

from __future__ import annotations

import streamlit as st

_STYLE = """
<style>
[data-testid="stMainBlockContainer"] { padding: 2.2rem 3rem 4rem 3rem; }
[data-testid="stHeader"] { background: transparent; height: 2.4rem; min-height: 2.4rem; pointer-events: none; }
[data-testid="stHeader"] * { pointer-events: auto; }
[data-testid="stSidebarHeader"] { height: 2.4rem; min-height: 2.4rem; padding: 0.4rem 1rem 0; margin: 0; }
</style>
"""


def tighten() -> None:
    """Take room from the edges of the page and of the sidebar."""
    st.html(_STYLE)

"""Figures follow the theme: the browser changes it by itself, and Streamlit runs the page again only when asked.

The colours of text and controls change in the browser. Figures take theirs from Python, which learns of another theme
with the next run of the page.
"""

from __future__ import annotations

import streamlit as st

from cl_viz.dashboard import state

_SCRIPT = """
let asked = null;
// Called again whenever the theme changes, by the system or in the menu of the page.
export default function({ parentElement, setTriggerValue, data }) {
  const seen = getComputedStyle(parentElement.host ?? parentElement).colorScheme;
  if (seen === data.known) { asked = null; }
  else if (seen !== asked) { asked = seen; setTriggerValue("theme", seen); }
}
"""


@st.cache_resource(show_spinner=False)
def _component() -> st.components.v2.types.ComponentRenderer:
    return st.components.v2.component("cl_viz.theme", js=_SCRIPT)


def follow() -> None:
    """Run the page again when the theme changes, so that figures are drawn in it."""
    _component()(key="_theme", data={"known": state.theme()}, height=1, on_theme_change=lambda: None)

"""What the person asked their system for: whether figures may move."""

from __future__ import annotations

import streamlit as st

from cl_viz.dashboard import state

_SCRIPT = """
export default function({ setStateValue, data }) {
  const asked = window.matchMedia("(prefers-reduced-motion: reduce)");
  const allowed = !asked.matches;
  if (allowed !== data.known) { setStateValue("allowed", allowed); }
}
"""


@st.cache_resource(show_spinner=False)
def _component() -> st.components.v2.types.ComponentRenderer:
    return st.components.v2.component("cl_viz.motion", js=_SCRIPT)


def may_move() -> bool:
    """Return whether figures may have a button to play: not where the system asks for reduced motion.

    The browser answers after the first run of a page; until then nothing moves.
    """
    known = state.motion_allowed()
    answer = _component()(key="_motion", data={"known": known}, height=1, on_allowed_change=lambda: None)
    told = answer.get("allowed")
    if told is not None:
        state.set_motion_allowed(bool(told))
    return state.motion_allowed()

"""The room that pages leave at their edges: less than Streamlit's own, so that the first figure is seen at once."""

from __future__ import annotations

import streamlit as st

from cl_viz.dashboard import figure_titles, state
from cl_viz.figures.theme import ThemeName, readable_on

_INK = "%INK%"
_TITLES = "%TITLES%"
_STYLE = """
<style>
[data-testid="stMainBlockContainer"] { padding: 2.2rem 3rem 4rem 3rem; }
@media (max-width: 640px) { [data-testid="stMainBlockContainer"] { padding: 2.2rem 1rem 4rem 1rem; } }
[data-testid="stHeader"] { background: transparent; height: 2.4rem; min-height: 2.4rem; pointer-events: none; }
[data-testid="stHeader"] * { pointer-events: auto; }
[data-testid="stMultiSelect"] [data-testid="stMultiSelectTagsContainer"] span,
[data-testid="stMultiSelect"] [data-testid="stMultiSelectTagsContainer"] :is(button, svg),
[data-testid^="stBaseButton-primary"]:not(:disabled) * { color: %INK%; }
:is([data-testid="stSidebarNavLink"], [data-testid="stPageLink-NavLink"], [data-testid="stMain"],
[data-testid="stMainMenuButton"], [data-testid="stBaseButton-elementToolbar"]):focus-visible {
  outline: 2px solid var(--st-primary-color, currentColor); outline-offset: -2px;
}
[data-testid="stCheckbox"] label:has(:focus-visible) {
  outline: 2px solid var(--st-primary-color, currentColor); outline-offset: 2px;
}
[data-testid="stMain"] [data-testid="stElementContainer"]:has([data-testid="stPageLink"])
  + [data-testid="stElementContainer"] [data-testid="stCaptionContainer"] { padding-left: 0.5rem; }
[data-testid="stButtonGroup"] [role="radiogroup"] { flex-wrap: wrap; }
[data-testid="stSidebarUserContent"] [data-testid="stCheckbox"] [data-testid="stWidgetLabel"] * {
  white-space: normal; overflow-wrap: anywhere;
}
[data-testid="stSidebarHeader"] { height: 2.4rem; min-height: 2.4rem; padding: 0.4rem 1rem 0; margin: 0; }
[data-testid="stSidebarUserContent"] [data-testid="stHorizontalBlock"] { flex-wrap: nowrap; }
[data-testid="stSidebarUserContent"] [data-testid="stHorizontalBlock"] > :last-child { min-width: 0; flex: 1 1 0; }
%TITLES%
</style>
"""


def tighten() -> None:
    """Take room from the edges, make text on the primary colour readable, show where the focus is, set in captions."""
    st.html(_STYLE.replace(_INK, ink_on_primary(state.theme())).replace(_TITLES, figure_titles.STYLE))


def ink_on_primary(theme: ThemeName) -> str:
    """Return the colour of text on the primary colour: Streamlit's own is white, in the dark theme on light blue."""
    primary = st.get_option(f"theme.{theme}.primaryColor")
    return readable_on(primary) if primary else "#ffffff"

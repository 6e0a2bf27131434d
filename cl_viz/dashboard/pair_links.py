"""From a place in a figure to the pairs behind it: what was clicked, as a link beside the figure."""

from __future__ import annotations

from typing import Any

import streamlit as st

from cl_viz.dashboard import state
from cl_viz.dashboard.navigation import page_path
from cl_viz.dashboard.text import escape

QUESTIONS = {
    "hardest-negatives": "Hardest negatives",
    "false-negatives": "Likely false negatives",
    "weakest-positives": "Weakest positives",
    "duplicates": "Near-duplicates",
    "interval": "A range of scores",
    "classes": "Two classes",
}
"""Questions of the page of pairs; an address holds the words that its controls show."""
KINDS = {
    "negatives": "Negatives",
    "positives": "Positives",
    "false_negatives": "Negatives of the same label",
    "other_samples": "Pairs within a view",
}
_MEANT = {"positive": "positives", "negative": "negatives", "false_negative": "false_negatives", "other": "negatives"}
_CARRIED = ("positives", "negatives", "layer", "step")
_PAGE = "scores/pairs"


def offer(key: str) -> None:
    """Draw the link to the pairs of the place that was clicked last in a figure, or say that places can be clicked.

    Parameters
    ----------
    key : str
        Of the figure's element.
    """
    clicked = _clicked(st.session_state.get(key))
    if clicked is None:
        st.caption("Click the figure to see the pairs behind that place.")
        return
    if len(clicked) == 3:
        run, first, second = map(str, clicked)
        asked = {"question": QUESTIONS["classes"], "class_a": first, "class_b": second, "negatives": "all"}
        words = f"the pairs of {first} and {second}"
    else:
        meaning, run, low, high = clicked
        kind = KINDS[_MEANT.get(str(meaning), "negatives")]
        low, high = max(-1.0, round(float(low), 6)), min(1.0, round(float(high), 6))
        asked = {**_carried(), "question": QUESTIONS["interval"], "kind": kind, "low": f"{low:g}", "high": f"{high:g}"}
        words = f"the {kind.lower()} with scores from {low:g} to {high:g}"
    names = [str(run)] if run in state.open_runs() else [opened.name for opened in state.shown_runs()[:1]]
    owner = f" ({escape(names[0])})" if names and len(state.shown_runs()) > 1 else ""
    st.page_link(
        page_path(_PAGE),
        label=f"See {escape(words)}{owner}",
        icon=":material/join:",
        query_params={state.RUN_PARAMETER: names, **asked},
    )


def _carried() -> dict[str, str]:
    """Return which pairs are positives and negatives, step and layer, as the page at hand has them."""
    return {name: st.query_params[name] for name in _CARRIED if name in st.query_params}


def _clicked(event: Any) -> list[Any] | None:
    """Return what was attached to the place that was clicked."""
    try:
        points = event["selection"]["points"]
        attached = points[-1]["customdata"]
    except (KeyError, IndexError, TypeError):
        return None
    if isinstance(attached, dict):
        attached = list(attached.values())
    return list(attached) if isinstance(attached, (list, tuple)) and len(attached) in (3, 4) else None

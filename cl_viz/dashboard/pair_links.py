"""From a place in a figure to the pairs behind it: what was clicked, as a link beside the figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.dashboard import forms, state
from cl_viz.dashboard.navigation import page_path
from cl_viz.dashboard.state import OpenRun
from cl_viz.dashboard.text import escape
from cl_viz.diagnostics._temperature.anchor_questions import negatives_of

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
_PAGE = "scores/pairs"


def offer(key: str, runs: Sequence[OpenRun], params: Mapping[str, Any], step: int | None, layer: str | None) -> None:
    """Draw the link to the pairs of the place that was clicked last in a figure, or say that places can be clicked.

    Parameters
    ----------
    key : str
        Of the figure's element.
    runs : sequence of OpenRun
        Those that the figure shows.
    params : mapping
        Of the diagnostic: which pairs are positives and negatives.
    step, layer : optional
        As the figure shows them.
    """
    clicked = _clicked(st.session_state.get(key))
    if clicked is None:
        st.caption("Click the figure to see the pairs behind that place.")
        return
    named = str(clicked[0] if len(clicked) == 3 else clicked[1])
    opened = next((run for run in runs if run.name == named), runs[0])
    embedding_set = opened.run.get(step, layer)
    if len(clicked) == 3:
        first, second = map(str, clicked[1:])
        # A matrix of classes is that of the first view.
        view = embedding_set.view_names[0]
        asked = {"question": QUESTIONS["classes"], "class_a": first, "class_b": second, "within": f"Within {view}"}
        words = f"the pairs of {first} and {second}"
    else:
        kind = KINDS[_MEANT.get(str(clicked[0]), "negatives")]
        low, high = max(-1.0, round(float(clicked[2]), 6)), min(1.0, round(float(clicked[3]), 6))
        asked = {"question": QUESTIONS["interval"], "kind": kind, "low": f"{low:g}", "high": f"{high:g}"}
        asked |= _roles(opened, embedding_set, params)
        words = f"the {kind.lower()} with scores from {low:g} to {high:g}"
    owner = f" ({escape(opened.name)})" if len(state.shown_runs()) > 1 else ""
    st.page_link(
        page_path(_PAGE),
        label=f"See {escape(words)}{owner}",
        icon=":material/join:",
        query_params={state.RUN_PARAMETER: [opened.name], **asked, **forms.place_parameters(opened, step, layer)},
    )


def _roles(opened: OpenRun, embedding_set: EmbeddingSet, params: Mapping[str, Any]) -> dict[str, str]:
    """Return which pairs are positives and negatives, in the words of the controls of the page of pairs."""
    negatives = params.get("negatives")
    if "negative_views" in params:
        negatives = negatives_of(opened.run.card, embedding_set, params["negative_views"])
    found = {"positives": params.get("positives"), "negatives": negatives}
    return {name: forms.in_words(value) for name, value in found.items() if value is not None}


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

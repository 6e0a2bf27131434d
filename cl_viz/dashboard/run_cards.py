"""The cards of the open runs on the Data page: what each says about itself, its views and roles, and closing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from cl_viz.dashboard import data_panels, opening, state
from cl_viz.dashboard.sidebar import chip_image
from cl_viz.dashboard.text import escape, read_out

_FIRST = (
    "title", "description", "look for", "views", "roles", "other columns", "saved steps", "layers", "loss",
    "temperature",
)  # fmt: skip
"""What a card says first."""
_MOST_COLUMNS = 8
_FEW = 3
"""So many facts beyond these are not worth folding."""
_NOT_SHOWN = ("name", "open_by_default", "card_version", "label", "inputs", "order")


def cards(runs: Sequence[state.OpenRun]) -> None:
    """Show what each run says about itself, and let it be closed."""
    st.header("The runs", anchor=False)
    data_panels.recognised(from_card=True)
    columns = st.columns(min(3, len(runs)), gap="medium")
    for index, opened in enumerate(runs):
        with columns[index % len(columns)].container(border=True, gap="xsmall"):
            st.markdown(f"{chip_image(opened.name)} **{escape(opened.name)}**")
            facts = _facts(opened)
            folded = [fact for fact in facts if fact[0] not in _FIRST]
            if len(folded) <= _FEW:
                folded = []
            st.markdown(_lines([fact for fact in facts if fact not in folded]))
            if folded:
                with st.expander("How it was trained and measured", type="compact"):
                    st.markdown(_lines(folded))
            with st.container(horizontal=True, gap="small"):
                if _can_choose(opened):
                    st.button(
                        read_out("Views and roles", f"of {opened.name}"),
                        key=f"choose {opened.name}",
                        on_click=_ask_again,
                        args=(opened,),
                        type="tertiary",
                        icon=":material/tune:",
                        help="Which arrays are views, and which column is the label, the text, ...",
                    )
                st.button(
                    read_out("Close", opened.name),
                    key=f"close {opened.name}",
                    on_click=state.close_run,
                    args=(opened.name,),
                    type="tertiary",
                    icon=":material/close:",
                )


def _can_choose(opened: state.OpenRun) -> bool:
    """Whether views and roles are a file's own to choose: a sample's or a run folder's come from its card."""
    plain = opened.run.steps == (None,) and opened.run.layers == (None,)
    return plain and opened.origin in ("path", "upload")


def _ask_again(opened: state.OpenRun) -> None:
    state.set_pending(state.Pending(opened.key, opened.origin, opened.name, from_card=True))


def _lines(facts: Sequence[tuple[str, str]]) -> str:
    return "  \n".join(f":small[:gray[{escape(key)}] {escape(value)}]" for key, value in facts)


def _facts(opened: state.OpenRun) -> list[tuple[str, str]]:
    """Return what the embeddings and the card say, as words: first what the run is, then how it came to be."""
    found = opened.run.get()
    facts = {
        "views": ", ".join(found.view_names),
        "roles": ", ".join(f"{role}: {column}" for role, column in found.roles.items()) or "none",
        "other columns": _others(opened),
        "saved steps": ", ".join(f"{step:,}" for step in opened.run.steps if step is not None) or "not stated",
        "layers": ", ".join(layer for layer in opened.run.layers if layer is not None) or "not stated",
        "source": opening.shown_text(opened.run.source),
    }
    for key, entry in opened.run.card.items():
        words = key.replace("_", " ")
        # A block of measurements is told by its own sentence.
        value = entry.get("summary") if isinstance(entry, Mapping) else entry
        if isinstance(value, (str, int, float)) and key not in _NOT_SHOWN and words not in facts:
            facts[words] = opening.shown_text(str(value))
    told = {key: value for key, value in facts.items() if value}
    return sorted(told.items(), key=lambda fact: _FIRST.index(fact[0]) if fact[0] in _FIRST else len(_FIRST))


def _others(opened: state.OpenRun) -> str:
    """Return the columns of a file that play no role, so that nobody looks for a label that is there in vain."""
    found = opened.run.get()
    every = dict.fromkeys(name for columns in found.metadata.values() for name in columns)
    names = [name for name in every if name not in found.roles.values()] if _can_choose(opened) else []
    more = f" and {len(names) - _MOST_COLUMNS:,} more" if len(names) > _MOST_COLUMNS else ""
    return ", ".join(names[:_MOST_COLUMNS]) + more

"""Samples found by words or SQL on the Map page, and selections that are kept, exported and used as groups."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import streamlit as st

from cl_viz.core.errors import ClVizError
from cl_viz.dashboard import errors, selections, state
from cl_viz.dashboard.map_colouring import Shown
from cl_viz.dashboard.map_memory import MapMemory
from cl_viz.dashboard.map_selection import Rows
from cl_viz.dashboard.text import escape
from cl_viz.samples import Selection, filter_rows, search_rows

_WORDS, _CONDITION = "find", "where"
"""Keys of the two fields, and their names in the address."""
_WIDTH = 460
_MOST_NAMED = 30
_DRAWN = "drawn on the map"


def fields(kept: MapMemory, shown: Sequence[Shown]) -> None:
    """Draw the fields for words and for a condition; what they find becomes the selection."""
    entry, before = shown[0], state.map_found()
    if before is not None and any(before[:2]) and before[:2] == _typed() and kept.how != _in_words(before):
        # Something else is selected by now, or nothing: the fields would say, and link to, what is not shown.
        st.session_state[_WORDS] = st.session_state[_CONDITION] = ""
        before = ("", "", *before[2:])
    with st.popover("Find", icon=":material/search:", help="Select samples by words or by a condition in SQL"):
        words = st.text_input(
            "Find words", key=_WORDS, bind="query-params", placeholder="in any column",
            help="Samples in whose metadata every word stands, in any case.",
        )  # fmt: skip
        condition = st.text_input(
            "Condition (SQL)", key=_CONDITION, bind="query-params", width=_WIDTH, placeholder=_example(entry),
            help="What stands after WHERE in DuckDB's SQL. It sees the table samples and nothing else.",
        )  # fmt: skip
        st.caption(escape(f"Columns: {', '.join(['row', *_columns(entry)])}"), width=_WIDTH)
    asked = (words.strip(), condition.strip(), entry.opened.name, entry.view)
    state.set_map_found(asked)
    if asked != before and any(asked[:2]):
        with errors.boundary("map filter"):
            _find(kept, entry, asked)
    elif before is not None and any(before[:2]) and not any(asked[:2]):
        kept.clear()


def _typed() -> tuple[str, ...]:
    """Return what stands in the fields."""
    return tuple(str(st.session_state.get(key) or "").strip() for key in (_WORDS, _CONDITION))


def _find(kept: MapMemory, entry: Shown, asked: tuple[str, ...]) -> None:
    try:
        kept.select(_found(entry, *asked[:2]), entry.opened.name, _in_words(asked))
    except ClVizError as error:
        kept.refuse(error, _in_words(asked))


def problem(kept: MapMemory) -> None:
    """Say why what was asked for could not be found."""
    if kept.refused is not None:
        errors.show(kept.refused)


def _in_words(asked: Sequence[str]) -> str:
    return " and ".join(part for part in asked[:2] if part)


def _columns(entry: Shown) -> list[str]:
    """Return the columns a condition can name, those of pictures and the like left out."""
    return [name for name, column in entry.embedding_set.columns(entry.view).items() if column.ndim == 1][:_MOST_NAMED]


def _example(entry: Shown) -> str:
    """Return a condition that this set understands."""
    label = entry.embedding_set.roles.get("label", "")
    column = entry.embedding_set.columns(entry.view).get(label)
    if column is None or not len(column) or not label.isidentifier():
        return "row < 500"
    value = str(column[0])[:_MOST_NAMED].replace("'", "''")
    quoted = f"'{value}'"
    return f"{label} = {value if column.dtype.kind in 'biuf' else quoted} AND row < 500"


def _found(entry: Shown, words: str, condition: str) -> Rows:
    rows: Rows = np.ones(entry.n, dtype=bool)
    if words:
        rows &= search_rows(entry.embedding_set, words, view=entry.view)
    if condition:
        rows &= filter_rows(entry.embedding_set, condition, view=entry.view)
    return rows


def keeping(kept: MapMemory, shown: Sequence[Shown], rows: Rows | None) -> None:
    """Draw what can be done with the selection, and with those that are kept."""
    saved = state.selections()
    if (rows is None or not rows.any()) and not saved:
        return
    if rows is not None and rows.any():
        _name_form(kept, shown[0], rows)
    if saved:
        with st.popover(f"Kept ({len(saved)})", icon=":material/bookmarks:", help="Selections of this session"):
            _list(kept, shown)


def _name_form(kept: MapMemory, entry: Shown, rows: Rows) -> None:
    with st.popover("Keep", icon=":material/bookmark_add:"), st.form("keep", border=False):
        name = st.text_input("Name", key="selection_name", max_chars=100, placeholder="far from their class")
        if st.form_submit_button("Keep", icon=":material/bookmark_add:"):
            with errors.boundary("keep"):
                made = selections.keep(entry.opened, rows, name, view=entry.view, how=kept.how or _DRAWN)
                st.toast(f"Kept {escape(made.selection.name)}: {len(made.selection.rows):,} samples.")


def _list(kept: MapMemory, shown: Sequence[Shown]) -> None:
    """Draw each kept selection with its buttons, and which of them are groups."""
    entry = shown[0]
    for name, found in list(state.selections().items()):
        with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
            count = f"{len(found.selection.rows):,} of {found.selection.n:,}"
            st.markdown(f"**{escape(name)}**: {count}, {escape(found.selection.how)}")
            _button("Show", name, partial(_show, kept, entry, found.selection))
            _exports(entry, found.selection)
            _button("Forget", name, partial(selections.forget, name))
    _groups(shown)


def _groups(shown: Sequence[Shown]) -> None:
    runs = [entry.opened for entry in shown]
    chosen = st.multiselect(
        "Use as groups on every page", list(state.selections()), key="selection_groups",
        help="Questions about groups (Downstream, Allocation harm, Over training) are then about these, for the runs "
        "shown here. A sample of several belongs to the first.",
    )  # fmt: skip
    grouped = [opened for opened in runs if opened.name in state.ungrouped()]
    # Runs are changed before anything of them is drawn again, and then on the whole page.
    with st.container(horizontal=True, gap="small"):
        pressed = st.button(
            "Use as groups", icon=":material/groups:", disabled=not chosen, key="use groups",
            on_click=_safely, args=(partial(selections.group, runs, chosen),),
        )  # fmt: skip
        if grouped:
            pressed |= st.button(
                "Give back the run's own groups", icon=":material/undo:", key="own groups",
                on_click=_safely, args=(partial(selections.ungroup, grouped),),
            )  # fmt: skip
    if pressed:
        st.rerun()


def _safely(act: Callable[[], None]) -> None:
    """Act; what goes wrong is told in the sidebar."""
    try:
        act()
    except ClVizError as error:
        state.add_problem(error)


def _show(kept: MapMemory, entry: Shown, selection: Selection) -> None:
    kept.select(selection.mask(entry.embedding_set, entry.view), entry.opened.name, selection.how)


def _button(label: str, name: str, act: Callable[[], None]) -> None:
    st.button(
        label, key=f"{label} {name}", type="tertiary", on_click=_safely, args=(act,), help=f"{label} {escape(name)}"
    )


def _exports(entry: Shown, selection: Selection) -> None:
    def parquet() -> bytes:
        buffer = io.BytesIO()
        selection.table(entry.embedding_set, entry.view).to_parquet(buffer, index=False)
        return buffer.getvalue()

    def csv() -> bytes:
        return selection.table(entry.embedding_set, entry.view).to_csv(index=False).encode()

    for label, make in (("Parquet", parquet), ("CSV", csv)):
        st.download_button(
            label, make, file_name=f"{selection.name}.{label.lower()}", key=f"{label} {selection.name}",
            type="tertiary", on_click="ignore", help=f"The samples of {selection.name} with their metadata",
        )  # fmt: skip

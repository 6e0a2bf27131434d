"""Adding runs on the Data page, and what was recognised in a file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from cl_viz.core.embedding_set import ROLES
from cl_viz.core.errors import ClVizError
from cl_viz.dashboard import errors, opening, state
from cl_viz.dashboard.text import escape
from cl_viz.formats import FORMATS, Inspection, inspect

_NONE = "none"


def adding(*, expanded: bool) -> None:
    """Draw the three ways of opening a run."""
    with st.expander("Add a run", icon=":material/add:", expanded=expanded, key="adding", on_change="rerun"):
        sample, path, upload = st.columns(3, gap="medium")
        with sample:
            _sample()
        with path:
            _path()
        with upload:
            _upload()


def _sample() -> None:
    closed: list[str] = []
    with errors.boundary("samples"):
        closed = opening.closed_samples()
    name = st.selectbox(
        "A bundled sample",
        closed,
        index=None,
        placeholder="Choose a run" if closed else "All are open",
        help="Small encoders that show one phenomenon each.",
        key="sample_name",
    )
    st.button("Open sample", disabled=name is None, on_click=_open_sample, args=(name,))


def _path() -> None:
    allowed = opening.paths_allowed()
    st.text_input(
        "A file or folder on this machine",
        placeholder="/data/embeddings.npz",
        disabled=not allowed,
        help="A dump, a folder of shards, or a folder with a run card.",
        key="path",
    )
    st.button("Open path", disabled=not allowed, on_click=_open_path)
    if not allowed:
        st.caption("Paths can be opened only while the server listens to this machine alone (server.address).")


def _upload() -> None:
    suffixes = sorted({suffix for spec in FORMATS.values() for suffix in spec.suffixes})
    st.file_uploader(
        "An upload",
        key="upload",
        on_change=_uploaded,
        help=f"{', '.join(suffixes)}. It stays in this session and is deleted with it.",
    )


def _open_sample(name: str) -> None:
    """Open a sample; an error is shown on the page, and nothing else changes."""
    state.forget_problems()
    try:
        opening.open_sample(name)
    except ClVizError as error:
        state.add_problem(error)


def _open_path() -> None:
    """Open the path that stands in the field now: it may be newer than what was drawn."""
    state.forget_problems()
    path = str(st.session_state.get("path") or "").strip()
    try:
        if not path:
            raise ClVizError("no path was given", where="Open path", remedy="type the path of a file or a folder")
        whole = opening.typed_path(path)
    except ClVizError as error:
        state.add_problem(error)
    else:
        _look_into(whole, "path", lambda: opening.open_path(whole))


def _uploaded() -> None:
    uploaded = st.session_state.get("upload")
    if uploaded is None:
        return
    state.forget_problems()
    try:
        path = opening.store_upload(uploaded.name, uploaded)
    except ClVizError as error:
        state.add_problem(error)
    else:
        _look_into(str(path), "upload", lambda: opening.open_upload(path))


def _look_into(path: str, origin: state.Origin, open_it: Callable[[], state.OpenRun]) -> None:
    """Open a file; where it cannot be opened as it is, its views and roles can be chosen beside the error."""
    state.set_pending(state.Pending(path, origin, ""))
    try:
        opened = open_it()
    except ClVizError as error:
        state.add_problem(error)
    else:
        state.rename_pending(opened.name)


def recognised(*, from_card: bool = False) -> None:
    """Show what was found in the file that was opened last, and let views and roles be overruled.

    A file that was asked for on the card of its run (`from_card`) is shown there.
    """
    pending = state.pending()
    if (
        pending is None
        or pending.from_card != from_card
        or (pending.run_name and pending.run_name not in state.open_runs())
    ):
        return
    opened = state.open_runs().get(pending.run_name)
    if opened is not None and opened.run.steps != (None,):
        steps = [step for step in opened.run.steps if step is not None]
        text = f"{len(steps):,} training step{'s' if len(steps) > 1 else ''}, the last {steps[-1]:,}"
        st.caption(f"Recognised in {escape(pending.path.rsplit('/', 1)[-1])}: {text}.")
        return
    try:
        found = inspect(pending.path)
    except ClVizError:
        return  # The error was shown when the file was opened.
    if not found.arrays:
        return
    with st.container(border=True):
        st.markdown(f"**Recognised in {escape(pending.path.rsplit('/', 1)[-1])}**: {escape(_format_label(found))}")
        for note in found.notes:
            st.caption(escape(note))
        arrays, columns = st.columns(2, gap="medium")
        with arrays:
            st.dataframe(_array_table(found), hide_index=True, width="stretch", height="content")
        with columns:
            if found.columns:
                st.dataframe(_column_table(found), hide_index=True, width="stretch", height="content")
            else:
                st.caption("No columns: labels, groups and texts are unknown.")
        _choices(found, pending)


def _format_label(found: Inspection) -> str:
    return FORMATS[found.format].label if found.format in FORMATS else found.format


def _choices(found: Inspection, pending: state.Pending) -> None:
    opened = state.open_runs().get(pending.run_name)
    current = dict(opened.run.get().roles) if opened is not None else dict(found.roles)
    with st.form(_key("choices", pending), border=False):
        st.multiselect(
            "Views",
            list(found.arrays),
            default=[array for array in found.views.values() if array in found.arrays],
            key=_key("views", pending),
            help="Arrays that show the same samples; all have the same number of columns.",
        )
        for column, role in zip(st.columns(len(ROLES), gap="small"), ROLES, strict=True):
            # A column whose name was shortened (view_1/label) is known by its short name once it has a role.
            guessed = [entry[role] for entry in (found.roles, current) if role in entry]
            options = list(dict.fromkeys([_NONE, *found.columns, *guessed]))
            key = _key(role, pending)
            if st.session_state.get(key) not in options:
                st.session_state[key] = current[role] if current.get(role) in options else _NONE
            with column:
                st.selectbox(role.capitalize(), options, key=key)
        _pairs(pending)
        st.form_submit_button("Use these", icon=":material/check:", on_click=_reopen, args=(found, pending))


def _key(name: str, pending: state.Pending) -> str:
    """Return the key of a control for one file; browsers see keys, so it does not say where the file lies."""
    place = hashlib.blake2b(pending.path.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{name} {place}"


def _pairs(pending: state.Pending) -> None:
    """Draw the control of the pairs file: a path where paths may be opened, else, and beside an upload, an upload."""
    explanation = (
        "For two views that are not aligned row by row: a file with two columns of whole numbers, "
        "row of the first view and row of the second, counted from 0."
    )
    if pending.origin == "upload" or not opening.paths_allowed():
        st.file_uploader("Pairs file (optional)", key=_key("pairs", pending), help=explanation)
    else:
        st.text_input(
            "Pairs file (optional)", placeholder="/data/pairs.csv", key=_key("pairs", pending), help=explanation
        )


def _chosen_pairs(pending: state.Pending) -> str:
    """Return the path of the pairs file, empty without one; an upload is stored first."""
    given = st.session_state.get(_key("pairs", pending))
    if given is not None and not isinstance(given, str):
        return str(opening.store_upload(given.name, given))
    path = (given or "").strip()
    return opening.typed_path(path) if path else ""


def _reopen(found: Inspection, pending: state.Pending) -> None:
    """Open the file again as the form says; the run keeps its place and colour."""
    state.forget_problems()
    chosen = {role: st.session_state[_key(role, pending)] for role in ROLES}
    choices: dict[str, Any] = {role: column for role, column in chosen.items() if column != _NONE}
    views = list(st.session_state[_key("views", pending)])
    if views != list(found.views.values()):
        choices["views"] = tuple(views)
    try:
        pairs = _chosen_pairs(pending)
        if pairs:
            choices["pairs"] = pairs
        opened = opening.reopen(pending, choices)
        emptied = {role: None for role in found.roles if chosen[role] == _NONE}
        if emptied:
            opened = opening.without_roles(opened, tuple(emptied))
    except ClVizError as error:
        state.add_problem(error)
    else:
        state.rename_pending(opened.name)
        # Roles that could be guessed only now that the views are known are shown too.
        for role, column in opened.run.get().roles.items():
            st.session_state[_key(role, pending)] = column


def _array_table(found: Inspection) -> pd.DataFrame:
    used = {array: view for view, array in found.views.items()}
    return pd.DataFrame(
        {
            "Array": list(found.arrays),
            "Shape": [" × ".join(f"{size:,}" for size in facts.shape) for facts in found.arrays.values()],
            "Type": [facts.dtype for facts in found.arrays.values()],
            "View": [used.get(name, "") for name in found.arrays],
        }
    )


def _column_table(found: Inspection) -> pd.DataFrame:
    role_of = {column: role for role, column in found.roles.items()}
    return pd.DataFrame(
        {
            "Column": list(found.columns),
            "Role": [role_of.get(name, "") for name in found.columns],
            "Distinct": [f"{facts.distinct:,}" for facts in found.columns.values()],
            "Examples": [", ".join(facts.examples) for facts in found.columns.values()],
        }
    )

"""Marked pairs: kept in the session by what the set holds, and exported as a mining list."""

from __future__ import annotations

import io
from typing import Any

import pandas as pd
import streamlit as st

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.dashboard import state
from cl_viz.engine import FoundPairs

Pair = tuple[str, int, str, int]
"""View and row of both samples."""


def pair_of(found: FoundPairs, place: int) -> Pair:
    """Return which samples a pair is of."""
    (view, row), (other_view, other_row) = found.sides(place)
    return view, row, other_view, other_row


def checkbox(embedding_set: EmbeddingSet, found: FoundPairs, place: int, number: int) -> None:
    """Draw the box that marks a pair, named by its number in the list."""
    pair = pair_of(found, place)
    st.checkbox(
        f"Mark pair {number:,}",
        value=pair in state.marked_pairs(found.fingerprint),
        key=_key(found.fingerprint, pair),
        on_change=_toggle,
        args=(embedding_set, found, place),
    )


def mark(embedding_set: EmbeddingSet, found: FoundPairs, places: list[int]) -> None:
    """Mark some pairs."""
    marks = state.marked_pairs(found.fingerprint)
    columns = found.columns(embedding_set, pd.array(places, dtype="int64").to_numpy())
    for at, place in enumerate(places):
        pair = pair_of(found, place)
        marks[pair] = {name: values[at] for name, values in columns.items()}
        st.session_state[_key(found.fingerprint, pair)] = True


def clear(fingerprint: str) -> None:
    """Forget the marks of a set."""
    marks = state.marked_pairs(fingerprint)
    for pair in marks:
        st.session_state.pop(_key(fingerprint, pair), None)
    marks.clear()


def mining_list(fingerprint: str) -> pd.DataFrame:
    """Return the marked pairs, one a line, in the order they were marked."""
    frame = pd.DataFrame(list(state.marked_pairs(fingerprint).values()))
    for name in frame.columns:
        if frame[name].dtype == object:
            # Ids and labels of two views may differ in type, which a Parquet column cannot hold.
            frame[name] = frame[name].map(lambda value: None if value is None or value != value else str(value))
    return frame


def exports(frame: pd.DataFrame) -> dict[str, tuple[bytes, str]]:
    """Return a mining list as files: suffix to content and media type."""
    parquet = io.BytesIO()
    frame.to_parquet(parquet, index=False)
    csv = frame.to_csv(index=False).encode("utf-8", "backslashreplace")
    lines = frame.to_json(orient="records", lines=True).encode("utf-8", "backslashreplace")
    return {
        "csv": (csv, "text/csv"),
        "parquet": (parquet.getvalue(), "application/vnd.apache.parquet"),
        "jsonl": (lines, "application/jsonl"),
    }


def _toggle(embedding_set: EmbeddingSet, found: FoundPairs, place: int) -> None:
    pair = pair_of(found, place)
    marks = state.marked_pairs(found.fingerprint)
    if pair in marks:
        del marks[pair]
    else:
        mark(embedding_set, found, [place])


def _key(fingerprint: str, pair: Pair) -> str:
    return f"mark {fingerprint} {pair}"


def lines_of_python(opened: state.OpenRun, found: FoundPairs, asked: dict[str, Any], file: str) -> str:
    """Return the lines that find the same pairs in a notebook, and read a mining list again."""
    given = "".join(f", {name}={value!r}" for name, value in asked.items())
    return (
        "import cl_viz, pandas\n"
        f"data = {opened.expression}\n"
        f"found = cl_viz.find_pairs(data, {found.query.question!r}{given})\n"
        "found.score, found.first, found.second, found.count\n"
        f"marked = pandas.read_parquet({file!r})"
    )

"""The sidebar: the open runs, the reference, adding a run, the device, and what is being computed."""

from __future__ import annotations

import base64
import struct
import zlib

import streamlit as st

from cl_viz.core.run import Run
from cl_viz.dashboard import opening, state, theme_watch, watching
from cl_viz.dashboard.text import escape
from cl_viz.engine.device import describe_device
from cl_viz.figures.theme import THEMES, run_colour


def draw() -> None:
    """Draw the sidebar, and keep a place in it for progress."""
    runs = state.open_runs()
    with st.sidebar:
        st.markdown("**Open runs**")
        if not runs:
            st.caption("None yet.")
        for opened in runs.values():
            _run_line(opened)
        watching.follow()
        if len(runs) > 1:
            st.selectbox(
                "Reference run",
                list(runs),
                key=state.reference_key(),
                bind="query-params",
                persist_state="session",
                help="The run that single-run figures show and that others are compared with.",
            )
        st.page_link("pages/start/data.py", label="Add a run", icon=":material/add:")
        state.set_progress_slot(st.empty())
        st.caption(f"Computing on {escape(describe_device())}")
        theme_watch.follow()


def _run_line(opened: state.OpenRun) -> None:
    key = state.tick_key(opened.name)
    st.session_state.setdefault(key, True)
    with st.container(gap=None):
        # The chip stands beside the tick: a label is read out as it was given, a picture's address included.
        with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
            st.markdown(chip_image(opened.name), width="content")
            st.checkbox(escape(opened.name), key=key, persist_state="session")
        st.caption(_facts(opened.run))


def _facts(run: Run) -> str:
    found = run.get()
    sizes = " + ".join(f"{size:,}" for size in dict.fromkeys(found.sizes))
    views = f"{len(found.view_names)} view{'s' if len(found.view_names) > 1 else ''}"
    step = run.steps[-1]
    return f"{sizes} × {found.dim}, {views}" + (f", step {step:,}" if step is not None else "")


def chip_image(name: str) -> str:
    """Return the colour chip of an open run, as Markdown."""
    number = state.open_runs()[name].colour
    return f"![colour {number + 1}]({chip(run_colour(number, THEMES[state.theme()]))})"


def chip(colour: str, size: int = 12) -> str:
    """Return a small square of one colour as a PNG data address."""
    pixel = bytes(int(colour[start : start + 2], 16) for start in (1, 3, 5))
    lines = (b"\0" + pixel * size) * size
    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    chunks = b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in parts
    )
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + chunks).decode("ascii")


def open_runs_first() -> None:
    """Open what the session starts with, then what its address asks for."""
    if state.first_time():
        opening.open_at_start()
    opening.open_asked()
    watching.catch_up()

"""What stands at a figure besides it: its row of quiet buttons, plotly's own buttons, the page's address."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

import streamlit as st

from cl_viz.core.view import View
from cl_viz.dashboard import state
from cl_viz.dashboard.text import read_out
from cl_viz.figures import csv_text


def row(view: View, key: str, lines: str, explain: Callable[[], None] | None = None) -> None:
    """Draw a figure's row of quiet buttons.

    Parameters
    ----------
    view : View
    key : str
        Unique on the page; the buttons are read out with it.
    lines : str
        Python that makes the same figure.
    explain : callable, optional
        Draws what stands under "How to read this"; a main figure has it, and a link.
    """
    of_it = f"of the figure {key.removeprefix('figure ').replace('_', ' ')}"
    with st.container(horizontal=True, gap="xsmall"):
        if explain is not None:
            with st.popover(read_out("How to read this", of_it), type="tertiary", icon=":material/menu_book:"):
                explain()
        with st.popover(read_out("Python", of_it), type="tertiary", icon=":material/code:"):
            st.caption("The same figure in a notebook:")
            st.code(lines, language="python", wrap_lines=True)
        st.download_button(
            read_out("CSV", of_it),
            csv_text(view),
            f"{key.replace(' ', '-')}.csv",
            "text/csv",
            key=f"csv {key}",
            icon=":material/table:",
            type="tertiary",
            on_click="ignore",
            help="The numbers behind this figure",
        )
        with st.popover(read_out("PNG", of_it), type="tertiary", icon=":material/image:"):
            st.write(
                "Point at the figure: the camera at its top right saves it as you see it, with its title, at twice the "
                "size and as wide from every window. "
                "Without a browser, the lines under *Python* give a plotly figure to write out."
            )
        if explain is not None:
            with st.popover(read_out("Link", of_it), type="tertiary", icon=":material/link:"):
                st.caption("This address restores what you see, on a server with the same runs:")
                st.code(address(), language=None, wrap_lines=True)


def address() -> str:
    """Return the address of this page in this state."""
    parts = urlsplit(st.context.url or "")
    shown = [run.name for run in state.shown_runs()]
    bound = {name: st.query_params.get_all(name) for name in st.query_params if name != state.RUN_PARAMETER}
    query = urlencode({state.RUN_PARAMETER: shown, **bound}, doseq=True)
    return f"{parts.scheme}://{parts.netloc}{parts.path}?{query}"

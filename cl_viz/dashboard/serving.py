"""What the server does once, before anybody looks: it learns what kind of app this is, and loads what is slow to load.

Until `st.navigation` has run once, a folder called `pages` beside the script makes Streamlit take the app for one
with flat pages: the first session of a server that opens a link to a page is told that the page does not exist.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

_SLOW_TO_LOAD = (
    "cl_viz.diagnostics",
    "cl_viz.figures.rendering",
    "cl_viz.dashboard.checkup",
    "scipy.stats",
    "sklearn.linear_model",
    "sklearn.metrics",
    "cl_viz.encoders",
)
"""What the first page needs, in the order in which it needs it."""


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Run around the life of the server."""
    PagesManager.uses_pages_directory = False
    threading.Thread(target=_load, name="cl_viz-load", daemon=True).start()
    yield


def _load() -> None:
    for name in _SLOW_TO_LOAD:
        importlib.import_module(name)
    # Each diagnostic is a module that its registry imports when it is first looked through.
    list(importlib.import_module("cl_viz.diagnostics").DIAGNOSTICS)

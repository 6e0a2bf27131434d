"""What the server does once, before anybody looks: it learns what kind of app this is, and loads what is slow to load.

Until `st.navigation` has run once, a folder called `pages` beside the script makes Streamlit take the app for one
with flat pages: the first session of a server that opens a link to a page is told that the page does not exist.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

from cl_viz.dashboard.starting import LEASH

_FOR_PAGES = ("cl_viz.diagnostics", "cl_viz.figures.rendering", "cl_viz.dashboard.panels")
"""What every page imports before it can draw its title."""
_FOR_CHECKUP = (
    "cl_viz.dashboard.checkup",
    "scipy.stats",
    "sklearn.linear_model",
    "sklearn.metrics",
    "cl_viz.encoders",
)
"""What the page that the app opens on needs besides, in the order in which it needs it."""


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Run around the life of the server."""
    PagesManager.uses_pages_directory = False
    threading.Thread(target=_load, name="cl_viz-load", daemon=True).start()
    if os.environ.get(LEASH):
        threading.Thread(target=_stop_with_standard_input, name="cl_viz-leash", daemon=True).start()
    yield


def load_for_pages() -> None:
    """Load what every page needs, or wait until it is loaded; from then on it takes no time."""
    for name in _FOR_PAGES:
        importlib.import_module(name)
    # Each diagnostic is a module that its registry imports when it is first looked through.
    list(importlib.import_module("cl_viz.diagnostics").DIAGNOSTICS)


def _load() -> None:
    load_for_pages()
    for name in _FOR_CHECKUP:
        importlib.import_module(name)


def _stop_with_standard_input() -> None:
    """End the server when the process that started it is gone, however it went: its end of the pipe closes."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)

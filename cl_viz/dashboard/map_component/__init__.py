"""The map in the browser: a components-v2 wrapper around plotly.js, which this server hands out itself.

The server sends a `Scene`; the browser reports the window, the outlines drawn, the place clicked and the kinds
hidden. plotly.js comes from the installed plotly package, once a browser, by a route of the app's own (`routes`).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from cl_viz.figures.map_scene import Scene
from cl_viz.figures.plotly_script import plotly_script

_FOLDER = Path(__file__).parent
_ALIGNED = 8
_mount = st.components.v2.component(
    "cl_viz_map",
    js=(_FOLDER / "map.js").read_text(encoding="utf-8"),
    css=(_FOLDER / "map.css").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def script_address() -> str:
    """Return the address of plotly.js, relative to any page; its version makes it a new one after an update."""
    return f"cl_viz-assets/plotly-{plotly_script().version}.min.js"


def routes() -> list[Route]:
    """Return the routes that the server of the app has besides Streamlit's own."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return [Route(f"/{base}/{script_address()}".replace("//", "/"), _send_plotly)]


def _send_plotly(request: Request) -> Response:
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return FileResponse(plotly_script().path, media_type="text/javascript", headers=headers)


def pack(scene: Scene, message: Mapping[str, Any]) -> bytes:
    """Return a scene and what goes with it as bytes: length of the header, header as JSON, arrays at multiples of 8."""
    entries: dict[str, dict[str, Any]] = {}
    header = {**scene.header, **message, "revision": scene.revision, "arrays": entries}
    arrays = {name: np.ascontiguousarray(array) for name, array in scene.arrays.items()}
    for name, array in arrays.items():
        entries[name] = {"type": str(array.dtype), "bytes": array.nbytes, "at": 0}
    # The places depend on the length of the header that holds them: it is padded to a length that fits them all.
    room = len(json.dumps(header).encode()) + 12 * len(entries)
    at = room = _up(4 + room) - 4
    at += 4
    for name, array in arrays.items():
        entries[name]["at"] = at
        at = _up(at + array.nbytes)
    parts = [struct.pack("<I", room), json.dumps(header).encode().ljust(room)]
    for array in arrays.values():
        parts += [array.tobytes(), bytes(_up(array.nbytes) - array.nbytes)]
    return b"".join(parts)


def _up(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED


def draw_map(
    scene: Scene,
    *,
    key: str,
    height: int,
    description: str,
    status: str,
    command: Mapping[str, Any],
    on_window: Callable[[], None],
    on_outlines: Callable[[], None],
    on_click: Callable[[], None],
    on_hidden: Callable[[], None],
) -> None:
    """Draw a map. What comes back is read with `reported` in the callbacks.

    Parameters
    ----------
    scene : Scene
    key : str
        Unique on the page.
    height : int
        Pixels of the map itself; tools and legend come on top.
    description : str
        What it shows, for those who do not see it.
    status : str
        One line under the map, read out when it changes.
    command : Mapping
        ``number``, ``window`` or None, ``outlines``, ``at`` (the place clicked) or None: obeyed once a number;
        otherwise the map stays where it is.
    on_window, on_outlines, on_click, on_hidden : callable
        Called when the browser reports something new.
    """
    message = {
        "plotly": script_address(),
        "height": height,
        "description": description,
        "status": status,
        "command": dict(command),
    }
    _mount(
        key=key,
        data=pack(scene, message),
        on_window_change=on_window,
        on_outlines_change=on_outlines,
        on_click_change=on_click,
        on_hidden_change=on_hidden,
    )


def reported(key: str, what: str) -> Any:
    """Return what the browser reported last of ``window``, ``outlines``, ``click`` or ``hidden``; None without it."""
    return (st.session_state.get(key) or {}).get(what)

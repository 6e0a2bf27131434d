"""What the Map page remembers: windows, outlines, the place clicked, hidden kinds; and how they stand in the address.

The browser holds what it shows; Python holds the same here, and tells the browser only what it does not know yet: a
link's window, a cleared selection. Such a *command* has a number and is obeyed once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from cl_viz.core.errors import ClVizError
from cl_viz.dashboard import state
from cl_viz.dashboard.map_component import reported
from cl_viz.figures.density import Window
from cl_viz.figures.polygon import thinned

SLOTS = ("left", "right")
_MOST_OUTLINES = 8
_DIGITS = 4
_NO_COMMAND: Mapping[str, Any] = {"number": 0, "window": None, "outlines": [], "at": None}

Outline = tuple[tuple[float, float], ...]


@dataclass
class Pane:
    """One of the two maps.

    Attributes
    ----------
    frame : str
        What its coordinates are in; maps of several steps laid over each other share one.
    place : str
        Frame, run and step: outlines and clicks belong to it.
    window : Window or None
        What is in view; None where the browser has not said.
    size : tuple of int
        Pixels of the map.
    command : Mapping
        What the browser is told.
    """

    frame: str = ""
    place: str = ""
    window: Window | None = None
    size: tuple[int, int] = (1000, 560)
    command: Mapping[str, Any] = field(default_factory=lambda: _NO_COMMAND)


@dataclass
class MapMemory:
    """What the page remembers.

    Attributes
    ----------
    panes : dict of Pane
        By slot.
    outlines : tuple of Outline
        Drawn on the map at `outlined`, a key of `places`; union.
    outlined, clicked_at : str
        ``slot@step``.
    clicked : tuple of float or None
        Where somebody clicked.
    hidden : frozenset of int
        Kinds of the colouring `hidden_of` that are not shown.
    picked : NDArray[np.bool_] or None
        Rows of `picked_of` that were selected otherwise than by an outline, which they replace.
    picked_of : str
        Name of the run.
    how : str
        How the selection was found, in words; empty where it was drawn.
    refused : ClVizError or None
        Why what was asked for could not be found.
    """

    panes: dict[str, Pane] = field(default_factory=lambda: {slot: Pane() for slot in SLOTS})
    outlines: tuple[Outline, ...] = ()
    outlined: str = ""
    clicked: tuple[float, ...] | None = None
    clicked_at: str = ""
    hidden: frozenset[int] = frozenset()
    hidden_of: str = ""
    picked: NDArray[np.bool_] | None = None
    picked_of: str = ""
    how: str = ""
    refused: ClVizError | None = None

    # -- what the page does --------------------------------------------------------------------------------------
    def enter(self, slot: str, frame: str, step: str) -> None:
        """Say which coordinates a slot shows now; what belonged to others is forgotten, and the browser told."""
        pane = self.panes[slot]
        place = f"{slot}@{step}"
        if pane.frame and pane.frame != frame:
            pane.window = None
            if self.outlined.startswith(f"{slot}@"):
                self.outlines, self.outlined = (), ""
            if self.clicked_at.startswith(f"{slot}@"):
                self.clicked, self.clicked_at = None, ""
        changed = (pane.frame, pane.place) != (frame, place)
        pane.frame, pane.place = frame, place
        # A map that has said nothing may be a new one in the browser: it is told again what it shows.
        if changed or st.session_state.get(component_key(slot)) is None:
            self.order(slot)

    def order(self, slot: str, *, again: bool = False) -> None:
        """Tell the browser what a map is to show, if it was told otherwise; or `again`, where it has moved on since."""
        pane = self.panes[slot]
        outlines = [list(map(list, outline)) for outline in self.outlines] if self.outlined == pane.place else []
        clicked = list(self.clicked) if self.clicked and self.clicked_at == pane.place else None
        wanted = {"window": list(pane.window) if pane.window else None, "outlines": outlines, "at": clicked}
        told = {name: pane.command[name] for name in wanted}
        if again or told != wanted or not pane.command["number"]:
            pane.command = {"number": int(pane.command["number"]) + 1, **wanted}

    def colour_by(self, label: str) -> None:
        """Say what colours the maps; kinds that were hidden are those of one colouring."""
        if self.hidden_of and self.hidden_of != label:
            self.hidden = frozenset()
        self.hidden_of = label

    def clear(self) -> None:
        """Forget the selection and the sample that was clicked."""
        self.outlines, self.outlined, self.picked, self.picked_of = (), "", None, ""
        self.how, self.refused = "", None
        self.clicked, self.clicked_at = None, ""
        for slot in SLOTS:
            self.order(slot, again=True)

    def select(self, rows: NDArray[np.bool_], run: str, how: str = "") -> None:
        """Select rows of a run's view, in the place of any outline.

        Parameters
        ----------
        rows : NDArray[np.bool_], shape (N,)
        run : str
            Name of an open run that the page shows.
        how : str
            How they were found, in words.
        """
        self.clear()
        self.picked, self.picked_of, self.how = rows, run, how

    def refuse(self, error: ClVizError, how: str) -> None:
        """Forget the selection, and remember why none takes its place."""
        self.clear()
        self.refused, self.how = error, how

    # -- what the browser reports --------------------------------------------------------------------------------
    def note_window(self, slot: str) -> None:
        """Take over the window that the browser reports."""
        found = reported(component_key(slot), "window")
        if _numbers(found, 6):
            left, right, low, high, across, upwards = found
            if left < right and low < high:
                self.panes[slot].window = (left, right, low, high)
                self.panes[slot].size = (max(1, int(across)), max(1, int(upwards)))

    def note_outlines(self, slot: str) -> None:
        """Take over the outlines that the browser reports, with as many corners as an address holds."""
        found = reported(component_key(slot), "outlines")
        drawn = [_shortened(corners) for corners in found or [] if _is_outline(corners)]
        if drawn or self.outlined == self.panes[slot].place:
            self.picked, self.picked_of, self.how, self.refused = None, "", "", None
            self.outlines, self.outlined = tuple(drawn[:_MOST_OUTLINES]), self.panes[slot].place if drawn else ""
            for other in SLOTS:
                if other != slot:
                    self.order(other, again=True)

    def note_click(self, slot: str) -> None:
        """Take over where somebody clicked."""
        found = reported(component_key(slot), "click")
        if _numbers(found, 2) or _numbers(found, 3):
            before, self.clicked, self.clicked_at = self.clicked_at, tuple(found), self.panes[slot].place
            for other in SLOTS:
                if other != slot and before == self.panes[other].place:
                    self.order(other, again=True)

    def note_hidden(self, slot: str) -> None:
        """Take over which kinds are hidden."""
        found = reported(component_key(slot), "hidden")
        if isinstance(found, list) and all(isinstance(code, int) and 0 <= code < 256 for code in found):
            self.hidden = frozenset(found)

    # -- the address ---------------------------------------------------------------------------------------------
    def read_address(self) -> None:
        """Take over what a link says."""
        for slot, name in zip(SLOTS, ("window", "window_2"), strict=True):
            numbers = _parsed(st.query_params.get(name, ""), 4)
            if numbers and numbers[0] < numbers[1] and numbers[2] < numbers[3]:
                self.panes[slot].window = (numbers[0], numbers[1], numbers[2], numbers[3])
        outlines = []
        for text in st.query_params.get("outline", "").split(";")[:_MOST_OUTLINES]:
            corners = [_parsed(corner, 2) for corner in text.split(" ")]
            if len(corners) >= 3 and all(corners):
                outlines.append(tuple((corner[0], corner[1]) for corner in corners if corner))
        self.outlines, self.outlined = tuple(outlines), st.query_params.get("outline_of", "") if outlines else ""
        clicked = st.query_params.get("at", "")
        self.clicked = tuple(_parsed(clicked, 2) or _parsed(clicked, 3) or ()) or None
        self.clicked_at = st.query_params.get("at_of", "") if self.clicked else ""
        hidden = st.query_params.get("hide", "").split(",")
        self.hidden = frozenset(int(code) for code in hidden if code.isdigit() and int(code) < 256)

    def write_address(self, slots: Sequence[str]) -> None:
        """Say in the address what is in view and selected on the maps that are shown."""
        windows = {slot: self.panes[slot].window if slot in slots else None for slot in SLOTS}
        outline = ";".join(" ".join(f"{x:g},{y:g}" for x, y in outline) for outline in self.outlines)
        wanted = {
            "window": _text(windows["left"]),
            "window_2": _text(windows["right"]),
            "outline": outline,
            "outline_of": self.outlined,
            "at": _text(self.clicked),
            "at_of": self.clicked_at,
            "hide": ",".join(map(str, sorted(self.hidden))),
        }
        for name, text in wanted.items():
            if text and st.query_params.get(name) != text:
                st.query_params[name] = text
            elif not text and name in st.query_params:
                del st.query_params[name]


def memory() -> MapMemory:
    """Return what this session remembers of the page; at first what its address says."""

    def make() -> MapMemory:
        made = MapMemory()
        made.read_address()
        return made

    found: MapMemory = state.map_memory(make)
    return found


def component_key(slot: str) -> str:
    """Return the key of the map in a slot."""
    return f"map {slot}"


def _shortened(corners: Sequence[Sequence[float]]) -> Outline:
    """Return an outline with few corners, rounded to what its size deserves, as the address will hold it."""
    kept = thinned(np.asarray(corners, dtype=np.float64))
    span = float(np.ptp(kept, axis=0).max())
    digits = _DIGITS - math.floor(math.log10(span)) if span > 0 else _DIGITS
    rounded = [(round(float(x), digits), round(float(y), digits)) for x, y in kept]
    return tuple((float(f"{x:g}"), float(f"{y:g}")) for x, y in rounded)


def _is_outline(corners: Any) -> bool:
    return isinstance(corners, list) and 3 <= len(corners) <= 20_000 and all(_numbers(corner, 2) for corner in corners)


def _numbers(found: Any, length: int) -> bool:
    return (
        isinstance(found, list)
        and len(found) == length
        and all(isinstance(part, (int, float)) and math.isfinite(part) for part in found)
    )


def _parsed(text: str, length: int) -> list[float]:
    """Return the finite numbers of a text with commas, or nothing where it holds anything else."""
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        return []
    return found if _numbers(found, length) else []


def _text(numbers: Sequence[float] | None) -> str:
    return ",".join(f"{number:.6g}" for number in numbers or ())

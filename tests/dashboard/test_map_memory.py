"""What the Map page takes over from the browser, and when it tells the browser something."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cl_viz.dashboard import map_memory
from cl_viz.dashboard.map_memory import MapMemory

SQUARE = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]


class Browser:
    """Stands for the browser: what it has reported, by map and kind."""

    def __init__(self) -> None:
        self.said: dict[tuple[str, str], Any] = {}

    def __call__(self, key: str, what: str) -> Any:
        return self.said.get((key, what))


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Browser:
    made = Browser()
    monkeypatch.setattr(map_memory, "reported", made)
    monkeypatch.setattr(map_memory.st, "session_state", {})
    return made


@pytest.fixture
def memory(browser: Browser) -> MapMemory:
    made = MapMemory()
    made.enter("left", "frame", "1")
    made.enter("right", "frame", "1")
    return made


def test_what_the_browser_did_is_not_told_back_to_it(memory: MapMemory, browser: Browser) -> None:
    told = memory.panes["left"].command
    browser.said = {
        ("map left", "window"): [0.0, 1.0, 0.0, 1.0, 640, 400],
        ("map left", "outlines"): [SQUARE],
        ("map left", "click"): [0.5, 0.5],
        ("map left", "hidden"): [2, 3],
    }
    memory.note_window("left")
    memory.note_outlines("left")
    memory.note_click("left")
    memory.note_hidden("left")
    assert memory.panes["left"].window == (0.0, 1.0, 0.0, 1.0)
    assert memory.panes["left"].size == (640, 400)
    assert memory.outlines == (tuple(map(tuple, SQUARE)),)
    assert (memory.outlined, memory.clicked, memory.hidden) == ("left@1", (0.5, 0.5), frozenset({2, 3}))
    assert memory.panes["left"].command is told


def test_a_new_outline_takes_the_place_of_one_on_the_other_map(memory: MapMemory, browser: Browser) -> None:
    browser.said = {("map left", "outlines"): [SQUARE], ("map right", "outlines"): [SQUARE]}
    memory.note_outlines("left")
    before = memory.panes["left"].command["number"]
    memory.note_outlines("right")
    assert memory.outlined == "right@1"
    assert memory.panes["left"].command["number"] > before
    assert memory.panes["left"].command["outlines"] == []


def test_clearing_is_told_to_both_maps(memory: MapMemory, browser: Browser) -> None:
    browser.said = {("map left", "outlines"): [SQUARE]}
    memory.note_outlines("left")
    numbers = [pane.command["number"] for pane in memory.panes.values()]
    memory.clear()
    assert memory.outlines == ()
    assert all(pane.command["number"] > number for pane, number in zip(memory.panes.values(), numbers, strict=True))


def test_other_coordinates_forget_what_belonged_to_the_former(memory: MapMemory, browser: Browser) -> None:
    browser.said = {("map left", "outlines"): [SQUARE], ("map left", "window"): [0.0, 1.0, 0.0, 1.0, 640, 400]}
    memory.note_outlines("left")
    memory.note_window("left")
    memory.enter("left", "frame", "2")
    assert memory.panes["left"].window is not None
    assert memory.outlined == "left@1"
    memory.enter("left", "another frame", "2")
    assert memory.panes["left"].window is None
    assert memory.outlines == ()


def test_rows_selected_otherwise_replace_an_outline(memory: MapMemory, browser: Browser) -> None:
    browser.said = {("map left", "outlines"): [SQUARE]}
    memory.note_outlines("left")
    memory.select(np.array([True, False]), "run")
    assert memory.outlines == ()
    assert memory.picked is not None
    memory.note_outlines("left")
    assert memory.picked is None


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("window", [1.0, 0.0, 0.0, 1.0, 9, 9]),
        ("window", [0.0, float("nan"), 0.0, 1.0, 9, 9]),
        ("window", "0,1"),
        ("outlines", [[[0, 0], [1, 1]]]),
        ("outlines", [[["a", "b"]] * 5]),
        ("click", [1.0]),
        ("click", {"x": 1}),
        ("hidden", [-1]),
        ("hidden", ["0"]),
    ],
)
def test_what_no_map_would_report_is_left_aside(memory: MapMemory, browser: Browser, what: str, said: object) -> None:
    browser.said = {("map left", what): said}
    getattr(memory, f"note_{what}")("left")
    assert memory.panes["left"].window is None
    assert (memory.outlines, memory.clicked, memory.hidden) == ((), None, frozenset())


def test_an_outline_in_the_address_is_the_one_that_selects(memory: MapMemory, browser: Browser) -> None:
    angle = np.linspace(0, 2 * np.pi, 500, endpoint=False)
    browser.said = {("map left", "outlines"): [np.stack([1e3 + np.cos(angle) / 7, np.sin(angle) / 7], axis=1).tolist()]}
    memory.note_outlines("left")
    (outline,) = memory.outlines
    assert len(outline) <= 60
    assert [[float(f"{x:.10g}") for x in corner] for corner in outline] == [list(corner) for corner in outline]
    assert np.ptp(np.array(outline)[:, 0]) == pytest.approx(2 / 7, rel=1e-2)

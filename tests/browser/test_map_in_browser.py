"""A person at a map of 50,000 and of a million samples: lasso, legend, zoom, link, keyboard, two runs.

The layouts are given: random coordinates lie in the cache of maps, as if they had been computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from cl_viz.formats import load
from cl_viz.projections._cache import MapCache
from cl_viz.projections._honesty import Honesty
from cl_viz.projections._projecting import checked_request, values_of
from cl_viz.projections._projection import Kept
from tests.browser.driving import SETTLE, server, settle

pytestmark = pytest.mark.browser
NewPage = Callable[..., Page]
LARGEST_MESSAGE = 2_000_000
MAP = ".cl-map[data-revision]"
HOSTILE = "<img src=x onerror='window.evil=1'>"


def _dump(folder: Path, name: str, n: int, *, hostile: bool = False) -> Path:
    """Write a dump whose map of principal components lies in the cache."""
    generator = np.random.default_rng(n + len(name))
    label = generator.integers(0, 5, n)
    places = (generator.normal(size=(n, 2)) + 4 * generator.normal(size=(5, 2))[label]).astype(np.float32)
    path = folder / f"{name}.npz"
    names = np.array([HOSTILE, "b", "c", "d", "e"])[label] if hostile else label
    np.savez(path, view_1=places, label=names)
    found = load(path)
    kept = Kept(0.5, n, n, 15)
    values = values_of(places, Honesty(kept, kept, np.full(n, 0.5, dtype=np.float32), ("given",)), 1.0, [])
    MapCache().keep(found.fingerprint, checked_request(found, "pca", 2, None, None, 0).key, values)
    return path


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("maps")
    paths = [
        _dump(folder, "fifty", 50_000, hostile=True),
        _dump(folder, "million", 1_000_000),
        _dump(folder, "small", 400),
        _dump(folder, "other run", 400),
    ]
    with server(paths=[str(path) for path in paths]) as started:
        yield f"{started}/map"


class Wire:
    """The sizes of what the page receives, in bytes."""

    def __init__(self, page: Page) -> None:
        self.sizes: list[int] = []
        page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: self.sizes.append(len(frame))))

    def largest(self) -> int:
        """Return the largest message since the last call."""
        found, self.sizes[:] = max(self.sizes, default=0), []
        return found


def opened(page: Page, address: str) -> Page:
    page.goto(address)
    settle(page)
    page.locator(MAP).first.wait_for(timeout=SETTLE)
    expect(page.get_by_test_id("stAlertContentError")).to_have_count(0)
    return page


def revision(page: Page, place: int = 0) -> str:
    return str(page.locator(MAP).nth(place).get_attribute("data-revision"))


def status(page: Page) -> str:
    return page.locator(".cl-map-status").first.inner_text()


def lasso(page: Page, place: int = 0) -> None:
    page.get_by_role("button", name="Lasso").nth(place).click()
    box = page.locator(".nsewdrag").nth(place).bounding_box()
    assert box is not None
    x, y, across = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, box["width"] / 5
    page.mouse.move(x - across, y - across)
    page.mouse.down()
    for step_x, step_y in ((across, -across), (across, across), (-across, across)):
        page.mouse.move(x + step_x, y + step_y, steps=2)
    page.mouse.up()


def selection(page: Page) -> str:
    shown = page.get_by_test_id("stMain").get_by_text("Selected:")
    shown.wait_for(timeout=SETTLE)
    settle(page)
    return shown.inner_text()


POINTS = "document.querySelectorAll('.cl-map-plot')[{}].data.reduce((sum, trace) => sum + trace.x.length, 0)"


@pytest.mark.slow
def test_fifty_thousand_are_points_that_stay_where_they_are_when_selected(address: str, new_page: NewPage) -> None:
    page = new_page()
    wire = Wire(page)
    opened(page, f"{address}?map_run=fifty")
    assert page.evaluate(POINTS.format(0)) == 50_000
    assert wire.largest() < LARGEST_MESSAGE
    before = revision(page)
    lasso(page)
    text = selection(page)
    assert 0 < int(text.split()[1].replace(",", "")) < 50_000
    # The figure is not drawn again, and nothing that grows with the points travels.
    assert revision(page) == before
    page.locator(".cl-map-legend button").nth(0).click()
    page.wait_for_function(f"() => document.querySelector('{MAP}').dataset.revision !== '{before}'", timeout=SETTLE)
    settle(page)
    fewer = selection(page)
    assert fewer != text
    assert page.evaluate(POINTS.format(0)) < 50_000
    link = page.url
    page.close()

    again = opened(new_page(), link)
    assert selection(again) == fewer
    first = again.locator(".cl-map-legend button").nth(0)
    expect(first).to_have_attribute("aria-pressed", "false")
    expect(first).to_have_text(HOSTILE)
    assert again.evaluate("() => window.evil") is None


def test_a_million_are_a_picture_that_becomes_points_by_zooming_in(address: str, new_page: NewPage) -> None:
    page = new_page("dark")
    wire = Wire(page)
    opened(page, f"{address}?map_run=million")
    assert "1,000,000 samples in view, shown as their density" in status(page)
    assert 10_000 < wire.largest() < LARGEST_MESSAGE
    plot = page.get_by_role("application")
    assert "Keys:" in str(plot.get_attribute("aria-label"))
    plot.focus()
    for _ in range(12):
        before = revision(page)
        page.keyboard.press("+")
        page.wait_for_function(f"() => document.querySelector('{MAP}').dataset.revision !== '{before}'", timeout=SETTLE)
        if "are drawn" in status(page):
            break
    assert "of 1,000,000 samples are drawn" in status(page)
    assert 0 < page.evaluate(POINTS.format(0)) <= 50_000
    assert wire.largest() < LARGEST_MESSAGE
    assert "window=" in page.url
    page.keyboard.press("s")
    assert "of 1,000,000 samples" in selection(page)
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("stMain").get_by_text("Selected:")).to_have_count(0, timeout=SETTLE)


def test_a_selection_on_one_run_is_shown_on_the_other(address: str, new_page: NewPage) -> None:
    page = opened(new_page(), f"{address}?map_run=small&beside=other+run")
    assert page.locator(MAP).count() == 2
    left = revision(page)
    faint = "document.querySelectorAll('.cl-map-plot')[{}].data.some(trace => trace.marker.opacity < 0.3)"
    assert not page.evaluate(faint.format(1))
    lasso(page)
    assert "samples of other run" in selection(page)
    page.wait_for_function(f"() => {faint.format(1)}", timeout=SETTLE)
    assert revision(page) == left
    lasso(page, 1)
    page.wait_for_function(f"() => {faint.format(0)} && !({faint.format(1)})", timeout=SETTLE)
    assert page.evaluate("document.querySelectorAll('.cl-map-plot')[0].layout.selections.length") == 0
    marked = "document.querySelectorAll('.cl-map-plot')[1]._fullData.some(trace => trace.selectedpoints)"
    assert page.evaluate(marked)
    page.get_by_role("button", name="Clear selection").click()
    page.wait_for_function("() => !document.body.innerText.includes('Selected:')", timeout=SETTLE)
    assert page.evaluate("document.querySelectorAll('.cl-map-plot')[1].layout.selections.length") == 0
    page.wait_for_function(f"() => !({marked})", timeout=SETTLE)

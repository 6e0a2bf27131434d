"""A person at maps of 400, 50,000 and a million samples: outlines, legend, words, SQL, zoom, links, two runs, stop.

The layouts are given: random coordinates lie in the cache of maps, as if they had been computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from cl_viz.formats import load
from cl_viz.projections._cache import MapCache
from cl_viz.projections._honesty import Honesty
from cl_viz.projections._making import kept_values
from cl_viz.projections._projection import Kept
from cl_viz.projections._requests import checked_request
from tests.browser.driving import SETTLE, server, settle, wait_until

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
    words = {"words": np.array([f"{'fox' if row % 7 else 'owl'} {row}" for row in range(n)])} if n < 1_000 else {}
    np.savez(path, view_1=places, label=names, **words)
    found = load(path)
    kept = Kept(0.5, n, n, 15)
    request, cache = checked_request(found, "pca", 2, None, None, 0), MapCache()
    cache.keep(found.fingerprint, request.key, {"coordinates": places, "seconds": 1.0, "notes": ()})
    judged = kept_values(Honesty(kept, kept, np.full(n, 0.5, dtype=np.float32), ("given",)))
    cache.keep(found.fingerprint, request.kept_key(False), judged)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("maps")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
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


def lasso(page: Page, place: int = 0, *, share: float = 0.2) -> None:
    """Draw an outline about the middle of a map, from there to a share of its width on every side."""
    page.get_by_role("button", name="Lasso").nth(place).click()
    box = page.locator(".nsewdrag").nth(place).bounding_box()
    assert box is not None
    x, y, across = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, share * box["width"]
    page.mouse.move(x - across, y - across)
    page.mouse.down()
    # With each move Plotly looks for the points inside again.
    for step_x, step_y in ((across, -across), (across, across), (-across, across)):
        page.mouse.move(x + step_x, y + step_y)
    page.mouse.up()


def box(page: Page, place: int = 0) -> None:
    """Draw a box over the left third of a map, beside what is selected already."""
    page.get_by_role("button", name="Box").nth(place).click()
    area = page.locator(".nsewdrag").nth(place).bounding_box()
    assert area is not None
    page.keyboard.down("Shift")
    page.mouse.move(area["x"] + 4, area["y"] + 4)
    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] / 3, area["y"] + area["height"] - 4)
    page.mouse.up()
    page.keyboard.up("Shift")


def count(text: str) -> int:
    """Return the number of samples that a line about a selection begins with."""
    return int(text.split()[1].replace(",", ""))


def selection(page: Page) -> str:
    shown = page.get_by_test_id("stMain").get_by_text("Selected:")
    shown.wait_for(timeout=SETTLE)
    settle(page)
    return shown.inner_text()


BRIGHT = (
    "document.querySelectorAll('.cl-map-plot')[{}].data"
    ".reduce((sum, trace) => sum + (trace.selectedpoints ?? trace.x).length, 0)"
)
"""How many points of a map on which an outline was drawn are not faint."""
OUTLINES = (
    "document.querySelectorAll('.cl-map-plot')[{}].layout.shapes.filter(shape => shape.name === 'outline').length"
)
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
    drawn = selection(page)
    assert 10_000 < count(drawn) < 50_000
    assert page.evaluate(BRIGHT.format(0)) == count(drawn)
    box(page)
    wait_until(page, "before => !document.body.innerText.includes(before)", arg=drawn)
    text = selection(page)
    assert count(drawn) < count(text) < 50_000
    assert page.evaluate(BRIGHT.format(0)) == count(text)
    # Plotly's own selections compare each point of one with each that is added to it.
    assert page.evaluate("(document.querySelector('.cl-map-plot').layout.selections ?? []).length") == 0
    assert wire.largest() < LARGEST_MESSAGE / 4
    # The figure is not drawn again, and nothing that grows with the points travels.
    assert revision(page) == before
    page.locator(".cl-map-legend button").nth(0).click()
    wait_until(page, f"() => document.querySelector('{MAP}').dataset.revision !== '{before}'")
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


def test_a_click_is_on_the_sample_whose_row_is_told_and_an_outline_too_many_is_refused(
    address: str, new_page: NewPage
) -> None:
    page = opened(new_page(), f"{address}?map_run=fifty")
    area = page.locator(".nsewdrag").first.bounding_box()
    assert area is not None
    page.mouse.move(area["x"] + 0.5 * area["width"], area["y"] + 0.5 * area["height"])
    tip = page.locator(".cl-map-tip")
    expect(tip).to_contain_text("row", timeout=SETTLE)
    row = int(tip.inner_text().split("row ")[1])
    page.mouse.down()
    page.mouse.up()
    expect(page.get_by_test_id("stMain")).to_contain_text(f"Row {row:,} and its nearest samples", timeout=SETTLE)
    for number in range(9):
        box(page)
        wait_until(page, f"() => {OUTLINES.format(0)} === {min(number + 1, 8)}")
    expect(page.locator(".cl-map-status")).to_contain_text("At most 8 outlines")
    assert page.evaluate(OUTLINES.format(0)) == 8


def test_a_million_are_a_picture_that_becomes_points_by_zooming_in(address: str, new_page: NewPage) -> None:
    page = new_page("dark")
    wire = Wire(page)
    opened(page, f"{address}?map_run=million")
    assert "1,000,000 samples in view, shown as their density" in status(page)
    assert 10_000 < wire.largest() < LARGEST_MESSAGE
    # Beside an outline the picture is faint, too: it is painted again.
    before = revision(page)
    lasso(page, share=0.1)
    assert 0 < count(selection(page)) < 1_000_000
    wait_until(page, f"() => document.querySelector('{MAP}').dataset.revision !== '{before}'")
    assert page.evaluate(OUTLINES.format(0)) == 1
    page.get_by_role("application").focus()
    page.keyboard.press("Escape")
    wait_until(page, f"() => document.querySelector('{MAP}').dataset.revision === '{before}'")
    assert page.evaluate(OUTLINES.format(0)) == 0
    plot = page.get_by_role("application")
    assert "Keys:" in str(plot.get_attribute("aria-label"))
    plot.focus()
    for _ in range(12):
        before = revision(page)
        page.keyboard.press("+")
        wait_until(page, f"() => document.querySelector('{MAP}').dataset.revision !== '{before}'")
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


RANGE = "document.querySelector('.cl-map-plot').layout.xaxis.range"


def find(page: Page, field: str, words: str) -> str:
    """Look for samples, and return what is then said of the selection."""
    before = page.get_by_test_id("stMain").get_by_text("Selected:").all_inner_texts()
    page.get_by_role("textbox", name=field).fill(words)
    page.get_by_role("textbox", name=field).press("Enter")
    wait_until(
        page,
        "before => document.body.innerText.includes('Selected:') && !document.body.innerText.includes(before)",
        arg=before[0] if before else "Selected: nothing",
    )  # fmt: skip
    return selection(page)


def test_words_sql_and_the_legend_filter_and_a_link_restores_all_of_it(
    address: str, folder: Path, new_page: NewPage
) -> None:
    label = np.load(folder / "small.npz")["label"]
    page = opened(new_page(), f"{address}?map_run=small")
    assert page.evaluate(POINTS.format(0)) == 400
    page.get_by_role("button", name="Find").click()
    assert count(find(page, "Find words", "FOX")) == sum(row % 7 > 0 for row in range(400))
    wanted = int(((label == 2) & (np.arange(400) < 200) & (np.arange(400) % 7 > 0)).sum())
    assert count(find(page, "Condition (SQL)", "label = 2 AND row < 200")) == wanted
    page.keyboard.press("Escape")
    # Nothing outside the set can be read, and the page says so.
    page.get_by_role("button", name="Find").click()
    page.get_by_role("textbox", name="Condition (SQL)").fill("row IN (SELECT 1 FROM read_text('/etc/passwd'))")
    page.get_by_role("textbox", name="Condition (SQL)").press("Enter")
    page.get_by_test_id("stAlertContentError").wait_for(timeout=SETTLE)
    assert "root:" not in page.inner_text("body")
    assert count(find(page, "Condition (SQL)", "label = 2")) == int(((label == 2) & (np.arange(400) % 7 > 0)).sum())
    page.keyboard.press("Escape")
    # Another colour has another legend; one of its kinds is hidden.
    legend = page.locator(".cl-map-legend button")
    first = int(legend.first.inner_text())
    before = revision(page)
    legend.first.click()
    wait_until(page, f"() => document.querySelector('{MAP}').dataset.revision !== '{before}'")
    settle(page)
    assert page.evaluate(POINTS.format(0)) == 400 - int((label == first).sum())
    page.get_by_role("application").focus()
    page.keyboard.press("+")
    page.wait_for_url("**window=**", timeout=SETTLE)
    settle(page)
    window, text, link = page.evaluate(RANGE), selection(page), page.url
    page.close()

    again = opened(new_page("dark"), link)
    assert selection(again) == text
    wait_until(again, f"wanted => Math.abs({RANGE}[0] - wanted) < 1e-3", arg=window[0])
    assert again.evaluate(RANGE) == pytest.approx(window, rel=1e-3)
    expect(again.locator(".cl-map-legend button").first).to_have_attribute("aria-pressed", "false")
    # In space: every sample is a point, and a colour of numbers has no kinds to click.
    deep = opened(again, f"{address}?map_run=small&dim=3&colour=error+of+the+map")
    assert deep.evaluate("document.querySelector('.cl-map-plot').data[0].type") == "scatter3d"
    assert deep.evaluate(POINTS.format(0)) == 400
    assert "400 of 400 samples are drawn" in status(deep)
    assert deep.get_by_role("button", name="Lasso").count() == 0


def workers() -> set[str]:
    """Return the processes of this machine that make a map."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if b"cl_viz.projections._worker_process" in entry.read_bytes():
                found.add(entry.parent.name)
    return found


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="processes are read from /proc")
def test_a_map_that_is_made_shows_how_far_it_is_and_can_be_stopped(address: str, new_page: NewPage) -> None:
    others = workers()
    page = new_page()
    page.goto(f"{address}?map_run=small&method=UMAP&epochs=5000")
    page.locator("h1").first.wait_for(timeout=SETTLE)
    main = page.get_by_test_id("stMain")
    settle(page)
    compute = main.get_by_role("button", name="Compute")
    if compute.count():
        compute.click()
    bar = main.get_by_test_id("stProgress")
    expect(bar).to_contain_text("small: UMAP", timeout=SETTLE)
    seen = bar.inner_text()
    wait_until(
        page,
        "seen => [...document.querySelectorAll('[data-testid=stProgress]')].some(bar => bar.innerText !== seen)",
        arg=seen,
    )  # fmt: skip
    assert len(workers() - others) == 1
    main.get_by_role("button", name="Stop").click()
    expect(main).to_contain_text("The UMAP map of small was stopped", timeout=SETTLE)
    assert workers() <= others
    expect(bar).to_have_count(0)


def test_a_selection_on_one_run_is_shown_on_the_other(address: str, new_page: NewPage) -> None:
    page = opened(new_page(), f"{address}?map_run=small&beside=other+run")
    assert page.locator(MAP).count() == 2
    left = revision(page)
    faint = "document.querySelectorAll('.cl-map-plot')[{}].data.some(trace => trace.marker.opacity < 0.3)"
    assert not page.evaluate(faint.format(1))
    lasso(page)
    assert "samples of other run" in selection(page)
    # The scores and the mix of either run, each under its map.
    assert page.get_by_test_id("stMain").get_by_test_id("stPlotlyChart").count() == 4
    page.get_by_test_id("stMain").get_by_test_id("stButtonGroup").get_by_text("other run").click()
    page.wait_for_url("**samples_of=other+run**", timeout=SETTLE)
    settle(page)
    wait_until(page, f"() => {faint.format(1)}")
    assert revision(page) == left
    lasso(page, 1)
    wait_until(page, f"() => {faint.format(0)} && !({faint.format(1)})")
    assert page.evaluate(OUTLINES.format(0)) == 0
    assert page.evaluate(OUTLINES.format(1)) == 1
    marked = "document.querySelectorAll('.cl-map-plot')[1]._fullData.some(trace => trace.selectedpoints)"
    assert page.evaluate(marked)
    page.get_by_role("button", name="Clear selection").click()
    wait_until(page, "() => !document.body.innerText.includes('Selected:')")
    assert page.evaluate(OUTLINES.format(1)) == 0
    wait_until(page, f"() => !({marked})")

"""A person at a browser: checkup, a deep link, a control, an upload, the keyboard, light and dark."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.driving import server, settle, wait_until

pytestmark = pytest.mark.browser
NewPage = Callable[..., Page]
ADDRESSES = {"checkup": "", "data": "data", "distributions": "distributions"}


def no_error_box(page: Page) -> None:
    expect(page.get_by_test_id("stAlertContentError")).to_have_count(0)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def more_controls(page: Page) -> None:
    page.get_by_test_id("stMain").get_by_role("button", name="More").click()
    page.get_by_test_id("stPopoverBody").wait_for()


NUMBERS = (
    "JSON.stringify(document.querySelector('.js-plotly-plot')._fullData"
    ".map(trace => [trace.name, trace.x.length, Array.from(trace.y).slice(0, 80)]))"
)
"""The numbers of the first figure, as plotly holds them in the browser."""


def test_scores_open_by_their_link_on_a_fresh_server(new_page: NewPage) -> None:
    """The very first request of a server is the deep link; runs and controls are those of the link."""
    with server() as fresh:
        page = new_page()
        page.goto(f"{fresh}/distributions?run=mnist-healthy&bins=50")
        settle(page)
        expect(page.locator("h1")).to_have_text("Do positives stand apart from negatives?")
        expect(page.get_by_test_id("stSidebar").get_by_text("mnist-healthy").first).to_be_visible()
        page.locator(".js-plotly-plot").first.wait_for()
        expect(page.get_by_role("dialog")).to_have_count(0)
        more_controls(page)
        expect(page.get_by_test_id("stSlider").filter(has_text="Bins")).to_contain_text("50")
        ticks = page.get_by_test_id("stSidebar").get_by_role("checkbox")
        assert [ticks.nth(index).is_checked() for index in range(ticks.count())].count(True) == 1
        no_error_box(page)
        page.close()


def test_the_app_opens_on_the_checkup_of_the_samples(address: str, new_page: NewPage) -> None:
    page = new_page()
    page.goto(address)
    settle(page)
    main = page.get_by_test_id("stMain")
    for run in ("mnist-healthy", "mnist-low-temperature", "mnist-complete-collapse"):
        expect(main.get_by_text(run).first).to_be_visible()
    expect(main.get_by_text("Do positives stand apart from negatives?")).to_be_visible()
    expect(main).to_contain_text("bad")
    no_error_box(page)


def test_a_cell_of_the_checkup_opens_its_page_with_its_run(address: str, new_page: NewPage) -> None:
    page = new_page()
    page.goto(address)
    settle(page)
    # The links of findings say the page's name; those of cells a number.
    cells = page.get_by_test_id("stMain").locator("a[href*='distributions']").filter(has_not_text="Distributions")
    cells.first.click()
    page.wait_for_url(re.compile(r"/distributions\?(.*&)?run="))
    settle(page)
    expect(page.locator("h1")).to_have_text("Do positives stand apart from negatives?")
    ticks = page.get_by_test_id("stSidebar").get_by_role("checkbox")
    expect(ticks.first).to_be_attached()
    assert [ticks.nth(index).is_checked() for index in range(ticks.count())].count(True) == 1


@pytest.mark.parametrize(("name", "first"), [("checkup", "light"), ("data", "light"), ("distributions", "dark")])
def test_a_page_and_its_figures_follow_the_theme_of_the_system(
    name: str, first: str, address: str, new_page: NewPage
) -> None:
    page = new_page(first)
    page.goto(f"{address}/{ADDRESSES[name]}")
    for theme in (first, {"light": "dark", "dark": "light"}[first]):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        settle(page)
        no_error_box(page)
        wanted = {"light": "rgb(255, 255, 255)", "dark": "rgb(21, 24, 28)"}[theme]
        # The page is painted anew a moment after the system's theme has changed.
        wait_until(
            page,
            "wanted => getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor === wanted",
            arg=wanted,
        )
        if name != "checkup":
            paper = {"light": "#ffffff", "dark": "#15181c"}[theme]
            wait_until(
                page,
                "wanted => { const all = [...document.querySelectorAll('.js-plotly-plot')]; "
                "return all.length > 0 && all.every(figure => figure.layout?.paper_bgcolor === wanted); }",
                arg=paper,
            )


def test_a_control_moved_by_keyboard_changes_the_figure(address: str, new_page: NewPage) -> None:
    page = new_page()
    page.goto(f"{address}/distributions?run=mnist-healthy")
    settle(page)
    page.locator(".js-plotly-plot").first.wait_for()
    before = page.evaluate(f"() => {NUMBERS}")
    assert "positives" in before
    more_controls(page)
    slider = page.get_by_test_id("stSlider").filter(has_text="Bins").get_by_role("slider")
    slider.focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    page.wait_for_url("**bins=60**")
    wait_until(page, f"before => {NUMBERS} !== before", arg=before)
    settle(page)
    no_error_box(page)


def test_the_main_figure_fills_half_of_the_window(address: str, new_page: NewPage) -> None:
    page = new_page()
    page.goto(f"{address}/distributions")
    settle(page)
    box = page.locator(".js-plotly-plot").first.bounding_box()
    assert box is not None
    assert box["height"] >= 400
    assert box["width"] >= 600
    # Its title is text above it. The one that the camera saves is cut off, and the buttons are not.
    title = page.locator(".cl-viz-title").first
    expect(title).to_contain_text(re.compile(r"N\s=\s\d"))
    place = page.get_by_test_id("stElementContainer").filter(has=page.locator(".js-plotly-plot")).first.bounding_box()
    own, buttons = (page.locator(f".js-plotly-plot {part}").first.bounding_box() for part in (".gtitle", ".modebar"))
    assert place is not None
    assert own is not None
    assert buttons is not None
    assert own["y"] + own["height"] <= place["y"] <= buttons["y"]
    assert place["height"] >= 400


def test_three_runs_leave_room_for_the_figure_in_a_small_window(address: str, new_page: NewPage) -> None:
    """At 1280 x 800 each finding takes one line, the controls one row; title and upper half need no scrolling."""
    page = new_page()
    page.goto(f"{address}/distributions")
    settle(page)
    figure = page.locator(".js-plotly-plot").first
    figure.wait_for()
    ticks = page.get_by_test_id("stSidebar").get_by_role("checkbox")
    assert [ticks.nth(index).is_checked() for index in range(ticks.count())] == [True, True, True]
    # Controls whose code is still loading take a row each.
    wait_until(
        page,
        "() => { const box = document.querySelector('.js-plotly-plot').getBoundingClientRect(); "
        "return box.top + box.height / 2 <= 720; }",
    )
    lines = page.get_by_test_id("stMain").locator("p:has(.stMarkdownBadge):visible")
    heights = [lines.nth(index).bounding_box() for index in range(3)]
    assert all(line is not None and line["height"] < 36 for line in heights)
    controls = [
        page.get_by_test_id("stMain").get_by_text(text, exact=True).first.bounding_box()
        for text in ("auto", "across views", "projector", "More")
    ]
    assert all(control is not None for control in controls)
    middles = [control["y"] + control["height"] / 2 for control in controls if control is not None]
    assert max(middles) - min(middles) < 12


def test_main_controls_can_be_reached_by_keyboard(address: str, new_page: NewPage) -> None:
    page = new_page()
    page.goto(f"{address}/distributions")
    settle(page)
    reached = set()
    for _ in range(90):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "() => { const e = document.activeElement; return (e.closest('[data-testid=stSlider],"
                "[data-testid=stButtonGroup],[data-testid=stCheckbox],[data-testid=stSelectbox],"
                "[data-testid=stPopover],[data-testid=stDownloadButton],[data-testid=stSidebarNavLink]')"
                " || e).dataset.testid || e.tagName }"
            )
        )
    assert {
        "stSidebarNavLink", "stCheckbox", "stSelectbox", "stButtonGroup", "stSlider", "stPopover", "stDownloadButton",
    } <= reached  # fmt: skip


def test_an_upload_becomes_a_run(address: str, new_page: NewPage, labelled_dump: Path) -> None:
    page = new_page()
    page.goto(f"{address}/data")
    settle(page)
    page.get_by_test_id("stMain").get_by_text("Add a run").click()
    page.locator("input[type=file]").set_input_files(str(labelled_dump))
    expect(page.get_by_test_id("stSidebar").get_by_text("labelled").first).to_be_visible()
    settle(page)
    expect(page.get_by_test_id("stMain")).to_contain_text("Recognised in labelled.npz")
    no_error_box(page)


def test_a_broken_upload_is_explained_and_the_runs_stay(address: str, new_page: NewPage, tmp_path: Path) -> None:
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"PK\x03\x04 this is no archive")
    page = new_page()
    page.goto(f"{address}/data")
    settle(page)
    page.get_by_test_id("stMain").get_by_text("Add a run").click()
    page.locator("input[type=file]").set_input_files(str(broken))
    expect(page.get_by_test_id("stAlertContentError")).to_contain_text("broken.npz")
    expect(page.get_by_test_id("stSidebar").get_by_text("mnist-healthy").first).to_be_visible()


def test_hostile_names_and_labels_stay_text(new_page: NewPage, tmp_path: Path) -> None:
    """Script, markup, shortcodes and addresses in names and labels are shown letter by letter."""
    random = np.random.default_rng(0)
    first = random.normal(size=(40, 6))
    name = "<script>window.evil=1</script> **bold** :smile: :red[r] [a](http://x.invalid) $x$"
    image = np.array(["http://127.0.0.9:9/picture.png"] * 40)
    folder = tmp_path / "hostile"
    folder.mkdir()
    path = folder / f"{name.replace('/', '∕')}.npz"
    with path.open("wb") as file:
        np.savez(
            file,
            view_1=first,
            view_2=first + 0.1,
            label=np.array([name, "<img src=x onerror=evil()>"] * 20),
            image=image,
        )
    with server(paths=[str(path)]) as fresh:
        page = new_page()
        for address in ADDRESSES.values():
            page.goto(f"{fresh}/{address}")
            settle(page)
            no_error_box(page)
            assert page.evaluate("() => window.evil") is None
            shown = page.get_by_test_id("stSidebar").get_by_test_id("stCheckbox").first
            text = shown.inner_text().replace("\u2060", "")
            assert "<script>" in text
            assert "**bold** :smile: :red[r]" in text
            assert shown.locator("strong, a, em, .katex").count() == 0
        page.close()

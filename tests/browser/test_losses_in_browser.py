"""A person at the loss pages: the scrub bar, a flow on the circle, a training that is stopped and opens as a run."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.driving import SETTLE, settle

pytestmark = pytest.mark.browser
NewPage = Callable[..., Page]

NTXENT = "losses=Softmax+(InfoNCE)+%E2%80%BA+NT-Xent+(SimCLR)"
POINTS = (
    "JSON.stringify(document.querySelector('.js-plotly-plot')._fullData"
    ".filter(trace => trace.mode === 'markers').map(trace => Array.from(trace.x).slice(0, 40)))"
)
"""Where the points of the first figure are."""


def no_error_box(page: Page) -> None:
    expect(page.get_by_test_id("stAlertContentError")).to_have_count(0)
    expect(page.get_by_test_id("stException")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_scrub_bar_moves_the_points(address: str, new_page: NewPage, theme: str) -> None:
    page = new_page(theme)
    page.goto(f"{address}/loss_lab?part=Circle+and+sphere&circle_steps=20&points=16&{NTXENT}")
    settle(page)
    page.locator(".js-plotly-plot").first.wait_for(timeout=SETTLE)
    settle(page)
    at_the_end = page.evaluate(POINTS)
    bar = page.get_by_test_id("stSlider").filter(has_text="Step of the flow").get_by_role("slider")
    bar.focus()
    page.keyboard.press("Home")
    expect(page.locator(".js-plotly-plot").first).to_contain_text("step 0", timeout=SETTLE)
    assert page.evaluate(POINTS) != at_the_end
    no_error_box(page)


def test_a_training_draws_while_it_goes_on_and_a_stop_keeps_it(address: str, new_page: NewPage) -> None:
    page = new_page()
    page.goto(f"{address}/train?epochs=100&{NTXENT}")
    settle(page)
    page.get_by_role("button", name="Train 1 loss").click()
    main = page.get_by_test_id("stMain")
    expect(main.get_by_test_id("stProgress")).to_contain_text("step", timeout=SETTLE)
    main.locator(".js-plotly-plot").first.wait_for(timeout=SETTLE)
    main.get_by_role("button", name="Stop", exact=False).first.click()
    expect(page.get_by_test_id("stSidebar").get_by_text("trained-ntxent").first).to_be_visible(timeout=SETTLE)
    settle(page)
    # How far it came before the stop depends on the machine.
    expect(main).to_contain_text("trained-ntxent: ")
    expect(main).to_contain_text("Stopped by hand")
    expect(main).to_contain_text("after step")
    no_error_box(page)

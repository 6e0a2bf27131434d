"""A person at the Checkpoint page: one click on the bundled encoder, and the run is there on the other pages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.driving import SETTLE, settle

pytestmark = pytest.mark.browser
NewPage = Callable[..., Page]


def test_one_click_encodes_and_the_run_is_opened(address: str, new_page: NewPage) -> None:
    page = new_page("dark")
    page.goto(f"{address}/checkpoint")
    settle(page)
    main = page.get_by_test_id("stMain")
    expect(main).to_contain_text("Three convolutions and a projector, D = 32")
    main.get_by_role("button", name="Encode 1,000 rows").click()
    done = main.get_by_text("is open as a run: N = 1,000, D = 32")
    start = main.get_by_role("button", name="Start", exact=True)
    # A slow machine asks first.
    expect(done.or_(start).first).to_be_visible(timeout=SETTLE)
    if start.count():
        start.click()
    expect(done).to_be_visible(timeout=SETTLE)
    name = "mnist-healthy-step_000300-digits"
    expect(page.get_by_test_id("stSidebar").get_by_text(name).first).to_be_visible(timeout=SETTLE)
    settle(page)
    expect(page.get_by_test_id("stAlertContentError")).to_have_count(0)
    expect(page.get_by_test_id("stException")).to_have_count(0)

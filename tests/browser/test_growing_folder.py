"""A person watches a training: the page follows the folder while snapshots come, and stops when it is closed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page, expect

import cl_viz
from tests.browser.driving import SETTLE, server, settle

pytestmark = pytest.mark.browser
NewPage = Callable[..., Page]


def test_the_page_follows_a_folder_that_grows(new_page: NewPage, tmp_path: Path) -> None:
    probe = torch.randn(2, 60, 8, generator=torch.Generator().manual_seed(0))
    clean = 3 * torch.eye(4, 8)[torch.arange(60) % 4]
    recorder = cl_viz.Recorder(tmp_path / "course", (probe[0], probe[1]), every=10, label=torch.arange(60) % 4)

    def train_to(step: int) -> None:
        recorder.step(lambda batch, view: clean + 30 * batch / (10 + step), step)

    train_to(0)
    train_to(10)
    with server(paths=[str(recorder.path)]) as address:
        page = new_page()
        page.goto(f"{address}/over_training")
        settle(page)
        sidebar, main = page.get_by_test_id("stSidebar"), page.get_by_test_id("stMain")
        expect(sidebar).to_contain_text("last snapshot")
        expect(main.locator(".js-plotly-plot").first).to_contain_text("at step 10", timeout=SETTLE)
        train_to(20)
        expect(main.locator(".js-plotly-plot").first).to_contain_text("at step 20", timeout=SETTLE)
        settle(page)
        bar = page.get_by_test_id("stSlider").filter(has_text="Training step").get_by_role("slider")
        bar.focus()
        page.keyboard.press("Home")
        expect(main).to_contain_text("At step 0", timeout=SETTLE)
        page.wait_for_url("**step=0**")
        # The chosen step stays while the folder grows on.
        train_to(30)
        expect(main.locator(".js-plotly-plot").first).to_contain_text("at step 30", timeout=SETTLE)
        expect(main).to_contain_text("At step 0")
        recorder.close()
        expect(sidebar).not_to_contain_text("last snapshot", timeout=SETTLE)
        expect(page.get_by_test_id("stAlertContentError")).to_have_count(0)
        expect(page.get_by_test_id("stException")).to_have_count(0)

"""A person watches a training: the page follows the folder while steps come, and stops when it is closed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
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


def test_the_page_follows_dumps_per_step_and_a_projector_log(new_page: NewPage, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    folder, log = tmp_path / "dumps", tmp_path / "log"
    folder.mkdir()

    def dump(step: int) -> None:
        np.savez(folder / f"step-{step}.npz", view_1=rows, view_2=rows + 0.1)

    def add_embedding(step: int) -> None:
        """Write as torch's SummaryWriter does: the tensor, then the configuration that names it."""
        place = log / f"{step:05d}" / "projector"
        place.mkdir(parents=True)
        np.savetxt(place / "tensors.tsv", rows, delimiter="\t")
        entry = f'tensor_name: "projector:{step:05d}"\ntensor_path: "{step:05d}/projector/tensors.tsv"'
        with (log / "projector_config.pbtxt").open("a") as config:
            config.write(f"embeddings {{\n{entry}\n}}\n")

    dump(10)
    add_embedding(10)
    with server(paths=[str(folder), str(log)]) as address:
        page = new_page()
        page.goto(f"{address}/data")
        settle(page)
        sidebar = page.get_by_test_id("stSidebar")
        expect(sidebar).to_contain_text("40 × 6, 2 views, step 10")
        expect(sidebar).to_contain_text("40 × 6, 1 view, step 10")
        dump(20)
        expect(sidebar).to_contain_text("40 × 6, 2 views, step 20", timeout=SETTLE)
        add_embedding(30)
        expect(sidebar).to_contain_text("40 × 6, 1 view, step 30", timeout=SETTLE)
        expect(page.get_by_test_id("stAlertContentError")).to_have_count(0)
        expect(page.get_by_test_id("stException")).to_have_count(0)

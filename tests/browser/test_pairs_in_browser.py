"""From a bin of the score histogram to the pairs in it, to marks, to a mining list on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

import cl_viz
from tests.browser.driving import SETTLE, server, settle, wait_until

pytestmark = pytest.mark.browser
NewPage = Callable[..., Page]

POINT = """() => {
  const figure = document.querySelector('.js-plotly-plot'), box = figure.getBoundingClientRect();
  const curve = figure._fullData.find(trace => trace.customdata && trace.customdata[0][0] === 'negative');
  const at = Math.floor(0.6 * curve.x.length), {xaxis, yaxis} = figure._fullLayout;
  return [box.left + xaxis._offset + xaxis.l2p(curve.x[at]), box.top + yaxis._offset + yaxis.l2p(curve.y[at])];
}"""
"""Where a point of the negatives' curve is on the screen."""

CELL = """() => {
  for (const figure of document.querySelectorAll('.js-plotly-plot')) {
    const cells = (figure._fullData || []).find(trace => trace.customdata && trace.customdata[0].length === 3);
    if (!cells) continue;
    figure.scrollIntoView({block: 'center'});
    const box = figure.getBoundingClientRect(), {xaxis, yaxis} = figure._fullLayout;
    const at = cells.customdata.findIndex(place => place[1] === '2' && place[2] === '7');
    return [box.left + xaxis._offset + xaxis.d2p(cells.x[at]), box.top + yaxis._offset + yaxis.d2p(cells.y[at])];
  }
  return null;
}"""
"""Where the cell of 2 and 7 is on the screen, once it is drawn."""


def test_a_clicked_bin_leads_to_its_pairs_which_are_marked_and_exported(new_page: NewPage, tmp_path: Path) -> None:
    with server(paths=["sample:mnist-healthy"]) as address:
        page = new_page()
        page.goto(f"{address}/distributions")
        settle(page)
        page.locator(".js-plotly-plot .main-svg").first.wait_for()
        x, y = page.evaluate(POINT)
        page.mouse.move(x, y)
        page.wait_for_timeout(300)
        page.mouse.click(x, y)
        link = page.get_by_test_id("stMain").get_by_role("link", name="See the negatives with scores from")
        link.click()
        page.wait_for_url("**/pairs?**low=0.2**")
        settle(page)
        run = cl_viz.sample_runs(["mnist-healthy"])[0]
        found = cl_viz.find_pairs(run, "interval", low=0.2, high=0.22, m=100)
        expect(page.get_by_test_id("stMain")).to_contain_text(f"{found.score[0]:.4f}", timeout=SETTLE)
        expect(page.locator(".js-plotly-plot").first).to_contain_text(f"of {found.count:,} negatives", timeout=SETTLE)
        page.get_by_test_id("stMain").get_by_test_id("stCheckbox").first.locator("label").first.click()
        expect(page.get_by_test_id("stMain")).to_contain_text("1 pair marked", timeout=SETTLE)
        page.get_by_role("button", name="Mark these").click()
        expect(page.get_by_test_id("stMain")).to_contain_text("12 pairs marked", timeout=SETTLE)
        settle(page)
        with page.expect_download() as download:
            page.get_by_role("button", name="Parquet").click()
        download.value.save_as(tmp_path / "pairs.parquet")
        marked = pd.read_parquet(tmp_path / "pairs.parquet")
        assert sorted(marked["row"]) == sorted(found.first[:12])
        follow_a_cell_of_the_class_matrix(page, address)
        expect(page.get_by_test_id("stException")).to_have_count(0)


def follow_a_cell_of_the_class_matrix(page: Page, address: str) -> None:
    """A cell leads to the pairs of its classes in the view, the layer and the step that the matrix is of."""
    page.goto(f"{address}/representation_harm?representation_harm=Class+cosines&layer=backbone&step=36")
    settle(page)
    wait_until(page, f"() => ({CELL})() !== null")
    page.evaluate(CELL)
    page.wait_for_timeout(500)
    x, y = page.evaluate(CELL)
    page.mouse.move(x, y)
    page.wait_for_timeout(300)
    page.mouse.click(x, y)
    page.get_by_test_id("stMain").get_by_role("link", name="See the pairs of 2 and 7").click()
    page.wait_for_url("**/pairs?**layer=backbone&step=36**")
    settle(page)
    data = cl_viz.sample_runs(["mnist-healthy"])[0].get(36, "backbone")
    found = cl_viz.find_pairs(data, "classes", classes=("2", "7"), kind="other_samples", view="view_1")
    expect(page.get_by_test_id("stMain")).to_contain_text(f"{found.score[0]:.4f}", timeout=SETTLE)
    compute = page.get_by_test_id("stMain").get_by_role("button", name="Compute")
    if compute.count():
        # A busy machine expects all scores, among which the figure shows these, to take long.
        compute.click()
    expect(page.locator(".js-plotly-plot").first).to_contain_text(f"of {found.count:,} pairs", timeout=SETTLE)

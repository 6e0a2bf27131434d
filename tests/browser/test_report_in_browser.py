"""A report opened from disk, with no network: every figure is drawn, and nothing is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

import cl_viz
from tests.browser.driving import Watch, wait_until

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def path(labelled_set: cl_viz.EmbeddingSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cl_viz.report(labelled_set, tmp_path_factory.mktemp("report") / "report.html")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_figure_is_drawn_without_a_network(chromium: Browser, path: Path, theme: str) -> None:
    assert path.stat().st_size < 8e6
    context = chromium.new_context(offline=True, color_scheme=theme)  # type: ignore[arg-type]
    page = context.new_page()
    watch = Watch(page)
    page.goto(path.as_uri())
    figures = page.locator("[data-figure]")
    count = figures.count()
    assert count > 20
    for number in range(count):
        figures.nth(number).scroll_into_view_if_needed()
    wait_until(page, "() => [...document.querySelectorAll('[data-figure]')].every(it => it.dataset.drawn)")
    assert page.locator("[data-figure].js-plotly-plot").count() == count
    assert {figures.nth(number).get_attribute("data-drawn") for number in range(count)} == {theme}
    assert watch.errors == []
    assert watch.outside == []
    context.close()

"""One browser for all browser tests; each page is watched for errors and for requests that leave this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.driving import Watch, browser, server

NewPage = Callable[..., Page]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """A server with the bundled samples, for all tests that bring no runs: every page is a visitor of its own."""
    with server() as started:
        yield started


@pytest.fixture
def new_page(chromium: Browser) -> Iterator[NewPage]:
    """Open pages; afterwards none may have shown an error or asked for anything outside."""
    opened: list[tuple[Page, Watch]] = []

    def make(theme: str = "light", width: int = 1280, height: int = 800) -> Page:
        page = chromium.new_page(viewport={"width": width, "height": height}, color_scheme=theme)  # type: ignore[arg-type]
        page.set_default_timeout(90_000)
        opened.append((page, Watch(page)))
        return page

    yield make
    for page, watch in opened:
        page.close()
        assert watch.outside == []
        assert watch.errors == []

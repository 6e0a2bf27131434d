"""Starting the app and a browser for it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

CHECKOUT = Path(__file__).resolve().parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
_PROBES = ("/_stcore/health", "/_stcore/host-config")
SETTLE = 90_000
"""Milliseconds to wait for the app: scans run on two busy cores."""


def find_browser() -> str:
    """Return the path of a browser; without one the tests fail where they are asked for, else they are skipped."""
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found is not None:
        return found
    message = f"no browser: none of {', '.join(BROWSERS)} is on PATH (Debian: apt-get install chromium)"
    if os.environ.get("CI", "").lower() == "true" or os.environ.get("CL_VIZ_REQUIRE_BROWSER") == "1":
        pytest.fail(message)
    pytest.skip(message)


@contextmanager
def server(
    *, paths: Sequence[str] = (), environment: dict[str, str] | None = None, log: Path | None = None
) -> Iterator[str]:
    """Start a fresh server on a free port and give its address."""
    port = _free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(CHECKOUT / "app.py"), "--server.port", str(port)]
    output = log.open("wb") if log is not None else subprocess.DEVNULL
    process = subprocess.Popen(
        [*command, "--", *paths], cwd=CHECKOUT, env={**os.environ, **(environment or {})}, stdout=output, stderr=output
    )
    try:
        _wait_until_served(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def browser() -> Iterator[Browser]:
    """Start the browser."""
    executable = find_browser()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        try:
            yield started
        finally:
            started.close()


class Watch:
    """What a page said and asked for: console errors, script errors, requests that leave this machine."""

    def __init__(self, page: Page) -> None:
        self.errors: list[str] = []
        self.outside: list[str] = []
        page.on("console", self._note_console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self._note(request.url))
        page.on("websocket", lambda socket: self._note(socket.url))

    def _note_console(self, message: ConsoleMessage) -> None:
        # Opened by a link to a page, Streamlit's client first asks below that page whether the app lives there.
        is_probe = "404" in message.text and urlsplit(message.location.get("url", "")).path.endswith(_PROBES)
        # A test's own server may end before its page does, which then asks in vain for it; one that ends earlier fails
        # the test by what is not drawn.
        is_over = "net::ERR_CONNECTION_REFUSED" in message.text
        if message.type == "error" and not is_probe and not is_over:
            self.errors.append(message.text)

    def _note(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in ("127.0.0.1", "localhost"):
            self.outside.append(address)


def settle(page: Page) -> None:
    """Wait until the app has drawn a title and computes nothing any more."""
    page.locator("h1").first.wait_for(timeout=SETTLE)
    # Parts whose code the browser is still loading are grey blocks.
    wait_until(
        page,
        "() => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'"
        " && !document.querySelector('[data-testid=stSkeleton]')",
    )


def wait_until(page: Page, condition: str, arg: object = None) -> None:
    """Wait until a function of the page says so: asked in every frame, it would keep the browser from its work."""
    page.wait_for_function(condition, arg=arg, polling=50, timeout=SETTLE)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_served(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with code {process.returncode}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the server did not answer within a minute")

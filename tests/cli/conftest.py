"""Fixtures of the tests of the command line."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths and sentences stay on one line, so that they can be looked for."""
    monkeypatch.setenv("COLUMNS", "400")

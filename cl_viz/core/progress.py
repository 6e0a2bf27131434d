"""How long work reports how far it is, and how it is stopped."""

from __future__ import annotations

from collections.abc import Callable

ProgressCallback = Callable[[float, str], None]
"""Called with the fraction done (0 to 1) and a few words; it may raise `Cancelled` to stop the work."""


def silent(fraction: float, message: str) -> None:
    """Report nothing: the default callback."""

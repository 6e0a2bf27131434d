"""Ctrl-C is not lost: what a library swallows while it is imported, or compiles, the next progress raises again."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_pressed = threading.Event()


@contextmanager
def remembered_interrupts() -> Iterator[None]:
    """Remember that Ctrl-C was pressed while the block runs; outside the main thread nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _pressed.clear()
    before = signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def raise_if_pressed() -> None:
    """Raise the `KeyboardInterrupt` that somebody swallowed."""
    if _pressed.is_set():
        raise KeyboardInterrupt


def _interrupt(number: int, frame: FrameType | None) -> None:
    _pressed.set()
    raise KeyboardInterrupt

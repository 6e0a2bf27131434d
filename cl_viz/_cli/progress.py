"""A progress bar that appears only for work that takes more than a second."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from cl_viz._cli.console import messages
from cl_viz._cli.interrupts import raise_if_pressed
from cl_viz.core.progress import ProgressCallback

_PATIENCE = 1.0
"""Seconds of work before the bar appears."""


@contextmanager
def progress_bar(title: str) -> Iterator[ProgressCallback]:
    """Yield a progress callback that draws on standard error, where that is a terminal; the bar goes at the end."""
    console = messages()
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    task = bar.add_task(title, total=1.0)
    began = time.monotonic()
    shown = False

    def report(fraction: float, message: str) -> None:
        nonlocal shown
        raise_if_pressed()
        if not shown and console.is_terminal and time.monotonic() - began > _PATIENCE:
            bar.start()
            shown = True
        bar.update(task, completed=fraction, description=f"{title}: {message}")

    try:
        yield report
    finally:
        if shown:
            bar.stop()

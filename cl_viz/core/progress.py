"""How long work reports how far it is, and how it is stopped."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cl_viz.core.errors import MissingDependencyError

ProgressCallback = Callable[[float, str], None]
"""Called with the fraction done (0 to 1) and a few words; it may raise `Cancelled` to stop the work."""


_PATIENCE = 2.0
"""Seconds of work after which a notebook shows how far it is, though nobody asked."""
_LAYOUT = "{l_bar}{bar}| {elapsed}<{remaining}{postfix}"


def duration(seconds: float) -> str:
    """Return a time as people say it: ``"8 s"``, ``"12 min"`` from two minutes on, ``"2.5 h"`` from two hours on.

    Parameters
    ----------
    seconds : float
        At least 1 is said.
    """
    if seconds < 120:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:,.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def silent(fraction: float, message: str) -> None:
    """Report nothing: the default callback."""


@contextmanager
def progress_bar(title: str = "") -> Iterator[ProgressCallback]:
    """Show progress in a notebook or a terminal, by tqdm (the extra ``notebook``).

    Parameters
    ----------
    title : str
        Stands before the bar.

    Yields
    ------
    callable
        To be passed as ``progress=`` to anything that takes it.

    Raises
    ------
    MissingDependencyError
        If tqdm is not installed.

    Examples
    --------
    >>> with cl_viz.progress_bar("all pairs") as progress:  # doctest: +SKIP
    ...     cl_viz.scan(embedding_set, progress=progress)
    """
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise MissingDependencyError(
            "a progress bar is drawn with tqdm, which is not installed", remedy="pip install 'cl-viz[notebook]'"
        ) from error
    with tqdm(total=1.0, desc=title, bar_format=_LAYOUT) as bar:

        def report(fraction: float, message: str) -> None:
            bar.set_postfix_str(message, refresh=False)
            bar.update(max(0.0, min(fraction, 1.0) - bar.n))

        yield report


def or_bar(progress: ProgressCallback | None, title: str) -> ProgressCallback:
    """Return the callback that was given; without one a bar in a notebook, where tqdm is installed, else `silent`.

    The bar comes when the work has taken two seconds, and goes with the last call, whose fraction is 1.
    """
    if progress is not None:
        return progress
    return _LateBar(title) if _in_notebook() else silent


def _in_notebook() -> bool:
    """Tell whether a kernel runs this: a terminal keeps what is written to it."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


class _LateBar:
    """A bar of tqdm that is made when the work has taken a while, and that is gone when it is done."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._begun = time.monotonic()
        self._bar: Any = None

    def __call__(self, fraction: float, message: str) -> None:
        if fraction >= 1.0:
            if self._bar is not None:
                # A bar that is closed before its end turns red and stays.
                self._bar.n = self._bar.total
                self._bar.close()
            return
        if self._bar is None and time.monotonic() - self._begun >= _PATIENCE:
            self._bar = self._made(fraction)
        if self._bar is not None:
            self._bar.set_postfix_str(message, refresh=False)
            self._bar.update(max(0.0, fraction - self._bar.n))

    def _made(self, fraction: float) -> Any:
        try:
            with warnings.catch_warnings():
                # Without ipywidgets it draws with letters, which is as good here.
                warnings.simplefilter("ignore")
                from tqdm.auto import tqdm

                return tqdm(total=1.0, initial=fraction, desc=self._title, bar_format=_LAYOUT, leave=False)
        except ImportError:
            return None

"""How long work reports how far it is, and how it is stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cl_viz.core.errors import MissingDependencyError

ProgressCallback = Callable[[float, str], None]
"""Called with the fraction done (0 to 1) and a few words; it may raise `Cancelled` to stop the work."""


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
    layout = "{l_bar}{bar}| {elapsed}<{remaining}{postfix}"
    with tqdm(total=1.0, desc=title, bar_format=layout) as bar:

        def report(fraction: float, message: str) -> None:
            bar.set_postfix_str(message, refresh=False)
            bar.update(max(0.0, min(fraction, 1.0) - bar.n))

        yield report

"""Long names of runs, shortened to what tells them apart: the beginning that they share fills a narrow place alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

from cl_viz.dashboard.text import escape

_MOST = 28
"""Letters that the head of a column has room for."""
_FIRST_PART = re.compile(r"^.*[-_/ ,:=]")
_CUT = "…"


def told_apart(names: Sequence[str], most: int = _MOST) -> dict[str, str]:
    """Return a short name for each name: without the parts that all begin and end with, where one is too long.

    Parameters
    ----------
    names : sequence of str
        All different.
    most : int
        Letters that need no shortening.

    Examples
    --------
    >>> told_apart(["resnet-on-pictures-temperature-0.1", "resnet-on-pictures-temperature-0.5"])
    {'resnet-on-pictures-temperature-0.1': '…0.1', 'resnet-on-pictures-temperature-0.5': '…0.5'}
    """
    if len(names) < 2 or max(map(len, names)) <= most:
        return {name: name for name in names}
    start = _shared(names)
    end = _shared([name[start:][::-1] for name in names])
    return {name: (_CUT if start else "") + name[start : len(name) - end] + (_CUT if end else "") for name in names}


def tip(name: str, short: str) -> str | None:
    """Return what is told of a short name by pointing at it: the whole one, where it was shortened."""
    return None if short == name else escape(name)


def _shared(names: Sequence[str]) -> int:
    """Return the length of the whole parts that all names begin with."""
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    found = _FIRST_PART.match("".join(letters[0] for letters in alike))
    return found.end() if found else 0

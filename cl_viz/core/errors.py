"""Errors that tell a person what happened, where, what is allowed and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import takewhile
from pathlib import Path
from traceback import extract_tb, format_list
from typing import Any

_HERE = str(Path(__file__).parents[1])


class ClVizError(Exception):
    """Base of every error that cl_viz raises on purpose.

    Parameters
    ----------
    what : str
        What happened, one sentence.
    where : str, optional
        The file, argument or page it happened in.
    allowed : str, optional
        What would have been accepted.
    remedy : str, optional
        What to do next.
    """

    def __init__(
        self, what: str, *, where: str | None = None, allowed: str | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.allowed = allowed
        self.remedy = remedy

    def __str__(self) -> str:
        """Return the whole message on one line."""
        text = f"{self.where}: {self.what}" if self.where else self.what
        text = _sentence(text)
        if self.allowed:
            text += f" Allowed: {_sentence(self.allowed)}"
        if self.remedy:
            text += f" What to do: {_sentence(self.remedy)}"
        return text

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows: the lines that asked, and the message; not the way inside cl_viz."""
        asked = list(takewhile(lambda frame: not frame.filename.startswith(_HERE), extract_tb(self.__traceback__)))
        return [
            *format_list([frame for frame in asked if "IPython" not in frame.filename]),
            f"{type(self).__name__}: {self}",
        ]

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the keyword fields when the error crosses a process boundary."""
        return _rebuild, (type(self), self.what, self.where, self.allowed, self.remedy)


def similar_name(name: str, known: Iterable[str]) -> str | None:
    """Return what to do about a name that is not known: to take the one that is spelt most alike; None without any."""
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else None


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else text + "."


def _rebuild(
    kind: type[ClVizError], what: str, where: str | None, allowed: str | None, remedy: str | None
) -> ClVizError:
    return kind(what, where=where, allowed=allowed, remedy=remedy)


class InputError(ClVizError, ValueError):
    """Data or an argument that cannot be used."""


class UnknownNameError(InputError, KeyError):
    """A name that a mapping does not have."""


class FormatError(InputError):
    """A file that cannot be read as an embedding dump or a checkpoint."""


class UnsafeFileError(FormatError):
    """A file that would run code, or that claims more than it holds."""


class MissingInputError(InputError):
    """A diagnostic or loss lacks an input: labels, a second view, a second run."""


class DeviceError(ClVizError, RuntimeError):
    """The device asked for is absent, or has too little memory."""


class MissingDependencyError(ClVizError, ImportError):
    """An optional library is not installed; the remedy names the pip line."""


class RegistryError(ClVizError, RuntimeError):
    """A registry entry is malformed or declared twice; names the files."""


class Cancelled(ClVizError):
    """Long work was stopped by the user; nothing half-made is kept."""

"""A long JSON document, parsed a window at a time: lists of numbers become arrays before the next window is read.

What Python makes of JSON takes up to 24 times the memory of its text; of a number in a list of its own kind, 8 bytes
are kept here. So memory goes with the numbers of the file, and what is beside them has a limit.
"""

from __future__ import annotations

import json
import re
import sys
from array import array
from pathlib import Path
from typing import Any, TextIO

from cl_viz.core.errors import FormatError
from cl_viz.formats._limits import format_bytes

WINDOW = 1 << 20
"""Letters that are parsed at once where a list or an object is longer: what is in it is then parsed part by part."""
LONGEST_PART = 64 << 20
"""Letters of a part that is parsed at once all the same: a text, or what lies deep in other lists."""
MOST_BESIDE = 2 << 30
"""Bytes that everything but packed numbers may take."""
_DEEPEST = 8
"""Lists and objects in each other that are taken apart."""
_CUT = 16
"""An error so near the end of the letters at hand may come of where they end."""
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()
LISTS = (list, array)
"""What a list of JSON becomes."""


def parse(path: Path) -> Any:
    """Return what `json.loads` returns for the whole text, with arrays in the place of lists of numbers.

    A list of integers of 64 bits is an ``array('q')``, one of other numbers an ``array('d')``.

    Raises
    ------
    ValueError
        If it is no JSON.
    FormatError
        If a part is too long to be parsed at once, or too much lies beside the numbers.
    """
    with path.open(encoding="utf-8-sig") as file:
        walk = _Walk(file, path)
        document = walk.value(0)
        if walk.upcoming():
            raise walk.unexpected("Extra data")
        return document


class _Walk:
    """A place in the text of a file."""

    def __init__(self, file: TextIO, path: Path) -> None:
        self.file, self.path = file, path
        self.text, self.place, self.before, self.ended = "", 0, 0, False
        self.beside = 0

    def upcoming(self) -> str:
        """Go to the next letter that is no space, and return it; nothing at the end."""
        while True:
            found = _SPACE.match(self.text, self.place)
            assert found is not None
            self.place = found.end()
            if self.place < len(self.text):
                return self.text[self.place]
            if self.ended:
                return ""
            self._read(WINDOW)

    def value(self, depth: int) -> Any:
        """Return the value at the place, which lies in `depth` lists and objects, and go behind it."""
        opening = self.upcoming()
        while True:
            try:
                found, end = _DECODER.raw_decode(self.text, self.place)
            except json.JSONDecodeError as error:
                unfinished = error.msg.startswith("Unterminated string") or error.pos > len(self.text) - _CUT
                if self.ended or not unfinished:
                    raise self.unexpected(error.msg, error.pos) from None
            else:
                # A number near the end of what is at hand may go on: "1", "1.", "1e-" are one.
                if self.ended or opening in '"[{' or end <= len(self.text) - _CUT:
                    self.place = end
                    return self._kept(found)
            held = len(self.text) - self.place
            if held >= WINDOW and depth < _DEEPEST and opening in ("[", "{"):
                return self._list(depth) if opening == "[" else self._object(depth)
            if held >= LONGEST_PART:
                raise too_long(self.path, f"a part of the document, from letter {self.before + self.place:,} on,")
            self._read(max(WINDOW, held))

    def unexpected(self, message: str, place: int | None = None) -> ValueError:
        """Return the error for text that is no JSON."""
        return ValueError(f"{message}: letter {self.before + (self.place if place is None else place):,}")

    def _list(self, depth: int) -> Any:
        found: list[Any] = []
        self.place += 1
        if self.upcoming() == "]":
            self.place += 1
            return found
        while True:
            found.append(self.value(depth + 1))
            following = self.upcoming()
            if following not in (",", "]"):
                raise self.unexpected("Expecting ',' delimiter")
            self.place += 1
            if following == "]":
                packed = _packed(found)
                self._count(packed)
                return packed

    def _object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self.place += 1
        if self.upcoming() == "}":
            self.place += 1
            return found
        while True:
            if self.upcoming() != '"':
                raise self.unexpected("Expecting property name enclosed in double quotes")
            key = self.value(_DEEPEST)
            if self.upcoming() != ":":
                raise self.unexpected("Expecting ':' delimiter")
            self.place += 1
            found[key] = self.value(depth + 1)
            following = self.upcoming()
            if following not in (",", "}"):
                raise self.unexpected("Expecting ',' delimiter")
            self.place += 1
            if following == "}":
                self._count(found)
                return found

    def _kept(self, value: Any) -> Any:
        """Return a value with its lists of numbers packed, and count what else it takes."""
        if isinstance(value, list):
            value = _packed(value)
            if isinstance(value, list):
                value[:] = map(self._kept, value)
        elif isinstance(value, dict):
            value = {sys.intern(key): self._kept(entry) for key, entry in value.items()}
        self._count(value)
        return value

    def _count(self, value: Any) -> None:
        self.beside += sys.getsizeof(value) - (value.itemsize * len(value) if isinstance(value, array) else 0)
        if self.beside > MOST_BESIDE:
            raise too_long(self.path, "what the document holds beside numbers")

    def _read(self, letters: int) -> None:
        """Read on, and forget what lies before the place."""
        more = self.file.read(letters)
        self.ended = not more
        self.before += self.place
        self.text, self.place = self.text[self.place :] + more, 0


def _packed(values: list[Any]) -> list[Any] | array[Any]:
    """Return a list of numbers as an array of them; any other list as it is."""
    kinds = set(map(type, values))
    if not kinds or not kinds <= {int, float}:
        return values
    try:
        return array("q" if kinds == {int} else "d", values)
    except OverflowError:
        return values


def too_long(path: Path, what: str) -> FormatError:
    """Return the error for JSON that would take too much memory."""
    return FormatError(
        f"{what} is too long; parsing it at once could fill the memory",
        where=str(path),
        allowed=f"parts of up to {format_bytes(LONGEST_PART)}, and {format_bytes(MOST_BESIDE)} beside the numbers",
        remedy="save JSON Lines, one object a line (pandas: to_json(path, orient='records', lines=True)), or .parquet",
    )

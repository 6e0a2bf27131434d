"""`Unfinished`: the parts of a pass that are done, kept so that one that was stopped or killed goes on from there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar, cast

from cl_viz.core.errors import FormatError, MissingDependencyError
from cl_viz.engine.storage import cache_folder, entry_name, read_values, write_values

T = TypeVar("T")
Item = TypeVar("Item")

SECONDS_BETWEEN_WRITES = 10.0
"""What a killed process loses at most, besides the part it was in."""


class Unfinished:
    """Parts of one pass by name.

    Parameters
    ----------
    path : Path or None
        File of the parts; None keeps them nowhere.
    fingerprint : str
        Of the set; parts of another one are not used.
    """

    def __init__(self, path: Path | None, fingerprint: str = "") -> None:
        self.path = path
        self.fingerprint = fingerprint
        self.parts: dict[str, Any] = {}
        self._written = time.monotonic()
        self._changed = False
        if path is not None:
            with suppress(FormatError, MissingDependencyError, OSError):
                found = read_values(path)
                if found.pop("fingerprint", None) == fingerprint:
                    self.parts = dict(found)

    def part(self, name: str, make: Callable[[], T], beside: Callable[[], Mapping[str, Any]] = dict) -> T:
        """Return a part that is at hand, or make it and keep it; it is of a kind that statistics hold.

        What `beside` returns once it is made is kept with it.
        """
        if name not in self.parts:
            made = make()
            self._note({name: made, **self._beside(beside)})
        return cast(T, self.parts[name])

    def sum_of(
        self,
        name: str,
        items: Sequence[Item],
        start: T,
        make: Callable[[Item], T],
        add: Callable[[T, T], T],
        beside: Callable[[], Mapping[str, Any]] = dict,
    ) -> T:
        """Return the sum over items of what `make` returns for each, from where an earlier pass stopped.

        What `beside` returns after each is kept with the sum.
        """
        total, done = cast(T, self.parts.get(name, start)), self.done(name)
        for item in items[done:]:
            total, done = add(total, make(item)), done + 1
            self._note({name: total, f"{name} done": done, **self._beside(beside)})
        return total

    def done(self, name: str) -> int:
        """Return how many items of a sum are done."""
        return int(self.parts.get(f"{name} done", 0))

    def write(self) -> None:
        """Write the parts, where there is a file and anything has changed."""
        if self.path is None or not self._changed:
            return
        with suppress(MissingDependencyError, OSError):
            write_values({**self.parts, "fingerprint": self.fingerprint}, self.path)
        self._written, self._changed = time.monotonic(), False

    def forget(self) -> None:
        """Remove the file: the pass is complete."""
        if self.path is not None:
            with suppress(OSError):
                self.path.unlink()

    def _beside(self, make: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """Return what is kept beside a part; nothing where it could not be written."""
        return {} if self.path is None else make()

    def _note(self, parts: Mapping[str, Any]) -> None:
        self.parts.update(parts)
        self._changed = True
        if time.monotonic() - self._written > SECONDS_BETWEEN_WRITES:
            self.write()


@contextmanager
def unfinished(fingerprint: str, parameters: Mapping[str, Any] | None) -> Iterator[Unfinished]:
    """Yield the parts of a pass; they are written if it is stopped, and removed once it is complete.

    Parameters
    ----------
    fingerprint : str
    parameters : Mapping or None
        Everything else that the parts depend on; None keeps nothing.
    """
    path = None if parameters is None else cache_folder() / f"unfinished-{entry_name(fingerprint, parameters)}"
    kept = Unfinished(path, fingerprint)
    try:
        yield kept
    except BaseException:
        kept.write()
        raise
    kept.forget()

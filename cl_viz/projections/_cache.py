"""Maps and neighbours on disk: by the set's fingerprint and everything else that they depend on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from cl_viz.core.cache_root import cache_root
from cl_viz.core.errors import FormatError, MissingDependencyError
from cl_viz.engine.storage import (
    KEEP_ABOVE_SECONDS,
    entry_name,
    make_room,
    read_values,
    write_values,
)

VERSION = 2
"""Raise it when the same set and parameters would give another map."""


class MapCache:
    """Keeps what took a moment to compute; the folder is bounded, what was used longest ago gives way.

    Parameters
    ----------
    enabled : bool
        Without it nothing is read or written.
    """

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled

    @staticmethod
    def folder() -> Path:
        """Return the folder of kept maps; it need not exist yet."""
        return cache_root() / "maps"

    def find(self, fingerprint: str, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what is kept for a set and parameters; None where there is nothing, or it is damaged."""
        if not self.enabled:
            return None
        path = self._path(fingerprint, parameters)
        try:
            found = read_values(path)
            os.utime(path)
        except (FormatError, MissingDependencyError, OSError):
            return None
        return found if found.pop("fingerprint", None) == fingerprint else None

    def keep(self, fingerprint: str, parameters: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        """Keep values, where the disk has room."""
        if self.enabled:
            path = self._path(fingerprint, parameters)
            with suppress(MissingDependencyError, OSError):
                write_values({**values, "fingerprint": fingerprint}, path)
                make_room(path)

    def values(
        self, fingerprint: str, parameters: Mapping[str, Any], compute: Callable[[], Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return what is kept, or compute it, and keep it if that took longer than a moment."""
        found = self.find(fingerprint, parameters)
        if found is not None:
            return found
        began = time.monotonic()
        computed = dict(compute())
        if time.monotonic() - began >= KEEP_ABOVE_SECONDS:
            self.keep(fingerprint, parameters, computed)
        return computed

    def _path(self, fingerprint: str, parameters: Mapping[str, Any]) -> Path:
        return self.folder() / entry_name(fingerprint, {**parameters, "map version": VERSION})

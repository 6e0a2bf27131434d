"""Files written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from cl_viz.core.errors import InputError


def write_whole(content: str | bytes, path: str | os.PathLike[str]) -> Path:
    """Write text (UTF-8) or bytes to a temporary file that is then renamed; return where it was written."""
    place = Path(path)
    handle, temporary = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content.encode("utf-8") if isinstance(content, str) else content)
        # mkstemp makes files that only their owner reads; a report is an ordinary file.
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, place)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return place


def check_writable(path: str | os.PathLike[str]) -> Path:
    """Return the path of a file that is to be written; refuse it before the work, and not after.

    Raises
    ------
    InputError
        If its folder does not exist or may not be written to, or the path is a folder.
    """
    place = Path(path)
    folder = place.parent
    if place.is_dir():
        raise InputError("this is a folder", where=str(place), remedy="name a file in it")
    if not folder.is_dir():
        raise InputError("there is no such folder", where=str(folder), remedy="make it, or name another")
    if not os.access(folder, os.W_OK):
        raise InputError("the folder may not be written to", where=str(folder), remedy="name another")
    return place


def _umask() -> int:
    # The mask can only be read by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask

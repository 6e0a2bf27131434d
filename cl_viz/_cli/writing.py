"""Writing where a person said: what the file system refuses is their input, not a mistake in cl_viz."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from cl_viz.core.errors import InputError


@contextmanager
def writing(place: str | os.PathLike[str]) -> Iterator[None]:
    """Turn an error of the file system into one that says what to do.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise InputError(
            f"the file cannot be written: {error.strerror or error}",
            where=str(place),
            remedy="check that the folder exists, that it may be written to, and that the disk has room",
        ) from error

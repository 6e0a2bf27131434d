"""Writing pairs as a mining list, in the format of the file's suffix."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cl_viz._cli.writing import writing
from cl_viz.core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

_SUFFIXES = (".csv", ".parquet", ".jsonl")


def check_list_file(path: Path) -> None:
    """Raise `InputError` where the suffix names no format of a list."""
    if path.suffix.lower() not in _SUFFIXES:
        raise InputError(f"a list cannot be written as {path.suffix!r}", where=str(path), allowed=", ".join(_SUFFIXES))


def write_list(frame: pd.DataFrame, path: Path) -> None:
    """Write a list to a temporary file beside its place, then move it there.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    write: dict[str, Callable[[Path], object]] = {
        ".csv": lambda place: frame.to_csv(place, index=False),
        ".parquet": lambda place: frame.to_parquet(place, index=False),
        ".jsonl": lambda place: frame.to_json(place, orient="records", lines=True),
    }
    temporary = path.with_name(f".{path.name}.part")
    with writing(path):
        try:
            write[path.suffix.lower()](temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

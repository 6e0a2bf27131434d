"""Readers and writers behind one guard: whatever a library raises leaves as an error that names the file."""

from __future__ import annotations

import functools
import importlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from cl_viz.core.embedding_set import Column, EmbeddingSet
from cl_viz.core.errors import ClVizError, FormatError, InputError, MissingDependencyError
from cl_viz.core.specs import RawDump


def library(name: str, path: Path) -> Any:
    """Import the optional library of a format, or a module of it.

    Raises
    ------
    MissingDependencyError
        If it is not installed; the error names the file, and the remedy is the pip line.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        distribution = name.partition(".")[0]
        raise MissingDependencyError(
            f"the library {distribution!r} is needed for this format and is not installed",
            where=str(path),
            remedy=f"pip install {distribution}",
        ) from error


def guarded_reader(label: str) -> Callable[[Callable[[Path], RawDump]], Callable[[Path], RawDump]]:
    """Make a reader raise nothing but cl_viz's own errors.

    Parameters
    ----------
    label : str
        What the reader expects, for the message.

    Returns
    -------
    decorator
        The wrapped reader raises `FormatError` for a missing, empty or damaged file.
    """

    def decorate(read: Callable[[Path], RawDump]) -> Callable[[Path], RawDump]:
        @functools.wraps(read)
        def wrapped(path: Path) -> RawDump:
            check_present(path)
            try:
                return read(path)
            except ClVizError:
                raise
            except UnicodeDecodeError as error:
                raise FormatError(
                    f"the file is not UTF-8 text: {error.reason} at byte {error.start:,}",
                    where=str(path),
                    allowed="UTF-8 text",
                    remedy="save it as UTF-8",
                ) from error
            # The one boundary to a dozen libraries, each with its own exceptions; RecursionError and MemoryError too.
            except Exception as error:
                raise FormatError(
                    f"the file cannot be read as {label}: {first_line(error)}",
                    where=str(path),
                    allowed=f"a complete, undamaged {label}",
                    remedy="check that the file was written and copied to its end, and save it again",
                ) from error

        return wrapped

    return decorate


def check_present(path: Path) -> None:
    """Raise `FormatError` unless `path` is a folder or a file that holds something and may be read."""
    if not path.exists():
        raise FormatError(
            "there is no such file or folder",
            where=str(path),
            remedy=f"check the spelling; relative paths start at {Path.cwd()}",
        )
    if path.is_dir():
        return
    if not path.is_file():
        raise FormatError("this is neither a file nor a folder", where=str(path), allowed="a regular file or a folder")
    if path.stat().st_size == 0:
        raise FormatError(
            "the file is empty (0 bytes)", where=str(path), remedy="write the embeddings again; the writer was stopped"
        )
    if not os.access(path, os.R_OK):
        raise FormatError("the file may not be read by this user", where=str(path), remedy="change its permissions")


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, shortened, with the type where there is no text."""
    text = str(error).strip().splitlines()
    line = text[0].strip() if text else ""
    return f"{type(error).__name__}" + (f": {line[:300]}" if line else "")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, and move it there once everything is written.

    Raises
    ------
    InputError
        If the folder is missing or cannot be written, or the writer fails; `path` is then as it was.
    """
    if not path.parent.is_dir():
        raise InputError("the folder does not exist", where=str(path.parent), remedy="make the folder first")
    if path.is_dir():
        raise InputError("this is a folder", where=str(path), allowed="the name of a file")
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=".writing-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    except ClVizError:
        raise
    except Exception as error:
        raise InputError(
            f"the file cannot be written: {first_line(error)}",
            where=str(path),
            remedy="check free space and permissions; nothing was changed",
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def cannot_carry(path: Path, what: str, formats: str) -> InputError:
    """Return the error for a set that a format has no place for."""
    return InputError(f"this format cannot hold {what}", where=str(path), allowed=formats, remedy="choose one of these")


ARRAY_FORMATS = ".npz, .pt, .safetensors or .h5"
TABLE_OR_ARRAY_FORMATS = ".npz, .pt, .safetensors, .h5, .parquet, .arrow, .csv or .jsonl"


def check_table_fits(embedding_set: EmbeddingSet, path: Path) -> None:
    """Raise `InputError` unless the set is one table: views of equal N."""
    if embedding_set.pairs is not None or len(set(embedding_set.sizes)) > 1:
        raise cannot_carry(path, "views of different N or pairs of rows", ARRAY_FORMATS)


def shared_columns(embedding_set: EmbeddingSet) -> list[str]:
    """Return the metadata columns that are the very same in all views."""
    first, *others = [embedding_set.columns(view) for view in embedding_set.view_names]
    return [
        name
        for name, values in first.items()
        if all(own is first or (name in own and _same(own[name], values)) for own in others)
    ]


def own_columns(embedding_set: EmbeddingSet) -> dict[str, Column]:
    """Return the columns that are not the same in all views, as ``view/column``."""
    shared = set(shared_columns(embedding_set))
    return {
        f"{view}/{name}": values
        for view in embedding_set.view_names
        for name, values in embedding_set.columns(view).items()
        if name not in shared
    }


def _same(left: Column, right: Column) -> bool:
    return left is right or np.array_equal(left, right, equal_nan=left.dtype.kind == right.dtype.kind == "f")

"""Loops that a layout library has numba compile: kept on disk, so that only the first map on a machine waits for it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cl_viz.core.cache_root import cache_root


def keep_compiled(loops: Mapping[str, Sequence[str]]) -> bool:
    """Have numba keep on disk what it compiles of some functions, as it does where they ask for it themselves.

    numba keeps it beside the library's own files, or in the user's cache where these cannot be written, and compiles
    anew where file, numba or processor are not the same.

    Parameters
    ----------
    loops : Mapping of sequence of str
        Names of compiled functions by module. One that another version of the library lacks, or that is plain Python
        because compiling is off, is passed over: it is then compiled in every process, as without this.

    Returns
    -------
    bool
        Whether all of them are kept.
    """
    kept = True
    for module, names in loops.items():
        for name in names:
            enable = getattr(getattr(importlib.import_module(module), name, None), "enable_caching", None)
            if enable is None:
                kept = False
                continue
            try:
                enable()
            except RuntimeError:
                # numba found no folder that it may write to.
                kept = False
    return kept


def compiled_before(distribution: str) -> bool:
    """Whether the loops of a library, as it is installed now, were compiled and kept before."""
    return _mark(distribution).exists()


def note_compiled(distribution: str) -> None:
    """Remember that the loops of a library are compiled and kept; without a folder to write to it is not remembered."""
    mark = _mark(distribution)
    with suppress(OSError):
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()


def _mark(distribution: str) -> Path:
    try:
        versions = [f"{name}-{version(name)}" for name in (distribution, "numba")]
    except PackageNotFoundError:
        versions = [distribution, "unknown"]
    return cache_root() / "compiled" / "-".join([*versions, sys.implementation.cache_tag or "python"])

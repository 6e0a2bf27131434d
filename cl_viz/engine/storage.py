"""Statistics on disk: safetensors with a JSON header, and a cache of them that trusts nothing it cannot check."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.cache_root import cache_root
from cl_viz.core.errors import FormatError, MissingDependencyError
from cl_viz.engine.anchor_sketch import AnchorCandidates, AnchorSketch, CandidateCells
from cl_viz.engine.moments import ClassMoments, Moments, ViewMoments
from cl_viz.engine.neighbors import Neighbors
from cl_viz.engine.pair_sketch import PairSketch
from cl_viz.engine.statistics import Statistics

VERSION = 4
"""Of what is stored: raise it when a field changes its meaning, or the same set would give other numbers."""
KEEP_ABOVE_SECONDS = 0.2
"""What is computed faster is not kept on disk: reading it would gain nothing."""
FOLDER_BYTES = 4e9
"""Most that the cache takes on disk."""
LEFTOVER_SECONDS = 3600.0
"""Age from which a file that was not written to its end is taken for that of a process that was killed."""
_KEY = "cl_viz_statistics"
# All that a file can make: reading one runs no code of its own.
_CLASSES = {
    kind.__name__: kind
    for kind in (
        Statistics, PairSketch, AnchorSketch, AnchorCandidates, CandidateCells, Moments, ViewMoments, ClassMoments,
        Neighbors,
    )
}  # fmt: skip
Arrays = dict[str, NDArray[Any]]


def save_statistics(statistics: Statistics, path: str | Path) -> None:
    """Write statistics to a file, whole or not at all.

    Raises
    ------
    MissingDependencyError
        If safetensors is not installed.
    OSError
        If the file cannot be written.
    """
    _write(statistics, Path(path))


def load_statistics(path: str | Path) -> Statistics:
    """Read statistics that `save_statistics` wrote.

    Raises
    ------
    FormatError
        If the file is damaged, of another version, or something else.
    MissingDependencyError
        If safetensors is not installed.
    OSError
        If there is no such file.
    """
    found = _read(Path(path))
    if not isinstance(found, Statistics):
        raise FormatError("this is no file of statistics", where=str(path), remedy="scan the set again")
    return found


def write_values(values: Mapping[str, Any], path: Path) -> None:
    """Write named parts of statistics, whole or not at all; raises as `save_statistics`."""
    _write(dict(values), path)


def read_values(path: Path) -> dict[str, Any]:
    """Read what `write_values` wrote; raises as `load_statistics`."""
    found = _read(path)
    if not isinstance(found, dict):
        raise FormatError("this is no file of parts", where=str(path), remedy="remove it")
    return found


def _write(value: Any, target: Path) -> None:
    save = _safetensors().numpy.save_file
    target.parent.mkdir(parents=True, exist_ok=True)
    arrays: Arrays = {}
    tree = _encode(value, arrays)
    header = {"version": VERSION, "tree": tree, "checksum": _checksum(tree, arrays)}
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    try:
        save(arrays, temporary, metadata={_KEY: json.dumps(header)})
        os.replace(temporary, target)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _read(path: Path) -> Any:
    library = _safetensors()
    where = str(path)
    if not path.is_file():
        raise FileNotFoundError(where)
    try:
        with library.safe_open(where, framework="numpy") as stored:
            header = json.loads((stored.metadata() or {})[_KEY])
            version = header["version"]
            arrays = {name: stored.get_tensor(name) for name in stored.keys()} if version == VERSION else {}  # noqa: SIM118
        if version != VERSION:
            raise FormatError(f"statistics of version {version}", where=where, allowed=f"version {VERSION}")
        if header["checksum"] != _checksum(header["tree"], arrays):
            raise FormatError("the content is not what was written", where=where, remedy="scan the set again")
        return _decode(header["tree"], arrays)
    except (library.SafetensorError, ValueError, KeyError, TypeError, IndexError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError("this is no file of statistics", where=where, remedy="scan the set again") from error


def cache_folder() -> Path:
    """Return the folder of kept statistics; it need not exist yet."""
    return cache_root() / "statistics"


def entry_name(fingerprint: str, parameters: Mapping[str, Any]) -> str:
    """Return the file name of what belongs to a set and parameters."""
    key = json.dumps([VERSION, fingerprint, dict(parameters)], sort_keys=True)
    return f"{hashlib.blake2b(key.encode(), digest_size=20).hexdigest()}.safetensors"


def cached(
    fingerprint: str,
    parameters: Mapping[str, Any],
    compute: Callable[[], Statistics],
    wider: Mapping[str, Any] | None = None,
) -> Statistics:
    """Return the kept statistics of this set and these parameters, or compute and keep them.

    An entry that is damaged, old, or of another set is computed anew. Where nothing can be kept (no safetensors, no
    room on the disk) they are computed each time, and what took less than `KEEP_ABOVE_SECONDS` is not kept. The
    entries used longest ago give way above `FOLDER_BYTES`. An entry of the parameters `wider`, which holds all of this
    and more, is as good.
    """
    for at in (parameters, wider):
        found = None if at is None else kept_statistics(fingerprint, at)
        if found is not None:
            return found
    began = time.monotonic()
    computed = compute()
    if time.monotonic() - began >= KEEP_ABOVE_SECONDS:
        with suppress(MissingDependencyError, OSError):
            path = cache_folder() / entry_name(fingerprint, parameters)
            save_statistics(computed, path)
            make_room(path)
    return computed


def kept_statistics(fingerprint: str, parameters: Mapping[str, Any]) -> Statistics | None:
    """Return the kept statistics of this set and these parameters, or None; a damaged entry is none."""
    path = cache_folder() / entry_name(fingerprint, parameters)
    with suppress(FormatError, MissingDependencyError, OSError):
        found = load_statistics(path)
        if found.fingerprint == fingerprint:
            os.utime(path)
            return found
    return None


def make_room(newest: Path) -> None:
    """Remove the entries used longest ago from the folder of the newest, until it is within its limit.

    What a process that was killed left half-written goes too.
    """
    for leftover in newest.parent.glob(".*.safetensors.*"):
        with suppress(OSError):
            if time.time() - leftover.stat().st_mtime > LEFTOVER_SECONDS:
                leftover.unlink()
    facts = [(entry, entry.stat()) for entry in newest.parent.glob("*.safetensors")]
    total = sum(found.st_size for _, found in facts)
    for entry, found in sorted(facts, key=lambda fact: fact[1].st_mtime):
        if total <= FOLDER_BYTES or entry == newest:
            return
        entry.unlink(missing_ok=True)
        total -= found.st_size


def _safetensors() -> Any:
    try:
        import safetensors
        import safetensors.numpy
    except ImportError as error:
        raise MissingDependencyError(
            "statistics are stored with safetensors, which is not installed", remedy="pip install safetensors"
        ) from error
    return safetensors


def _encode(value: Any, arrays: Arrays) -> Any:
    """Turn a value into JSON, with arrays set aside under numbers."""
    if isinstance(value, np.ndarray):
        name = str(len(arrays))
        # safetensors writes memory as it lies: a copy in order, and never the same memory twice.
        arrays[name] = np.array(value, order="C")
        return {"array": name}
    if is_dataclass(value):
        kept = [entry.name for entry in fields(value) if not entry.name.startswith("_")]
        return {"class": type(value).__name__, "fields": {name: _encode(getattr(value, name), arrays) for name in kept}}
    if isinstance(value, Mapping):
        return {"map": [[_encode(key, arrays), _encode(item, arrays)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [_encode(item, arrays) for item in value]}
    if value is None or isinstance(value, str | int | float):
        return {"value": value}
    raise TypeError(f"statistics hold no {type(value).__name__}")


def _decode(tree: Any, arrays: Arrays) -> Any:
    if "array" in tree:
        return arrays[tree["array"]]
    if "class" in tree:
        return _CLASSES[tree["class"]](**{name: _decode(item, arrays) for name, item in tree["fields"].items()})
    if "map" in tree:
        return {_decode(key, arrays): _decode(item, arrays) for key, item in tree["map"]}
    if "tuple" in tree:
        return tuple(_decode(item, arrays) for item in tree["tuple"])
    return tree["value"]


def _checksum(tree: Any, arrays: Arrays) -> str:
    digest = hashlib.blake2b(json.dumps(tree, sort_keys=True).encode(), digest_size=20)
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape};".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()

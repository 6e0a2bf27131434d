"""Embeddings that were computed once, kept in the user's cache folder; a damaged entry counts as none."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from cl_viz.core.cache_root import cache_root

# Part of every key: raise it when the same checkpoint and images would give other embeddings.
_ENCODING_VERSION = 1

Arrays = Mapping[str, NDArray[Any]]


def cache_folder() -> Path:
    """Return the folder of computed embeddings; it need not exist yet."""
    return cache_root() / "embeddings"


def cache_key(files: tuple[Path, ...], recipe: Mapping[str, Any]) -> str:
    """Hash the content of `files` and the recipe, hexadecimal.

    Raises
    ------
    OSError
        If a file cannot be read.
    """
    digest = hashlib.blake2b(json.dumps([_ENCODING_VERSION, dict(recipe)], sort_keys=True).encode(), digest_size=20)
    for path in files:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()


def read_cached(key: str) -> Arrays | None:
    """Return the arrays of `key`; None where there are none, or the entry is damaged."""
    path = cache_folder() / f"{key}.safetensors"
    try:
        with safe_open(path, framework="numpy") as stored:
            arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - no mapping
            intact = (stored.metadata() or {}).get("checksum") == _checksum(arrays)
    except (OSError, SafetensorError, ValueError, KeyError):
        return None
    return arrays if intact else None


def write_cached(key: str, arrays: Arrays) -> None:
    """Keep `arrays` under `key`; a folder that cannot be written to is no error, only slower next time."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            temporary = Path(scratch) / "entry.safetensors"
            save_file(dict(arrays), temporary, metadata={"checksum": _checksum(arrays)})
            temporary.replace(folder / f"{key}.safetensors")
    except (OSError, SafetensorError):
        return


def _checksum(arrays: Arrays) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()

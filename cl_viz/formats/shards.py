"""A folder of shards: files of one format, joined row by row in natural order."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import Column
from cl_viz.core.errors import FormatError
from cl_viz.core.pictures import SUFFIXES as PICTURES
from cl_viz.core.specs import FormatSpec, RawDump
from cl_viz.formats._big_arrays import IN_MEMORY_BYTES, as_supported, in_temporary_file, join_rows
from cl_viz.formats._guard import guarded_reader
from cl_viz.formats._model_weights import refuse_model_folder
from cl_viz.formats._opening import read_dump
from cl_viz.formats._registry import FORMATS

_MOST_SHARDS = 100_000
_DEEPEST = 4
"""Folders in each other that are looked through for pictures."""
_NUMBER = re.compile(r"(\d+)")
# "image_003", "image-00001-of-00008": the name before the number of the shard.
_SHARD_STEM = re.compile(r"(?P<name>.*?)[ _.\-]*\d+(?:[ _.\-]*of[ _.\-]*\d+)?", re.IGNORECASE)


def sniff(path: Path, head: bytes) -> bool:
    """Recognise a folder."""
    return path.is_dir()


@guarded_reader("folder of shards")
def read(path: Path) -> RawDump:
    """Read every shard and join the arrays and columns of one name.

    Arrays that come in one shard stay mapped; others are joined in memory or, where large, in a mapped temporary
    file.

    Raises
    ------
    FormatError
        If the folder holds no shards, shards of several formats, shards that do not fit together, or a model.
    """
    return read_files(_shards(path), path)


def piece_files(path: Path) -> list[tuple[Path, ...]]:
    """Return the files of each piece of a folder of shards, in order: one file, or the `.npy` files of one number.

    Raises
    ------
    FormatError
        If the folder holds no shards, or `.npy` shards whose numbers differ from array to array.
    """
    files = _shards(path)
    if files[0].suffix.lower() != ".npy":
        return [(file,) for file in files]
    by_name: dict[str, list[Path]] = {}
    for file in files:
        by_name.setdefault(_shard_name(file), []).append(file)
    if len({len(own) for own in by_name.values()}) > 1:
        counts = ", ".join(f"{len(own)} of {name!r}" for name, own in by_name.items())
        raise FormatError(
            f"the folder holds {counts}",
            where=str(path),
            allowed="as many shards of each array and column",
            remedy="write the missing shards again",
        )
    return list(zip(*by_name.values(), strict=True))


def read_files(files: Sequence[Path], path: Path) -> RawDump:
    """Read shards of the folder `path` and join the arrays and columns of one name."""
    by_file_name = files[0].suffix.lower() == ".npy"
    arrays: dict[str, list[tuple[Path, NDArray[Any]]]] = {}
    columns: dict[str, list[tuple[Path, Column]]] = {}
    in_memory = 0
    first: RawDump | None = None
    for file in files:
        dump = read_dump(file)[1]
        first = first or dump
        for name, array in dump.arrays.items():
            in_memory += 0 if isinstance(array, np.memmap) else array.nbytes
            kept = in_temporary_file(array) if in_memory > IN_MEMORY_BYTES else array
            arrays.setdefault(_shard_name(file) if by_file_name else name, []).append((file, kept))
        for name, values in dump.columns.items():
            columns.setdefault(_shard_name(file) if by_file_name else name, []).append((file, values))
    if not by_file_name:
        _check_complete({**arrays, **columns}, files, path)
    joined = {name: _join_arrays(parts, name, path) for name, parts in arrays.items()}
    card = first.card if first is not None else {}
    notes = list(card.get("notes", ()))
    if len(files) > 1:
        notes.append(f"{len(files)} files joined in natural order, {files[0].name} to {files[-1].name}")
    return RawDump(
        joined,
        {name: _join_columns([values for _, values in parts]) for name, parts in columns.items()},
        {**card, "notes": tuple(notes)},
    )


def _shards(path: Path) -> list[Path]:
    """Return the shards of a folder in natural order (2 before 10).

    A projector's metadata is left out: its vectors bring it along.
    """
    suffixes = {suffix for spec in FORMATS.values() for suffix in spec.suffixes}
    files = [file for file in path.iterdir() if file.suffix.lower() in suffixes and not file.name.startswith(".")]
    files = [file for file in files if file.is_file() and not _is_metadata(file)]
    refuse_model_folder(path, files)
    kinds = sorted({_format_name(file) for file in files})
    if len(kinds) != 1 or len(files) > _MOST_SHARDS:
        if not kinds and _holds_pictures(path):
            raise FormatError(
                "the folder holds pictures, and no embeddings of them",
                where=str(path),
                allowed="shards of one format: " + ", ".join(sorted(suffixes)),
                remedy="let an encoder embed them: "
                f"cl-viz encode CHECKPOINT {shlex.quote(str(path))}, or the page Checkpoint",
            )
        found = f"shards of several formats ({', '.join(kinds)})" if kinds else "no file of a known format"
        raise FormatError(
            f"the folder holds {found}",
            where=str(path),
            allowed="shards of one format: " + ", ".join(sorted(suffixes)),
            remedy="name the file to open" if kinds else "check that this is the folder of the embeddings",
        )
    return sorted(files, key=lambda file: [int(p) if p.isdigit() else p for p in _NUMBER.split(file.name.lower())])


def _holds_pictures(path: Path) -> bool:
    """Whether there are pictures in a folder, or down the first of its folders, as in one folder a class."""
    folder: Path | None = path
    for _ in range(_DEEPEST):
        if folder is None:
            break
        entries = sorted(folder.iterdir())
        if any(entry.suffix.lower() in PICTURES for entry in entries):
            return True
        folder = next((entry for entry in entries if entry.is_dir() and not entry.name.startswith(".")), None)
    return False


def _is_metadata(file: Path) -> bool:
    beside = file.stem.lower().endswith("metadata") and [
        file.with_name(file.name.replace("metadata", vectors)) for vectors in ("vectors", "tensors", "vecs")
    ]
    return any(vectors.is_file() for vectors in beside or [])


def _format_name(file: Path) -> str:
    return next(spec.name for spec in FORMATS.values() if file.suffix.lower() in spec.suffixes)


def _shard_name(file: Path) -> str:
    match = _SHARD_STEM.fullmatch(file.stem)
    return (match["name"] if match else file.stem) or "embedding"


def _check_complete(parts: Mapping[str, Sequence[tuple[Path, Any]]], files: Sequence[Path], path: Path) -> None:
    for name, found in parts.items():
        having = {file for file, _ in found}
        lacking = [file.name for file in files if file not in having]
        if lacking:
            raise FormatError(
                f"{name!r} is missing in {lacking[0]}" + (f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""),
                where=str(path),
                allowed="the same arrays and columns in every shard",
                remedy="write the shards again, or open one file by its name",
            )


def _join_arrays(parts: Sequence[tuple[Path, NDArray[Any]]], name: str, path: Path) -> NDArray[Any]:
    first_file, first = parts[0]
    for file, array in parts:
        if array.shape[1:] != first.shape[1:]:
            raise FormatError(
                f"{name!r} has {array.shape[1:]} entries a row in {file.name}, {first.shape[1:]} in {first_file.name}",
                where=str(path),
                allowed="the same number of columns in every shard",
                remedy="keep embeddings of different models or layers in different folders",
            )
    return join_rows([array if len(parts) == 1 else as_supported(array) for _, array in parts])


def _join_columns(parts: Sequence[Column]) -> Column:
    kinds = {"text" if part.dtype.kind in "UO" else "number" for part in parts}
    if len(kinds) == 1:
        return np.concatenate(parts)
    # Numbers in one shard and text in another: the column is text.
    return np.concatenate([part.astype(np.str_).astype(object) for part in parts])


SPEC = FormatSpec(
    name="shards",
    label="folder of shards",
    suffixes=(),
    sniff=sniff,
    read=read,
    write=None,
    description=(
        "The files of one format in a folder, joined row by row in natural order (2 before 10). `.npy` shards are "
        "joined by the name before their number, so `image_0.npy`, `text_0.npy` and `label_0.npy` give two views and "
        "a column; other shards must hold the same names. A single shard stays mapped; several are joined in memory, "
        "or in a mapped temporary file where they are large."
    ),
)

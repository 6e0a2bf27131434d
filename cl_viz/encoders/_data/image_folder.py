"""A folder of images; class folders are labels."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cl_viz.core.embedding_set import Column, Role
from cl_viz.core.errors import FormatError
from cl_viz.core.pictures import SUFFIXES
from cl_viz.encoders._data.contract import EncodingData, FileImages

_MOST_ENTRIES = 20_000_000
_DEEPEST = 16


def open_image_folder(folder: Path) -> EncodingData:
    """List the images of a folder in the order of their names; nothing is read yet.

    ``folder/cat/1.png`` has the label ``cat``, ``folder/train/cat/1.png`` has ``cat`` and the group ``train``. Images
    in the folder itself have no label where none has one.

    Raises
    ------
    FormatError
        If there are fewer than two images, or images lie beside class folders.
    """
    listed = list(_listed(folder))
    if len(listed) < 2:
        raise FormatError(
            f"the folder holds {len(listed)} image{'s' if len(listed) != 1 else ''}", where=str(folder),
            allowed=f"at least 2 images ({', '.join(SUFFIXES)}), in class folders or alone",
        )  # fmt: skip
    files = np.array([name for name, _, _ in listed], dtype=object)
    digest = hashlib.blake2b(digest_size=16)
    for name, size, written in listed:
        digest.update(f"{name}\0{size}\0{written}\n".encode("utf-8", "surrogatepass"))
    columns: dict[str, Column] = {"image": files}
    roles: dict[Role, str] = {"image": "image"}
    _add_labels(folder, files, columns, roles)
    return EncodingData(
        name=folder.resolve().name or "images", source=str(folder), kind="folder of images", n=len(files),
        inputs={"image": FileImages(files, folder)}, columns=columns, roles=roles, fingerprint=digest.hexdigest(),
    )  # fmt: skip


def _listed(folder: Path, below: str = "", depth: int = 0) -> Iterator[tuple[str, int, int]]:
    """Yield path below the folder, bytes and time of writing of each image, in the order of names."""
    seen = 0
    try:
        entries = sorted(os.scandir(folder / below), key=lambda entry: entry.name)
    except OSError as error:
        raise FormatError(f"the folder cannot be read ({error.strerror})", where=str(folder / below)) from error
    for entry in entries:
        seen += 1
        if seen > _MOST_ENTRIES:
            raise FormatError(f"more than {_MOST_ENTRIES:,} entries", where=str(folder / below))
        name = f"{below}/{entry.name}" if below else entry.name
        if entry.name.startswith("."):
            continue
        # A linked folder is not entered: it could lead in circles, or out.
        if entry.is_dir(follow_symlinks=False):
            if depth < _DEEPEST:
                yield from _listed(folder, name, depth + 1)
        elif Path(entry.name).suffix.lower() in SUFFIXES:
            facts = entry.stat(follow_symlinks=False)
            yield name, facts.st_size, facts.st_mtime_ns


def _add_labels(folder: Path, files: Column, columns: dict[str, Column], roles: dict[Role, str]) -> None:
    parents = [str(name).split("/")[:-1] for name in files]
    alone = sum(not parent for parent in parents)
    if alone == len(files):
        return
    if alone:
        raise FormatError(
            f"{alone:,} images lie beside class folders", where=str(folder),
            allowed="class folders with images, or images alone", remedy="move them into a folder of their class",
        )  # fmt: skip
    columns["label"] = np.array([parent[-1] for parent in parents], dtype=object)
    roles["label"] = "label"
    above = ["/".join(parent[:-1]) for parent in parents]
    if any(above):
        columns["group"] = np.array(above, dtype=object)
        roles["group"] = "group"

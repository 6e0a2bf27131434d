"""A folder that embeddings are written to, shard by shard, with a journal: whoever is killed goes on where it ended.

``journal.jsonl`` begins with what is being encoded; each further line is a shard that is whole on disk. A shard is
written beside its place, moved there, and then noted: a file without a line, or half a line, counts for nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.errors import FormatError, InputError

JOURNAL = "journal.jsonl"
LAYERS_FOLDER = "layers"
_LOCK = ".lock"
_PART = ".part"
_WORDS = {
    "checkpoint": "the checkpoint", "data": "the data", "family": "the family", "layers": "the layers",
    "views": "the views", "seed": "the seed", "batch_size": "the batch size", "precision": "the precision",
    "preprocessing": "the preprocessing", "version": "the version of cl_viz's encoding",
}  # fmt: skip


class Shard(NamedTuple):
    """A line of the journal.

    Attributes
    ----------
    first, stop : int
        Rows of the data.
    skipped : tuple of (int, str)
        Rows that could not be read, with the reason.
    sizes : tuple of int
        Bytes of the file of each layer; empty where all rows were skipped.
    """

    first: int
    stop: int
    skipped: tuple[tuple[int, str], ...]
    sizes: tuple[int, ...]


def layer_folder(folder: Path, place: int) -> Path:
    """Return where the shards of a layer are."""
    return folder / LAYERS_FOLDER / f"{place:02d}"


class ShardFolder:
    """The folder while it is being written; a context manager that holds its lock.

    Parameters
    ----------
    folder : Path
        Made where it is not there.
    identity : Mapping
        Everything that the rows depend on; a folder begun with another one is refused.
    layers : tuple of str
    facts : Mapping
        What is kept in the journal besides, from when it was begun: the batch size.

    Raises
    ------
    InputError
        If the folder holds something else, was begun with something else, another process is writing to it, or it
        cannot be written to.
    """

    def __init__(
        self, folder: Path, identity: Mapping[str, Any], layers: tuple[str, ...], facts: Mapping[str, Any]
    ) -> None:
        self.folder = folder
        self.identity = json.loads(json.dumps(dict(identity)))
        self.layers = layers
        self.facts: dict[str, Any] = dict(facts)
        self.shards: list[Shard] = []
        self._lock: Any = None

    def __enter__(self) -> ShardFolder:
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError("this is a file", where=str(self.folder), allowed="a folder to write to, new or empty")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._refuse_others()  # before anything is left in somebody else's folder
            self._lock = _locked(self.folder / _LOCK)
            try:
                self._begin()
            except BaseException:
                self._release()
                raise
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()

    @property
    def done(self) -> int:
        """Rows of the data that are dealt with, from the first on."""
        return self.shards[-1].stop if self.shards else 0

    @property
    def skipped(self) -> list[tuple[int, str]]:
        """Rows that could not be read, with the reason."""
        return [entry for shard in self.shards for entry in shard.skipped]

    def add(
        self, first: int, stop: int, skipped: tuple[tuple[int, str], ...],
        arrays: Mapping[str, Mapping[str, NDArray[np.float32]]],
    ) -> None:  # fmt: skip
        """Write a shard.

        Parameters
        ----------
        first, stop : int
            Rows of the data; `first` is `done`.
        skipped : tuple of (int, str)
        arrays : Mapping[str, Mapping[str, NDArray]]
            By layer, then by view.

        Raises
        ------
        InputError
            If the disk is full or the folder cannot be written to; what was written before is kept.
        """
        number = len(self.shards)
        try:
            sizes = [
                _write_shard(layer_folder(self.folder, place) / f"shard_{number:06d}.safetensors", arrays[layer])
                for place, layer in enumerate(self.layers)
                if arrays.get(layer)
            ]
            shard = Shard(first, stop, skipped, tuple(sizes))
            self._append(shard._asdict())
        except OSError as error:
            raise _unwritable(self.folder, error, kept=self.done) from error
        self.shards.append(shard)

    def _refuse_others(self) -> None:
        """Raise `InputError` for a folder that no encoding was begun in and that holds something."""
        if (self.folder / JOURNAL).is_file():
            return
        others = sorted(entry.name for entry in self.folder.iterdir() if entry.name != _LOCK)
        if others:
            raise InputError(
                f"the folder holds other files: {', '.join(others[:5])}", where=str(self.folder),
                allowed="an empty or new folder, or one that the same encoding was begun in",
            )  # fmt: skip

    # -- the journal -----------------------------------------------------------------------------------------------
    def _begin(self) -> None:
        journal = self.folder / JOURNAL
        if not journal.is_file():
            self._append({"encoding": self.identity, **self.facts})
            return
        header, self.shards, whole = read_journal(self.folder)
        self._check_same(header.get("encoding", {}))
        self.facts = {name: value for name, value in header.items() if name != "encoding"}
        for place, _ in enumerate(self.layers):
            for leftover in layer_folder(self.folder, place).glob(f".*{_PART}"):
                leftover.unlink()
        self._keep_whole_shards()
        with journal.open("r+b") as file:
            file.truncate(whole[len(self.shards)])

    def _keep_whole_shards(self) -> None:
        """Forget shards from the first on whose files are not as they were written."""
        for number, shard in enumerate(self.shards):
            files = [layer_folder(self.folder, place) / f"shard_{number:06d}.safetensors"
                     for place, _ in enumerate(shard.sizes)]  # fmt: skip
            if any(not f.is_file() or f.stat().st_size != size for f, size in zip(files, shard.sizes, strict=True)):
                del self.shards[number:]
                return

    def _check_same(self, begun: Mapping[str, Any]) -> None:
        names = [name for name in {**begun, **self.identity} if begun.get(name) != self.identity.get(name)]
        if names:
            differing = ", ".join(_difference(name, begun.get(name), self.identity.get(name)) for name in names)
            raise InputError(
                f"the folder was begun with something else: {differing}", where=str(self.folder),
                remedy="choose another folder, or the same checkpoint, data and settings",
            )  # fmt: skip

    def _append(self, entry: Mapping[str, Any]) -> None:
        with (self.folder / JOURNAL).open("ab") as file:
            before = file.tell()
            try:
                file.write(json.dumps(entry).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                with suppress(OSError):
                    file.truncate(before)
                raise

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def read_journal(folder: Path) -> tuple[dict[str, Any], list[Shard], list[int]]:
    """Return the first line of a journal, its shards, and the bytes up to the end of each line.

    Raises
    ------
    FormatError
        If there is no journal or its first line cannot be read; a later line that cannot be read ends it.
    """
    content = (folder / JOURNAL).read_bytes()
    lines = content.split(b"\n")[:-1]  # what follows the last line break was being written
    ends = np.cumsum([len(line) + 1 for line in lines]).tolist()
    try:
        header = json.loads(lines[0])
        assert isinstance(header, dict)
    except (IndexError, ValueError, AssertionError, RecursionError) as error:
        raise FormatError("the journal cannot be read", where=str(folder / JOURNAL),
                          remedy="remove the folder and encode again") from error  # fmt: skip
    shards: list[Shard] = []
    for line in lines[1:]:
        try:
            entry = json.loads(line)
            skipped = tuple((int(row), str(reason)) for row, reason in entry["skipped"])
            shard = Shard(int(entry["first"]), int(entry["stop"]), skipped, tuple(map(int, entry["sizes"])))
        except (ValueError, KeyError, TypeError, RecursionError):
            break
        if shard.first != (shards[-1].stop if shards else 0) or shard.stop <= shard.first:
            break
        shards.append(shard)
    return header, shards, ends


def refuse_unfinished(folder: Path) -> None:
    """Raise `FormatError` for a folder whose encoding has not ended: it is no run yet."""
    if (folder / JOURNAL).is_file():
        shards = read_journal(folder)[1]
        rows = f"{shards[-1].stop:,} rows are done" if shards else "no row is done"
        raise FormatError(
            f"the encoding in this folder has not ended: {rows}", where=str(folder),
            remedy="run the same cl-viz encode again: it goes on where it ended",
        )  # fmt: skip


def _write_shard(path: Path, arrays: Mapping[str, NDArray[np.float32]]) -> int:
    """Write the views of one layer and return the bytes of the file."""
    from safetensors.numpy import save

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}{_PART}")
    content = save({view: np.ascontiguousarray(array) for view, array in arrays.items()})
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return len(content)


def _locked(path: Path) -> Any:
    """Return an open file that no other process has locked; the system lets go of it when the process ends."""
    file = path.open("a+b")
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise InputError(
            "another process is encoding into this folder", where=str(path.parent),
            remedy="wait until it has ended, or choose another folder",
        ) from error  # fmt: skip
    return file


def _difference(name: str, begun: Any, now: Any) -> str:
    word = _WORDS.get(name, name)
    short = [json.dumps(value) for value in (begun, now)]
    return (
        word if name in ("checkpoint", "data") or max(map(len, short)) > 80 else f"{word} ({short[0]}, not {short[1]})"
    )


def _unwritable(folder: Path, error: OSError, kept: int | None = None) -> InputError:
    rows = "" if kept is None else f"; {kept:,} rows are kept"
    return InputError(
        f"the folder cannot be written to: {error.strerror or error}{rows}", where=str(folder),
        remedy="check free space and permissions, then run the same again: it goes on where it ended",
    )  # fmt: skip

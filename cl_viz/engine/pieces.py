"""Pieces of a set that is scanned on several machines: where each comes from, and its rows in the numbering of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.core._partners import number_values
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError, MissingInputError
from cl_viz.engine.moments import ClassMoments, Moments, compute_moments
from cl_viz.engine.rows import ViewRows, view_rows

PIECES_AT_HAND = 4
"""Pieces that a worker keeps in memory."""


@dataclass(frozen=True)
class Piece:
    """One piece of a set: rows that follow each other.

    Attributes
    ----------
    key : str
        Tells pieces apart, on every machine.
    files : tuple of str
        Shards to read, on the worker; empty where the piece is carried along.
    views : tuple of str, or None
        Arrays to load as views; None lets the first shard decide.
    label : str or None
        Column of the labels; None lets the file decide.
    carried : EmbeddingSet or None
    version : str
        Changes when a shard does.
    """

    key: str
    files: tuple[str, ...] = ()
    views: tuple[str, ...] | None = None
    label: str | None = None
    carried: EmbeddingSet | None = None
    version: str = ""

    def load(self) -> EmbeddingSet:
        """Return the piece, read anew unless it was among the last few."""
        return self.carried if self.carried is not None else _read(self.version, self.files, self.views, self.label)


@dataclass(frozen=True)
class PieceFacts:
    """What must be known of every piece before pairs are looked at.

    Attributes
    ----------
    views : tuple of str
    dim, size : int
        D; rows of each view.
    usable : NDArray[np.int64]
        Rows used.
    labels : tuple of str, or None
        Distinct labels.
    fingerprint : str
    """

    views: tuple[str, ...]
    dim: int
    size: int
    usable: NDArray[np.int64]
    labels: tuple[str, ...] | None
    fingerprint: str


@dataclass(frozen=True)
class Numbering:
    """How rows and labels of all pieces are numbered together.

    Attributes
    ----------
    offsets : tuple of int
        Row of the whole that each piece begins with.
    labels : Mapping[str, int] or None
        Code of each label.
    """

    offsets: tuple[int, ...]
    labels: Mapping[str, int] | None


def pieces_of(
    source: EmbeddingSet | str | Path, rows: int, views: Sequence[str] | None = None, label: str | None = None
) -> list[Piece]:
    """Divide a set, or a folder of shards, into pieces.

    Parameters
    ----------
    source : EmbeddingSet or path
        A folder is divided by its shards, of which only the names are read.
    rows : int
        Rows of a piece of a set.
    views, label : optional
        As for `cl_viz.load`, for a folder.

    Raises
    ------
    InputError
        If the views of a set are not aligned row by row.
    FormatError
        If the folder holds no shards that fit together.
    """
    if isinstance(source, EmbeddingSet):
        if not source.aligned or source.role("id") is not None:
            raise InputError(
                "the views are matched by a pairs table or ids",
                where=source.name,
                allowed="on a cluster, views that are aligned row by row",
                remedy="bring the rows of all views into one order, or scan on one machine",
            )
        # A single row at the end goes to the piece before: a set has two rows or more.
        edges = [*range(0, source.n - 1, rows), source.n]
        return [
            Piece(f"{source.fingerprint}/{start}", carried=source.select(rows=np.arange(start, stop)))
            for start, stop in pairwise(edges)
        ]
    from cl_viz.formats.shards import piece_files

    chosen = None if views is None else tuple(views)
    found = [tuple(map(str, files)) for files in piece_files(Path(source))]
    return [Piece("/".join(files), files, chosen, label, version=_version(files)) for files in found]


def _version(files: tuple[str, ...]) -> str:
    """Return sizes and times of files: a worker that lives long must not take an older content for theirs."""
    facts = [Path(file).stat() for file in files]
    return " ".join(f"{found.st_size}@{found.st_mtime_ns}" for found in facts)


def facts_of(piece: Piece) -> PieceFacts:
    """Read a piece and return what the others must know of it."""
    found = piece.load()
    codes = found.codes("label")
    usable = np.flatnonzero(next(iter(found.usable_rows.values())))
    labels = None if codes is None else codes[1]
    return PieceFacts(found.view_names, found.dim, found.n, usable, labels, found.fingerprint)


def check_facts(pieces: Sequence[Piece], facts: Sequence[PieceFacts]) -> None:
    """Raise `InputError` where a piece does not fit the first, `MissingInputError` below two usable rows in all."""
    first = facts[0]
    for piece, found in zip(pieces, facts, strict=True):
        same = (found.views, found.dim, found.labels is None) == (first.views, first.dim, first.labels is None)
        if not same:
            raise InputError(
                f"views {', '.join(found.views)} of {found.dim} entries, "
                f"{'no labels' if found.labels is None else 'labels'}",
                where=piece.key,
                allowed=f"as in {pieces[0].key}: {', '.join(first.views)} of {first.dim} entries, "
                f"{'no labels' if first.labels is None else 'labels'}",
                remedy="write the shards again, or name views and label",
            )
    usable = sum(len(found.usable) for found in facts)
    if usable < 2:
        raise MissingInputError(
            f"{usable} of {sum(found.size for found in facts):,} rows are usable",
            where=pieces[0].key,
            allowed="two or more rows that are finite and not all zeros",
            remedy="look at the shards for what is wrong with the rows",
        )


def numbering_of(facts: Sequence[PieceFacts]) -> Numbering:
    """Number rows and labels of all pieces together, labels as one set would."""
    offsets = np.cumsum([0, *(found.size for found in facts)])[:-1]
    if facts[0].labels is None:
        return Numbering(tuple(map(int, offsets)), None)
    together = np.array(sorted({name for found in facts for name in found.labels or ()}))
    names = number_values([together], [len(together)])[1]
    return Numbering(tuple(map(int, offsets)), {name: code for code, name in enumerate(names)})


def numbered_rows(
    pieces: Sequence[Piece],
    starts: Sequence[int],
    numbering: Numbering,
    dtype: torch.dtype,
    device: torch.device,
    leading: NDArray[np.int64] | None,
) -> dict[str, ViewRows]:
    """Return the rows of pieces that follow each other, with labels in the numbering of the whole.

    Parameters
    ----------
    pieces : sequence of Piece
    starts : sequence of int
        The row that each begins with; rows are numbered likewise.
    numbering : Numbering
    dtype, device
        Of the rows.
    leading : NDArray[np.int64], shape (A,), or None
        Usable rows of all pieces that come first; they and the others are put in the order of their labels. None, for
        one piece alone, leaves all rows in their own order.
    """
    parts = [_with_labels(piece, numbering, dtype, device) for piece in pieces]
    if leading is None:
        return parts[0]
    return {view: _arranged(_joined([part[view] for part in parts], starts), leading) for view in parts[0]}


def _with_labels(piece: Piece, numbering: Numbering, dtype: torch.dtype, device: torch.device) -> dict[str, ViewRows]:
    found = piece.load()
    codes = found.codes("label")
    rows = view_rows(found, device, dtype, is_part=True)
    if codes is None or numbering.labels is None:
        return rows
    table = np.array([*(numbering.labels[name] for name in codes[1]), -1], dtype=np.int64)
    return {
        view: replace(own, labels=torch.from_numpy(table[codes[0][index][own.original]]).to(device))
        for index, (view, own) in enumerate(rows.items())
    }


def _joined(parts: Sequence[ViewRows], starts: Sequence[int]) -> ViewRows:
    """Return the rows of one view of several pieces, all kept on the device, as those of one piece."""
    if len(parts) == 1:
        return parts[0]
    labels = [part.labels for part in parts if part.labels is not None]
    return replace(
        parts[0],
        original=np.concatenate([part.original + start for part, start in zip(parts, starts, strict=True)]),
        labels=torch.cat(labels) if labels else None,
        _resident=torch.cat([part.tile(slice(None)) for part in parts]),
    )


def _arranged(rows: ViewRows, leading: NDArray[np.int64]) -> ViewRows:
    first = np.zeros(len(rows), dtype=np.bool_)
    first[leading] = True
    codes = np.zeros(len(rows), dtype=np.int64) if rows.labels is None else rows.labels.cpu().numpy()
    return replace(rows.chosen(np.lexsort((codes, ~first))), arranged=True, n_leading=len(leading))


def numbered_moments(piece: Piece, numbering: Numbering) -> Moments:
    """Return the moments of a piece, its classes in the order of the whole."""
    found = compute_moments(piece.load())
    if numbering.labels is None:
        return found
    classes = {view: _spread(own, numbering.labels) for view, own in found.classes.items()}
    return Moments(found.views, classes)


def _spread(own: ClassMoments, codes: Mapping[str, int]) -> ClassMoments:
    places = np.array([codes[name] for name in own.names], dtype=np.int64)
    counts = np.zeros(len(codes), dtype=np.int64)
    means, traces = np.zeros((len(codes), own.means.shape[1])), np.zeros(len(codes))
    counts[places], means[places], traces[places] = own.counts, own.means, own.traces
    return ClassMoments(tuple(codes), counts, means, traces)


@lru_cache(maxsize=PIECES_AT_HAND)
def _read(version: str, files: tuple[str, ...], views: tuple[str, ...] | None, label: str | None) -> EmbeddingSet:
    from cl_viz.formats._loading import load_piece

    # Ids match rows within a piece at most; on a cluster a row is a sample.
    return load_piece([Path(file) for file in files], views, label).with_roles(id=None)

"""Nearest neighbours of every row, exactly, in tiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.engine import compiled
from cl_viz.engine.largest import Largest
from cl_viz.engine.pair_pass import Scratch
from cl_viz.engine.rows import ViewRows
from cl_viz.engine.tile_sizes import fitted
from cl_viz.engine.workers import share_out

MOST_NEIGHBORS = 200
_ROWS = 512


@dataclass(frozen=True)
class Neighbors:
    """The rows of one view that score highest against each row of a view.

    Attributes
    ----------
    view, other : str
        Whose neighbours, and where they are looked for. Within a view a row is not its own neighbour; rows of the
        same sample are neighbours like any others.
    rows : NDArray[np.int64], shape (n,)
        The usable rows of `view`, ascending: what row i of the arrays below is about.
    indices : NDArray[np.int64], shape (n, k)
        Rows of `other`, nearest first. Of equal scores any may come first.
    scores : NDArray[np.float32 or np.float64], shape (n, k)
        Their cosines.
    """

    view: str
    other: str
    rows: NDArray[np.int64]
    indices: NDArray[np.int64]
    scores: NDArray[np.floating]


def neighbor_blocks(views: list[str]) -> list[tuple[str, str]]:
    """Return where neighbours are looked for: within each view, and from each view in the next one, cyclically."""
    within = [(view, view) for view in views]
    return within + [(view, views[(index + 1) % len(views)]) for index, view in enumerate(views) if len(views) > 1]


def find_neighbors(view: ViewRows, other: ViewRows, k: int, report: Callable[[float], None]) -> Neighbors:
    """Return the `k` nearest rows of `other` for every row of `view` (fewer where there are not so many).

    Parameters
    ----------
    view, other : ViewRows
        The same for the neighbours within a view: each pair is then scored once.
    k : int
        1 to `MOST_NEIGHBORS`.
    report : callable
        Given the fraction done; may raise to stop.
    """
    return _search(_Search(view, other, k, both=view is other), report)[0]


def find_mutual_neighbors(
    view: ViewRows, other: ViewRows, k: int, report: Callable[[float], None]
) -> tuple[Neighbors, Neighbors]:
    """Return the nearest rows of `other` for every row of `view`, and the other way round, from the same scores."""
    there, back = _search(_Search(view, other, k, both=True), report)
    return there, back


def _search(search: _Search, report: Callable[[float], None]) -> list[Neighbors]:
    compiled.count_pairs(len(search.view) * len(search.other))
    share_out(search.work(), lambda: search.add_with(Scratch()), report, search.view.device)
    return search.found()


class _Search:
    """The nearest rows so far, which every thread adds to.

    Parameters
    ----------
    view, other : ViewRows
    k : int
    both : bool
        Whether a score is offered to its column as well as to its row.
    """

    def __init__(self, view: ViewRows, other: ViewRows, k: int, *, both: bool) -> None:
        self.view, self.other, self.k, self.both = view, other, k, both
        self.within = view is other
        kind = view.tile(slice(0, 1)).cpu().numpy().dtype
        self.of_rows = Largest(len(view), min(k, len(other) - self.within), kind, np.int64)
        self.of_columns = (
            self.of_rows if self.within else Largest(len(other) if both else 0, min(k, len(view)), kind, np.int64)
        )
        self.size = fitted(_ROWS)
        # Two tiles of the same rows must not write at once.
        self.row_locks = [Lock() for _ in range(0, len(view), self.size)]
        self.column_locks = self.row_locks if self.within else [Lock() for _ in range(0, len(other), self.size)]

    def work(self) -> list[tuple[slice, slice]]:
        """Return the tiles: rows and columns."""
        rows, columns = (
            [slice(start, min(start + self.size, len(part))) for start in range(0, len(part), self.size)]
            for part in (self.view, self.other)
        )
        return [(part, span) for span in columns for part in rows if not self.within or part.start <= span.start]

    def add_with(self, scratch: Scratch) -> Callable[[tuple[slice, slice]], None]:
        """Return what adds one tile, with memory of its own."""

        def do(tile: tuple[slice, slice]) -> None:
            part, span = tile
            columns_too = self.both and not (self.within and part == span)
            kernels = compiled.kernels(self.view.device)
            left, right = self.view.tile(part), self.other.tile(span)
            if kernels is None:
                self._add_with_torch(part, span, left @ right.T, columns_too=columns_too)
                return
            scores = scratch.product(left, right)
            rows, columns = np.arange(part.start, part.stop), np.arange(span.start, span.stop)
            own = rows if self.within else np.full(len(rows), -1)
            with self.row_locks[part.start // self.size]:
                kernels.keep_neighbours(scores, own, columns, self.of_rows.n_largest, *self.of_rows.part(part))
            if columns_too:
                with self.column_locks[span.start // self.size]:
                    kernels.keep_neighbours_of_columns(
                        scores, rows, self.of_columns.n_largest, *self.of_columns.part(span)
                    )

        return do

    def found(self) -> list[Neighbors]:
        """Return the neighbours, once every tile has been added."""
        kernels = compiled.kernels(self.view.device)
        asked = [(self.view, self.other, self.of_rows)]
        if self.both and not self.within:
            asked.append((self.other, self.view, self.of_columns))
        found = []
        for view, other, largest in asked:
            scores, columns = largest.found(kernels)
            order = np.argsort(view.original)
            found.append(
                Neighbors(view.name, other.name, view.original[order], other.original[columns[order]], scores[order])
            )
        return found

    def _add_with_torch(self, part: slice, span: slice, scores: torch.Tensor, *, columns_too: bool) -> None:
        if self.within and part == span:
            scores.fill_diagonal_(-torch.inf)
        with self.row_locks[part.start // self.size]:
            top, place = scores.topk(min(self.of_rows.n_largest, scores.shape[1]), dim=1)
            self.of_rows.merge(part, top.cpu().numpy(), place.cpu().numpy() + span.start)
        if columns_too:
            with self.column_locks[span.start // self.size]:
                top, place = scores.T.topk(min(self.of_columns.n_largest, scores.shape[0]), dim=1)
                self.of_columns.merge(span, top.cpu().numpy(), place.cpu().numpy() + part.start)

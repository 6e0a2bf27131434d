"""Nearest neighbours of every row, exactly, in tiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.engine import compiled
from cl_viz.engine.pair_pass import Scratch
from cl_viz.engine.rows import ViewRows
from cl_viz.engine.workers import share_out

MOST_NEIGHBORS = 200
_ROWS, _COLUMNS = 256, 1024


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
    k : int
        1 to `MOST_NEIGHBORS`.
    report : callable
        Given the fraction done; may raise to stop.
    """
    k = min(k, len(other) - (view is other))
    kind = np.dtype(str(view.tile(slice(0, 1)).dtype).removeprefix("torch."))
    scores = np.full((len(view), k), -np.inf, dtype=kind)
    columns = np.zeros((len(view), k), dtype=np.int64)
    work = [slice(start, min(start + _ROWS, len(view))) for start in range(0, len(view), _ROWS)]
    compiled.count_pairs(len(view) * len(other))

    def make_worker() -> Callable[[slice], None]:
        scratch = Scratch()

        def do(part: slice) -> None:
            left = view.tile(part)
            for start in range(0, len(other), _COLUMNS):
                span = slice(start, min(start + _COLUMNS, len(other)))
                _add_tile(view is other, left, other.tile(span), part, span, (scores[part], columns[part]), scratch)

        return do

    share_out(work, make_worker, report, view.device)
    return Neighbors(view.name, other.name, view.original, other.original[columns], scores)


def _add_tile(
    within: bool,
    left: torch.Tensor,
    right: torch.Tensor,
    part: slice,
    span: slice,
    best: tuple[NDArray[np.floating], NDArray[np.int64]],
    scratch: Scratch,
) -> None:
    """Merge the scores of one tile into the best so far, in place."""
    itself = (
        np.arange(max(part.start, span.start), min(part.stop, span.stop)) if within else np.zeros(0, dtype=np.int64)
    )
    kernels = compiled.kernels(left.device)
    if kernels is not None:
        holes = np.stack([itself - part.start, itself - span.start], axis=1)
        kernels.keep_neighbours(scratch.product(left, right), span.start, holes, *best)
        return
    found = left @ right.T
    if len(itself):
        rows, places = (torch.from_numpy(itself - start).to(found.device) for start in (part.start, span.start))
        found[rows, places] = -torch.inf
    top, place = found.topk(min(best[0].shape[1], found.shape[1]), dim=1)
    scores = np.concatenate([best[0], top.cpu().numpy()], axis=1)
    columns = np.concatenate([best[1], place.cpu().numpy() + span.start], axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, : best[0].shape[1]]
    best[0][:] = np.take_along_axis(scores, order, axis=1)
    best[1][:] = np.take_along_axis(columns, order, axis=1)

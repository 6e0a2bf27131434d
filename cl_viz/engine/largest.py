"""`Largest`: the largest scores of every row, and what belongs to them, while tiles of scores come in."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

_ROOM = 32
"""Least room for scores that are not yet known to be too small."""


def room(n_largest: int) -> int:
    """Return how many scores of a row are held while its largest are looked for."""
    return n_largest + max(n_largest, _ROOM)


def largest_of(
    scores: NDArray[Any], beside: NDArray[Any], n_largest: int, kernels: SimpleNamespace | None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the largest scores of each row, descending, and what belongs to them; the arrays may be overwritten."""
    if kernels is None:
        order = np.argsort(-scores, axis=1, kind="stable")[:, :n_largest]
        return np.take_along_axis(scores, order, axis=1), np.take_along_axis(beside, order, axis=1)
    n_rows, width = scores.shape
    limit = np.full(n_rows, -np.inf, dtype=scores.dtype)
    kernels.keep_largest(scores, beside, np.full(n_rows, width), limit, n_largest)
    return scores[:, :n_largest].copy(), beside[:, :n_largest].copy()


class Kept(Protocol):
    """What keeps the largest scores of some rows, wherever it does.

    Attributes
    ----------
    n_rows, n_largest : int
    """

    n_rows: int
    n_largest: int

    def merge(self, rows: slice, scores: NDArray[Any], beside: NDArray[Any]) -> None:
        """Add entries of some rows, shape (rows, n)."""

    def merge_scores(self, rows: slice, scores: torch.Tensor, first: int) -> None:
        """Add scores of some rows, shape (rows, n), with their numbers from `first` on beside them."""

    def found(self, kernels: SimpleNamespace | None) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the largest scores of each row, descending, and what belongs to them; -inf where there are fewer."""


class Largest:
    """The largest scores of some rows; see `cl_viz.engine.row_kernels` for how they are kept.

    Parameters
    ----------
    n_rows, n_largest : int
    dtype, beside : numpy types
        Of the scores, and of what belongs to each.
    width : int, optional
        Scores of a row that are held while its largest are looked for; by default `room` of them.
    """

    def __init__(self, n_rows: int, n_largest: int, dtype: Any, beside: Any, width: int | None = None) -> None:
        width = width or room(n_largest)
        self.n_rows, self.n_largest = n_rows, n_largest
        self.kept: NDArray[np.floating[Any]] = np.full((n_rows, width), -np.inf, dtype=dtype)
        self.beside: NDArray[Any] = np.zeros((n_rows, width), dtype=beside)
        self.fill = np.zeros(n_rows, dtype=np.int64)
        self.limit: NDArray[np.floating[Any]] = np.full(n_rows, -np.inf, dtype=dtype)

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """What the kernels fill."""
        return self.kept, self.beside, self.fill, self.limit

    def part(self, rows: slice) -> tuple[NDArray[Any], ...]:
        """Return what the kernels fill, of some rows."""
        return self.kept[rows], self.beside[rows], self.fill[rows], self.limit[rows]

    def merge(self, rows: slice, scores: NDArray[Any], beside: NDArray[Any]) -> None:
        """Add entries of some rows, shape (rows, n), without the kernels."""
        kept, with_them, fill, limit = self.part(rows)
        held = np.where(np.arange(kept.shape[1]) < fill[:, None], kept, -np.inf)
        scores = np.concatenate([held, scores], axis=1)
        beside = np.concatenate([with_them, beside], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, : self.n_largest]
        n_kept = order.shape[1]
        kept[:, :n_kept] = np.take_along_axis(scores, order, axis=1)
        with_them[:, :n_kept] = np.take_along_axis(beside, order, axis=1)
        fill[:] = np.isfinite(kept[:, :n_kept]).sum(axis=1)
        if n_kept == self.n_largest:
            limit[:] = kept[:, n_kept - 1]

    def merge_scores(self, rows: slice, scores: torch.Tensor, first: int) -> None:
        """Add scores of some rows, shape (rows, n), with their numbers from `first` on beside them."""
        top, place = scores.topk(min(self.n_largest, scores.shape[1]), dim=1)
        self.merge(rows, top.cpu().numpy(), place.cpu().numpy() + first)

    def found(self, kernels: SimpleNamespace | None) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the largest scores of each row, descending, and what belongs to them; -inf where there are fewer."""
        if kernels is not None:
            kernels.keep_largest(self.kept, self.beside, self.fill, self.limit, self.n_largest)
        else:
            nothing = np.empty((len(self.fill), 0))
            self.merge(slice(None), nothing.astype(self.kept.dtype), nothing.astype(self.beside.dtype))
        scores = self.kept[:, : self.n_largest]
        beside = self.beside[:, : self.n_largest].copy()
        return np.where(np.arange(self.n_largest) < self.fill[:, None], scores, -np.inf).astype(scores.dtype), beside

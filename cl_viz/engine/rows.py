"""The usable rows of a set on the device: unit length, tile by tile, with their labels and their partners."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import MissingInputError
from cl_viz.engine.tile_links import sorted_links
from cl_viz.engine.workers import share_out

# Views up to this size (as floats on the device) are kept there whole; larger ones are read tile by tile.
RESIDENT_BYTES = 1 << 30
# Bytes of float64 rows at a time, which stay in the cache until they are normalised.
_LOAD_BYTES = 1 << 20


@dataclass(frozen=True)
class ColumnTile:
    """Rows of a view as the columns of a tile, sorted by label.

    Attributes
    ----------
    columns : slice
        Which rows.
    rows : torch.Tensor, shape (n, D)
    labels : NDArray[np.int64], shape (n,), or None
        Ascending.
    order : NDArray[np.int64], shape (n,), or None
        Place in the slice that each column had; None where nothing moved.
    """

    columns: slice
    rows: torch.Tensor
    labels: NDArray[np.int64] | None
    order: NDArray[np.int64] | None

    def numbers(self) -> NDArray[np.int64]:
        """Return which row of the view each column is, shape (n,)."""
        if self.order is None:
            return np.arange(self.columns.start, self.columns.stop)
        found: NDArray[np.int64] = self.order + self.columns.start
        return found

    def places(self, columns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where columns of the slice (counted from its start) are in the tile, of the same shape."""
        if self.order is None:
            return columns
        where = np.empty(len(self.order), dtype=np.int64)
        where[self.order] = np.arange(len(self.order))
        return where[columns]


@dataclass
class ViewRows:
    """The usable rows of one view, numbered 0..n-1 without gaps.

    Attributes
    ----------
    name : str
        Of the view.
    original : NDArray[np.int64], shape (n,)
        Row of the view that each stands for.
    labels : torch.Tensor of int64, shape (n,), or None
        Label codes, -1 where unknown.
    device : torch.device
        Where tiles are.
    arranged : bool
        Whether rows were put in order: `n_leading` drawn ones first, and each part by label. Otherwise they ascend.
    n_leading : int
    """

    name: str
    original: NDArray[np.int64]
    labels: torch.Tensor | None
    device: torch.device
    _array: NDArray[np.generic]
    _norms: NDArray[np.float64]
    _dtype: torch.dtype
    _resident: torch.Tensor | None = None
    arranged: bool = False
    n_leading: int = 0

    def __len__(self) -> int:
        return len(self.original)

    @property
    def dtype(self) -> torch.dtype:
        """Of the unit rows."""
        return self._dtype

    @property
    def resident_bytes(self) -> int:
        """Of the unit rows that are kept on the device."""
        return 0 if self._resident is None else self._resident.numel() * self._resident.element_size()

    def tile(self, rows: slice | NDArray[np.int64]) -> torch.Tensor:
        """Return unit rows, shape (len(rows), D), on the device."""
        if self._resident is not None:
            index = rows if isinstance(rows, slice) else torch.from_numpy(rows).to(self.device)
            return self._resident[index]
        return self._load(self.original[rows])

    def by_label(self, columns: slice) -> ColumnTile:
        """Return rows as the columns of a tile, in the order of their labels."""
        if self.labels is None:
            return ColumnTile(columns, self.tile(columns), None, None)
        labels = self.labels[columns].cpu().numpy()
        if self.arranged:
            return ColumnTile(columns, self.tile(columns), labels, None)
        order = np.argsort(labels, kind="stable")
        return ColumnTile(columns, self.tile(columns)[torch.from_numpy(order).to(self.device)], labels[order], order)

    def chosen(self, places: NDArray[np.int64]) -> ViewRows:
        """Return some of the rows, numbered anew."""
        index = torch.from_numpy(places).to(self.device)
        labels = None if self.labels is None else self.labels[index]
        resident = None if self._resident is None else self._resident[index]
        return replace(self, original=self.original[places], labels=labels, _resident=resident)

    def in_float64(self) -> ViewRows:
        """Return the rows as float64 on the CPU, read when they are asked for."""
        exact = self._dtype == torch.float64 and self.device.type == "cpu"
        return replace(
            self,
            labels=None if self.labels is None else self.labels.cpu(),
            device=torch.device("cpu"),
            _dtype=torch.float64,
            _resident=self._resident if exact else None,
        )

    def make_resident(self) -> None:
        """Keep all unit rows on the device if they are small enough."""
        if self._resident is None and self.fits:
            # Block by block: all rows at once in float64 would take three times the memory.
            dimensions = self._array.shape[1]
            resident = torch.empty((len(self), dimensions), dtype=self._dtype, device=self.device)
            step = max(256, _LOAD_BYTES // (8 * dimensions))
            blocks = [slice(start, start + step) for start in range(0, len(self), step)]

            def fill(rows: slice) -> None:
                resident[rows] = self._load(self.original[rows])

            share_out(blocks, lambda: fill, lambda done: None, self.device)
            self._resident = resident

    @property
    def fits(self) -> bool:
        """Whether all unit rows may be kept on the device."""
        size = torch.empty(0, dtype=self._dtype).element_size()
        return bool(len(self) * self._array.shape[1] * size <= RESIDENT_BYTES)

    def arrange(self, n_leading: int, seed: int) -> None:
        """Put a draw of rows first, and each part in the order of labels, so that a tile's columns are.

        Parameters
        ----------
        n_leading, seed : int
            See `choose_rows`.
        """
        leading = np.zeros(len(self), dtype=np.bool_)
        leading[choose_rows(len(self), n_leading, seed)] = True
        codes = np.zeros(len(self), dtype=np.int64) if self.labels is None else self.labels.cpu().numpy()
        order = np.lexsort((codes, ~leading))
        self.original = self.original[order]
        if self.labels is not None:
            self.labels = self.labels[torch.from_numpy(order).to(self.device)]
        self.arranged, self.n_leading = True, int(leading.sum())

    def _load(self, original: NDArray[np.int64]) -> torch.Tensor:
        # float64 division first: a float16 row times its own reciprocal norm would not have unit length.
        block = np.asarray(self._array[original], dtype=np.float64)
        block /= self._norms[original][:, None]
        return torch.from_numpy(block).to(self._dtype).to(self.device)


def choose_rows(n_rows: int, n_chosen: int, seed: int) -> NDArray[np.int64]:
    """Return rows, ascending: all of them, or a draw of so many that depends only on N and the seed."""
    if n_chosen >= n_rows:
        return np.arange(n_rows, dtype=np.int64)
    drawn = np.random.default_rng(seed).choice(n_rows, size=n_chosen, replace=False)
    return np.sort(drawn).astype(np.int64)


def check_usable(embedding_set: EmbeddingSet, view: str, usable: int) -> None:
    """Raise `MissingInputError` where a view has fewer than two usable rows."""
    if usable < 2:
        words = "1 usable row" if usable else "0 usable rows"
        raise MissingInputError(
            f"view {view!r} has {words} of {embedding_set.views[view].shape[0]}",
            where=embedding_set.name,
            allowed="two or more rows that are finite and not all zeros",
            remedy="look at the Data page for what is wrong with the rows",
        )


def view_rows(
    embedding_set: EmbeddingSet,
    device: torch.device,
    dtype: torch.dtype,
    *,
    n_leading: int | None = None,
    seed: int = 0,
    is_part: bool = False,
) -> dict[str, ViewRows]:
    """Return the usable rows of every view.

    Parameters
    ----------
    embedding_set : EmbeddingSet
    device, dtype
        Of the rows.
    n_leading : int, optional
        How many drawn rows come first, see `ViewRows.arrange`; without it, and where views are too large to be kept
        on the device, rows stay in their own order.
    seed : int
        Of the draw.
    is_part : bool
        Whether the rows are a piece of a larger set, which may have no usable row.

    Raises
    ------
    MissingInputError
        If a view of a whole set has fewer than two usable rows.
    """
    labels = embedding_set.codes("label")
    found: dict[str, ViewRows] = {}
    for index, (view, array) in enumerate(embedding_set.views.items()):
        original = np.flatnonzero(embedding_set.usable_rows[view])
        if not is_part:
            check_usable(embedding_set, view, len(original))
        codes = None if labels is None else torch.from_numpy(labels[0][index][original]).to(device)
        found[view] = ViewRows(view, original, codes, device, array, embedding_set.quality[view].norms, dtype)
    if n_leading is not None and all(rows.fits for rows in found.values()):
        for rows in found.values():
            rows.arrange(n_leading, seed)
    for rows in found.values():
        rows.make_resident()
    return found


def compact_links(embedding_set: EmbeddingSet, rows: dict[str, ViewRows], first: str, second: str) -> NDArray[np.int64]:
    """Return the same-sample pairs of two views in the numbering of `ViewRows`, shape (P, 2), sorted."""
    links = embedding_set.links(first, second)
    left = _numbering(rows[first], embedding_set.views[first].shape[0])[links[:, 0]]
    right = _numbering(rows[second], embedding_set.views[second].shape[0])[links[:, 1]]
    found = np.stack([left, right], axis=1)[(left >= 0) & (right >= 0)]
    if first == second:
        found.sort(axis=1)
    return sorted_links(found)


def _numbering(rows: ViewRows, size: int) -> NDArray[np.int64]:
    number = np.full(size, -1, dtype=np.int64)
    number[rows.original] = np.arange(len(rows))
    return number

"""Nearest rows on a CUDA device: the Triton kernel finds them among the scores that it makes, and keeps no others.

A score above its row's limit is appended to the row's candidates, and one above its column's limit to the column's;
after each tile torch merges candidates with what is kept, and limits rise. Room for candidates is fixed: `capacity` of
8 bytes for each row and column of a tile, at most 403 MB for 16,384 x 32,768 pairs. A list that is offered more of one
tile than it has room for is given the whole tile again, by torch. So the nearest are exact, but that scores as high as
the last of them may be left out.

Where the kernel does not work, torch scores tiles in pieces; what is kept is the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from cl_viz.engine import triton_tiles
from cl_viz.engine.device_largest import EMPTY, MERGED, Allowed, DeviceLargest
from cl_viz.engine.nearest_so_far import NearestSoFar
from cl_viz.engine.pair_sketch import Block
from cl_viz.engine.tile_sizes import fitted
from cl_viz.engine.tried_once import TriedOnce
from cl_viz.engine.triton_tiles import Shape

_SHARE_OF_MEMORY = 0.5
"""Of a device's free memory: more is not taken for lists."""


def capacity(n_largest: int) -> int:
    """Return how many candidates of a list one tile may have."""
    return 512 if n_largest <= 64 else 1024


def list_bytes(n_rows: int, n_entries: int, n_largest: int) -> int:
    """Return the memory that neighbours take on a device, at most: entries of lists, and room for a tile's candidates.

    Parameters
    ----------
    n_rows : int
        Of the largest view.
    n_entries, n_largest : int
        Of all lists, and of each.
    """
    # A tile is twice as wide as it is high.
    of_tile = min(n_rows, triton_tiles.TILE) + min(n_rows, 2 * triton_tiles.TILE)
    return 8 * (n_entries + of_tile * capacity(n_largest))


def on_device(device: torch.device, dtype: torch.dtype, n_entries: int) -> bool:
    """Whether so many entries of lists are kept on the device, and not in the main memory."""
    if device.type != "cuda" or dtype != torch.float32:
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return 8 * n_entries <= _SHARE_OF_MEMORY * free


def usable(device: torch.device, dtype: torch.dtype = torch.float32) -> bool:
    """Whether the kernel can be used for neighbours on this device; tried once a device, where they are asked for."""
    return triton_tiles.usable(device, dtype) and _kernel.on(device)


def failure() -> str:
    """Return why the kernel cannot be used for neighbours; empty as long as it can, or has not been asked for."""
    return triton_tiles.failure() or _kernel.failure


def _trial(device: torch.device) -> str:
    """Return why the kernel cannot be used here: what compiles without neighbours need not compile with them."""
    from cl_viz.engine.triton_trial import trial_of_neighbors

    return trial_of_neighbors(device)


_kernel = TriedOnce(_trial)


@dataclass
class _Side:
    """The lists that a tile's scores are offered to on one side.

    Attributes
    ----------
    kept : DeviceLargest
    lists : slice
        Which of its lists: the rows of the tile, or its columns.
    first : int
        Number of the first row that is offered to them.
    allowed : callable
        Which pairs of a diagonal tile are.
    fill : torch.Tensor of int32, shape (lists,)
        How many candidates there were for each list.
    found : torch.Tensor of int64, shape (lists, capacity)
        The first of them.
    """

    kept: DeviceLargest
    lists: slice
    first: int
    allowed: Allowed
    fill: torch.Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int32))
    found: torch.Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))

    def clear(self, room: int) -> None:
        """Make room for the candidates of a tile."""
        n_lists, device = self.lists.stop - self.lists.start, self.kept.device
        self.fill = torch.zeros(n_lists, dtype=torch.int32, device=device)
        self.found = torch.empty((n_lists, room), dtype=torch.int64, device=device)

    def merge(self, most: int, own: torch.Tensor, others: torch.Tensor, *, diagonal: bool) -> None:
        """Add the candidates, of which no list has more than `most`, to the lists."""
        room = self.found.shape[1]
        width = min(most, room)
        # Of lists without room for all, none are taken: they are given the whole tile again.
        some = torch.nonzero((self.fill > 0) & (self.fill <= room))[:, 0]
        place = torch.arange(width, device=some.device)[None, :]
        for part in torch.split(some, max(1, fitted(MERGED) // width)):
            entries = torch.where(place < self.fill[part, None], self.found[part, :width], EMPTY)
            self.kept.merge_entries(part + self.lists.start, entries)
        if most > room:
            again = torch.nonzero(self.fill > room)[:, 0]
            allowed = self.allowed if diagonal else None
            self.kept.add_products(again + self.lists.start, own[again], others, self.first, allowed)


class TileLists:
    """The lists that the scores of one tile are offered to.

    Parameters
    ----------
    near : NearestSoFar
        Its lists on the device are meant.
    block : pair of str
        View of the tile's rows, and of its columns.
    rows, columns : slice
        Of the tile.
    diagonal : bool
        Whether they are the same rows: each pair above the diagonal is offered to both.
    room : int, optional
        Candidates of a list; `capacity` if left out.
    """

    def __init__(
        self,
        near: NearestSoFar,
        block: Block,
        rows: slice,
        columns: slice,
        *,
        diagonal: bool = False,
        room: int | None = None,
    ) -> None:
        self.diagonal = diagonal
        self._sides = [
            self._side(near, block, rows, columns.start, torch.gt),
            self._side(near, block[::-1], columns, rows.start, torch.lt),
        ]
        asked = [side.kept.n_largest for side in self._sides if side is not None]
        self._room = room or capacity(max(asked, default=0))

    @staticmethod
    def _side(near: NearestSoFar, block: Block, lists: slice, first: int, allowed: Allowed) -> _Side | None:
        kept = near.largest.get(block)
        if not isinstance(kept, DeviceLargest) or not kept.n_largest:
            return None
        return _Side(kept, lists, first, allowed)

    def arguments(self) -> dict[str, Any]:
        """Return what the kernel is given to fill; `take` is called when it has."""
        found: dict[str, Any] = {}
        for name, side in zip(("row", "column"), self._sides, strict=True):
            found[f"TO_{name.upper()}S"] = side is not None
            if side is not None:
                side.clear(self._room)
                found["CAPACITY"] = self._room
                found[f"{name}_limits"] = side.kept.limits[side.lists]
                found[f"{name}_fill"], found[f"{name}_found"] = side.fill, side.found
                # The rows that a row's list is offered are numbered as the columns of the tile are.
                found["first_column_number" if name == "row" else "first_row_number"] = side.first
        return {**triton_tiles.NO_LISTS, **found}

    def take(self, left: torch.Tensor, right: torch.Tensor) -> None:
        """Merge what the kernel found among the rows and columns of the tile, shape (n, D) and (m, D)."""
        sides = [
            (side, own, others)
            for side, own, others in zip(self._sides, (left, right), (right, left), strict=True)
            if side is not None
        ]
        if not sides:
            return
        most = torch.stack([side.fill.amax() for side, _, _ in sides]).tolist()
        for (side, own, others), number in zip(sides, most, strict=True):
            if number:
                side.merge(int(number), own, others, diagonal=self.diagonal)
            # Their memory serves the next tile.
            side.clear(0)

    def offer(self, left: torch.Tensor, right: torch.Tensor) -> None:
        """Score the tile for its lists alone: by the kernel, or by torch."""
        if usable(left.device, left.dtype):
            self.offer_with_triton(left, right)
        else:
            self.offer_with_torch(left, right)

    def offer_with_triton(self, left: torch.Tensor, right: torch.Tensor, shape: Shape | None = None) -> None:
        """Score the tile by the kernel, cut as `triton_tiles.SHAPE` if not in another way."""
        from cl_viz.engine import triton_kernels

        shape = shape or triton_tiles.SHAPE
        left, right = left.contiguous(), right.contiguous()
        triton_kernels.find_near[(triton_tiles.programs(left.device, shape),)](
            left, right,
            n_rows=len(left), n_columns=len(right), dim=left.shape[1], diagonal=int(self.diagonal),
            ROWS=shape.rows, COLUMNS=shape.columns, DEPTH=shape.depth, PRECISION=triton_tiles.PRECISION,
            num_warps=shape.warps, num_stages=shape.stages, **self.arguments(),
        )  # fmt: skip
        self.take(left, right)

    def offer_with_torch(self, left: torch.Tensor, right: torch.Tensor) -> None:
        """Score the tile in pieces, once for each side."""
        for side, own, others in zip(self._sides, (left, right), (right, left), strict=True):
            if side is not None:
                lists = torch.arange(side.lists.start, side.lists.stop, device=own.device)
                allowed = side.allowed if self.diagonal else None
                side.kept.add_products(lists, own, others, side.first, allowed)

"""Tiles on a CUDA device: product and binning in one Triton kernel, which keeps no scores.

Triton is optional: it comes with torch's CUDA build on Linux. Where it is missing, cannot compile, or the device is too
old for it, torch does the same work, several times slower; `failure` says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.engine import bins
from cl_viz.engine.pair_sketch import PairSketch, Relation
from cl_viz.engine.tried_once import TriedOnce

if TYPE_CHECKING:
    from cl_viz.engine.triton_neighbors import TileLists

TILE = 16_384
"""Rows that one call scores: milliseconds of work on a large GPU, so that a pass stops soon and calls cost nothing."""
MOST_PARTNERS = 256
"""Most partners of one row in a tile; with more, torch does the tile."""
PRECISION = "tf32x3"
"""Each product is made of three, whose error is that of float32; one alone would move scores between bins."""
_OLDEST = (8, 0)
"""Compute capability from which matrix units take float32 in parts."""


@dataclass(frozen=True)
class Shape:
    """How a kernel is cut: no number depends on it, but for the order of sums.

    Attributes
    ----------
    rows, columns, depth : int
        Scores that a program makes at a time, and entries of a row that it multiplies at a time.
    programs : int
        Programs for each multiprocessor.
    warps, stages : int
        Of a program; buffers that are filled while others are read.
    """

    rows: int = 128
    columns: int = 64
    depth: int = 32
    programs: int = 1
    warps: int = 8
    stages: int = 3


SHAPE = Shape()
"""As compiled for an H100: 64 KiB of shared memory and all registers of a multiprocessor, next to nothing spilled."""
_LEAST_PROGRAMS = 128
"""So many histograms hold the pairs of one call; a small device runs their programs one after the other."""
NO_LISTS: dict[str, Any] = {
    **dict.fromkeys(["row_limits", "column_limits", "row_fill", "column_fill", "row_found", "column_found"]),
    **dict.fromkeys(["first_row_number", "first_column_number", "CAPACITY"], 0),
    **dict.fromkeys(["TO_ROWS", "TO_COLUMNS"], False),
}
"""What a kernel is given where no neighbours are asked for; see `cl_viz.engine.triton_neighbors`."""


def usable(device: torch.device, dtype: torch.dtype = torch.float32) -> bool:
    """Whether the kernel can be used for scores of this type on this device; tried once a device."""
    if device.type != "cuda" or dtype != torch.float32:
        return False
    return _kernel.on(device)


def failure() -> str:
    """Return why the kernel cannot be used; empty as long as it can, or has not been asked for."""
    return _kernel.failure


def _trial(device: torch.device) -> str:
    """Return why the kernel cannot be used: it does not compile, run, or count rightly."""
    if find_spec("triton") is None:
        return "triton is not installed"
    if torch.cuda.get_device_capability(device) < _OLDEST:
        return f"{torch.cuda.get_device_name(device)} is older than compute capability {_OLDEST[0]}.{_OLDEST[1]}"
    from cl_viz.engine.triton_trial import trial

    return trial(device)


_kernel = TriedOnce(_trial)


class TritonPairs:
    """Adds tiles to a sketch without their scores ever being written to memory.

    Parameters
    ----------
    sketch : PairSketch
        Is added to; complete after `flush`.
    device : torch.device
    shape : Shape, optional
        `SHAPE` if left out.
    """

    def __init__(self, sketch: PairSketch, device: torch.device, shape: Shape | None = None) -> None:
        self.sketch, self.device, self.shape = sketch, device, shape or SHAPE
        self._programs = programs(device, self.shape)
        cells = (self._programs, len(Relation))
        self._packed = torch.zeros((*cells, bins.BINS), dtype=torch.int64, device=device)
        self._lows = torch.full(cells, torch.inf, device=device)
        self._highs = torch.full(cells, -torch.inf, device=device)
        self._squares = torch.zeros(cells, dtype=torch.float64, device=device)
        self._near = _near_bins(device)
        self._held, self._block = 0, 0

    def add(
        self,
        block: int,
        left: torch.Tensor,
        right: torch.Tensor,
        labels: tuple[torch.Tensor | None, torch.Tensor | None],
        links: NDArray[np.int64],
        *,
        diagonal: bool = False,
        lists: TileLists | None = None,
    ) -> None:
        """Score all pairs of some rows and add them.

        Parameters
        ----------
        block : int
            Of the sketch.
        left, right : torch.Tensor of float32, shape (n, D) and (m, D)
            Unit rows.
        labels : pair of torch.Tensor or of None
            Codes of the rows, -1 where unknown.
        links : NDArray[np.int64], shape (P, 2)
            Pairs of one sample, as rows of `left` and `right`, sorted.
        diagonal : bool
            Whether both are the same rows: only pairs above the diagonal count.
        lists : TileLists, optional
            Of the rows' and the columns' neighbours: are offered every score.

        Raises
        ------
        ValueError
            If there are more pairs than the counters of one call hold; `TILE` rows have fewer.
        """
        shape, kernels = self.shape, _kernels()
        tiles = -(-len(left) // shape.rows) * -(-len(right) // shape.columns)
        most = -(-tiles // self._programs) * shape.rows * shape.columns
        if most > kernels.MOST_PAIRS:
            raise ValueError(f"{len(left)} x {len(right)} pairs are too many for one call")
        if block != self._block or self._held + most > kernels.MOST_PAIRS:
            self.flush()
        self._block, self._held = block, self._held + most
        codes = [None if part is None else part.to(torch.int32) for part in labels]
        labelled = codes[0] is not None and codes[1] is not None
        partners = partner_table(links, len(left))
        left, right = left.contiguous(), right.contiguous()
        asked = NO_LISTS if lists is None else lists.arguments()
        self._launch(kernels, left, right, codes if labelled else None, partners, diagonal, asked)
        if lists is not None:
            lists.take(left, right)

    def flush(self) -> None:
        """Hand everything over to the sketch."""
        if not self._held:
            return
        kernels = _kernels()
        counts = (self._packed >> kernels.COUNT_SHIFT).sum(dim=0)
        steps = (self._packed & ((1 << kernels.COUNT_SHIFT) - 1)).sum(dim=0)
        sketch, block = self.sketch, self._block
        found = counts.cpu().numpy()
        sketch.counts[block] += found
        # Whole numbers until here: what is summed on the device does not depend on the order.
        sketch.sums[block] += (steps.cpu().numpy() + found * bin_edges(kernels)) / kernels.STEPS
        sketch.squares[block] += self._squares.sum(dim=0).cpu().numpy()
        np.minimum(sketch.low[block], self._lows.amin(dim=0).cpu().numpy(), out=sketch.low[block])
        np.maximum(sketch.high[block], self._highs.amax(dim=0).cpu().numpy(), out=sketch.high[block])
        self._packed.zero_(), self._squares.zero_()
        self._lows.fill_(torch.inf), self._highs.fill_(-torch.inf)
        self._held = 0

    def _launch(
        self,
        kernels: ModuleType,
        left: torch.Tensor,
        right: torch.Tensor,
        codes: list[torch.Tensor | None] | None,
        partners: NDArray[np.int32],
        diagonal: bool,
        asked: dict[str, Any],
    ) -> None:
        shape = self.shape
        # What is not read is given some memory all the same.
        of_rows, of_columns = codes or (self._near, self._near)
        table = torch.from_numpy(partners).to(self.device) if partners.size else self._near
        kernels.bin_tiles[(self._programs,)](
            left, right, of_rows, of_columns, table, self._near, self._packed, self._lows, self._highs, self._squares,
            n_rows=len(left), n_columns=len(right), dim=left.shape[1], n_partners=partners.shape[1],
            n_near=len(self._near), diagonal=int(diagonal),
            ROWS=shape.rows, COLUMNS=shape.columns, DEPTH=shape.depth, LABELLED=codes is not None, PRECISION=PRECISION,
            num_warps=shape.warps, num_stages=shape.stages, **asked,
        )  # fmt: skip


def partner_table(links: NDArray[np.int64], n_rows: int) -> NDArray[np.int32]:
    """Return the partners of each row side by side, shape (n_rows, most of one row), -1 where there are no more.

    Parameters
    ----------
    links : NDArray[np.int64], shape (P, 2)
        Row and partner, sorted.
    n_rows : int
    """
    if not len(links):
        return np.zeros((n_rows, 0), dtype=np.int32)
    first = np.searchsorted(links[:, 0], np.arange(n_rows))
    place = np.arange(len(links)) - first[links[:, 0]]
    table = np.full((n_rows, int(place.max()) + 1), -1, dtype=np.int32)
    table[links[:, 0], place] = links[:, 1]
    return table


def bin_edges(kernels: ModuleType) -> NDArray[np.int64]:
    """Return where the distances of each bin are counted from, in steps, shape (BINS,)."""
    edges = np.full(bins.BINS, kernels.NEAR_STEPS, dtype=np.int64)
    edges[: bins.COARSE_BINS] = np.arange(bins.COARSE_BINS) * kernels.BIN_STEPS - (kernels.STEPS + kernels.MARGIN)
    return edges


def _kernels() -> ModuleType:
    from cl_viz.engine import triton_kernels

    return triton_kernels


def programs(device: torch.device, shape: Shape) -> int:
    """Return how many programs a call is made of."""
    if device.type != "cuda":
        return shape.programs
    processors = int(torch.cuda.get_device_properties(device).multi_processor_count)
    return shape.programs * max(_LEAST_PROGRAMS, processors)


@lru_cache(maxsize=8)
def _near_bins(device: torch.device) -> torch.Tensor:
    from cl_viz.engine.fixed_point import near_bins

    return torch.from_numpy(near_bins()).to(device)

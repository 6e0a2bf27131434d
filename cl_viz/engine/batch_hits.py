"""`chances_of_a_hit`: the Laplace transform of a batch's sum, for every anchor at evenly spaced points.

Let each candidate be hit with the chance q = 1 - exp(-t exp(s / tau)). Then the transform at t, E[exp(-t X)], is the
chance that no candidate of the batch is hit, which depends on the number of hits H among all N candidates alone: it is
E[C(N - H, n) / C(N, n)]. The main part is (1 - n / N)**H, whose mean is a product over candidates; the rest is smooth
in H, and taken to second order around its mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.core.lazily import lazily
from cl_viz.engine.score_grid import ScoreGrid

Values = NDArray[np.float64]
_LOW = -12.0
"""Log of the largest E[t X] at the first node: what lies below is less than 1e-5."""
_GONE = 18.0
"""Where -log of the transform is as good as infinite."""
_MANY = 20_000
"""Candidates outside the batch above which the squares of the chances of a hit change less than 1e-4."""
_NODES_AT_ONCE = 12
"""Not all, so that at a low temperature few anchors are asked at any of them, and most scores are either too low to be
hit at any or sure to be."""
_SURE = 3.0
"""Where logit and node together lie above it, a candidate is hit but for a chance of 2e-9."""
_CELLS = 1 << 13
"""Of the tables of what the number of hits leaves to the main part; read in straight lines, they are off by 1e-6."""
_FEW = 4
"""Batches up to this size are counted factor by factor, larger ones by an integral of logarithms."""


@dataclass(frozen=True)
class HitLaw:
    """How likely no candidate of a batch is hit, by how many of all are: C(N - H, n) / C(N, n).

    Attributes
    ----------
    n_drawn, total : int, float
        n and N.
    """

    n_drawn: int
    total: float

    @property
    def share(self) -> float:
        """Chance of a candidate to be in the batch."""
        return self.n_drawn / self.total

    @property
    def log_kept(self) -> float:
        """Log of the chance of a candidate not to be in the batch."""
        return math.log1p(-self.share)

    @property
    def needs_squares(self) -> bool:
        """Whether the squares of the chances of a hit change anything."""
        return self.total - self.n_drawn < _MANY

    @property
    def scale(self) -> float:
        """Cells of the tables for each hit of the mean: they reach to where nothing is left."""
        return _CELLS / min(self.total - self.n_drawn + 0.49, 2 * _GONE / self.share)

    def log_rest(self, mean: torch.Tensor, square: torch.Tensor | None) -> torch.Tensor:
        """Return log of the mean of that chance over (1 - share)**H, to second order around the mean of H.

        Parameters
        ----------
        mean, square : torch.Tensor of float32
            Of H, both times `scale`: sum of the chances of a hit, and of their squares; without these, H varies as it
            would if hits were rare. The mean is written over.
        """
        varies = None if square is None else (mean - square).clamp_(min=0)
        part = mean.clamp_(0, _CELLS - 1e-3)
        cell = part.int()
        part.sub_(cell)
        rest, *change = (
            _read(table, cell, part) for table in self._tables[slice(1) if square is None else slice(1, 3)]
        )
        if varies is None:
            return rest
        return rest.add_(change[0].mul_(varies).clamp_(-0.5, 1).log1p_())

    @lazily
    def _tables(self) -> tuple[torch.Tensor, ...]:
        """Three tables by the mean of H, evenly spaced: each entry holds a value, and what it is less than the next.

        The log of that chance over (1 - share)**H; the same if H did not vary; and by how much of itself it is larger
        for each unit of the variance of H, of which there are `scale` to one.
        """
        mean = torch.arange(_CELLS + 1, dtype=torch.float64).div_(self.scale)
        log_ways, slope, bend = self._ways((self.total - mean).clamp_(min=self.n_drawn - 0.49))
        log_ways -= self._ways(torch.tensor(self.total, dtype=torch.float64))[0]
        log_ways -= mean * self.log_kept
        change = (slope + self.log_kept).square().add_(bend).mul_(0.5)
        both = log_ways + (change * mean).clamp_(-0.5, 1).log1p_()
        values = torch.stack([both, log_ways, change / self.scale])
        pairs = torch.stack([values[:, :-1], values.diff(dim=1)], dim=2).float()
        # As one number of 64 bits each, so that a look-up finds both.
        return pairs.view(torch.float64).squeeze(2).unbind()

    def _ways(self, left: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return log of left (left - 1) ... (left - n + 1), and its first two derivatives."""
        if self.n_drawn <= _FEW:
            factors = (left[..., None] - torch.arange(self.n_drawn)).clamp_(min=1e-9)
            return factors.log().sum(dim=-1), factors.reciprocal().sum(dim=-1), -factors.pow(-2).sum(dim=-1)
        upper, lower = left + 0.5, left - (self.n_drawn - 0.5)
        log_upper, log_lower = upper.log(), lower.log()
        slope, bend = log_upper - log_lower, upper.reciprocal() - lower.reciprocal()
        return upper.mul_(log_upper).sub_(lower.mul_(log_lower)), slope, bend


@lru_cache(maxsize=16)
def hit_law(n_drawn: int, total: float) -> HitLaw:
    """Return the law of n of N candidates, with the tables it has made."""
    return HitLaw(n_drawn, total)


def _read(table: torch.Tensor, cell: torch.Tensor, part: torch.Tensor) -> torch.Tensor:
    """Return what a table says at this part of a cell, in a straight line."""
    pairs = table.index_select(0, cell.flatten()).view(torch.float32).view(*cell.shape, 2)
    return torch.addcmul(pairs[..., 0], pairs[..., 1], part)


def useful_nodes(grid: ScoreGrid, logits: torch.Tensor, law: HitLaw, ends: tuple[float, float], step: float) -> Values:
    """Return the nodes between which the transform of any anchor falls from 1 to 0, so far as they lie between `ends`.

    The nodes are values of log t, at logits as they are; the last lies beyond its end.
    """
    most, least = (torch.from_numpy(values) for values in (grid.most_above, grid.least_above))
    # No anchor has a larger sum, or a smaller one, than one with the most, or the fewest, candidates above each score.
    largest = logits[-1]
    steps = torch.exp(logits - largest).diff(prepend=torch.zeros(1, dtype=torch.float64))
    first = max(_LOW - float(torch.log(law.share * (most * steps).sum()) + largest), ends[0])
    nodes = torch.arange(first, max(first, ends[1]) + step, step, dtype=torch.float64)
    tried = nodes[::4]
    hit = -torch.expm1(-torch.exp(logits[:, None] + tried))
    falls = -torch.log1p(-law.share * hit)
    fallen = (least.diff(append=torch.zeros(1, dtype=torch.float64)).neg().clamp_(min=0) @ falls) > _GONE
    needed = 4 * int(fallen.to(torch.int8).argmax()) if bool(fallen.any()) else len(nodes)
    return np.asarray(nodes[: max(needed, 1) + 1].numpy())


def chances_of_a_hit(
    grid: ScoreGrid, logits: torch.Tensor, nodes: Values, law: HitLaw, since: Values, until: Values
) -> torch.Tensor:
    """Return 1 - E[exp(-t X)] at the nodes where an anchor is asked, shape (U, A); 0 at most others.

    Rows that ask at about the same nodes should stand together, since what lies between two that do is answered too.

    Parameters
    ----------
    grid : ScoreGrid
    logits : torch.Tensor of float64, shape (K,)
        Of its points.
    nodes : NDArray[np.float64], shape (U,)
    law : HitLaw
    since, until : NDArray[np.float64], shape (A,)
        Log t between which each row of the grid is asked; whoever is asked before the first node is answered there,
        and beyond the last node there. An anchor that is not asked has infinity, and less than that.
    """
    found = torch.zeros((len(nodes), len(until)))
    # Before the first node all is read off the first, which for many rows is the only one.
    edges = [0, *range(1, len(nodes), _NODES_AT_ONCE), len(nodes)]
    for low, high in pairwise(edges):
        begins = nodes[low] if low else -math.inf
        ends = nodes[high - 1] if high < len(nodes) else math.inf
        asked = np.flatnonzero((since <= ends) & (until >= begins) & (since <= until))
        if len(asked):
            rows = slice(int(asked[0]), int(asked[-1]) + 1)
            _at_nodes(grid, logits, torch.from_numpy(nodes[low:high]), law, rows, found[low:high, rows])
    return found


def _at_nodes(
    grid: ScoreGrid, logits: torch.Tensor, nodes: torch.Tensor, law: HitLaw, rows: slice, found: torch.Tensor
) -> None:
    """Put `chances_of_a_hit` at a few nodes that lie close together, shape (U, R), in its place."""
    # What is hit for sure at all of these nodes is counted, what is too low to be hit at any is left out.
    high, sure = grid.from_above(int(torch.searchsorted(logits, _SURE - float(nodes[0]))))
    low = min(int(torch.searchsorted(logits, _LOW - math.log(law.n_drawn) - float(nodes[-1]))), high)
    hit = -torch.expm1(-torch.exp(logits[low:high] + nodes[:, None]))
    stays = -law.share * hit
    outside = (1 - law.share) * hit / (1 + stays)
    kernel, of_sure = [torch.log1p(stays), outside * law.scale], [law.log_kept, law.scale]
    if law.needs_squares:
        kernel.append(outside.square() * law.scale)
        of_sure.append(law.scale)
    sums = torch.outer(torch.tensor(of_sure).repeat_interleave(len(nodes)), sure[rows])
    sums.addmm_(torch.cat(kernel).float(), grid.weights[rows, low:high].T)
    main, mean, *square = torch.split(sums, len(nodes))
    main.add_(law.log_rest(mean, square[0] if square else None)).clamp_(max=0)
    torch.expm1(main, out=found).neg_()

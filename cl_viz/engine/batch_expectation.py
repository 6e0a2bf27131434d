"""What an anchor may expect of a batch: loss and multiplier, averaged over every batch drawn without replacement.

With X the sum over the batch's negatives of exp((s - positive) / tau), the loss is log(1 + X), and

    E[log(1 + X)] = integral over t > 0 of (1 - E[exp(-t X)]) exp(-t) / t,

while E[X / (1 + X)] is the same integral without the division by t, and that of its square has 2 - t in place of it.
The Laplace transform needs no draws. Let each candidate be hit with the chance q = 1 - exp(-t exp((s - positive) /
tau)); then E[exp(-t X)] is the chance that no candidate of the batch is hit, which depends on the number of hits H
alone: E[C(N - H, n) / C(N, n)]. The main part is (1 - n / N)**H, whose mean is a product over candidates; the rest is
smooth in H, and taken to second order around its mean. In log t all integrals are sums over evenly spaced nodes that
converge exponentially, and q is a function of s / tau + log t, so that one product of matrices (see `ScoreGrid`) serves
all anchors at every node.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.core.lazily import lazily
from cl_viz.engine.score_grid import ScoreGrid

Values = NDArray[np.float64]
Integrand = Literal["log", "share", "square"]
"""Of log(1 + X), X / (1 + X) and its square."""
_STEP = 0.9
"""Distance of two nodes in log t: sums are off by 2e-4 of themselves, up or down by where the nodes happen to lie."""
_LOW = -12.0
"""Log of the largest E[t X] at the first node: what lies below is less than 1e-5."""
_HIGH = 3.0
"""Log t above which exp(-t) is less than 1e-8."""
_NOTHING = 4.0
"""Log t that stands for all above it: what is smaller still takes the processor long to multiply."""
_GONE = 18.0
"""Where -log of the transform is as good as infinite."""
_MANY = 20_000
"""Candidates outside the batch above which the squares of the chances of a hit change less than 1e-4."""
_NODES_AT_ONCE = 24
"""Not all, so that at a low temperature most scores are either too low to be hit at any of them or sure to be."""
_SURE = 3.0
"""Where logit and node together lie above it, a candidate is hit but for a chance of 2e-9."""
_CELLS = 1 << 13
"""Of the table of what the number of hits leaves to the main part; read in straight lines, it is off by 1e-6."""
_WINDOW = 17.0
"""Log t from `_HIGH` down within which the weight of a node is neither 0 nor, to 1e-6, what it is far below."""
_FINER_STEP = 0.5
"""For squares, of which nearly all is taken off again: sums are off by 1e-8."""
_FEW = 4
"""Batches up to this size are counted factor by factor, larger ones by an integral of logarithms."""


@dataclass(frozen=True)
class BatchExpectation:
    """What A anchors with N candidates each may expect of n < N of them.

    Attributes
    ----------
    nodes : torch.Tensor of float64, shape (U,)
        log t less the positive's logit, evenly spaced.
    hit : torch.Tensor of float32, shape (A, U)
        1 - E[exp(-t X)] there; 1 beyond the last node.
    step : float
        Distance of two nodes.
    """

    nodes: torch.Tensor
    hit: torch.Tensor
    step: float = _STEP

    @classmethod
    def of(
        cls, grid: ScoreGrid, temperature: float, n_drawn: int, total: float, lowest: float, step: float = _STEP
    ) -> BatchExpectation:
        """Work out the transform for every anchor.

        Parameters
        ----------
        grid : ScoreGrid
            Of these anchors.
        temperature : float
        n_drawn, total : int, float
            Candidates in a batch, and in all.
        lowest : float
            Least score of a positive that will be asked for.
        step : float
            Distance of two nodes.
        """
        law = _Hits(n_drawn, total)
        logits = torch.from_numpy(grid.scores / temperature)
        nodes = _nodes(grid, logits, law, lowest / temperature, step)
        return cls(nodes, _chances_of_a_hit(grid, logits, nodes, law), step)

    def loss(self, logits: Values, owner: NDArray[np.int64]) -> Values:
        """Return E[log(1 + X)] for P positives with these logits, shape (P,), of these anchors, shape (P,)."""
        return self._integral("log", logits, owner)

    def multiplier(self, logits: Values, owner: NDArray[np.int64]) -> Values:
        """Return E[X / (1 + X)], in [0, 1], shape (P,); see `loss`."""
        return self._integral("share", logits, owner)

    @classmethod
    def fine(cls, grid: ScoreGrid, temperature: float, n_drawn: int, total: float, lowest: float) -> BatchExpectation:
        """Work out the transform at nodes that are close enough for `variance`; parameters are those of `of`."""
        return cls.of(grid, temperature, n_drawn, total, lowest, _FINER_STEP)

    def variance(self, logits: Values, owner: NDArray[np.int64]) -> Values:
        """Return the variance of X / (1 + X), shape (P,); see `loss`. The nodes must be those of `fine`."""
        mean, square = (self._integral(of, logits, owner) for of in ("share", "square"))
        return np.maximum(0.0, square - mean**2)

    def _integral(self, of: Integrand, logits: Values, owner: NDArray[np.int64]) -> Values:
        """Return the sum over nodes of the chance of a hit times the weight of the node."""
        last = float(self.nodes[-1]) + logits
        n_nodes, shifts = len(self.nodes), torch.from_numpy(logits)
        # The highest node of each positive that has any weight; a few below it are weighed one by one.
        highest = torch.from_numpy(
            np.clip(n_nodes - 1 - np.ceil((last - _HIGH) / self.step), 0, n_nodes - 1).astype(int)
        )
        width = min(math.ceil(_WINDOW / self.step) + 1, n_nodes)
        first = (highest - width + 1).clamp_(min=0)
        chosen = first[:, None] + torch.arange(width)
        log_t = chosen.float().mul_(self.step).add_((self.nodes[0] + shifts).float()[:, None]).clamp_(max=_NOTHING)
        weight = _weight(of, log_t)
        places = (chosen + torch.from_numpy(owner)[:, None] * n_nodes).flatten()
        found = (self.hit.flatten().index_select(0, places).view_as(weight) * weight).sum(dim=1)
        if of == "log":
            found += self._below.flatten().index_select(0, places[:: chosen.shape[1]])
        return np.asarray(self.step * found.double().numpy() + np.interp(last, *_rest(of, self.step)))

    @lazily
    def _below(self) -> torch.Tensor:
        """Sum of the chances at the nodes before each, shape (A, U)."""
        return self.hit.cumsum(dim=1) - self.hit


@dataclass(frozen=True)
class _Hits:
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
    def needs_squares(self) -> bool:
        """Whether the squares of the chances of a hit change anything."""
        return self.total - self.n_drawn < _MANY

    @lazily
    def _table(self) -> tuple[torch.Tensor, float]:
        """`log_rest` by the mean of H alone, evenly spaced up to where nothing is left, and points a hit."""
        most = min(self.total - self.n_drawn, 2 * _GONE / self.share)
        mean = torch.linspace(0, most, _CELLS + 1, dtype=torch.float64)
        return self.log_rest(mean, None), _CELLS / most

    def looked_up(self, mean: torch.Tensor) -> torch.Tensor:
        """Return `log_rest` without squares from a table."""
        values, scale = self._table
        place = (mean * scale).clamp_(max=_CELLS - 1e-3)
        cell = place.long()
        below, above = (values.index_select(0, at.flatten()).view_as(place) for at in (cell, cell + 1))
        return torch.lerp(below, above, place.sub_(cell))

    def log_rest(self, mean: torch.Tensor, square: torch.Tensor | None) -> torch.Tensor:
        """Return log of the mean of that chance over (1 - share)**H, to second order around the mean of H.

        Parameters
        ----------
        mean, square : torch.Tensor
            Of H: sum of the chances of a hit, and of their squares; without these, H varies as it would if hits were
            rare.
        """
        kept = math.log1p(-self.share)
        log_ways, slope, bend = self._ways((self.total - mean).clamp_(min=self.n_drawn - 0.49))
        log_ways -= self._ways(torch.tensor(self.total, dtype=torch.float64))[0]
        log_ways.sub_(mean, alpha=kept)
        # From here on single precision will do.
        factor = (slope + kept).float().square_().add_(bend.float())
        variance = mean.float() if square is None else (mean - square).clamp_(min=0).float()
        factor.mul_(variance).mul_(0.5).clamp_(-0.5, 1)
        return log_ways.float().add_(factor.log1p_())

    def _ways(self, left: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return log of left (left - 1) ... (left - n + 1), and its first two derivatives."""
        if self.n_drawn <= _FEW:
            factors = (left[..., None] - torch.arange(self.n_drawn)).clamp_(min=1e-9)
            return factors.log().sum(dim=-1), factors.reciprocal().sum(dim=-1), -factors.pow(-2).sum(dim=-1)
        upper, lower = left + 0.5, left - (self.n_drawn - 0.5)
        log_upper, log_lower = upper.log(), lower.log()
        bend = upper.float().reciprocal_().sub_(lower.float().reciprocal_())
        slope = log_upper - log_lower
        return upper.mul_(log_upper).sub_(lower.mul_(log_lower)), slope, bend


def _weight(of: Integrand, log_t: torch.Tensor) -> torch.Tensor:
    """Return what the chance of a hit is multiplied by, over log t."""
    t = log_t.exp()
    if of == "log":
        return t.neg_().exp_()
    if of == "share":
        return (log_t - t).exp_()
    return (log_t - t).exp_().mul_(2 - t)


def _nodes(grid: ScoreGrid, logits: torch.Tensor, law: _Hits, lowest: float, step: float) -> torch.Tensor:
    """Return the nodes between which the transform of any anchor falls from 1 to 0, as far as positives need them."""
    most, least = (torch.from_numpy(values) for values in (grid.most_above, grid.least_above))
    # No anchor has a larger sum, or a smaller one, than one with the most, or the fewest, candidates above each score.
    largest = logits[-1]
    steps = torch.exp(logits - largest).diff(prepend=torch.zeros(1, dtype=torch.float64))
    first = _LOW - float(torch.log(law.share * (most * steps).sum()) + largest)
    nodes = torch.arange(first, max(first, _HIGH - lowest) + step, step, dtype=torch.float64)
    tried = nodes[::4]
    hit = -torch.expm1(-torch.exp(logits[:, None] + tried))
    falls = -torch.log1p(-law.share * hit)
    fallen = (least.diff(append=torch.zeros(1, dtype=torch.float64)).neg().clamp_(min=0) @ falls) > _GONE
    needed = 4 * int(fallen.to(torch.int8).argmax()) if bool(fallen.any()) else len(nodes)
    return nodes[: max(needed, 1) + 1]


def _chances_of_a_hit(grid: ScoreGrid, logits: torch.Tensor, nodes: torch.Tensor, law: _Hits) -> torch.Tensor:
    """Return 1 - E[exp(-t X)] of every anchor at every node, some nodes at a time."""
    weights, found = grid.weights, torch.empty((len(grid.weights), len(nodes)))
    for start in range(0, len(nodes), _NODES_AT_ONCE):
        part = nodes[start : start + _NODES_AT_ONCE]
        # What is hit for sure at all of these nodes is counted, what is too low to be hit at any is left out.
        high, sure = grid.from_above(int(torch.searchsorted(logits, _SURE - float(part[0]))))
        low = min(int(torch.searchsorted(logits, _LOW - math.log(law.n_drawn) - float(part[-1]))), high)
        hit = -torch.expm1(-torch.exp(logits[low:high, None] + part))
        stays = -law.share * hit
        hit_outside = (1 - law.share) * hit / (1 + stays)
        kernel = [torch.log1p(stays), hit_outside]
        if law.needs_squares:
            kernel.append(hit_outside.square())
        sums = torch.split(weights[:, low:high] @ torch.cat(kernel, dim=1).float(), len(part), dim=1)
        outside = [(each + sure[:, None]).clamp_(min=0) for each in sums[1:]]
        rest = law.log_rest(outside[0].double(), outside[1]) if law.needs_squares else law.looked_up(outside[0])
        main = torch.add(sums[0], sure[:, None], alpha=math.log1p(-law.share))
        found[:, start : start + len(part)] = main.add_(rest).clamp_(max=0).expm1_().neg_()
    return found


@lru_cache(maxsize=6)
def _rest(of: Integrand, step: float) -> tuple[Values, Values]:
    """Return what nodes after the last one add up to where no transform is left, by log t at that one.

    Far below 0 it falls with log t in a straight line, or is 1.
    """
    last = np.linspace(-12.0, _HIGH, 6001)
    log_t = last[:, None] + step * np.arange(1, math.ceil(36 / step))
    found = step * _weight(of, torch.from_numpy(np.minimum(log_t, 50.0))).numpy().sum(axis=1)
    far = 1e6
    return np.concatenate([[last[0] - far], last]), np.concatenate([[found[0] + (far if of == "log" else 0)], found])

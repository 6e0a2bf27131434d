"""What an anchor may expect of a batch: loss and multiplier, averaged over every batch drawn without replacement.

With X the sum over the batch's negatives of exp((s - positive) / tau), the loss is log(1 + X), and

    E[log(1 + X)] = integral over t > 0 of (1 - E[exp(-t X)]) exp(-t) / t,

while E[X / (1 + X)] is the same integral without the division by t. The Laplace transform needs no draws. Let each
candidate be hit with the chance q = 1 - exp(-t exp((s - positive) / tau)); then E[exp(-t X)] is the chance that no
candidate of the batch is hit, which depends on the number of hits H alone: E[C(N - H, n) / C(N, n)]. The main part is
(1 - n / N)**H, whose mean is a product over candidates; the rest is smooth in H, and taken to second order around its
mean. In log t both integrals are sums over evenly spaced nodes that converge exponentially, and q is a function of
s / tau + log t, so that one product of matrices (see `ScoreGrid`) serves all anchors at every node.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.engine.score_grid import ScoreGrid

Values = NDArray[np.float64]
_STEP = 0.9
"""Distance of two nodes in log t: sums are off by 2e-4 of themselves, up or down by where the nodes happen to lie."""
_LOW = -12.0
"""Log of the largest E[t X] at the first node: what lies below is less than 1e-5."""
_HIGH = 3.0
"""Log t above which exp(-t) is less than 1e-8."""
_GONE = 18.0
"""Where -log of the transform is as good as infinite."""
_MANY = 20_000
"""Candidates outside the batch above which the squares of the chances of a hit change less than 1e-4."""
_NODES_AT_ONCE = 16
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
    """

    nodes: torch.Tensor
    hit: torch.Tensor

    @classmethod
    def of(cls, grid: ScoreGrid, temperature: float, n_drawn: int, total: float, lowest: float) -> BatchExpectation:
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
        """
        law = _Hits(n_drawn, total)
        logits = torch.from_numpy(grid.scores / temperature)
        nodes = _nodes(grid, logits, law, lowest / temperature)
        found = [_chance_of_a_hit(grid.weights, logits, part, law) for part in torch.split(nodes, _NODES_AT_ONCE)]
        return cls(nodes, torch.cat(found, dim=1))

    def loss(self, logits: Values, owner: NDArray[np.int64]) -> Values:
        """Return E[log(1 + X)] for positives with these logits of these anchors."""
        log_t = self._log_t(logits)
        return self._sum(torch.exp(-torch.exp(log_t)), owner) + np.interp(log_t[:, -1], *_rest(0))

    def multiplier(self, logits: Values, owner: NDArray[np.int64]) -> Values:
        """Return E[X / (1 + X)] for positives with these logits of these anchors."""
        log_t = self._log_t(logits)
        return self._sum(torch.exp(log_t - torch.exp(log_t)), owner) + np.interp(log_t[:, -1], *_rest(1))

    def _log_t(self, logits: Values) -> torch.Tensor:
        return (self.nodes[None] + torch.from_numpy(logits)[:, None]).float().clamp_(max=50.0)

    def _sum(self, weight: torch.Tensor, owner: NDArray[np.int64]) -> Values:
        whole = len(owner) == len(self.hit) and bool((np.diff(owner) == 1).all())
        hit = self.hit if whole else self.hit[torch.from_numpy(owner)]
        found: Values = (_STEP * (hit * weight).sum(dim=1)).double().numpy()
        return found


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


def _nodes(grid: ScoreGrid, logits: torch.Tensor, law: _Hits, lowest: float) -> torch.Tensor:
    """Return the nodes between which the transform of any anchor falls from 1 to 0, as far as positives need them."""
    most, least = (torch.from_numpy(values) for values in (grid.most_above, grid.least_above))
    # No anchor has a larger sum, or a smaller one, than one with the most, or the fewest, candidates above each score.
    largest = logits[-1]
    steps = torch.exp(logits - largest).diff(prepend=torch.zeros(1, dtype=torch.float64))
    first = _LOW - float(torch.log(law.share * (most * steps).sum()) + largest)
    nodes = torch.arange(first, max(first, _HIGH - lowest) + _STEP, _STEP, dtype=torch.float64)
    tried = nodes[::4]
    hit = -torch.expm1(-torch.exp(logits[:, None] + tried))
    falls = -torch.log1p(-law.share * hit)
    fallen = (least.diff(append=torch.zeros(1, dtype=torch.float64)).neg().clamp_(min=0) @ falls) > _GONE
    needed = 4 * int(fallen.to(torch.int8).argmax()) if bool(fallen.any()) else len(nodes)
    return nodes[: max(needed, 1) + 1]


def _chance_of_a_hit(weights: torch.Tensor, logits: torch.Tensor, nodes: torch.Tensor, law: _Hits) -> torch.Tensor:
    """Return 1 - E[exp(-t X)] of every anchor at some nodes."""
    # Scores too low to be hit at any of these nodes are left out.
    cut = _LOW - math.log(law.n_drawn) - float(nodes[-1])
    low = min(int(torch.searchsorted(logits, cut)), len(logits) - 1)
    hit = -torch.expm1(-torch.exp(logits[low:, None] + nodes))
    stays = -law.share * hit
    hit_outside = (1 - law.share) * hit / (1 + stays)
    kernel = [torch.log1p(stays), hit_outside]
    if law.total - law.n_drawn < _MANY:
        kernel.append(hit_outside.square())
    sums = torch.split(weights[:, low:] @ torch.cat(kernel, dim=1).float(), len(nodes), dim=1)
    rest = law.log_rest(sums[1].double().clamp_(min=0), sums[2] if len(sums) > 2 else None)
    log_main = sums[0]
    return rest.add_(log_main).clamp_(max=0).expm1_().neg_()


@lru_cache(maxsize=2)
def _rest(power: int) -> tuple[Values, Values]:
    """Return what nodes after the last one add up to where no transform is left, by log t at that one.

    Of the integral of t**power exp(-t) over log t. Far below 0 it falls with log t in a straight line, or is 1.
    """
    last = np.linspace(-12.0, _HIGH, 6001)
    log_t = last[:, None] + _STEP * np.arange(1, 40)
    found = _STEP * np.exp(power * log_t - np.exp(np.minimum(log_t, 50.0))).sum(axis=1)
    far = 1e6
    return np.concatenate([[last[0] - far], last]), np.concatenate([[found[0] + (0 if power else far)], found])

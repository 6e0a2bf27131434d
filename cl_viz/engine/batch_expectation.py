"""What an anchor may expect of a batch: loss and multiplier, averaged over every batch drawn without replacement.

With X the sum over the batch's negatives of exp((s - positive) / tau), the loss is log(1 + X), and

    E[log(1 + X)] = integral over t > 0 of (1 - E[exp(-t X)]) exp(-t) / t,

while E[X / (1 + X)] is the same integral without the division by t, and that of its square has 2 - t in place of it.
The Laplace transform needs no draws (see `cl_viz.engine.batch_hits`). In log t all integrals are sums over evenly
spaced nodes that converge exponentially, and the chance of a hit is a function of s / tau + log t, so that one product
of matrices (see `ScoreGrid`) serves all anchors at every node.

Of a variance, nearly all is taken off again as the square of the mean. So the sums are not over the chance of a hit but
over what it differs by from that of a batch whose sum does not vary: one sum x for which x / (1 + x) is the mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.core.lazily import lazily
from cl_viz.engine.batch_hits import chances_of_a_hit, hit_law, useful_nodes
from cl_viz.engine.score_grid import ScoreGrid

Values = NDArray[np.float64]
Owners = NDArray[np.int64]
_STEP, _FINER_STEP = 0.8, 0.6
"""Distance of two nodes in log t, for the loss and for shares: sums are off by 5e-5 and 1e-6 of themselves, up or down
by where the nodes happen to lie."""
_HIGH = 3.0
"""Log t above which exp(-t) is less than 1e-8."""
_WINDOW = 13.0
"""Log t from `_HIGH` down within which the weight of a node is neither 0 nor, to 5e-5, what it is far below."""
_APART = 30.0
"""Log t from the last node of an anchor to that of any other, up to which all are worked out together."""
_TOGETHER = 2048
"""Anchors worked out together else: fewer would not keep several threads at work."""
_BEFORE = 8
"""Nodes before the first that is worked out: there the chance of a hit is in proportion to t."""
_NEARLY_ALL = 1 - 1e-6
"""Largest mean share for which a sum is given: its logit is not known better."""


@dataclass(frozen=True)
class BatchExpectation:
    """What A anchors with N candidates each may expect of n < N of them.

    Attributes
    ----------
    nodes : NDArray[np.float64], shape (U,)
        log t less the positive's logit, evenly spaced.
    hit : torch.Tensor of float32, shape (U, A)
        1 - E[exp(-t X)] there; as good as 0 before the first node, and 1 from the last one on.
    step : float
        Distance of two nodes.
    """

    nodes: Values
    hit: torch.Tensor
    step: float

    @classmethod
    def of(
        cls,
        grid: ScoreGrid,
        temperature: float,
        n_drawn: int,
        total: float,
        lowest: Values,
        highest: Values | None = None,
    ) -> Iterator[tuple[Owners, BatchExpectation]]:
        """Work out the transform for some anchors at a time, as their rows follow each other.

        Parameters
        ----------
        grid : ScoreGrid
            Of these anchors.
        temperature : float
        n_drawn, total : int, float
            Candidates in a batch, and in all.
        lowest, highest : NDArray[np.float64], shape (A,)
            Least and largest score of a positive of each anchor that will be asked for; infinite, and less than that,
            where none will be. The largest is of use where the loss is not asked for: without it all can be.

        Yields
        ------
        anchors : NDArray[np.int64]
        law : BatchExpectation
            Of these.
        """
        step = _STEP if highest is None else _FINER_STEP
        law = hit_law(n_drawn, total)
        logits = torch.from_numpy(grid.scores / temperature)
        anchors = np.argsort(grid.rows)
        until = _HIGH - lowest[anchors] / temperature
        since = np.full(len(anchors), -np.inf) if highest is None else _HIGH - _WINDOW - highest[anchors] / temperature
        nodes = useful_nodes(grid, logits, law, (float(since.min()), float(until.max())), step)
        for rows in _parts(until):
            ends = since[rows].min() - step, until[rows].max() + step
            # Before the first node all is read off the first, and beyond the last node the last.
            low = min(int(np.searchsorted(nodes, ends[0])), len(nodes) - 1)
            own = nodes[low : max(int(np.searchsorted(nodes, ends[1])), low + 1)]
            hit = chances_of_a_hit(grid, logits, own, law, rows)
            back = step * np.arange(-_BEFORE, 0)
            before = torch.outer(torch.from_numpy(np.exp(back)).float(), hit[0])
            yield anchors[rows], cls(np.concatenate([own[0] + back, own]), torch.cat([before, hit]), step)

    def loss(self, logits: Values, owner: Owners) -> Values:
        """Return E[log(1 + X)] for P positives with these logits, shape (P,), of these anchors, shape (P,)."""
        hit, t, first = self._around(logits, owner)
        found = hit.mul_(t.neg_().exp_()).sum(dim=0).double().numpy()
        # Below, the weight is 1; beyond the last node, so is the chance.
        last = len(self.nodes) - 1
        inside = torch.from_numpy(np.clip(first, 0, last) * self.hit.shape[1] + owner)
        below = self._below.flatten().index_select(0, inside).numpy()
        return np.asarray(self.step * (found + below + np.maximum(first - last, 0)))

    def multiplier(self, logits: Values, owner: Owners) -> Values:
        """Return E[X / (1 + X)], in [0, 1], shape (P,); see `loss`."""
        hit, t, _ = self._around(logits, owner)
        return np.asarray(self.step * hit.mul_(_share_weight(t)).sum(dim=0).double().numpy())

    def variance(self, logits: Values, owner: Owners) -> Values:
        """Return the variance of X / (1 + X), shape (P,); see `loss`."""
        hit, t, _ = self._around(logits, owner)
        weight = _share_weight(t)
        mean = (self.step * (hit * weight).sum(dim=0)).clamp_(0.0, _NEARLY_ALL)
        left = 1 - mean
        weight.mul_(hit.add_(torch.mul(t, -mean / left).expm1_()))
        lifted = self.step * weight.sum(dim=0).double().numpy()
        found = self.step * weight.mul_(torch.sub(2 * left, t)).sum(dim=0).double().numpy()
        return np.asarray(np.maximum(0.0, found - np.square(lifted)))

    def _around(self, logits: Values, owner: Owners) -> tuple[torch.Tensor, torch.Tensor, NDArray[np.int64]]:
        """Return what has any weight for each positive: chances of a hit, t, both (W, P), and the first node of these.

        It is counted from node 0, and may lie before it or beyond the last.
        """
        width, n_anchors = math.ceil(_WINDOW / self.step) + 1, self.hit.shape[1]
        above = (_HIGH - logits - self.nodes[0]) / self.step
        top = np.floor(above).astype(np.int64)
        back = torch.arange(1 - width, 1)[:, None]
        places = (back + torch.from_numpy(top)).clamp_(0, len(self.nodes) - 1)
        places.mul_(n_anchors).add_(torch.from_numpy(owner))
        hit = self.hit.flatten().index_select(0, places.flatten()).view(places.shape)
        highest = torch.from_numpy(np.exp(_HIGH - self.step * (above - top))).float()
        return hit, highest * torch.exp(self.step * back), top + 1 - width

    @lazily
    def _below(self) -> torch.Tensor:
        """Sum of the chances at the nodes before each, shape (U, A)."""
        return self.hit.cumsum(dim=0) - self.hit


def _parts(until: Values) -> Iterator[slice]:
    """Yield rows with a last node, many at a time; all of them where their last nodes lie near each other."""
    asked = np.flatnonzero(np.isfinite(until))
    first, stop = (int(asked[0]), int(asked[-1]) + 1) if len(asked) else (0, 0)
    size = _TOGETHER if len(asked) and np.ptp(until[asked]) > _APART else max(1, stop - first)
    for low in range(first, stop, size):
        if np.isfinite(until[low : low + size]).any():
            yield slice(low, min(low + size, stop))


def _share_weight(t: torch.Tensor) -> torch.Tensor:
    """Return what the chance of a hit is multiplied by, over log t, for X / (1 + X)."""
    return t.neg().exp_().mul_(t)

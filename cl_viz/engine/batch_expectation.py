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
        1 - E[exp(-t X)] there, one anchor a column; as good as 0 before the first node, and 1 from the last one on.
    step : float
        Distance of two nodes.
    columns : NDArray[np.int64], shape (A,)
        Column of each anchor.
    """

    nodes: Values
    hit: torch.Tensor
    step: float
    columns: Owners

    @classmethod
    def of(
        cls,
        grid: ScoreGrid,
        temperature: float,
        n_drawn: int,
        total: float,
        lowest: Values,
        highest: Values | None = None,
    ) -> BatchExpectation:
        """Work out the transform.

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
        """
        step = _STEP if highest is None else _FINER_STEP
        law = hit_law(n_drawn, total)
        logits = torch.from_numpy(grid.scores / temperature)
        since, until = np.full((2, len(lowest)), -np.inf)
        until[grid.rows] = _HIGH - lowest / temperature
        if highest is not None:
            since[grid.rows] = _HIGH - _WINDOW - highest / temperature
        nodes = useful_nodes(grid, logits, law, (float(since.min()), float(until.max())), step)
        # As far down as the nodes that have any weight may lie.
        hit = chances_of_a_hit(grid, logits, nodes, law, since - 2 * step, until)
        back = step * np.arange(-_BEFORE, 0)
        before = torch.outer(torch.from_numpy(np.exp(back)).float(), hit[0])
        return cls(np.concatenate([nodes[0] + back, nodes]), torch.cat([before, hit]), step, grid.rows)

    def loss(self, logits: Values, owner: Owners) -> Values:
        """Return E[log(1 + X)] for P positives with these logits, shape (P,), of these anchors, shape (P,)."""
        hit, t, first = self._around(logits, owner)
        found = hit.mul_(t.neg_().exp_()).sum(dim=0).double().numpy()
        # Below, the weight is 1; beyond the last node, so is the chance.
        last = len(self.nodes) - 1
        below = self._below[np.clip(first, 0, last), self.columns[owner]]
        return np.asarray(self.step * (found + below + np.maximum(first - last, 0)))

    def multiplier(self, logits: Values, owner: Owners) -> Values:
        """Return E[X / (1 + X)], in [0, 1], shape (P,); see `loss`."""
        hit, t, _ = self._around(logits, owner)
        return np.asarray(self.step * hit.mul_(_share_weight(t)).sum(dim=0).double().numpy())

    def multiplier_and_variance(self, logits: Values, owner: Owners) -> Values:
        """Return the mean of X / (1 + X) and its variance, shape (2, P); see `loss`."""
        hit, t, _ = self._around(logits, owner)
        weight = _share_weight(t)
        mean = self.step * (hit * weight).sum(dim=0)
        known = mean.clamp(0.0, _NEARLY_ALL)
        left = 1 - known
        weight.mul_(hit.add_(torch.mul(t, -known / left).expm1_()))
        lifted = self.step * weight.sum(dim=0).double().numpy()
        found = self.step * weight.mul_(torch.sub(2 * left, t)).sum(dim=0).double().numpy()
        return np.stack([mean.double().numpy(), np.maximum(0.0, found - np.square(lifted))])

    def _around(self, logits: Values, owner: Owners) -> tuple[torch.Tensor, torch.Tensor, NDArray[np.int64]]:
        """Return what has any weight for each positive: chances of a hit, t, both (W, P), and the first node of these.

        It is counted from node 0, and may lie before it or beyond the last.
        """
        width, n_anchors = math.ceil(_WINDOW / self.step) + 1, self.hit.shape[1]
        above = (_HIGH - logits - self.nodes[0]) / self.step
        top = np.floor(above).astype(np.int64)
        back = torch.arange(1 - width, 1)[:, None]
        places = (back + torch.from_numpy(top)).clamp_(0, len(self.nodes) - 1)
        places.mul_(n_anchors).add_(torch.from_numpy(self.columns[owner]))
        hit = self.hit.flatten().index_select(0, places.flatten()).view(places.shape)
        highest = torch.from_numpy(np.exp(_HIGH - self.step * (above - top))).float()
        return hit, highest * torch.exp(self.step * back), top + 1 - width

    @lazily
    def _below(self) -> NDArray[np.float32]:
        """Sum of the chances at the nodes before each, shape (U, A)."""
        hit = self.hit.numpy()
        found = np.zeros_like(hit)
        # Row by row, since sums along the first axis are slow in torch and in numpy.
        for node in range(1, len(hit)):
            np.add(found[node - 1], hit[node - 1], out=found[node])
        return found


def _share_weight(t: torch.Tensor) -> torch.Tensor:
    """Return what the chance of a hit is multiplied by, over log t, for X / (1 + X)."""
    return t.neg().exp_().mul_(t)

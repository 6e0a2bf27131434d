"""GroCo: a differentiable sorting network asks whether every positive ranks above the hardest negatives."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy

from cl_viz.core.params import Params, param
from cl_viz.core.result import Source
from cl_viz.core.specs import LossFamily, LossInputs, LossSpec
from cl_viz.losses._views import all_views, same_points


@dataclass(frozen=True)
class GroCoParams(Params):
    """Parameters of GroCo; the authors' defaults."""

    steepness: float = param(1.0, "How sharply the network tells two scores apart.", low=1e-2, high=1000.0, log=True)
    negatives: int = param(10, "Hardest negatives that are sorted; all of them where there are fewer.", low=1)
    stop_gradient: bool = param(True, "Gradient flows into the anchor only.")


def groco(inputs: LossInputs, params: GroCoParams) -> Tensor:
    """Return the loss of every row, view after view, shape (VN,).

    Raises
    ------
    InputError
        For N < 2, where no negatives are left.
    """
    views = all_views(inputs, "groco", smallest=2)
    n_samples = views.shape[1]
    n_negatives = min(params.negatives, n_samples - 1)
    targets = views.detach() if params.stop_gradient else views
    itself = same_points(n_samples, views.device)
    losses = []
    for index, anchor in enumerate(views):
        others = torch.cat([targets[:index], targets[index + 1 :]])
        positives = (anchor * others).sum(dim=2).T.sort(dim=1).values
        scores = (anchor @ targets[index].T).masked_fill(itself, -torch.inf)
        hardest = scores.topk(n_negatives, dim=1).values.flip(1)
        losses.append(_group_order(torch.cat([hardest, positives], dim=1), n_negatives, params.steepness))
    return torch.cat(losses)


def _group_order(scores: Tensor, n_negatives: int, steepness: float) -> Tensor:
    """Return how far each row's positives are from ranking above its negatives, by cross-entropy, shape (N,)."""
    ranks = soft_permutation(scores, steepness)
    low, high = ranks[:, :, :n_negatives].sum(dim=2).clamp(0, 1), ranks[:, :, n_negatives:].sum(dim=2).clamp(0, 1)
    is_positive = (torch.arange(scores.shape[1], device=scores.device) >= n_negatives).to(scores.dtype)
    wanted = is_positive.expand_as(scores)
    return (
        binary_cross_entropy(high, wanted, reduction="none") + binary_cross_entropy(low, 1 - wanted, reduction="none")
    ).mean(dim=1) / 2


def soft_permutation(scores: Tensor, steepness: float) -> Tensor:
    """Return how much of each input goes to each ascending rank, by a relaxed odd-even transposition network.

    A comparison of neighbours (a, b) keeps their order with weight ``1/2 + atan(steepness * (b - a)) / pi``, the
    Cauchy distribution function, and swaps them with the rest; there are as many layers as inputs.

    Parameters
    ----------
    scores : Tensor, shape (B, n)
    steepness : float

    Returns
    -------
    Tensor, shape (B, n, n)
        [batch, input, rank]; rows and columns sum to 1.
    """
    n_batch, size = scores.shape
    ranks = torch.eye(size, dtype=scores.dtype, device=scores.device).expand(n_batch, size, size)
    for layer in range(size):
        left = torch.arange(layer % 2, size - 1, 2, device=scores.device)
        order = torch.arange(size, device=scores.device)
        partner = order.clone()
        partner[left], partner[left + 1] = left + 1, left
        sign = torch.zeros_like(scores[0])
        sign[left], sign[left + 1] = 1.0, -1.0
        # For both of a pair: b - a. A row without partner keeps all of itself, 1/2 of it twice.
        keep = 0.5 + torch.atan(steepness * sign * (scores[:, partner] - scores)) / math.pi
        scores = keep * scores + (1 - keep) * scores[:, partner]
        ranks = keep[:, None] * ranks + (1 - keep[:, None]) * ranks[:, :, partner]
    return ranks


SPEC = LossFamily(
    name="sorting",
    label="Sorting (GroCo)",
    losses=(
        LossSpec(
            name="groco",
            label="Group ordering (GroCo)",
            compute=groco,
            params=GroCoParams,
            needs=("two_views",),
            rows="unit",
            formula=r"\frac{1}{NV}\sum_{i,a}\tfrac12\big(\mathrm{BCE}(p^+, [\text{positive}])"
            r" + \mathrm{BCE}(p^-, [\text{negative}])\big),\quad p^+_l = \sum_{r > k} P_{lr},"
            r"\quad p^-_l = \sum_{r\le k} P_{lr}",
            traps="The order given to the network matters: negatives come first, ascending, then positives. The "
            "network is long for many negatives and its slopes small. Ranks count, not scores: once all positives "
            "rank above the negatives little is pulled.",
            sources=(
                Source("Shvetsova and others 2023, Learning by sorting (GroCo)", "https://arxiv.org/abs/2301.02009"),
                Source(
                    "Petersen and others 2022, Monotonic differentiable sorting", "https://arxiv.org/abs/2203.09630"
                ),
            ),
            peer="ninatu/learning_by_sorting GroCo",
        ),
    ),
)

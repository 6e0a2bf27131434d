"""Cross-modal losses with soft targets: mixed anchors (M3CoL, MixCo), and the targets' own similarities (soft CLIP)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, normalize, softmax

from cl_viz.core.params import Params, param
from cl_viz.core.result import Source
from cl_viz.core.specs import LossFamily, LossInputs, LossSpec
from cl_viz.losses._views import draw_of, seed_param, temperature_param, two_views


@dataclass(frozen=True)
class MixCoParams(Params):
    """Parameters of the mixed loss; the authors' defaults."""

    temperature: float = temperature_param(0.1)
    both_directions: bool = param(True, "Add the loss of view 2 as anchors, with the transposed targets.")
    beta: float = param(0.15, "Beta distribution of the shares that are drawn.", low=1e-2, high=100.0)
    mixed: float = param(0.5, "Share of the samples that are mixed, where shares are drawn.", low=0.0, high=1.0)
    fixed_points: str = param(
        "whole",
        "Target of a sample drawn to mix with itself: 1 (whole), or 1 minus its share, as the authors' code.",
        choices=("whole", "overwritten"),
    )
    seed: int = seed_param()


@dataclass(frozen=True)
class SoftClipParams(Params):
    """Parameters of soft CLIP; the authors' temperature."""

    temperature: float = temperature_param(0.125)


def mixco(inputs: LossInputs, params: MixCoParams) -> Tensor:
    """Return the cross-entropy of mixed rows of view 1 with both their partners in view 2, shape (N,).

    Draws: ``permutation`` int64 (N,), the partner of each sample; ``share`` (N,) in [0, 1], its own share.
    """
    first, second = two_views(inputs, "mixco")
    partner, share = _mixing_draws(inputs, params)
    mixed = normalize(share[:, None] * first + (1 - share)[:, None] * first[partner], dim=1)
    row = torch.arange(len(first), device=first.device)
    own = share
    if params.fixed_points == "whole":
        own = torch.where(partner == row, torch.ones_like(share), share)
    targets = torch.diag(own)
    elsewhere = partner != row
    targets[row[elsewhere], partner[elsewhere]] = (1 - share)[elsewhere]
    if params.fixed_points == "overwritten":
        targets[row[~elsewhere], row[~elsewhere]] = (1 - share)[~elsewhere]
    scores = mixed @ second.T / params.temperature
    forward = -(targets * log_softmax(scores, dim=1)).sum(dim=1)
    if not params.both_directions:
        return forward
    return (forward - (targets.T * log_softmax(scores.T, dim=1)).sum(dim=1)) / 2


def soft_clip(inputs: LossInputs, params: SoftClipParams) -> Tensor:
    """Return the cross-entropy of both directions with the softmax of view 2's own scores as target, shape (N,)."""
    first, second = two_views(inputs, "soft_clip")
    targets = softmax(second @ second.T / params.temperature, dim=1)
    scores = first @ second.T / params.temperature
    return -(targets * (log_softmax(scores, dim=1) + log_softmax(scores.T, dim=1))).sum(dim=1) / 2


def _mixing_draws(inputs: LossInputs, params: MixCoParams) -> tuple[Tensor, Tensor]:
    """Return each sample's partner and its own share, given or drawn."""
    rows = inputs.views[0]
    n_samples = len(rows)
    partner = draw_of(inputs, "mixco", "permutation", (n_samples,))
    share = draw_of(inputs, "mixco", "share", (n_samples,))
    if partner is None or share is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(params.seed)
            drawn = torch.randperm(n_samples)
            beta = torch.distributions.Beta(torch.tensor(params.beta), torch.tensor(params.beta)).sample((n_samples,))
            beta[torch.rand(n_samples) > params.mixed] = 1.0
        partner, share = (drawn if partner is None else partner), (beta if share is None else share)
    return partner.to(rows.device), share.to(rows)


_M3COL = Source("Kumar and others 2024, Harnessing shared relations (M3CoL)", "https://arxiv.org/abs/2409.17777")

SPEC = LossFamily(
    name="soft_targets",
    label="Soft targets across modalities",
    losses=(
        LossSpec(
            name="mixco",
            label="Mixed anchors (M3CoL, MixCo)",
            compute=mixco,
            params=MixCoParams,
            needs=("two_views",),
            rows="unit",
            formula=r"-\frac1N\sum_i\sum_j t_{ij}\log\mathrm{softmax}_j(m_i\cdot y_j/\tau),\quad "
            r"m_i = \frac{\lambda_i x_i + (1 - \lambda_i)x_{\pi(i)}}{\lVert\cdot\rVert},"
            r"\quad t_{ii} = \lambda_i,\ t_{i\pi(i)} = 1 - \lambda_i",
            traps="Embeddings are mixed here, the authors mix inputs. The transposed targets of the second direction "
            "need not sum to 1. The authors' code overwrites the target of a sample drawn to mix with itself.",
            sources=(_M3COL, Source("Kim and others 2020, MixCo", "https://arxiv.org/abs/2010.06300")),
            peer="RaghavSinghal10/M3CoL mixco_nce",
        ),
        LossSpec(
            name="soft_clip",
            label="Soft CLIP",
            compute=soft_clip,
            params=SoftClipParams,
            needs=("two_views",),
            rows="unit",
            formula=r"-\frac{1}{2N}\sum_i\sum_j t_{ij}\big(\log\mathrm{softmax}_j(x_i\cdot y_j/\tau)"
            r" + \log\mathrm{softmax}_j(y_i\cdot x_j/\tau)\big),\quad t_i = \mathrm{softmax}(y_i\cdot y/\tau)",
            traps="View 2 sets the targets and is not symmetric with view 1. The targets carry gradient.",
            sources=(_M3COL,),
            peer="RaghavSinghal10/M3CoL soft_clip_loss",
        ),
    ),
)

"""Losses of more than two views of a sample: sums over view pairs inside, around and outside the logarithm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from cl_viz.core.params import Params
from cl_viz.core.result import Source
from cl_viz.core.specs import LossFamily, LossInputs, LossSpec
from cl_viz.losses._tiled_softmax import LeftOut, log_sum_exp_among
from cl_viz.losses._views import all_views, same_points, sums_over_negatives, sums_without_self, temperature_param


@dataclass(frozen=True)
class MultiViewParams(Params):
    """Parameters of the multi-view losses; the paper tunes the temperature, 0.2 is its code's default."""

    temperature: float = temperature_param(0.2)


def mv_infonce(inputs: LossInputs, params: MultiViewParams) -> Tensor:
    """Return the loss of each sample, one logarithm for all its views, shape (N,)."""
    views = all_views(inputs, "mv_infonce")
    n_views, n_samples, _ = views.shape
    of_rows = sums_without_self(views.flatten(0, 1), params.temperature, inputs.tile)
    everything = of_rows.view(n_views, n_samples).logsumexp(dim=0)
    return everything - _positives(views, params.temperature).logsumexp(dim=(0, 1))


def mv_dhel(inputs: LossInputs, params: MultiViewParams) -> Tensor:
    """Return the loss of each sample, energies of all views against its unordered view pairs, shape (N,).

    Raises
    ------
    InputError
        For N < 2, where no negatives are left.
    """
    views = all_views(inputs, "mv_dhel", smallest=2)
    upper = torch.ones(len(views), len(views), dtype=torch.bool, device=views.device).triu(1)
    positives = _positives(views, params.temperature)[upper].logsumexp(dim=0)
    return _energies(views, params.temperature, inputs.tile).sum(dim=0) - positives


def mv_cross_view(inputs: LossInputs, params: MultiViewParams) -> Tensor:
    """Return the loss of every row, candidates in the other views only, view after view, shape (VN,)."""
    views = all_views(inputs, "mv_cross_view")
    n_views, n_samples, _ = views.shape
    points = views.flatten(0, 1)
    view = torch.arange(n_views, device=views.device).repeat_interleave(n_samples)
    others = LeftOut(0, view, view, equal=False)
    return (
        log_sum_exp_among(points, params.temperature, others, inputs.tile)
        - _positives(views, params.temperature).logsumexp(dim=1).flatten()
    )


def mv_all_energies(inputs: LossInputs, params: MultiViewParams) -> Tensor:
    """Return the loss of every row, its own positives against all views' energies, shape (VN,); errors as mv_dhel."""
    views = all_views(inputs, "mv_all_energies", smallest=2)
    energy = _energies(views, params.temperature, inputs.tile).sum(dim=0)
    return (energy - _positives(views, params.temperature).logsumexp(dim=1)).flatten()


def ntxent_pairwise_views(inputs: LossInputs, params: MultiViewParams) -> Tensor:
    """Return NT-Xent of the first and of the second view of a pair, the mean over pairs of views, shape (2N,)."""
    views = all_views(inputs, "ntxent_pairwise_views")
    pairs = [_ntxent(*pair, params.temperature, inputs.tile) for pair in combinations(views.unbind(), 2)]
    return torch.stack(pairs).mean(dim=0)


def ntxent_one_vs_rest(inputs: LossInputs, params: MultiViewParams) -> Tensor:
    """Return NT-Xent of a view and of the mean of the others, the mean over views, shape (2N,)."""
    views = all_views(inputs, "ntxent_one_vs_rest")
    rest = (views.sum(dim=0) - views) / (len(views) - 1)
    pairs = [_ntxent(view, others, params.temperature, inputs.tile) for view, others in zip(views, rest, strict=True)]
    return torch.stack(pairs).mean(dim=0)


def ntxent_multi_positive(inputs: LossInputs, params: MultiViewParams) -> Tensor:
    """Return SupCon (out) with the sample as the label, view after view, shape (VN,)."""
    views = all_views(inputs, "ntxent_multi_positive")
    sums = sums_without_self(views.flatten(0, 1), params.temperature, inputs.tile)
    with_others = (views * (views.sum(dim=0) - views)).sum(dim=2).flatten() / params.temperature
    return sums - with_others / (len(views) - 1)


def _ntxent(first: Tensor, second: Tensor, temperature: float, tile: int | None) -> Tensor:
    positive, negatives = sums_over_negatives(first, second, temperature, tile)
    return softplus(negatives - positive)


def _positives(views: Tensor, temperature: float) -> Tensor:
    """Return the scaled scores of each sample's views, shape (V, V, N), -inf for a view with itself."""
    scores = torch.einsum("and,bnd->abn", views, views) / temperature
    return scores.masked_fill(same_points(len(views), views.device)[:, :, None], -torch.inf)


def _energies(views: Tensor, temperature: float, tile: int | None) -> Tensor:
    """Return log sum exp of each row's scores with the other rows of its view, shape (V, N)."""
    return torch.stack([sums_without_self(view, temperature, tile) for view in views])


_MULTI = Source("Koromilas and others 2025, Multi-view contrastive learning", "https://arxiv.org/abs/2507.06979")
_SIMCLR = Source("Chen, Kornblith, Norouzi, Hinton 2020, SimCLR", "https://arxiv.org/abs/2002.05709")
_TIAN = Source("Tian, Krishnan, Isola 2020, Contrastive multiview coding", "https://arxiv.org/abs/1906.05849")
_PEER = "pakoromilas/Multi-View-CL "


def _spec(
    name: str,
    label: str,
    compute: Callable[[LossInputs, MultiViewParams], Tensor],
    formula: str,
    traps: str,
    source: Source,
    peer: str,
) -> LossSpec:
    return LossSpec(
        name=name,
        label=label,
        compute=compute,
        params=MultiViewParams,
        needs=("two_views",),
        rows="unit",
        formula=formula,
        traps=traps,
        sources=(source,),
        peer=_PEER + peer,
    )


SPEC = LossFamily(
    name="multi_view",
    label="More than two views",
    losses=(
        _spec(
            "mv_infonce",
            "MV-InfoNCE",
            mv_infonce,
            r"\frac1N\sum_i\Big(\log\sum_a\sum_{b\neq(i,a)} e^{z_i^a\cdot z_b/\tau}"
            r" - \log\sum_{a\neq b} e^{z_i^a\cdot z_i^b/\tau}\Big)",
            "One logarithm for each sample; pairs of views are ordered in the numerator, and positives are in the "
            "denominator. With two views it is close to NT-Xent but not equal: the sum goes over both anchors.",
            _MULTI,
            "MVINFONCE",
        ),
        _spec(
            "mv_dhel",
            "MV-DHEL",
            mv_dhel,
            r"\frac1N\sum_i\Big(\sum_a\log\sum_{j\neq i} e^{z_i^a\cdot z_j^a/\tau}"
            r" - \log\sum_{a<b} e^{z_i^a\cdot z_i^b/\tau}\Big)",
            "Pairs of views are unordered here, unlike in MV-InfoNCE: log 2 of difference. V energies stand against "
            "one logarithm of positives. With two views it is DHEL.",
            _MULTI,
            "MVDHEL",
        ),
        _spec(
            "mv_cross_view",
            "Cross-view ablation (CL-1)",
            mv_cross_view,
            r"\frac{1}{NV}\sum_{i,a}\Big(\log\sum_{b\neq a}\sum_j e^{z_i^a\cdot z_j^b/\tau}"
            r" - \log\sum_{b\neq a} e^{z_i^a\cdot z_i^b/\tau}\Big)",
            "An ablation of MV-InfoNCE: one logarithm for each row, and no candidates of its own view.",
            _MULTI,
            "CL_1",
        ),
        _spec(
            "mv_all_energies",
            "All-energies ablation (CL-2)",
            mv_all_energies,
            r"\frac{1}{NV}\sum_{i,a}\Big(\sum_b\log\sum_{j\neq i} e^{z_i^b\cdot z_j^b/\tau}"
            r" - \log\sum_{b\neq a} e^{z_i^a\cdot z_i^b/\tau}\Big)",
            "An ablation of MV-DHEL: one logarithm of positives for each row. With two views it is DHEL.",
            _MULTI,
            "CL_2",
        ),
        _spec(
            "ntxent_pairwise_views",
            "NT-Xent over pairs of views",
            ntxent_pairwise_views,
            r"\frac{2}{V(V-1)}\sum_{a<b}\text{NT-Xent}(z^a, z^b)",
            "Each pair of views has its own loss, so positives in third views are neither pulled nor left out.",
            _TIAN,
            "NTXent(pwe)",
        ),
        _spec(
            "ntxent_one_vs_rest",
            "NT-Xent, one view against the mean of the others",
            ntxent_one_vs_rest,
            r"\frac1V\sum_a\text{NT-Xent}\Big(z^a, \tfrac{1}{V-1}\sum_{b\neq a} z^b\Big)",
            "The mean of the other views is not normalised again, and is an anchor itself.",
            _SIMCLR,
            "NTXent(average)",
        ),
        _spec(
            "ntxent_multi_positive",
            "NT-Xent with several positives",
            ntxent_multi_positive,
            r"\frac{1}{NV}\sum_{i,a}\frac{1}{V-1}\sum_{b\neq a}\Big(\log\sum_{c\neq(i,a)} e^{z_i^a\cdot z_c/\tau}"
            r" - z_i^a\cdot z_i^b/\tau\Big)",
            "SupCon (out) with the sample as the label: all positives are in each denominator, so with V > 2 it cannot "
            "reach 0.",
            Source("Khosla and others 2020, Supervised contrastive learning", "https://arxiv.org/abs/2004.11362"),
            "NTXent(mv)",
        ),
    ),
)

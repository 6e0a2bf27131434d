"""Symile: more than two modalities at once, scored by the sum over coordinates of their product."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cl_viz.core.errors import InputError
from cl_viz.core.params import Params, param
from cl_viz.core.result import Source
from cl_viz.core.specs import LossFamily, LossInputs, LossSpec
from cl_viz.losses._views import all_views, draw_of, same_points, seed_param

_SCALE_HELP = "Multiplies the product score; learnt in training. Unit rows need a large one."
_MOST_SCORES = 2**28
"""Scores of one modality held at a time, so that a large batch is refused and not begun: 2 GiB in double precision."""


@dataclass(frozen=True)
class SymileTuplesParams(Params):
    """Parameters of Symile over all tuples; the authors' initial scale."""

    logit_scale: float = param(1 / 0.07, _SCALE_HELP, low=1e-2, high=1e4, log=True)


@dataclass(frozen=True)
class SymileDrawnParams(Params):
    """Parameters of Symile with drawn candidates; the authors' initial scale."""

    logit_scale: float = param(1 / 0.07, _SCALE_HELP, low=1e-2, high=1e4, log=True)
    seed: int = seed_param()


def symile_tuples(inputs: LossInputs, params: SymileTuplesParams) -> Tensor:
    """Return each sample's cross-entropy over all N^(M-1) tuples, the mean over modalities as anchor, shape (N,).

    Raises
    ------
    InputError
        If the tuples are too many to hold.
    """
    views = all_views(inputs, "symile_tuples")
    n_views, n_samples, _ = views.shape
    if n_samples**n_views > _MOST_SCORES:
        raise InputError(
            f"{n_samples}^{n_views} tuples are too many to hold", where="symile_tuples",
            allowed=f"N^M <= {_MOST_SCORES}", remedy="use a smaller batch, or symile_drawn",
        )  # fmt: skip
    itself = torch.arange(n_samples, device=views.device)
    losses = []
    for anchor in range(n_views):
        tuples, own = torch.ones_like(views[0, :1]), torch.zeros_like(itself)
        for other in range(n_views):
            if other != anchor:
                tuples = (tuples[:, None] * views[other][None]).flatten(0, 1)
                own = own * n_samples + itself
        scores = params.logit_scale * (views[anchor] @ tuples.T)
        losses.append(scores.logsumexp(dim=1) - scores.gather(1, own[:, None])[:, 0])
    return torch.stack(losses).mean(dim=0)


def symile_drawn(inputs: LossInputs, params: SymileDrawnParams) -> Tensor:
    """Return each sample's cross-entropy over N drawn tuples, the mean over modalities as anchor, shape (N,).

    For each anchor the rows of each other modality are permuted on their own; the draw ``permutations``, int64 of
    shape (M(M-1), N), gives them in order of anchors, then of the others. The candidate in the sample's own place is
    the true tuple.
    """
    views = all_views(inputs, "symile_drawn")
    n_views, n_samples, _ = views.shape
    permutations = draw_of(inputs, "symile_drawn", "permutations", (n_views * (n_views - 1), n_samples))
    if permutations is None:
        generator = torch.Generator().manual_seed(params.seed)
        rows = [torch.randperm(n_samples, generator=generator) for _ in range(n_views * (n_views - 1))]
        permutations = torch.stack(rows)
    permutations = permutations.to(views.device)
    true = params.logit_scale * views.prod(dim=0).sum(dim=1)
    itself = same_points(n_samples, views.device)
    losses = []
    for anchor in range(n_views):
        mine = permutations[anchor * (n_views - 1) : (anchor + 1) * (n_views - 1)]
        others = [view for index, view in enumerate(views) if index != anchor]
        candidates = torch.stack([view[order] for view, order in zip(others, mine, strict=True)]).prod(dim=0)
        scores = params.logit_scale * (views[anchor] @ candidates.T)
        scores = torch.where(itself, true[:, None], scores)
        losses.append(scores.logsumexp(dim=1) - true)
    return torch.stack(losses).mean(dim=0)


_SAPORTA = Source("Saporta and others 2024, Symile", "https://arxiv.org/abs/2411.01053")
_SMALL = (
    "On unit rows the product score is at most 1 and typically tiny, so the scale must be large. With two modalities "
    "it is the product of CLIP. "
)

SPEC = LossFamily(
    name="multimodal_product",
    label="More than two modalities (Symile)",
    losses=(
        LossSpec(
            name="symile_tuples",
            label="Symile, all tuples",
            compute=symile_tuples,
            params=SymileTuplesParams,
            needs=("two_views",),
            rows="unit",
            formula=r"\frac{1}{MN}\sum_m\sum_i\Big(\log\sum_{j_1,\dots,j_{M-1}}"
            r" e^{g\,\langle z^m_i, z_{j_1},\dots\rangle} - g\,\langle z^1_i,\dots,z^M_i\rangle\Big),"
            r"\quad \langle u, v, w\rangle = \sum_d u_d v_d w_d",
            traps=_SMALL + "Memory grows as N to the power of modalities.",
            sources=(_SAPORTA,),
            peer="rajesh-lab/symile, n_squared",
        ),
        LossSpec(
            name="symile_drawn",
            label="Symile, drawn tuples",
            compute=symile_drawn,
            params=SymileDrawnParams,
            needs=("two_views",),
            rows="unit",
            formula=r"\frac{1}{MN}\sum_m\sum_i\Big(\log\sum_j e^{g\,\langle z^m_i, z_{\pi_1(j)}, z_{\pi_2(j)}\rangle}"
            r" - g\,\langle z^1_i,\dots,z^M_i\rangle\Big),\quad \text{the true tuple at}\ j = i",
            traps=_SMALL + "Candidates are random: a drawn tuple may be the true one, or share rows with it.",
            sources=(_SAPORTA,),
            peer="rajesh-lab/symile, n",
        ),
    ),
)

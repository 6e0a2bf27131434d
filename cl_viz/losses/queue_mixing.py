"""Losses that mix features of a queue: hard-negative mixing (MoCHi), and Feature Transformation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from cl_viz.core.errors import InputError
from cl_viz.core.params import Params, param
from cl_viz.core.result import Source
from cl_viz.core.specs import LossFamily, LossInputs, LossSpec
from cl_viz.losses._views import draw_of, queue_of, seed_param, temperature_param, two_views


@dataclass(frozen=True)
class MoCHiParams(Params):
    """Parameters of hard-negative mixing; the paper's temperature and one of its settings, (1024, 512, 128)."""

    temperature: float = temperature_param(0.2)
    hardest: int = param(1024, "Hardest queue items that are mixed; all where there are fewer.", low=1)
    pairs: int = param(512, "Mixtures of two of them, for each query.", low=0)
    with_query: int = param(128, "Mixtures of one of them and the query, for each query.", low=0)
    seed: int = seed_param()


@dataclass(frozen=True)
class FeatureTransformationParams(Params):
    """Parameters of Feature Transformation; the authors' defaults, one coefficient for all coordinates."""

    temperature: float = temperature_param(0.07)
    target: str = param("posneg", "What is transformed.", choices=("pos", "neg", "posneg"))
    extrapolate: bool = param(True, "Positives are pushed apart (coefficient above 1), not mixed.")
    per_coordinate: str = param(
        "none", "Sides whose coefficient is drawn for every coordinate; else one for all.",
        choices=("none", "pos", "neg", "both"),
    )  # fmt: skip
    positive_alpha: float = param(2.0, "Beta distribution of the positives' coefficient.", low=1e-2, high=100.0)
    negative_alpha: float = param(1.6, "Beta distribution of the negatives' coefficient.", low=1e-2, high=100.0)
    normalise: bool = param(False, "Bring transformed positives back to the sphere.")
    seed: int = seed_param()


def mochi(inputs: LossInputs, params: MoCHiParams) -> Tensor:
    """Return InfoNCE of each query of view 1 over its key (view 2), the queue and mixed negatives, shape (N,).

    Draws: ``pairs`` int64 (2, N, pairs) and ``pair_share`` (N, pairs, 1) in [0, 1); ``singles`` int64
    (N, with_query) and ``query_share`` (N, with_query, 1) in [0, 0.5). Indices count an item's place among the
    hardest, from the hardest down. Queue and mixtures are constants.

    Raises
    ------
    MissingInputError
        Without a second view or a queue.
    InputError
        If draws have another shape, or indices beyond the hardest.
    """
    queries, keys = two_views(inputs, "mochi")
    queue = queue_of(inputs, "mochi").detach()
    positive = (queries * keys).sum(dim=1, keepdim=True)
    scores = queries @ queue.T
    hardest = scores.detach().topk(min(params.hardest, len(queue)), dim=1).indices
    indices, shares = _mochi_draws(inputs, params, hardest.shape[1])
    left, right = (hardest.gather(1, places) for places in indices[0])
    mixed = [
        _mixture_scores(scores.gather(1, left), scores.gather(1, right), _pair_norms(queue, left, right), shares[0]),
        _query_mixture_scores(queries, queue, scores, hardest.gather(1, indices[1]), shares[1]),
    ]
    logits = torch.cat([positive, scores, *mixed], dim=1) / params.temperature
    return logits.logsumexp(dim=1) - logits[:, 0]


def feature_transformation(inputs: LossInputs, params: FeatureTransformationParams) -> Tensor:
    """Return InfoNCE with a queue after positives are extrapolated and negatives interpolated, shape (N,).

    View 1 holds queries, view 2 constant keys. Draws: ``positive``, a number or (N, D), the coefficient before 1 is
    added for extrapolation; ``negative``, a number or (Q, D); ``permutation`` int64 (Q,).

    Raises
    ------
    MissingInputError
        Without a second view or a queue.
    InputError
        If a draw has another shape.
    """
    queries, keys = two_views(inputs, "feature_transformation")
    queue, keys = queue_of(inputs, "feature_transformation").detach(), keys.detach()
    generator = np.random.default_rng(params.seed)
    if "pos" in params.target:
        share = _coefficient(inputs, params, "positive", queries, generator) + (1.0 if params.extrapolate else 0.0)
        queries, keys = share * queries + (1 - share) * keys, share * keys + (1 - share) * queries
    if "neg" in params.target:
        share = _coefficient(inputs, params, "negative", queue, generator)
        order = draw_of(inputs, "feature_transformation", "permutation", (len(queue),))
        if order is None:
            order = torch.from_numpy(generator.permutation(len(queue)))
        queue = share * queue + (1 - share) * queue[order.to(queue.device)]
    if params.normalise:
        queries, keys = normalize(queries, dim=1), normalize(keys, dim=1)
    logits = torch.cat([(queries * keys).sum(dim=1, keepdim=True), queries @ queue.T], dim=1) / params.temperature
    return logits.logsumexp(dim=1) - logits[:, 0]


def _mixture_scores(first: Tensor, second: Tensor, norms: tuple[Tensor, Tensor, Tensor], share: Tensor) -> Tensor:
    """Return the scores of constant unit mixtures from those of the two rows mixed, shape (N, S).

    `norms` holds the two rows' squared norms and their product, so that no mixture is made itself.
    """
    squared = share**2 * norms[0] + (1 - share) ** 2 * norms[1] + 2 * share * (1 - share) * norms[2]
    # Opposite rows may cancel: the length is held above rounding.
    length = squared.clamp_min(0).sqrt().clamp_min(torch.finfo(squared.dtype).eps).detach()
    return (share * first + (1 - share) * second) / length


def _pair_norms(queue: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    squared = queue.square().sum(dim=1)
    # A few columns at a time: all pairs' rows at once would be N x S x D.
    columns = zip(torch.split(left, 64, dim=1), torch.split(right, 64, dim=1), strict=True)
    products = torch.cat([(queue[one] * queue[other]).sum(dim=2) for one, other in columns], dim=1)
    return squared[left], squared[right], products


def _query_mixture_scores(queries: Tensor, queue: Tensor, scores: Tensor, items: Tensor, share: Tensor) -> Tensor:
    held = queries.detach()
    own = (queries * held).sum(dim=1, keepdim=True).expand(items.shape)
    theirs = scores.gather(1, items)
    norms = (held.square().sum(dim=1, keepdim=True), queue.square().sum(dim=1)[items], theirs.detach())
    return _mixture_scores(own, theirs, norms, share)


def _coefficient(
    inputs: LossInputs, params: FeatureTransformationParams, side: str, rows: Tensor, generator: np.random.Generator
) -> Tensor:
    """Return the coefficient of one side as given, or drawn: a number, or one for each coordinate of `rows`."""
    each = params.per_coordinate in ("both", side[:3])
    shape = tuple(rows.shape) if each else ()
    given = draw_of(inputs, "feature_transformation", side, shape)
    if given is None:
        alpha = params.positive_alpha if side == "positive" else params.negative_alpha
        given = torch.as_tensor(generator.beta(alpha, alpha, size=shape))
    return given.to(rows)


def _mochi_draws(
    inputs: LossInputs, params: MoCHiParams, n_hardest: int
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return the indices (pairs, singles) and the shares (of pairs, of queries), given or drawn."""
    rows = inputs.views[0]
    n_samples = len(rows)
    generator = torch.Generator().manual_seed(params.seed)
    found = []
    for name, shape in (("pairs", (2, n_samples, params.pairs)), ("singles", (n_samples, params.with_query))):
        drawn = torch.randint(n_hardest, shape, generator=generator)
        given = draw_of(inputs, "mochi", name, shape)
        found.append((drawn if given is None else given).to(rows.device))
        if found[-1].numel() and int(found[-1].max()) >= n_hardest:
            raise InputError(f"draw {name!r} has indices beyond the hardest", where="mochi", allowed=f"< {n_hardest}")
    shares = []
    for name, count, largest in (("pair_share", params.pairs, 1.0), ("query_share", params.with_query, 0.5)):
        drawn = largest * torch.rand((n_samples, count, 1), generator=generator, dtype=torch.float64)
        given = draw_of(inputs, "mochi", name, (n_samples, count, 1))
        shares.append((drawn if given is None else given).to(rows)[:, :, 0])
    return (found[0], found[1]), (shares[0], shares[1])


SPEC = LossFamily(
    name="queue_mixing",
    label="Mixing of features",
    losses=(
        LossSpec(
            name="mochi",
            label="Hard-negative mixing (MoCHi)",
            compute=mochi,
            params=MoCHiParams,
            needs=("two_views", "queue"),
            rows="unit",
            formula=r"\text{InfoNCE over}\ [k_i, Q, h, h'],\quad h = \frac{a n_1 + (1 - a) n_2}{\lVert\cdot\rVert},"
            r"\ a\sim U(0, 1),\quad h' = \frac{b q_i + (1 - b) n}{\lVert\cdot\rVert},\ b\sim U(0, \tfrac12)",
            traps="Mixtures get no gradient. Pairs are drawn independently, so an item may be mixed with itself. The "
            "hardest items are the likeliest false negatives. The peer is not the authors' code.",
            sources=(
                Source("Kalantidis and others 2020, Hard negative mixing (MoCHi)", "https://arxiv.org/abs/2010.01028"),
            ),
            peer="davidsvy/hard-negative-mixing (not by the authors)",
        ),
        LossSpec(
            name="feature_transformation",
            label="Feature Transformation",
            compute=feature_transformation,
            params=FeatureTransformationParams,
            needs=("two_views", "queue"),
            rows="unit",
            formula=r"\text{InfoNCE of}\ q' = \lambda q + (1 - \lambda)k,\ k' = \lambda k + (1 - \lambda)q,"
            r"\ n' = \mu n + (1 - \mu)n_\pi,\quad \lambda\sim 1 + \mathrm{Beta}(\alpha_+, \alpha_+),"
            r"\ \mu\sim\mathrm{Beta}(\alpha_-, \alpha_-)",
            traps="With one coefficient l the score s of a positive is 2 l (1 - l) + (l^2 + (1 - l)^2) s: it falls, "
            "and nothing holds it above -1, as rows are not normalised again by default. The queue never is. Gradient "
            "flows through both mixed features of a pair.",
            sources=(
                Source("Zhu and others 2021, Visualizing feature transformation", "https://arxiv.org/abs/2108.02982"),
            ),
            peer="DTennant/CL-Visualizing-Feature-Transformation RGBMoCo_dropmix_norm",
        ),
    ),
)

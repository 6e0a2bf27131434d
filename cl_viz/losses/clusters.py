"""Losses against prototypes: swapped assignments (SwAV) and prototypical contrast (ProtoNCE)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from cl_viz.core.errors import InputError
from cl_viz.core.params import Params, param
from cl_viz.core.result import Source
from cl_viz.core.specs import LossFamily, LossInputs, LossSpec
from cl_viz.losses._views import first_view, prototypes_of, queue_of, seed_param, temperature_param, two_views


@dataclass(frozen=True)
class SwAVParams(Params):
    """Parameters of SwAV; the authors' defaults."""

    temperature: float = temperature_param(0.1)
    sinkhorn_temperature: float = param(0.05, "Epsilon: softness of the assignments.", low=1e-3, high=10.0, log=True)
    sinkhorn_iterations: int = param(3, "Steps that even out prototypes and samples.", low=1, high=1000)


@dataclass(frozen=True)
class ProtoNCEParams(Params):
    """Parameters of ProtoNCE; the authors' defaults for ImageNet."""

    temperature: float = temperature_param(0.2)
    negatives: int = param(0, "Further prototypes drawn as negatives; 0 takes all others.", low=0)
    seed: int = seed_param()


@dataclass(frozen=True)
class InstancePartParams(Params):
    """Parameters of ProtoNCE's part over samples; the authors' temperature."""

    temperature: float = temperature_param(0.2)


def swav(inputs: LossInputs, params: SwAVParams) -> Tensor:
    """Return each sample's cross-entropy of one view against the other's assignment, mean of both ways, shape (N,).

    Assignments are constants.

    Raises
    ------
    MissingInputError
        Without a second view, or prototypes.
    """
    prototypes = prototypes_of(inputs, "swav")
    scores = [view @ prototypes.T for view in two_views(inputs, "swav")]
    codes = [_balanced(score.detach() / params.sinkhorn_temperature, params.sinkhorn_iterations) for score in scores]
    shares = [log_softmax(score / params.temperature, dim=1) for score in scores]
    return -((codes[0] * shares[1]).sum(dim=1) + (codes[1] * shares[0]).sum(dim=1)) / 2


def protonce(inputs: LossInputs, params: ProtoNCEParams) -> Tensor:
    """Return InfoNCE with the queue plus the prototypical part, of each row of view 1, shape (N,).

    Raises
    ------
    MissingInputError
        Without a second view (keys), a queue or prototypes.
    InputError
        If assignments or densities do not fit the rows and the prototypes.
    """
    samples = protonce_instance_part(inputs, InstancePartParams(temperature=params.temperature))
    return samples + protonce_prototype_part(inputs, params)


def protonce_instance_part(inputs: LossInputs, params: InstancePartParams) -> Tensor:
    """Return InfoNCE of view 1 with constant keys (view 2) and a constant queue, shape (N,); errors as `protonce`."""
    queries, keys = two_views(inputs, "protonce_instance_part")
    queue = queue_of(inputs, "protonce_instance_part", smallest=0).detach()
    positive = (queries * keys.detach()).sum(dim=1) / params.temperature
    negatives = queries @ queue.T / params.temperature
    return torch.logsumexp(torch.cat([positive[:, None], negatives], dim=1), dim=1) - positive


def protonce_prototype_part(inputs: LossInputs, params: ProtoNCEParams) -> Tensor:
    """Return each row's cross-entropy of its own prototype, scores divided by densities, shape (N,).

    Candidates are the prototypes of all rows, one a row, and further ones: those of the draw ``negatives`` (int64
    indices), or drawn with the seed from those of no row. Errors as `protonce`.
    """
    queries = first_view(inputs, "protonce_prototype_part")
    prototypes = prototypes_of(inputs, "protonce_prototype_part").detach()
    own = _assignments(inputs, prototypes)
    densities = inputs.densities
    if densities is None:
        densities = cluster_densities(queries.detach(), prototypes, own, params.temperature)
    if densities.shape != (len(prototypes),) or not bool((densities > 0).all()):
        raise InputError(
            f"densities of shape {tuple(densities.shape)}", where="protonce", allowed=f"{len(prototypes)} above 0"
        )
    candidates = torch.cat([own, _further(inputs, params, own, len(prototypes))])
    scores = queries @ prototypes[candidates].T / densities[candidates]
    return torch.logsumexp(scores, dim=1) - scores.diagonal()


def cluster_densities(points: Tensor, prototypes: Tensor, assignments: Tensor, mean: float) -> Tensor:
    """Return the temperature of each prototype from the spread of its points, shape (K,).

    ``sum of distances / (n log(n + 10))``; clusters of at most one point take the largest. The result is clipped to
    its 10th and 90th percentiles and scaled to the given mean.
    """
    distances = torch.linalg.vector_norm(points - prototypes[assignments], dim=1)
    counts = torch.bincount(assignments, minlength=len(prototypes)).to(points.dtype)
    sums = torch.zeros_like(counts).index_add(0, assignments, distances)
    spread = sums / (counts.clamp_min(1) * (counts + 10).log())
    spread = torch.where(counts > 1, spread, spread.masked_fill(counts <= 1, 0.0).max())
    spread = spread.clamp(torch.quantile(spread, 0.1), torch.quantile(spread, 0.9))
    # Where no cluster has any spread all temperatures are the mean.
    return torch.where(spread.mean() > 0, mean * spread / spread.mean(), torch.full_like(spread, mean))


def _balanced(scores: Tensor, iterations: int) -> Tensor:
    """Return assignments of samples that use all prototypes alike (Sinkhorn), shape (N, K)."""
    largest = scores.max()
    if float(largest - scores.min()) < 60:
        # No exponential underflows: plain divisions are enough.
        shares = (scores - largest).exp_()
        for _ in range(iterations):
            shares /= shares.sum(dim=0, keepdim=True)
            shares /= shares.sum(dim=1, keepdim=True)
        return shares
    for _ in range(iterations):
        scores = scores - scores.logsumexp(dim=0, keepdim=True)
        scores = scores - scores.logsumexp(dim=1, keepdim=True)
    return scores.exp()


def _assignments(inputs: LossInputs, prototypes: Tensor) -> Tensor:
    n_samples = len(inputs.views[0])
    if inputs.assignments is None:
        return torch.cdist(inputs.views[0].detach().to(prototypes), prototypes).argmin(dim=1)
    given = inputs.assignments
    if given.shape != (n_samples,) or not bool(((given >= 0) & (given < len(prototypes))).all()):
        raise InputError(
            f"assignments of shape {tuple(given.shape)}", where="protonce",
            allowed=f"{n_samples} indices of {len(prototypes)} prototypes",
        )  # fmt: skip
    return given


def _further(inputs: LossInputs, params: ProtoNCEParams, own: Tensor, n_prototypes: int) -> Tensor:
    """Return the indices of prototypes drawn as further negatives."""
    if "negatives" in inputs.draws:
        return inputs.draws["negatives"].to(own.device)
    unused = torch.ones(n_prototypes, dtype=torch.bool, device=own.device)
    unused[own] = False
    further = unused.nonzero()[:, 0]
    if params.negatives == 0:
        return further
    order = torch.randperm(len(further), generator=torch.Generator().manual_seed(params.seed))
    return further[order[: params.negatives].to(own.device)]


_LI = Source("Li and others 2021, Prototypical contrastive learning", "https://arxiv.org/abs/2005.04966")
_PROTOTYPE = r"\log\sum_{m} e^{x_i\cdot c_m/\phi_m} - x_i\cdot c_{m(i)}/\phi_{m(i)}"
_PROTOTYPE_TRAPS = (
    "Each row brings its own prototype as a candidate: rows of one cluster count it as a negative of each other. One "
    "clustering a call; the authors take the mean over several. Prototypes are constants."
)

SPEC = LossFamily(
    name="clusters",
    label="Prototypes",
    losses=(
        LossSpec(
            name="swav",
            label="SwAV",
            compute=swav,
            params=SwAVParams,
            needs=("two_views", "prototypes"),
            rows="unit",
            formula=r"-\frac{1}{2N}\sum_i\sum_k\big(q(x_i)_k\log p(y_i)_k + q(y_i)_k\log p(x_i)_k\big),\quad "
            r"p(z) = \mathrm{softmax}(z\cdot C/\tau),\quad q = \mathrm{Sinkhorn}(z\cdot C/\epsilon)",
            traps="Assignments are evened out over the batch: with fewer samples than prototypes they are poor, and "
            "the authors keep a queue. They get no gradient. Prototypes are given; in training they are learnt.",
            sources=(Source("Caron and others 2020, SwAV", "https://arxiv.org/abs/2006.09882"),),
            peer="lightly SwaVLoss",
        ),
        LossSpec(
            name="protonce",
            label="ProtoNCE",
            compute=protonce,
            params=ProtoNCEParams,
            needs=("two_views", "queue", "prototypes"),
            rows="unit",
            formula=r"\text{InfoNCE with queue} + \frac1N\sum_i\Big(" + _PROTOTYPE + r"\Big)",
            traps=_PROTOTYPE_TRAPS,
            sources=(_LI,),
            peer="salesforce/PCL",
        ),
        LossSpec(
            name="protonce_instance_part",
            label="ProtoNCE, samples alone",
            compute=protonce_instance_part,
            params=InstancePartParams,
            needs=("two_views", "queue"),
            rows="unit",
            formula=r"\frac1N\sum_i\Big(\log\big(e^{x_i\cdot y_i/\tau} + \sum_{q} e^{x_i\cdot q/\tau}\big)"
            r" - x_i\cdot y_i/\tau\Big)",
            traps="InfoNCE with a queue; keys and queue are constants, as from a momentum encoder.",
            sources=(_LI,),
            peer="salesforce/PCL",
        ),
        LossSpec(
            name="protonce_prototype_part",
            label="ProtoNCE, prototypes alone",
            compute=protonce_prototype_part,
            params=ProtoNCEParams,
            needs=("prototypes",),
            rows="unit",
            formula=r"\frac1N\sum_i\Big(" + _PROTOTYPE + r"\Big)",
            traps=_PROTOTYPE_TRAPS,
            sources=(_LI,),
            peer="salesforce/PCL",
        ),
    ),
)

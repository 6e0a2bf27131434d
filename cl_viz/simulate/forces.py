"""Where a loss pushes: the weight of each pair against its score, and who gets the gradient."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cl_viz.core.errors import InputError
from cl_viz.core.params import Params
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.core.specs import LossSpec
from cl_viz.simulate._pair_forces import PairForces, pair_forces
from cl_viz.simulate.flow_start import FlowStart

HARDEST = 0.01
"""Share of the negatives that counts as the hardest, rounded up."""

_ON_SCORES = "The loss is a function of the scores of pairs; the weight of a pair is N times its slope in their score."
_ON_ROWS = (
    "The loss acts on coordinates and not on the scores of pairs alone, so pairs have no weights of their own; its "
    "values and gradients are known."
)


@dataclass(frozen=True, eq=False)
class LossForces:
    """How a loss spends its gradient on batches of some embeddings.

    A negative is a pair of different samples that the loss looks at: a pair of views (or a queue) in which it gives any
    pair a weight. Where a loss takes positives from labels, negatives are pairs of two classes, and false negatives are
    unknown.

    Attributes
    ----------
    loss : str
    parameters : Mapping
        All hyper-parameters.
    acts_on : {"scores", "embeddings"}
    said : str
        What a weight is, or why there is none, one sentence.
    n_rows, batch_size, n_batches, seed : int
        Samples of the start; those of a batch; batches; seed of their drawing.
    values : NDArray[np.float64], shape (B,)
        Loss of each batch.
    shares : Mapping[str, NDArray[np.float64]], each of shape (B,)
        Shares of the sum of absolute weights: ``positives``, ``negatives``, ``false_negatives`` (negatives of the
        anchor's label), ``hardest`` (the 1 % of negatives with the highest scores). A key is absent where unknown; NaN
        in a batch where no pair has a weight.
    bin_edges : NDArray[np.float64], shape (bins + 1,)
        Of scores, -1 to 1.
    positive_weight, negative_weight, false_negative_weight : NDArray[np.float64] or None, shape (bins,)
        Mean absolute weight of the pairs of a bin, all batches together; NaN where there are none. None where unknown.
    positive_pairs, negative_pairs, false_negative_pairs : NDArray[np.int64], shape (bins,)
        Number of those pairs, each counted from both its ends.
    """

    loss: str
    parameters: Mapping[str, Any]
    acts_on: str
    said: str
    n_rows: int
    batch_size: int
    n_batches: int
    seed: int
    values: NDArray[np.float64]
    shares: Mapping[str, NDArray[np.float64]]
    bin_edges: NDArray[np.float64]
    positive_weight: NDArray[np.float64] | None = None
    negative_weight: NDArray[np.float64] | None = None
    false_negative_weight: NDArray[np.float64] | None = None
    positive_pairs: NDArray[np.int64] | None = None
    negative_pairs: NDArray[np.int64] | None = None
    false_negative_pairs: NDArray[np.int64] | None = None


@dataclass(frozen=True, eq=False)
class GradientAlignment:
    """How far losses agree on where to move the same rows.

    Attributes
    ----------
    names : tuple of str
    cosine, spread : NDArray[np.float64], shape (L, L)
        Cosine between the gradients in all raw rows of a batch, through the normalisation where a loss wants unit rows:
        mean and standard deviation over batches (ddof 1, NaN for one batch). NaN where a gradient is zero.
    n_rows, batch_size, n_batches, seed : int
    """

    names: tuple[str, ...]
    cosine: NDArray[np.float64]
    spread: NDArray[np.float64]
    n_rows: int
    batch_size: int
    n_batches: int
    seed: int


def loss_forces(
    name: str,
    start: FlowStart,
    *,
    parameters: Mapping[str, Any] | None = None,
    batches: int = 8,
    batch_size: int = 256,
    seed: int = 0,
    bins: int = 50,
    progress: ProgressCallback = silent,
) -> LossForces:
    """Return how a loss spends its gradient on resampled batches.

    The slope in each score is exact, by automatic differentiation in double precision; see `_pair_forces`. The weight
    of row b in the force on row a is N |dL/ds_ab|, whichever of the two is the anchor.

    Parameters
    ----------
    name : str
        Name in `cl_viz.losses.losses()`.
    start : FlowStart
    parameters : Mapping, optional
        Hyper-parameters.
    batches, batch_size : int
        Batches are drawn without replacement within, anew for each. Where the start has no more samples than a batch,
        there is one batch of all.
    seed : int
    bins : int
        Bins of the scores.
    progress : callable
        Called after every batch; it may raise `Cancelled`.

    Raises
    ------
    MissingInputError
        If the loss needs what the start does not have.
    InputError
        On an unknown loss or hyper-parameter, numbers out of range, or too few samples.
    """
    spec = start.spec_of(name)
    chosen = spec.params.make(dict(parameters or {}))
    if not 2 <= bins <= 1000:
        raise InputError(f"bins = {bins}", where="loss_forces", allowed="2 to 1,000")
    drawn = _batches(start, batches, batch_size, seed)
    edges = np.linspace(-1, 1, bins + 1)
    ledger = _Ledger(spec, start, edges)
    for number, rows in enumerate(drawn):
        ledger.enter(pair_forces(spec, _drawing(chosen, parameters, seed + number), start, rows), rows)
        progress((number + 1) / len(drawn), f"batch {number + 1} of {len(drawn)}")
    return LossForces(
        loss=name, parameters=chosen.as_dict(), n_rows=start.n, batch_size=len(drawn[0]), n_batches=len(drawn),
        seed=seed, bin_edges=edges, **ledger.result(),
    )  # fmt: skip


def gradient_alignment(
    choices: Sequence[tuple[str, Mapping[str, Any]]],
    start: FlowStart,
    *,
    batches: int = 8,
    batch_size: int = 256,
    seed: int = 0,
    progress: ProgressCallback = silent,
) -> GradientAlignment:
    """Return the cosines between the gradients of several losses in the same raw rows.

    Parameters
    ----------
    choices : sequence of (name, hyper-parameters)
    start, batches, batch_size, seed, progress
        See `loss_forces`; batches are the same for all losses.

    Raises
    ------
    MissingInputError, InputError
        As `loss_forces`.
    """
    specs = [start.spec_of(name) for name, _ in choices]
    chosen = [spec.params.make(dict(given)) for spec, (_, given) in zip(specs, choices, strict=True)]
    drawn = _batches(start, batches, batch_size, seed)
    cosines = []
    for number, rows in enumerate(drawn):
        gradients = [
            _raw_gradient(spec, _drawing(parameters, given, seed + number), start, rows)
            for spec, parameters, (_, given) in zip(specs, chosen, choices, strict=True)
        ]
        flat = torch.stack(gradients).flatten(1)
        lengths = torch.linalg.vector_norm(flat, dim=1)
        # 0 / 0 is NaN: a loss that pushes nowhere agrees with none.
        cosines.append((flat @ flat.T / (lengths[:, None] * lengths)).clamp(-1, 1).numpy())
        progress((number + 1) / len(drawn), f"batch {number + 1} of {len(drawn)}")
    stacked = np.stack(cosines)
    spread = stacked.std(axis=0, ddof=1) if len(drawn) > 1 else np.full(stacked.shape[1:], np.nan)
    return GradientAlignment(
        names=tuple(name for name, _ in choices), cosine=stacked.mean(axis=0), spread=spread, n_rows=start.n,
        batch_size=len(drawn[0]), n_batches=len(drawn), seed=seed,
    )  # fmt: skip


class _Ledger:
    """Adds up the weights of batches."""

    def __init__(self, spec: LossSpec, start: FlowStart, edges: NDArray[np.float64]) -> None:
        self.spec, self.start, self.edges = spec, start, edges
        self.kinds = ["positive", "negative"]
        if start.labels is not None and "labels" not in spec.needs:
            self.kinds.append("false_negative")
        self.values: list[float] = []
        self.shares: dict[str, list[float]] = {name: [] for name in ("positives", "negatives", "hardest")}
        if "false_negative" in self.kinds:
            self.shares["false_negatives"] = []
        self.weights = {kind: np.zeros(len(edges) - 1) for kind in self.kinds}
        self.pairs = {kind: np.zeros(len(edges) - 1, dtype=np.int64) for kind in self.kinds}
        self.on_scores, self.labelled_negatives = True, 0

    def enter(self, forces: PairForces, rows: NDArray[np.int64]) -> None:
        self.values.append(forces.loss)
        if forces.weights is None:
            self.on_scores = False
            return
        weights = forces.weights.abs()
        masks = _roles(self.spec, self.start, forces.weights, rows)
        total = float((weights * (masks["positive"] | masks["negative"])).sum())
        for kind, plural in (
            ("positive", "positives"),
            ("negative", "negatives"),
            ("false_negative", "false_negatives"),
        ):
            if kind not in self.kinds:
                continue
            own = weights[masks[kind]]
            self.shares[plural].append(float(own.sum()) / total if total else math.nan)
            scores = forces.scores[masks[kind]].numpy()
            self.weights[kind] += np.histogram(scores, self.edges, weights=own.numpy())[0]
            self.pairs[kind] += np.histogram(scores, self.edges)[0]
        negative = masks["negative"]
        self.labelled_negatives += int(negative[:, : _n_labelled(self.spec, self.start, len(weights))].sum())
        count = math.ceil(HARDEST * int(negative.sum()))
        hardest = forces.scores[negative].topk(count).indices
        self.shares["hardest"].append(float(weights[negative][hardest].sum()) / total if total else math.nan)

    def result(self) -> dict[str, Any]:
        values = np.array(self.values)
        if not self.on_scores:
            return {"acts_on": "embeddings", "said": _ON_ROWS, "values": values, "shares": {}}
        found: dict[str, Any] = {"acts_on": "scores", "said": _ON_SCORES, "values": values}
        # Prototypes have no label to be false by.
        unknown = set() if self.labelled_negatives else {"false_negatives", "false_negative"}
        found["shares"] = {name: np.array(shares) for name, shares in self.shares.items() if name not in unknown}
        for kind in self.kinds:
            if kind in unknown:
                continue
            with np.errstate(invalid="ignore"):
                found[f"{kind}_weight"] = self.weights[kind] / self.pairs[kind]
            found[f"{kind}_pairs"] = self.pairs[kind]
        return found


def _roles(spec: LossSpec, start: FlowStart, weights: Tensor, rows: NDArray[np.int64]) -> dict[str, Tensor]:
    """Return which pairs (view row, other row) are positives, negatives and false negatives; masks like `weights`."""
    n_samples, n_points = len(rows), len(weights)
    n_others = weights.shape[1] - n_points
    sample = torch.arange(n_samples).repeat(start.n_views)
    view = torch.arange(start.n_views).repeat_interleave(n_samples)
    itself = torch.eye(n_points, dtype=torch.bool)
    same_sample = (sample[:, None] == sample) & ~itself
    known = None if start.labels is None else torch.from_numpy(start.labels[rows])[sample]
    of_one_class = torch.zeros_like(itself) if known is None else known[:, None] == known
    positive, counted = same_sample, ~itself
    if "labels" in spec.needs:
        positive = of_one_class & ~itself
    if "three_views" in spec.needs:
        positive = same_sample & (view[:, None] < 2) & (view < 2)
    # Blocks of views in which no pair has a weight are not looked at.
    blocks = weights[:, :n_points].abs().view(start.n_views, n_samples, start.n_views, n_samples).amax(dim=(1, 3)) > 0
    counted = counted & blocks.repeat_interleave(n_samples, 0).repeat_interleave(n_samples, 1)
    positive = positive & counted
    false_negative = of_one_class & counted & ~positive
    others_positive = torch.zeros(n_points, n_others, dtype=torch.bool)
    others_false = torch.zeros_like(others_positive)
    n_queue = len(start.queue) if "queue" in spec.needs and start.queue is not None else 0
    if known is not None and start.queue_labels is not None and n_queue:
        others_false[:, :n_queue] = known[:, None] == torch.from_numpy(start.queue_labels)
    # A prototype has no role of its own: those that a row is pulled to are its positives.
    others_positive[:, n_queue:] = weights[:, n_points + n_queue :] < 0
    others_counted = (weights[:, n_points:].abs().amax(dim=0) > 0).expand(n_points, n_others)
    return {
        "positive": torch.cat([positive, others_positive & others_counted], dim=1),
        "negative": torch.cat([counted & ~positive, others_counted & ~others_positive], dim=1),
        "false_negative": torch.cat([false_negative, others_false & others_counted], dim=1),
    }


def _n_labelled(spec: LossSpec, start: FlowStart, n_points: int) -> int:
    """Return how many of the sources, from the first, have labels where samples have: views, and the queue."""
    return n_points + (
        len(start.queue) if "queue" in spec.needs and start.queue_labels is not None and start.queue is not None else 0
    )


def _batches(start: FlowStart, batches: int, batch_size: int, seed: int) -> list[NDArray[np.int64]]:
    if batches < 1 or not 2 <= batch_size <= 4096:
        raise InputError(
            f"{batches} batches of {batch_size}", where="batches", allowed="at least 1 batch of 2 to 4,096 samples"
        )
    if start.n <= batch_size:
        return [np.arange(start.n)]
    generator = np.random.default_rng(seed)
    return [np.sort(generator.choice(start.n, batch_size, replace=False)) for _ in range(batches)]


def _drawing(parameters: Params, given: Mapping[str, Any] | None, seed: int) -> Params:
    """Return hyper-parameters with the batch's own seed where the loss draws and none was chosen."""
    values = parameters.as_dict()
    if "seed" not in values or "seed" in (given or {}):
        return parameters
    return parameters.make({**values, "seed": seed % 2**31})


def _raw_gradient(spec: LossSpec, parameters: Params, start: FlowStart, rows: NDArray[np.int64]) -> Tensor:
    raw = torch.from_numpy(np.stack([view[rows] for view in start.views])).double().requires_grad_()
    views = torch.nn.functional.normalize(raw, dim=-1) if spec.rows == "unit" else raw
    value = spec.compute(start.inputs(spec, views.unbind(), rows), parameters).mean()
    (gradient,) = torch.autograd.grad(value, raw)
    return gradient

"""What anchors see in one tile, found with torch alone: where the compiled kernels are not at hand, and on devices."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.engine import bins
from cl_viz.engine.anchor_sketch import OTHER, SAME
from cl_viz.engine.pair_sketch import Relation
from cl_viz.engine.row_kernels import TAIL


def label_relations(first: torch.Tensor | None, second: torch.Tensor | None) -> tuple[Relation, ...]:
    """Return the relations, other than SAME_SAMPLE, that can occur between rows with these labels."""
    if first is None or second is None:
        return (Relation.UNKNOWN_LABEL,)
    unknown = bool((first < 0).any()) or bool((second < 0).any())
    known = (Relation.SAME_LABEL, Relation.DIFFERENT_LABEL)
    return (*known, Relation.UNKNOWN_LABEL) if unknown else known


def add_histograms(counts: torch.Tensor, sums: torch.Tensor, scores: torch.Tensor, relation: torch.Tensor) -> None:
    """Bin one tile; pairs of one sample (and the anchor itself) go to one more bin, which is dropped."""
    n_rows = scores.shape[0]
    size = n_rows * 2 * bins.ANCHOR_BINS
    wide = scores.to(counts.device).to(torch.float64)
    relation = relation.to(wide.device)
    side = torch.where(relation == int(Relation.SAME_LABEL), SAME, OTHER)
    local = torch.arange(n_rows, device=wide.device)[:, None]
    flat = (local * 2 + side) * bins.ANCHOR_BINS + bins.anchor_bin_index(scores).to(wide.device)
    flat = torch.where(relation == int(Relation.SAME_SAMPLE), size, flat).reshape(-1)
    shape = (n_rows, 2, bins.ANCHOR_BINS)
    counts += torch.bincount(flat, minlength=size + 1)[:size].reshape(shape)
    sums += torch.bincount(flat, weights=wide.reshape(-1), minlength=size + 1)[:size].reshape(shape)


def add_moments(
    moments: NDArray[np.float64], scores: torch.Tensor, relation: torch.Tensor, kinds: tuple[Relation, ...]
) -> None:
    """Add count, sum and sum of squares of one tile's scores by anchor and relation."""
    wide = scores.to(torch.float64) if scores.device.type != "mps" else scores.cpu().to(torch.float64)
    for kind in kinds:
        match = (relation.to(wide.device) == int(kind)).to(torch.float64)
        matched = match * wide
        powers = torch.stack([match.sum(dim=1), matched.sum(dim=1), (matched * wide).sum(dim=1)], dim=1)
        moments[:, int(kind)] += powers.cpu().numpy()


def add_tail(
    top_scores: NDArray[np.floating], top_same: NDArray[np.bool_], scores: torch.Tensor, relation: torch.Tensor
) -> None:
    """Keep the largest candidates of each anchor among those seen so far and this tile's."""
    allowed = torch.where(relation == int(Relation.SAME_SAMPLE), -torch.inf, scores)
    top, place = allowed.topk(min(TAIL, scores.shape[1]), dim=1)
    same = (relation == int(Relation.SAME_LABEL)).gather(1, place)
    merged = np.concatenate([top_scores, top.cpu().numpy()], axis=1)
    merged_same = np.concatenate([top_same, same.cpu().numpy()], axis=1)
    order = np.argsort(-merged, axis=1, kind="stable")[:, :TAIL]
    top_scores[:] = np.take_along_axis(merged, order, axis=1)
    top_same[:] = np.take_along_axis(merged_same, order, axis=1)


def add_ranks(
    below: NDArray[np.float64],
    part: slice,
    scores: torch.Tensor,
    relation: torch.Tensor,
    kinds: tuple[Relation, ...],
    positives: NDArray[np.float64],
    offsets: NDArray[np.int64],
) -> None:
    """Count the candidates below each positive, one positive of every anchor at a time; ties count half."""
    counts = np.diff(offsets)[part]
    # A product of matrices and a sum of products differ by rounding: equal scores must stay equal.
    tolerance = 8 * torch.finfo(scores.dtype).eps
    for slot in range(int(counts.max(initial=0))):
        has = np.flatnonzero(counts > slot)
        which = offsets[part.start + has] + slot
        threshold = torch.from_numpy(positives[which]).to(scores.dtype).to(scores.device)[:, None]
        rows = torch.from_numpy(has).to(scores.device)
        difference = threshold - scores[rows]
        tie = difference.abs() <= tolerance
        above = (difference > tolerance) & ~tie
        for kind in kinds:
            match = relation[rows] == int(kind)
            count = (above & match).sum(dim=1) + 0.5 * (tie & match).sum(dim=1)
            below[which, int(kind)] += count.cpu().numpy()

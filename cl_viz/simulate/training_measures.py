"""What is measured of an encoder while it trains: moments of the scores, ranks, and a vote of the neighbours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

NEIGHBOURS = 20
VOTE_TEMPERATURE = 0.1

MEASURES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "loss": ("Training loss", "nats or the loss's own unit, mean since the point before"),
        "positive_mean": ("Mean score of positives", "cosine"),
        "negative_mean": ("Mean score of negatives", "cosine"),
        "positive_variance": ("Variance of positives", "cosine²"),
        "negative_variance": ("Variance of negatives within an anchor", "cosine²"),
        "projector_rank": ("Effective rank of the projector", "dimensions"),
        "backbone_rank": ("Effective rank of the backbone", "dimensions"),
        "knn_accuracy": ("kNN accuracy of the backbone", "share"),
    }
)
"""Name -> label and unit of each curve."""


def measure(
    layers: Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]], labels: NDArray[np.int64] | None
) -> dict[str, float]:
    """Measure both layers of an encoder on images it was not trained on.

    Parameters
    ----------
    layers : Mapping from ``"projector"`` and ``"backbone"`` to both views, each of shape (N, D)
    labels : NDArray[np.int64], shape (N,), or None

    Returns
    -------
    dict
        Every name of `MEASURES` but the loss; NaN where it is not defined.
    """
    projector, backbone = layers["projector"], layers["backbone"]
    return {
        **_moments(_unit(projector[0]), _unit(projector[1])),
        "projector_rank": effective_rank(projector[0]),
        "backbone_rank": effective_rank(backbone[0]),
        "knn_accuracy": math.nan if labels is None else knn_accuracy(_unit(backbone[0]), torch.from_numpy(labels)),
    }


def effective_rank(rows: NDArray[np.floating]) -> float:
    """Return exp(entropy) of the singular values as shares of their sum, of raw rows, not centred; 1 to min(N, D).

    Source: Roy and Vetterli 2007; RankMe (Garrido and others 2023) is the same with 1e-7 added to each share. Rows
    that are all zero have rank 0; NaN where a row is not finite.
    """
    if not np.isfinite(rows).all():
        return math.nan
    # Squared singular values are those of the D x D product: N may be large.
    wide = rows.astype(np.float64)
    values = np.sqrt(np.maximum(np.linalg.eigvalsh(wide.T @ wide), 0.0))
    if values.sum() == 0:
        return 0.0
    shares = values[values > values.max() * 1e-8] / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def knn_accuracy(rows: Tensor, labels: Tensor) -> float:
    """Return the share of rows whose nearest others vote for their own label.

    The 20 nearest by cosine, or all others where there are fewer, vote with weight exp(score / 0.1), as in instance
    discrimination (Wu and others 2018); a row never votes for itself.

    Parameters
    ----------
    rows : Tensor, shape (N, D)
        Unit rows.
    labels : Tensor of int64, shape (N,)
    """
    if len(rows) < 2 or not torch.isfinite(rows).all():
        return math.nan
    scores = (rows @ rows.T).fill_diagonal_(-torch.inf)
    nearest = scores.topk(min(NEIGHBOURS, len(rows) - 1), dim=1)
    votes = torch.zeros(len(rows), int(labels.max()) + 1, dtype=rows.dtype)
    votes.scatter_add_(1, labels[nearest.indices], (nearest.values / VOTE_TEMPERATURE).exp())
    return float((votes.argmax(dim=1) == labels).double().mean())


def _moments(first: Tensor, second: Tensor) -> dict[str, float]:
    """Moments of the scores across views: positives on the diagonal; negatives as a mean over anchors (ddof = 1)."""
    scores = (first @ second.T).double().clamp(-1, 1)
    count = len(scores)
    positive = scores.diagonal()
    others = scores[~torch.eye(count, dtype=torch.bool)].reshape(count, count - 1)
    return {
        "positive_mean": float(positive.mean()),
        "negative_mean": float(others.mean()),
        "positive_variance": float(positive.var(correction=0)),
        "negative_variance": float(others.var(dim=1).mean()) if count > 2 else math.nan,
    }


def _unit(rows: NDArray[np.float32]) -> Tensor:
    return torch.nn.functional.normalize(torch.from_numpy(np.ascontiguousarray(rows)), dim=1)

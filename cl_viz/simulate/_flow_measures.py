"""What is measured of the points of a gradient flow at a recorded step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cl_viz.simulate.flow_start import unit_rows
from cl_viz.simulate.training_measures import effective_rank, knn_accuracy

MEASURES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "mean_positive_score": ("Mean score of positives", "cosine"),
        "mean_negative_score": ("Mean score of negatives", "cosine"),
        "alignment": ("Alignment", "squared distance of positives, 0 to 4"),
        "uniformity": ("Uniformity", "log mean potential, t = 2, mean over views; 0 at collapse"),
        "effective_rank": ("Effective rank", "dimensions, raw rows, not centred"),
        "class_separation": ("Class separation", "mean same-class minus other-class score"),
        "knn_accuracy": ("kNN accuracy", "share of samples, view 1, 20 neighbours"),
    }
)
"""Name -> label and unit of each curve."""

SPECTRUM = 64
"""Most eigenvalues that are kept."""


def measure(
    views: Tensor, labels: Tensor | None, edges: Tensor
) -> tuple[dict[str, float], NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Return the measures, the histograms of positive and negative scores, and the spectrum.

    Positives are views of one sample; with one view, samples of one class. Negatives are pairs of different samples,
    within and across views; with one view and labels, of different classes. Each pair counts once.

    Parameters
    ----------
    views : Tensor, shape (V, N, D)
    labels : Tensor of int64, shape (N,), or None
    edges : Tensor, shape (B + 1,)
    """
    n_views, n_samples, _ = views.shape
    unit = unit_rows(views)
    points = unit.flatten(0, 1)
    scores = (points @ points.T).clamp_(-1, 1)
    sample = torch.arange(n_samples).repeat(n_views)
    once = torch.ones_like(scores, dtype=torch.bool).triu(1)
    same_sample = sample[:, None] == sample
    of_one_class = None if labels is None else labels[sample][:, None] == labels[sample]
    if n_views > 1:
        positive, negative = scores[once & same_sample], scores[once & ~same_sample]
    elif of_one_class is not None:
        positive, negative = scores[once & of_one_class], scores[once & ~of_one_class]
    else:
        positive, negative = scores[:0, 0], scores[once]
    measures = {
        "mean_positive_score": _mean(positive),
        "mean_negative_score": _mean(negative),
        "alignment": 2 - 2 * _mean(positive),
        "uniformity": float(np.mean([_uniformity(view) for view in unit])),
        "effective_rank": effective_rank(views.flatten(0, 1).numpy()),
        "class_separation": math.nan,
        "knn_accuracy": math.nan,
    }
    if labels is not None and of_one_class is not None:
        others = once & ~same_sample
        measures["class_separation"] = _mean(scores[others & of_one_class]) - _mean(scores[others & ~of_one_class])
        measures["knn_accuracy"] = knn_accuracy(unit[0], labels)
    return measures, _counts(positive, edges), _counts(negative, edges), spectrum(views.flatten(0, 1))


def spectrum(points: Tensor) -> NDArray[np.float32]:
    """Return the eigenvalues of the covariance as shares of their sum, largest first, shape (min(D, 64),)."""
    centred = (points - points.mean(dim=0)).double()
    values = torch.linalg.eigvalsh(centred.T @ centred).flip(0).clamp_min(0)
    total = values.sum()
    shares = values / total if total > 0 else torch.full_like(values, torch.nan)
    return shares[:SPECTRUM].float().numpy()


def _uniformity(view: Tensor) -> float:
    if len(view) < 2:
        return math.nan
    squared = torch.nn.functional.pdist(view).double().square()
    return float(torch.logsumexp(-2 * squared, dim=0)) - math.log(len(squared))


def _mean(scores: Tensor) -> float:
    return float(scores.double().mean()) if len(scores) else math.nan


def _counts(scores: Tensor, edges: Tensor) -> NDArray[np.int64]:
    n_bins = len(edges) - 1
    # The last bin holds its upper edge.
    place = torch.bucketize(scores, edges[1:-1].to(scores.dtype), right=True)
    return torch.bincount(place, minlength=n_bins).numpy().astype(np.int64)

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


_NOWHERE = 2.0
"""In place of a score that is not to be counted: no bin holds it."""


class FlowMeter:
    """Measures points again and again; what does not change with them is made once.

    Positives are views of one sample; with one view, samples of one class. Negatives are pairs of different samples,
    within and across views; with one view and labels, of different classes. Each pair counts once.

    Parameters
    ----------
    n_samples, n_views : int
    labels : Tensor of int64, shape (N,), or None
    bins : int
        Bins of the histograms of scores, from -1 to 1.
    """

    def __init__(self, n_samples: int, n_views: int, labels: Tensor | None, bins: int) -> None:
        self.labels, self.bins = labels, bins
        self.counted_twice = torch.ones(n_samples, n_samples, dtype=torch.bool).tril()
        self.positives_of_one_view = torch.zeros_like(self.counted_twice)
        if n_views == 1 and labels is not None:
            self.positives_of_one_view = (labels[:, None] == labels) & ~self.counted_twice

    def measure(
        self, views: Tensor
    ) -> tuple[dict[str, float], NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Return the measures, the histograms of positive and negative scores, and the spectrum.

        Parameters
        ----------
        views : Tensor, shape (V, N, D)
        """
        unit = unit_rows(views)
        positive, positive_counts, negative_counts = self._scores(unit)
        wide = unit.double()
        everything, n_pairs = _sum_of_pairs(wide.flatten(0, 1)), math.comb(wide[..., 0].numel(), 2)
        measures = {
            "mean_positive_score": _ratio(float(positive.double().sum()), len(positive)),
            "mean_negative_score": _ratio(everything - float(positive.double().sum()), n_pairs - len(positive)),
            "alignment": 2 - 2 * _ratio(float(positive.double().sum()), len(positive)),
            "uniformity": float(np.mean([_uniformity(view) for view in unit])),
            "effective_rank": effective_rank(views.flatten(0, 1).numpy()),
            "class_separation": math.nan,
            "knn_accuracy": math.nan,
        }
        if self.labels is not None:
            measures["class_separation"] = _class_separation(wide, self.labels)
            measures["knn_accuracy"] = knn_accuracy(unit[0], self.labels)
        return measures, positive_counts, negative_counts, spectrum(views.flatten(0, 1))

    def _scores(self, unit: Tensor) -> tuple[Tensor, NDArray[np.int64], NDArray[np.int64]]:
        """Return the positives' scores, and the histograms of both kinds."""
        found: list[Tensor] = []
        negative_counts = torch.zeros(self.bins, dtype=torch.float64)
        for index, first in enumerate(unit):
            for other in range(index, len(unit)):
                scores = (first @ unit[other].T).clamp_(-1, 1)
                if other == index:
                    found.append(scores[self.positives_of_one_view])
                    scores[self.counted_twice | self.positives_of_one_view] = _NOWHERE
                else:
                    found.append(scores.diagonal().clone())
                    scores.fill_diagonal_(_NOWHERE)
                negative_counts += torch.histc(scores, self.bins, -1.0, 1.0)
        positive = torch.cat(found)
        positive_counts = torch.histc(positive, self.bins, -1.0, 1.0)
        return positive, _whole(positive_counts), _whole(negative_counts)


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


def _class_separation(unit: Tensor, labels: Tensor) -> float:
    """Return the mean score of samples of one class minus that of samples of two, over all views."""
    n_views = len(unit)
    own = float(unit.sum(dim=0).square().sum() - unit.square().sum()) / 2
    classes = torch.unique(labels, return_inverse=True)[1]
    sums = unit.new_zeros(int(classes.max()) + 1, unit.shape[2]).index_add(0, classes, unit.sum(dim=0))
    counts = torch.bincount(classes)
    same = float(sums.square().sum() - unit.square().sum()) / 2 - own
    n_same = n_views**2 * int((counts * (counts - 1)).sum()) // 2
    others = float(sums.sum(dim=0).square().sum() - sums.square().sum()) / 2
    n_others = n_views**2 * int(counts.sum() ** 2 - counts.square().sum()) // 2
    return _ratio(same, n_same) - _ratio(others, n_others)


def _sum_of_pairs(points: Tensor) -> float:
    """Return the sum of the products of all pairs of rows, from the sum of the rows."""
    return float(points.sum(dim=0).square().sum() - points.square().sum()) / 2


def _ratio(total: float, count: int) -> float:
    return total / count if count else math.nan


def _whole(counts: Tensor) -> NDArray[np.int64]:
    return counts.numpy().astype(np.int64)

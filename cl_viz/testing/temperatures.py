"""Sets whose best temperatures, coupling and false negatives are known."""

from __future__ import annotations

import numpy as np

from cl_viz.core.embedding_set import EmbeddingSet


def orthogonal_pairs(n: int, score: float) -> EmbeddingSet:
    """Two views in 2n dimensions: positives score `score`, and every negative scores 0, in both views and across.

    Parameters
    ----------
    n : int
        2 or more samples.
    score : float
        Cosine of the two views of a sample, in [-1, 1].

    Returns
    -------
    EmbeddingSet
        At temperature tau the relative penalties are even, the effective negatives are all M = 2(n - 1) (across
        views n - 1), 1 - P is M / (M + exp(score / tau)), and the slope of an individual temperature is rho.
    """
    first = np.eye(n, 2 * n)
    second = score * first + np.sqrt(1 - score**2) * np.eye(n, 2 * n, k=n)
    return EmbeddingSet.from_arrays({"view_1": first, "view_2": second}, name="orthogonal pairs")


def planted_false_negatives(n_labels: int, per_label: int, score: float) -> EmbeddingSet:
    """Two equal views whose samples of one label score `score`, of different labels 0; a sample has its own label's.

    Parameters
    ----------
    n_labels, per_label : int
        Labels, and samples of each; 2 or more.
    score : float
        Cosine of two samples of one label, in [0, 1).

    Returns
    -------
    EmbeddingSet
        Across views the relative penalties on the anchor's own label sum to k e / (k e + m), with k = per_label - 1,
        e = exp(score / tau) and m = per_label (n_labels - 1); the conditional tolerance is `score`.
    """
    n = n_labels * per_label
    label = np.repeat(np.arange(n_labels), per_label)
    # A common direction of the label, and one of the sample's own.
    rows = np.sqrt(score) * np.eye(n_labels, n_labels + n)[label]
    rows = rows + np.sqrt(1 - score) * np.eye(n, n_labels + n, k=n_labels)
    return EmbeddingSet.from_arrays(
        {"view_1": rows, "view_2": rows.copy()}, name="planted false negatives", label=label
    )

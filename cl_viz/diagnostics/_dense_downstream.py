"""Downstream measures on plain arrays in float64, straight from their definitions: small inputs only.

These are the twins of what the downstream diagnostics read from neighbours, closed forms and samples of queries.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cl_viz.diagnostics._dense_scores import cosine_scores
from cl_viz.diagnostics._probes import Codes, Rows, stratified_folds, vote


def neighbor_prediction(train: Rows, codes: Codes, test: Rows, k: int, temperature: float | None) -> Codes:
    """Return what the `k` nearest of `train` (n, D) by cosine say of each row of `test` (m, D), shape (m,)."""
    scores = cosine_scores(test, train)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return vote(codes[order], np.take_along_axis(scores, order, axis=1), int(codes.max()) + 1, k, temperature)


def neighbor_prediction_left_out(rows: Rows, codes: Codes, k: int, temperature: float | None) -> Codes:
    """Return what the `k` nearest others by cosine say of each row, shape (n,)."""
    scores = cosine_scores(rows, rows)
    np.fill_diagonal(scores, -np.inf)
    order = np.argsort(-scores, axis=1, kind="stable")[:, : min(k, len(rows) - 1)]
    return vote(codes[order], np.take_along_axis(scores, order, axis=1), int(codes.max()) + 1, k, temperature)


def neighbor_prediction_in_folds(rows: Rows, codes: Codes, k: int, folds: int, seed: int) -> Codes:
    """Return what the `k` nearest rows of the other folds say, every vote alike, shape (n,)."""
    fold = stratified_folds(codes, folds, seed)
    predicted = np.empty_like(codes)
    for number in range(folds):
        test = fold == number
        predicted[test] = neighbor_prediction(rows[~test], codes[~test], rows[test], k, None)
    return predicted


def accuracy(codes: Codes, predicted: NDArray[np.int64]) -> float:
    """Share of equal entries."""
    return float((codes == predicted).mean())

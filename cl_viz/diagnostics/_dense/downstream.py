"""Downstream measures on plain arrays in float64, straight from their definitions: small inputs only.

These are the twins of what the downstream diagnostics read from neighbours, closed forms and samples of queries.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cl_viz.diagnostics._dense.scores import cosine_scores
from cl_viz.diagnostics._groups.probes import Codes, Rows, stratified_folds, vote
from cl_viz.diagnostics._groups.relevant_ranks import RelevantRanks, relevant_ranks


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


def label_ranks(rows: Rows, codes: Codes) -> RelevantRanks:
    """Rank all others for every row whose label another row has; rows of its label are relevant."""
    scores = cosine_scores(rows, rows)
    np.fill_diagonal(scores, -np.inf)
    relevant = codes[:, None] == codes[None]
    np.fill_diagonal(relevant, False)
    kept = relevant.any(axis=1)
    return relevant_ranks(scores[kept], relevant[kept])


def partner_ranks(queries: Rows, gallery: Rows) -> RelevantRanks:
    """Rank all rows of `gallery` (N, D) for every row of `queries` (N, D); the row of the same number is relevant."""
    return relevant_ranks(cosine_scores(queries, gallery), np.eye(len(queries), dtype=np.bool_))


def silhouette(rows: Rows, codes: Codes, metric: Literal["cosine", "euclidean"]) -> NDArray[np.float64]:
    """Silhouette of every row from all distances, shape (n,); 0 for a class of one."""
    from sklearn.metrics import silhouette_samples

    found: NDArray[np.float64] = silhouette_samples(np.asarray(rows, dtype=np.float64), codes, metric=metric)
    return found


def davies_bouldin(rows: Rows, codes: Codes) -> float:
    """Mean over classes of the largest sum of two mean distances to the centre over the distance of the centres."""
    rows = np.asarray(rows, dtype=np.float64)
    classes = np.unique(codes)
    centres = np.array([rows[codes == code].mean(axis=0) for code in classes])
    within = np.array(
        [np.linalg.norm(rows[codes == c] - m, axis=1).mean() for c, m in zip(classes, centres, strict=True)]
    )
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    return float(((within[:, None] + within[None]) / apart).max(axis=1).mean())


def calinski_harabasz(rows: Rows, codes: Codes) -> float:
    """Scatter between classes over scatter within, each over its degrees of freedom."""
    rows = np.asarray(rows, dtype=np.float64)
    classes, n_rows = np.unique(codes), len(rows)
    centre = rows.mean(axis=0)
    between = sum(
        (codes == code).sum() * np.square(rows[codes == code].mean(axis=0) - centre).sum() for code in classes
    )
    within = sum(np.square(rows[codes == code] - rows[codes == code].mean(axis=0)).sum() for code in classes)
    return float(between / (len(classes) - 1) / (within / (n_rows - len(classes))))

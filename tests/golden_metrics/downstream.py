"""Golden metrics of downstream proxies."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from cl_viz.diagnostics._dense import downstream as dense
from cl_viz.diagnostics._groups.probes import balanced_accuracy, group_counts, predict_in_folds
from cl_viz.diagnostics._groups.relevant_ranks import RelevantRanks
from cl_viz.diagnostics.cluster_agreement import cluster
from tests.golden_records import Metric, Record, inputs, resolve

Predict = Callable[[np.ndarray, np.ndarray, dict[str, Any]], np.ndarray]


def _folds(given: dict[str, Any]) -> tuple[int, int]:
    match = re.search(r"StratifiedKFold\((\d+),\s*shuffle,\s*random_state=(\d+)\)", given["cv"])
    assert match is not None, given["cv"]
    return int(match[1]), int(match[2])


def _probe(rows: np.ndarray, codes: np.ndarray, given: dict[str, Any]) -> np.ndarray:
    folds, seed = _folds(given)
    return predict_in_folds(rows, codes, folds=folds, seed=seed, regularisation=given["C"], scaling="stored").predicted


def _neighbours(rows: np.ndarray, codes: np.ndarray, given: dict[str, Any]) -> np.ndarray:
    return dense.neighbor_prediction_in_folds(rows, codes, given["k"], *_folds(given))


def _recalls(codes: np.ndarray, predicted: np.ndarray, groups: np.ndarray) -> np.ndarray:
    shares = group_counts(codes == predicted, codes, int(codes.max()) + 1).shares
    return shares[~np.isnan(shares)]


def _groups(measure: Callable[[np.ndarray], float]) -> Callable[..., float]:
    def value(codes: np.ndarray, predicted: np.ndarray, groups: np.ndarray) -> float:
        shares = group_counts(codes == predicted, groups, int(groups.max()) + 1).shares
        return float(measure(shares[~np.isnan(shares)]))

    return value


def _judged(predict: Predict, family: str, measure: Callable[..., Any]) -> Metric:
    def value(record: Record, arrays: dict[str, np.ndarray], records: list[Record]) -> Any:
        rows, codes, *rest = inputs(record, arrays)
        # Only one record of a family states folds and hyper-parameters: the one of the accuracy on the same rows.
        beside = next(
            other
            for other in records
            if other["metric"] == f"{family}_cv_accuracy"
            and other["input_name"].split(",")[:2] == record["input_name"].split(",")[:2]
        )
        given = {**beside["parameters"], **{k: v for k, v in record["parameters"].items() if k in ("cv", "C", "k")}}
        groups = resolve(record["parameters"]["groups"], arrays) if "groups" in record["parameters"] else None
        return measure(codes, predict(rows, codes, given), rest[0] if rest else groups)

    return value


def _family(family: str, predict: Predict) -> dict[str, Metric]:
    return {
        f"{family}_cv_accuracy": _judged(predict, family, lambda codes, found, _: dense.accuracy(codes, found)),
        f"{family}_cv_balanced_accuracy": _judged(
            predict, family, lambda codes, found, _: balanced_accuracy(codes, found)
        ),
        f"{family}_cv_per_class_recall": _judged(predict, family, _recalls),
        f"{family}_worst_group_accuracy": _judged(predict, family, _groups(np.min)),
        f"{family}_group_gap": _judged(predict, family, _groups(np.ptp)),
    }


def _part(text: str, n_rows: int) -> np.ndarray:
    match = re.fullmatch(r"index\s*%\s*(\d+)\s*(==|!=)\s*(\d+)", text)
    assert match is not None, text
    equal = np.arange(n_rows) % int(match[1]) == int(match[3])
    return equal if match[2] == "==" else ~equal


def _weighted(record: Record, arrays: dict[str, np.ndarray], records: list[Record]) -> float:
    (rows, codes), given = inputs(record, arrays), record["parameters"]
    train, test = (_part(given[part], len(rows)) for part in ("train", "test"))
    found = dense.neighbor_prediction(rows[train], codes[train], rows[test], given["knn_k"], given["knn_t"])
    return dense.accuracy(codes[test], found)


def _clustered(record: Record, arrays: dict[str, np.ndarray], measure: Callable[..., float]) -> float:
    (rows, codes), given = inputs(record, arrays), record["parameters"]
    return float(measure(codes, cluster(rows, given["k"], given["n_init"], given["random_state"])))


def _pml(record: Record, arrays: dict[str, np.ndarray], records: list[Record]) -> dict[str, float]:
    given = record["parameters"]
    assert given["distance"] == "cosine"
    assert given["self_excluded"]
    ranks, depth = dense.label_ranks(*inputs(record, arrays)), given["k"]
    return {
        "mean_average_precision": float(ranks.average_precision(depth).mean()),
        "mean_average_precision_at_r": float(ranks.map_at_r(depth).mean()),
        "mean_reciprocal_rank": float(ranks.reciprocal_rank(depth).mean()),
        "precision_at_1": float(ranks.hit(1).mean()),
        "r_precision": float(ranks.r_precision(depth).mean()),
    }


def _ranked(measure: Callable[[RelevantRanks, int], np.ndarray]) -> Metric:
    return lambda record, arrays, _: float(
        measure(dense.label_ranks(*inputs(record, arrays)), record["parameters"]["k"]).mean()
    )


def _recall(ranks: RelevantRanks, k: int) -> np.ndarray:
    # torchmetrics takes scores for probabilities: relevant rows of a score of 0 or below are not found.
    found = (ranks.above < k) & (ranks.scores > 0)
    return np.add.reduceat(found.astype(np.float64), ranks.offsets[:-1]) / ranks.totals


def _full_map(record: Record, arrays: dict[str, np.ndarray], records: list[Record]) -> float:
    ranks = dense.label_ranks(*inputs(record, arrays))
    own = ranks.average_precision_above_zero()
    # The peer works in float32 and is asked for nine digits: its sums are repeated on our ranks.
    theirs = []
    for start, stop in zip(ranks.offsets[:-1], ranks.offsets[1:], strict=True):
        found = torch.from_numpy(1 + ranks.above[start:stop][ranks.scores[start:stop] > 0])
        precision = torch.div(torch.arange(len(found), dtype=torch.float32) + 1, found.float())
        theirs.append(precision.mean() if len(found) else torch.tensor(0.0))
    assert own.mean() == pytest.approx(float(torch.stack(theirs).mean()), rel=1e-6)
    return float(torch.stack(theirs).mean())


METRICS: dict[str, Metric] = {
    "silhouette": lambda record, arrays, _: float(
        dense.silhouette(*inputs(record, arrays), record["parameters"]["metric"]).mean()
    ),
    "davies_bouldin": lambda record, arrays, _: dense.davies_bouldin(*inputs(record, arrays)),
    "calinski_harabasz": lambda record, arrays, _: dense.calinski_harabasz(*inputs(record, arrays)),
    "kmeans_nmi": lambda record, arrays, _: _clustered(record, arrays, normalized_mutual_info_score),
    "kmeans_ari": lambda record, arrays, _: _clustered(record, arrays, adjusted_rand_score),
    "pml_retrieval": _pml,
    "recall_at_k_hit": _ranked(lambda ranks, k: ranks.hit(k)),
    "recall_at_k_true": _ranked(_recall),
    "map_full": _full_map,
    "cross_modal_recall_at_k_i2t": lambda record, arrays, _: float(
        dense.partner_ranks(*inputs(record, arrays)).hit(record["parameters"]["k"]).mean()
    ),
    **_family("linear_probe", _probe),
    **_family("knn5_cosine", _neighbours),
    "knn_weighted_accuracy": _weighted,
}

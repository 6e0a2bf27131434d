"""Golden metrics of downstream proxies."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from cl_viz.diagnostics import _dense_downstream as dense
from cl_viz.diagnostics._probes import balanced_accuracy, group_counts, predict_in_folds
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


METRICS: dict[str, Metric] = {
    **_family("linear_probe", _probe),
    **_family("knn5_cosine", _neighbours),
    "knn_weighted_accuracy": _weighted,
}

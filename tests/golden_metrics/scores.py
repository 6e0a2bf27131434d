"""Golden metrics of score distributions."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from cl_viz.diagnostics._dense import scores as dense
from tests.golden_records import Metric, Record, inputs, resolve


def _scores(measure: Callable[[np.ndarray, np.ndarray], float]) -> Metric:
    return lambda record, arrays, records: measure(*inputs(record, arrays))


def _zhu(field: str, stored_short: bool) -> Metric:
    def value(record: Record, arrays: dict[str, np.ndarray], records: list[Record]) -> np.ndarray:
        found = getattr(_zhu_statistics(record, arrays), field)[: len(record["value"])]
        return found.astype(np.float16).astype(np.float64) if stored_short else found

    return value


def _zhu_statistics(record: Record, arrays: dict[str, np.ndarray]) -> dense.AnchorStatistics:
    given = record["parameters"]
    return dense.anchor_statistics(*(resolve(given[key], arrays) for key in ("q", "k", "queue")), given["T"])


def _zhu_curves(record: Record, arrays: dict[str, np.ndarray], records: list[Record]) -> np.ndarray:
    # The record names neither queries nor queue: they are those of the per-anchor record beside it. The peer stores
    # its scores as float16, and its second iteration is the first one's stored statistics times a half.
    beside = next(
        other
        for other in records
        if other["metric"] == "zhu2021_score_stats/pos" and other["input_name"] == record["input_name"]
    )
    found = _zhu_statistics(beside, arrays)
    stored = [
        field.astype(np.float16).astype(np.float64)
        for field in (found.positive, found.negative_mean, found.negative_variance)
    ]
    iterations = [dense.training_curves(*(factor * field for field in stored)) for factor in (1.0, 0.5)]
    return np.array(iterations).T


def _mann_whitney(positives: np.ndarray, negatives: np.ndarray) -> float:
    return dense.auc(positives, negatives) * len(positives) * len(negatives)


def _gaussian(positives: np.ndarray, negatives: np.ndarray) -> float:
    return dense.gaussian_overlap(positives.mean(), positives.std(ddof=1), negatives.mean(), negatives.std(ddof=1))


def _t_statistic(positives: np.ndarray, negatives: np.ndarray) -> float:
    # Equal numbers: t and d' are the same number, scaled. Student's t pools the variances by their degrees of freedom.
    many, few = len(positives), len(negatives)
    plain = (positives.var(ddof=1) + negatives.var(ddof=1)) / 2
    pooled = ((many - 1) * positives.var(ddof=1) + (few - 1) * negatives.var(ddof=1)) / (many + few - 2)
    return dense.dprime(positives, negatives) * np.sqrt(plain / pooled) / np.sqrt(1 / many + 1 / few)


def _overlap(record: Record, arrays: dict[str, np.ndarray], records: list[Record]) -> float:
    assert record["parameters"]["range"] == [-1, 1]
    return dense.histogram_overlap(*inputs(record, arrays), bins=record["parameters"]["bins"])


def _top_share(record: Record, arrays: dict[str, np.ndarray], records: list[Record]) -> float:
    embeddings, labels = inputs(record, arrays)
    top = int(record["parameters"].get("k", re.search(r"top(\d+)", record["metric"])[1]))  # type: ignore[index]
    return dense.false_negative_top_share(dense.cosine_scores(embeddings, embeddings), labels, top)


def _push(record: Record, arrays: dict[str, np.ndarray], records: list[Record]) -> float:
    embeddings, labels = inputs(record, arrays)
    scores = dense.cosine_scores(embeddings, embeddings)
    return float(dense.false_negative_push(scores, labels, record["parameters"]["tau"]).mean())


METRICS: dict[str, Metric] = {
    "zhu2021_score_stats/neg_mean": _zhu("negative_mean", True),
    "zhu2021_score_stats/neg_var(ddof=1)": _zhu("negative_variance", True),
    "zhu2021_score_stats/pos": _zhu("positive", True),
    "zhu2021_score_stats/mean_exp_neg_over_T": _zhu("mean_exp_negative", False),
    "zhu2021_score_stats/exp_pos_over_T": _zhu("exp_positive", False),
    "zhu2021_notebook_curves": _zhu_curves,
    "pos_neg_auc": _scores(dense.auc),
    "pos_neg_average_precision": _scores(dense.average_precision),
    "pos_neg_ks": _scores(dense.kolmogorov_smirnov),
    "pos_neg_wasserstein1": _scores(dense.wasserstein),
    "pos_neg_mannwhitney_u": _scores(_mann_whitney),
    "pos_neg_gaussian_overlap": _scores(_gaussian),
    "pos_neg_hist_overlap": _overlap,
    "pos_neg_dprime": _scores(dense.dprime),
    "pos_neg_ttest_t": _scores(_t_statistic),
    "false_negative_share": lambda record, arrays, _: dense.false_negative_share(*inputs(record, arrays)),
    "false_negative_share_top10": _top_share,
    "false_negative_gradient_share": _push,
}

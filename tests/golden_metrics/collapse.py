"""Golden metrics of collapse and neural collapse."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from cl_viz.diagnostics._dense import collapse as dense
from cl_viz.diagnostics._dense import neural_collapse as classes
from tests.golden_records import Metric, Record, inputs, resolve


def _rows(measure: Callable[[np.ndarray], float | np.ndarray]) -> Metric:
    return lambda record, arrays, records: measure(*inputs(record, arrays))


def _rankme(record: Record, arrays: dict[str, np.ndarray], records: list[Record]) -> float:
    return dense.rankme(*inputs(record, arrays), epsilon=record["parameters"]["eps"])


def _numerical_rank(record: Record, arrays: dict[str, np.ndarray], records: list[Record]) -> int:
    tolerance = record["parameters"].get("tol")
    return dense.numerical_rank(*inputs(record, arrays), tolerance if isinstance(tolerance, float) else None)


def _std(record: Record, arrays: dict[str, np.ndarray], records: list[Record]) -> float:
    return dense.std_of_l2_normalized(*inputs(record, arrays), record["parameters"].get("ddof", 1))


def _fit_range(record: Record) -> tuple[int, int]:
    first, last = re.search(r"(\d+)\.\.(\d+)", record["parameters"]["fit_range"]).groups()  # type: ignore[union-attr]
    return int(first), int(last) + 1


def _alpha(record: Record, arrays: dict[str, np.ndarray], records: list[Record]) -> float:
    return dense.alpha_req(*inputs(record, arrays), *_fit_range(record)).exponent


def _alpha_fit(record: Record, arrays: dict[str, np.ndarray], records: list[Record]) -> float:
    until = int(re.search(r"_(\d+)$", record["metric"])[1])  # type: ignore[index]
    return dense.alpha_req_fit(*inputs(record, arrays), *_fit_range(record), until=until)


def _lidar(record: Record, arrays: dict[str, np.ndarray], records: list[Record]) -> float:
    given = record["parameters"]
    (views,) = inputs(record, arrays)
    views = views.reshape(given["n"], given["q"], -1)
    # The peer-variant names its own delta and has no epsilon; there ours stand.
    delta = given.get("delta", given.get("del_sigma_augs", 1e-4))
    return dense.lidar(views, delta, given.get("epsilon", 1e-8))


def _convention(record: Record) -> classes.GlobalMean:
    return "samples" if str(record["parameters"].get("mG", "")).startswith("sample") else "classes"


def _classes(measure: Callable[[classes.ClassStatistics], float | np.ndarray]) -> Metric:
    def value(record: Record, arrays: dict[str, np.ndarray], records: list[Record]) -> float | np.ndarray:
        rows, labels = inputs(record, arrays)[:2]
        return measure(classes.class_statistics(rows, labels, _convention(record)))

    return value


def _cdnv(record: Record, arrays: dict[str, np.ndarray], records: list[Record]) -> float:
    found = classes.class_statistics(*inputs(record, arrays)[:2], _convention(record))
    return classes.nc1_cdnv(found, record["parameters"].get("dist_exp", 1))


def _head(record: Record, arrays: dict[str, np.ndarray]) -> np.ndarray:
    named = record["parameters"].get("W") or record["input_name"].split(",")[-1]
    return resolve(re.match(r"\w+(?:\[[-\d]*:[-\d]*\])?", named)[0], arrays)  # type: ignore[index]


def _with_head(measure: Callable[[np.ndarray, classes.ClassStatistics], float | np.ndarray]) -> Metric:
    def value(record: Record, arrays: dict[str, np.ndarray], records: list[Record]) -> float | np.ndarray:
        rows, labels = inputs(record, arrays)[:2]
        return measure(_head(record, arrays), classes.class_statistics(rows, labels, _convention(record)))

    return value


def _agreement(record: Record, arrays: dict[str, np.ndarray], records: list[Record]) -> float:
    rows, labels = inputs(record, arrays)[:2]
    return classes.nc4_agreement(rows, _head(record, arrays), classes.class_statistics(rows, labels))


METRICS: dict[str, Metric] = {
    "covariance_singular_values": _rows(dense.covariance_singular_values),
    "rankme": _rankme,
    # A peer's RankMe that takes eigenvalues of the covariance for singular values of the rows: ours must differ.
    "reptrix_rankme": _rankme,
    "effective_rank_roy_vetterli": _rows(dense.effective_rank),
    "effective_rank_cov_eigenvalues": _rows(dense.covariance_entropy_rank),
    "stable_rank": _rows(dense.stable_rank),
    "participation_ratio_cov": _rows(dense.participation_ratio),
    "nesum": _rows(dense.nesum),
    "numerical_rank": _numerical_rank,
    "alpha_req": _alpha,
    "alpha_req_R2_100": _alpha_fit,
    "lidar": _lidar,
    "lidar_reptrix": _lidar,
    "std_of_l2_normalized": _std,
    "nc1_pinv": _classes(classes.nc1_pseudo_inverse),
    "nc1_svd": _classes(classes.nc1_pseudo_inverse),
    "nc1_quotient": _classes(classes.nc1_quotient),
    "nc1_cdnv": _cdnv,
    "nc1_ding": _classes(classes.nc1_pseudo_inverse),
    "nc2_mean_norms": _classes(classes.mean_norms),
    "nc2_equinorm_cov": _classes(classes.nc2_equinorm),
    "nc2_simplex_etf_error": _classes(classes.nc2_etf_error),
    "nc2_interference_grid_normalised": _classes(classes.centred_cosines),
    "of_distance_kini": _classes(classes.orthogonal_frame_distance),
    "nc3_self_duality_error": _with_head(classes.nc3_product_error),
    "nc3_similarities_cos": _with_head(classes.nc3_cosines),
    "nc3_WH_ding": _with_head(classes.nc3_product_error),
    "nc4_clf_ncc_agreement": _agreement,
    "nc2_etf_of_W_ding": lambda record, arrays, records: classes.nc2_etf_error_of_head(_head(record, arrays)),
}

"""Golden metrics of geometry and of the comparison of checkpoints."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from cl_viz.diagnostics._dense import geometry, neighbors, similarity
from tests.golden_metrics.scores import _scores as _of_inputs
from tests.golden_records import Metric, Record, inputs

Arrays = dict[str, np.ndarray]


def _one(measure: Callable[..., Any], **names: str) -> Metric:
    """Return the metric of one array; keywords say under which name the record has each of our parameters."""

    def value(record: Record, arrays: Arrays, records: list[Record]) -> Any:
        given = record["parameters"]
        return measure(inputs(record, arrays)[0], **{ours: given[theirs] for ours, theirs in names.items()})

    return value


def _alignment(record: Record, arrays: Arrays, records: list[Record]) -> float:
    return geometry.alignment(*inputs(record, arrays), alpha=record["parameters"]["alpha"])


def _uniform_sphere(record: Record, arrays: Arrays, records: list[Record]) -> float:
    return geometry.uniformity_of_sphere(record["parameters"]["D"], record["parameters"]["t"])


def _partition(record: Record, arrays: Arrays, records: list[Record]) -> float:
    (rows,) = inputs(record, arrays)
    # The variant's record does not say; its peer takes rows as they are.
    kind = record["parameters"].get("preprocess", "raw")
    assert kind in ("raw", "unit rows"), kind
    return geometry.partition_isotropy(rows if kind == "raw" else geometry.unit_rows(rows))


def _isoscore_star(record: Record, arrays: Arrays, records: list[Record]) -> float:
    assert record["parameters"]["C0"] == "identity"
    return geometry.isoscore_star(inputs(record, arrays)[0], record["parameters"]["zeta"], rescale=False)


def _hubness(measure: Callable[..., float], **names: str) -> Metric:
    def value(record: Record, arrays: Arrays, records: list[Record]) -> float:
        given = record["parameters"]
        assert given.get("metric", "cosine") == "cosine"
        counts = neighbors.occurrences(inputs(record, arrays)[0], given["k"])
        return measure(counts, **{ours: given[theirs] for ours, theirs in names.items()})

    return value


def _two_nn(record: Record, arrays: Arrays, records: list[Record]) -> float:
    distances = neighbors.neighbor_distances(inputs(record, arrays)[0])
    return neighbors.two_nn(distances, record["parameters"]["discard_fraction"])


def _levina_bickel(record: Record, arrays: Arrays, records: list[Record]) -> float:
    assert record["parameters"]["comb"] == "mle"
    distances = neighbors.neighbor_distances(inputs(record, arrays)[0])
    return neighbors.levina_bickel(distances, record["parameters"]["n_neighbors"])


def _pca(measure: Callable[[np.ndarray], float], kind: str) -> Metric:
    def value(record: Record, arrays: Arrays, records: list[Record]) -> float:
        assert record["parameters"]["ver"] == kind
        return measure(inputs(record, arrays)[0])

    return value


def _fukunaga_olsen(rows: np.ndarray) -> float:
    return neighbors.pca_dimension(np.linalg.eigvalsh(np.cov(rows, rowvar=False)))


def _cka_debiased(record: Record, arrays: Arrays, records: list[Record]) -> float:
    value = similarity.cka_debiased(*inputs(record, arrays))
    # The estimator is unbiased; this peer moves what lies outside back to the ends.
    return float(np.clip(value, 0.0, 1.0)) if "clamped" in record["parameters"].get("estimator", "") else value


def _cca_squared(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.square(similarity.cca_correlations(first, second)).mean())


def _overlap(jaccard: bool) -> Metric:
    def value(record: Record, arrays: Arrays, records: list[Record]) -> float:
        shares = similarity.neighbor_overlap(*inputs(record, arrays), k=record["parameters"]["k"])
        return float((similarity.jaccard(shares) if jaccard else shares).mean())

    return value


def _uniformity(record: Record, arrays: Arrays, records: list[Record]) -> float:
    assert re.match("L2", record["parameters"].get("preprocess", "L2"))
    return geometry.uniformity(inputs(record, arrays)[0], record["parameters"]["t"])


METRICS: dict[str, Metric] = {
    "alignment": _alignment,
    "uniformity": _uniformity,
    "uniformity_of_uniform_sphere": _uniform_sphere,
    "isoscore": _one(geometry.isoscore),
    "isoscore_star": _isoscore_star,
    "cosine_regularizer": _one(geometry.cosine_regularizer),
    "mean_cosine_offdiag": _one(geometry.mean_cosine),
    "partition_isotropy_mu2018": _partition,
    "partition_score_isoscore_repo": _partition,
    "hubness_k_skewness": _hubness(neighbors.skewness),
    "hubness_k_skewness_raw_vectors": _hubness(neighbors.skewness),
    "hubness_robinhood": _hubness(neighbors.robin_hood),
    "hubness_gini": _hubness(neighbors.gini),
    "hubness_antihub_occurrence": _hubness(neighbors.antihub_share),
    "hubness_hub_occurrence": _hubness(neighbors.hub_occurrence_share, k="k", size="hub_size"),
    "id_twonn": _two_nn,
    "id_mle_global": _levina_bickel,
    "id_lpca_FO": _pca(_fukunaga_olsen, "FO"),
    "id_lpca_participation_ratio": _pca(geometry.participation_ratio, "participation_ratio"),
    "cka_linear_debiased": _cka_debiased,
    "cka_linear_biased": _of_inputs(similarity.cka_biased),
    "cca_correlations_sorted_desc": _of_inputs(similarity.cca_correlations),
    "cca_mean_squared_R2": _of_inputs(_cca_squared),
    "procrustes_disparity": _of_inputs(similarity.procrustes_disparity),
    "procrustes_nuclear_norm": _of_inputs(similarity.procrustes_similarity),
    "knn_overlap": _overlap(jaccard=False),
    "knn_jaccard": _overlap(jaccard=True),
}

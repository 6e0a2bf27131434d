"""Golden metrics of the modality gap."""

from __future__ import annotations

import numpy as np

from cl_viz.diagnostics._geometry import modality_measures as measures
from tests.golden_records import Metric, Record, inputs


def _pair(record: Record, arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
    return [measures.unit_rows(rows) for rows in inputs(record, arrays)]


def _norm(record: Record, arrays: dict[str, np.ndarray], records: list[Record]) -> float:
    return float(np.linalg.norm(measures.gap_vector(*_pair(record, arrays))))


def _uniformity(record: Record, arrays: dict[str, np.ndarray], records: list[Record]) -> dict[str, float]:
    (first, second), t = _pair(record, arrays), record["parameters"]["t"]
    own = [measures.uniformity(rows, t) for rows in (first, second)]
    return {
        "image_uniformity_loss": own[0],
        "text_uniformity_loss": own[1],
        "total_uniformity_loss": sum(own) / 2,
        "cross_encoder_uniform_loss": measures.cross_uniformity(first, second, t),
    }


METRICS: dict[str, Metric] = {
    "modality_gap_vector_norm": _norm,
    "modality_gap_shift_distance": lambda record, arrays, _: measures.shift_distances(
        *_pair(record, arrays), np.array(record["parameters"]["deltas"])
    ),
    "contrastive_gap_uniformity": _uniformity,
    "contrastive_gap_alignment": lambda record, arrays, _: measures.alignment(*_pair(record, arrays)),
    "contrastive_gap_centroid_distance": _norm,
    "contrastive_gap_linear_separability": lambda record, arrays, _: (
        measures.separability(*_pair(record, arrays), seed=0).accuracy
    ),
}

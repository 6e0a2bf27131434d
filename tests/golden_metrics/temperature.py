"""Golden metrics of temperature and hardness."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from cl_viz.diagnostics._dense import temperature as dense
from tests.golden_records import Metric, Record, inputs

Arrays = dict[str, np.ndarray]
Negatives = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def _temperature(record: Record) -> float:
    given = record["parameters"]
    return float(given["tau"] if "tau" in given else given["temperature"])


def _across(measure: Callable[[np.ndarray, np.ndarray, float], Any]) -> Metric:
    """Measure the anchors of view 1 against the other rows of view 2."""
    return _with(dense.cross_negatives, measure)


def _both(measure: Callable[[np.ndarray, np.ndarray, float], Any]) -> Metric:
    """Measure the anchors of both views against all other samples in both views."""
    return _with(dense.two_view_negatives, measure)


def _with(negatives: Negatives, measure: Callable[[np.ndarray, np.ndarray, float], Any]) -> Metric:
    def value(record: Record, arrays: Arrays, records: list[Record]) -> Any:
        return _cut(measure(*negatives(*inputs(record, arrays)), _temperature(record)), record)

    return value


def _cut(found: Any, record: Record) -> Any:
    """Take the part of an array that the metric's name gives, such as ``[:5]`` or ``[0,:5]``."""
    slices = re.search(r"\[(?:(\d+),)?:(\d+)\]$", record["metric"])
    if slices is None:
        return found
    rows = found if slices[1] is None else found[int(slices[1])]
    return rows[: int(slices[2])]


def _penalty(positives: np.ndarray, negatives: np.ndarray, temperature: float) -> np.ndarray:
    """Relative penalties of the negatives alone, as the peer's rows leave the positive out."""
    found = dense.relative_penalty(negatives, temperature)
    return np.array([np.delete(row, index) for index, row in enumerate(found)])


def _mean_entropy(positives: np.ndarray, negatives: np.ndarray, temperature: float) -> float:
    return float(dense.entropy(dense.relative_penalty(negatives, temperature)).mean())


def _perplexity(positives: np.ndarray, negatives: np.ndarray, temperature: float) -> float:
    return float(np.exp(dense.entropy(dense.relative_penalty(negatives, temperature))).mean())


def _sample_size(positives: np.ndarray, negatives: np.ndarray, temperature: float) -> float:
    return float(dense.effective_sample_size(dense.relative_penalty(negatives, temperature)).mean())


def _gradient(positives: np.ndarray, negatives: np.ndarray, temperature: float) -> np.ndarray:
    """Slopes in the whole matrix of scores, the positives on its diagonal."""
    positive, negative = dense.infonce_gradient(positives, negatives, temperature)
    np.fill_diagonal(negative, positive)
    return negative


def _two_view_npc(record: Record, arrays: Arrays, records: list[Record]) -> dict[str, Any]:
    found = dense.npc_multiplier(*dense.two_view_negatives(*inputs(record, arrays)), _temperature(record))
    measures = {"mean": found.mean(), "cv_population": found.std() / found.mean()}
    return {
        name: measures[name] if name in measures else found[: int(name.removeprefix("first"))]
        for name in record["value"]
    }


def _one_way(record: Record, arrays: Arrays, records: list[Record]) -> float:
    first, second = inputs(record, arrays)
    found = dense.decoupled(*dense.two_view_negatives(first, second), _temperature(record))
    return float(found[: len(first)].mean())


def _model_aware(record: Record, arrays: Arrays, records: list[Record]) -> float:
    given = record["parameters"]
    negatives = dense.two_view_negatives(*inputs(record, arrays))
    # lightly adds so much to 1 - P.
    epsilon = 1e-8 if "lightly" in record["version_or_commit"] else 0.0
    return float(dense.model_aware(*negatives, _temperature(record), given["alpha"], given["A_0"], epsilon).mean())


def _alignment(record: Record, arrays: Arrays, records: list[Record]) -> float:
    return float(dense.cross_negatives(*inputs(record, arrays))[0].mean())


def _hard(record: Record, arrays: Arrays, records: list[Record]) -> float:
    given = record["parameters"]
    negatives = dense.two_view_negatives(*inputs(record, arrays))
    weighting = given.get("beta", 0.0), given.get("tau_plus", 0.0)
    return float(dense.reweighted(*negatives, _temperature(record), *weighting)[0].mean())


def _clipped_slope(record: Record, arrays: Arrays, records: list[Record]) -> float:
    first, second = inputs(record, arrays)
    return dense.mean_clipped_slope(first, second, _temperature(record), record["parameters"]["rho"])


def _individual(record: Record, arrays: Arrays, records: list[Record]) -> np.ndarray:
    given = record["parameters"]
    negatives = dense.cross_negatives(*inputs(record, arrays))[1]
    return _cut(dense.individual_temperatures(negatives, given["rho"], given["tau_min"], given["tau_max"]), record)


def _loss(positives: np.ndarray, negatives: np.ndarray, temperature: float) -> float:
    return float(dense.infonce(positives, negatives, temperature).mean())


METRICS: dict[str, Metric] = {
    "relative_penalty_r[0,:5]": _across(_penalty),
    "relative_penalty_entropy_mean_nats": _across(_mean_entropy),
    "effective_negatives_perplexity_mean": _across(_perplexity),
    "effective_negatives_ess_mean": _across(_sample_size),
    "infonce_loss_mean": _across(_loss),
    "infonce_grad_s[0,:5]": _across(_gradient),
    "npc_multiplier_qB_mean": _across(lambda *given: float(dense.npc_multiplier(*given).mean())),
    "npc_multiplier_qB[:5]": _across(dense.npc_multiplier),
    "npc_multiplier_qB_2view": _two_view_npc,
    "ntxent_2N": _both(_loss),
    "dcl_one_way": _one_way,
    "macl_loss": _model_aware,
    "macl_alignment_A": _alignment,
    "hcl_hard_loss": _hard,
    "hcl_easy_loss": _both(_loss),
    "isogclr_mean_clamped_grad_tau": _clipped_slope,
    "individual_temperature_dual_optimum[:8]": _individual,
    "tolerance_conditional": lambda record, arrays, _: dense.tolerance(*inputs(record, arrays)),
    "tolerance_eq11_literal": lambda record, arrays, _: dense.tolerance_literal(*inputs(record, arrays)),
}

"""Golden records: values that peers' own code returned, read from a folder, and the functions of cl_viz that meet them.

A folder holds `diagnostics.json`, `losses.json` and their `*_inputs.npz`. Any folder of that form can be tested; what a
record's metric needs is read from the record (inputs, parameters, slices such as ``view1[:64]``), never from its place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cl_viz.core.specs import LossInputs, LossSpec
from cl_viz.diagnostics import _dense_scores as dense
from cl_viz.losses import losses

COMMENTS = {"formula", "note"}
Record = dict[str, Any]


@dataclass(frozen=True)
class Goldens:
    """One folder of golden records."""

    folder: Path

    def records(self, kind: str) -> list[Record]:
        """Return the records of ``diagnostics`` or ``losses``; none where the file is missing."""
        path = self.folder / f"{kind}.json"
        return json.loads(path.read_text()) if path.exists() else []

    def arrays(self, kind: str) -> dict[str, np.ndarray]:
        """Return the input arrays by name."""
        with np.load(self.folder / f"{kind}_inputs.npz", allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}

    def gradients(self) -> dict[str, np.ndarray]:
        """Return the losses' gradients, keyed ``<id>__<array>``."""
        path = self.folder / "losses_grads.npz"
        if not path.exists():
            return {}
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}


def tolerance(record: Record) -> dict[str, float]:
    """Read ``rtol 1e-9`` or ``atol 0.02`` (followed by a comment) as keywords of `numpy.testing.assert_allclose`."""
    match = re.match(r"(rtol|atol) ([0-9.e+-]+)", record["tolerance"])
    assert match is not None, record["tolerance"]
    value = float(match[2])
    # A relative tolerance alone asks for equality of values that are 0 up to rounding.
    return {"rtol": value, "atol": 1e-12} if match[1] == "rtol" else {"rtol": 0.0, "atol": value}


def resolve(text: str, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Return the array that ``view1`` or ``view1[:64]`` names."""
    match = re.fullmatch(r"(\w+)(?:\[([-\d]*):([-\d]*)\])?", text.strip())
    assert match is not None, text
    low, high = (int(end) if end else None for end in (match[2], match[3]))
    return arrays[match[1]][low:high]


def inputs(record: Record, arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Return the arrays that a record's input_name lists."""
    return [resolve(name, arrays) for name in record["input_name"].split(",")]


# -- diagnostics ---------------------------------------------------------------------------------------------------
Metric = Callable[[Record, dict[str, np.ndarray], list[Record]], Any]


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
    beside = next(other for other in records if other["metric"] == "zhu2021_score_stats/pos")
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
    # Equal numbers: t and d' are the same number, scaled.
    assert len(positives) == len(negatives)
    return dense.dprime(positives, negatives) / np.sqrt(2 / len(positives))


def _overlap(record: Record, arrays: dict[str, np.ndarray], records: list[Record]) -> float:
    assert record["parameters"]["range"] == [-1, 1]
    return dense.histogram_overlap(*inputs(record, arrays), bins=record["parameters"]["bins"])


def _top_share(record: Record, arrays: dict[str, np.ndarray], records: list[Record]) -> float:
    embeddings, labels = inputs(record, arrays)
    top = int(re.search(r"(\d+) most similar", record["parameters"]["formula"])[1])  # type: ignore[index]
    return dense.false_negative_top_share(dense.cosine_scores(embeddings, embeddings), labels, top)


def _push(record: Record, arrays: dict[str, np.ndarray], records: list[Record]) -> float:
    embeddings, labels = inputs(record, arrays)
    scores = dense.cosine_scores(embeddings, embeddings)
    return float(dense.false_negative_push(scores, labels, record["parameters"]["tau"]).mean())


DIAGNOSTIC_METRICS: dict[str, Metric] = {
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


# -- losses --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class GoldenLoss:
    """How a golden name maps to a loss of cl_viz: its spec, and its hyper-parameters under the peers' names."""

    spec: str
    translate: Callable[[dict[str, Any]], dict[str, Any]]
    labels: bool = False


def _temperature(given: dict[str, Any]) -> dict[str, Any]:
    for key in ("temperature", "tau"):
        if key in given:
            return {"temperature": float(given[key])}
    return {"temperature": 1 / float(given.get("logit_scale", given.get("scale")))}


def _vicreg(given: dict[str, Any]) -> dict[str, Any]:
    invariance, variance, covariance = (
        ("lambda_param", "mu_param", "nu_param")
        if "lambda_param" in given
        else ("invariance_lambda", "variance_mu", "covariance_v")
    )
    return {
        "invariance_weight": float(given[invariance]),
        "variance_weight": float(given[variance]),
        "covariance_weight": float(given[covariance]),
        "epsilon": float(given["eps"]),
    }


def _align_uniform(given: dict[str, Any]) -> dict[str, Any]:
    weight = float(given.get("lam", given.get("w_unif", 1.0)))
    assert given.get("w_align", 1) == 1
    return {"alpha": float(given["alpha"]), "t": float(given["t"]), "uniformity_weight": weight}


LOSS_METRICS: dict[str, GoldenLoss] = {
    "ntxent": GoldenLoss("ntxent", _temperature),
    "infonce_one_sided": GoldenLoss("infonce_one_sided", _temperature),
    "infonce_explicit_negatives": GoldenLoss("infonce_one_sided", _temperature),
    "clip": GoldenLoss("clip", _temperature),
    "dcl": GoldenLoss("dcl", _temperature),
    "supcon_out": GoldenLoss("supcon_out", _temperature, labels=True),
    "align_uniform": GoldenLoss("align_uniform", _align_uniform),
    "alignment": GoldenLoss("alignment", lambda given: {"alpha": float(given["alpha"])}),
    "uniformity": GoldenLoss("uniformity", lambda given: {"t": float(given["t"])}),
    "vicreg": GoldenLoss("vicreg", _vicreg),
    "negative_cosine": GoldenLoss("negative_cosine", lambda given: {}),
}


def loss_inputs(record: Record, arrays: dict[str, np.ndarray], golden: GoldenLoss) -> tuple[list[str], dict[str, Any]]:
    """Return the names of the arrays that are views, and labels or queue as tensors."""
    prefix = record["input_name"]
    views = [name for name in record["input_arrays"] if not name.startswith(("queue", "labels"))]
    extra: dict[str, Any] = {}
    for name in record["input_arrays"]:
        if name.startswith("queue"):
            extra["queue"] = torch.from_numpy(arrays[f"{prefix}/{name}"])
    if golden.labels:
        extra["labels"] = torch.from_numpy(arrays[f"{prefix}/labels"])
    return views, extra


def loss_value(
    spec: LossSpec, rows: list[torch.Tensor], extra: dict[str, Any], hyper_parameters: dict[str, Any], unit: bool
) -> torch.Tensor:
    """Return the mean of a loss; `unit` normalises the rows first, as some peers do inside."""
    if unit:
        rows = [torch.nn.functional.normalize(view, dim=1) for view in rows]
    return spec.compute(LossInputs(tuple(rows), **extra), spec.params(**hyper_parameters)).mean()


def loss_spec(golden: GoldenLoss) -> LossSpec:
    """Return the spec a golden name maps to."""
    return losses()[golden.spec]

"""Golden metrics of representation and allocation harm, and of the stochastic block model."""

from __future__ import annotations

import functools
import re
from typing import Any

import numpy as np

from cl_viz.diagnostics._dense import harm as dense
from cl_viz.simulate import stochastic_block_model as blocks
from tests.golden_records import Metric, Record, inputs


def _siblings(record: Record, records: list[Record]) -> dict[str, Any]:
    """Return the parameters of all harm records on the same arrays: each states only a part of one design."""
    merged: dict[str, Any] = {}
    for other in records:
        if other["metric"].startswith(("representation_harm", "allocation_harm")) and (
            other["input_name"] == record["input_name"]
        ):
            merged |= other["parameters"]
    return {**merged, **record["parameters"]}


def _experiments(record: Record, arrays: dict[str, np.ndarray], given: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return rare (K, S, N, D), balanced (S, N, D) and labels; the last experiment is the balanced one."""
    features, labels = inputs(record, arrays)
    seeds = given.get("model_seeds", list(range(features.shape[1])))
    places = seeds if max(seeds) < features.shape[1] else list(range(len(seeds)))
    return features[:-1, places], features[-1, places], labels


def _representation(measure: Any) -> Metric:
    def value(record: Record, arrays: dict[str, np.ndarray], records: list[Record]) -> np.ndarray:
        return np.asarray(measure(*_experiments(record, arrays, _siblings(record, records))))

    return value


@functools.cache
def _fitted(key: bytes, shape: tuple[int, ...], labels: bytes, design: tuple[Any, ...]) -> dense.Confusions:
    features = np.frombuffer(key).reshape(shape)
    test_seeds, test_share, grid, folds, ratio, draw_seed = design
    made = dense.MediationDesign(test_seeds, test_share, grid, folds, ratio, draw_seed)
    return dense.confusions(features[:-1], features[-1], np.frombuffer(labels, dtype=np.int64), made)


def _confusions(record: Record, arrays: dict[str, np.ndarray], given: dict[str, Any]) -> dense.Confusions:
    rare, balanced, labels = _experiments(record, arrays, given)
    features = np.ascontiguousarray(np.concatenate([rare, balanced[None]]), dtype=np.float64)
    design = (
        tuple(given["test_seeds"]), given["test_size"], tuple(given["C_grid"]), given["cv"],
        given["underrepresentation"], given["np_random_seed_before_cache_AH"],
    )  # fmt: skip
    return _fitted(features.tobytes(), features.shape, np.asarray(labels, dtype=np.int64).tobytes(), design)


def _allocation(measure: Any) -> Metric:
    def value(record: Record, arrays: dict[str, np.ndarray], records: list[Record]) -> np.ndarray:
        given = _siblings(record, records)
        return np.asarray(measure(_confusions(record, arrays, given), given))

    return value


def _class_cosines(record: Record, arrays: dict[str, np.ndarray], records: list[Record]) -> np.ndarray:
    included = not record["parameters"].get("self_pairs", "included").startswith(("excluded", "left out"))
    return dense.class_cosines(*inputs(record, arrays), self_pairs=included)


def _block_means(record: Record, arrays: dict[str, np.ndarray], records: list[Record]) -> np.ndarray:
    adjacency, membership = inputs(record, arrays)
    given = record["parameters"]
    vectors = blocks.embed_graph(
        adjacency, dim=given["d"], learning_rate=given["lr"], temperature=given["tau"], steps=given["epochs"],
        seed=given["torch_seed"],
    )  # fmt: skip
    return blocks.block_mean_cosines(vectors, membership)


def _population(first: int, second: int) -> Metric:
    def value(record: Record, arrays: dict[str, np.ndarray], records: list[Record]) -> np.ndarray:
        given = _population_parameters(record, records)
        match = re.match(r"(\d+)\^(-?\d+)\.\.\1\^(-?\d+) over (\d+)", given["pis"])
        assert match is not None, given["pis"]
        base, start, stop, parts = (int(part) for part in match.groups())
        turn = 1 if stop >= start else -1
        shares = np.array([float(base) ** power for power in range(start, stop + turn, turn)]) / parts
        curve = blocks.collapse_curves(
            shares, given["alphas"], weights="script", dim=given["d"], temperature=given["tau"], steps=given["epochs"],
            learning_rate=given["lr"], seed=given["torch_seed"],
        )  # fmt: skip
        return curve[:, :, first, second]

    return value


def _population_parameters(record: Record, records: list[Record]) -> dict[str, Any]:
    """Follow ``same: as cos12`` to the record that states them."""
    if "pis" in record["parameters"]:
        return record["parameters"]
    words = str(record["parameters"].get("same", "cos12")).split()
    beside = next(
        other
        for other in records
        if other["metric"].startswith("sbm_population")
        and other["metric"].endswith(words[-1])
        and other["input_name"] == record["input_name"]
    )
    return {**beside["parameters"], **record["parameters"]}


METRICS: dict[str, Metric] = {
    "class_mean_cosine_matrix": _class_cosines,
    "representation_harm_RH": _representation(dense.representation_harm),
    "representation_harm_RH_std": _representation(dense.published_harm_spread),
    "allocation_harm_TE": _allocation(lambda fitted, given: fitted.total_effect()),
    "allocation_harm_NIE": _allocation(lambda fitted, given: fitted.indirect_effect()),
    "allocation_harm_minus_rNDE": _allocation(lambda fitted, given: fitted.minus_reverse_direct_effect()),
    "allocation_harm_NIE_std": _allocation(
        # The authors divide by the test samples of CIFAR10's classes of 1,000, whatever the set at hand.
        lambda fitted, given: fitted.published_indirect_spread(1000 * given["test_size"])
    ),
    "sbm_block_mean_cosines": _block_means,
    "sbm_population_cos12": _population(0, 1),
    "sbm_population_cos23": _population(1, 2),
}

"""What no diagnostic may depend on: the order of the samples, the axes that an encoder happens to use, its scale.

Nor, where a number is a mean over samples alone, whether every sample is there twice.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.result import Result
from cl_viz.core.run import Run, Snapshot
from cl_viz.diagnostics import DIAGNOSTICS
from cl_viz.testing import rotation

N, DIM = 96, 6
# Samples are drawn for a fit and a test, by their place: another order is another draw. Probes also standardise axes.
BY_DRAW = {
    "cluster_agreement": {"nmi", "ami", "ari"},
    "feature_suppression": None,
    "feature_transformation": None,
    "group_table": {"gap_probe", "worst_probe", "worst_corrected_probe"},
    "linear_probe": None,
    "modality_gap": {"separability", "separability_margin", "separability_auc"},
    "subclass_collapse": {"subclass_accuracy", "subclass_skill", "p_value", "class_accuracy"},
}
# By definition numbers of the rows' own lengths.
BY_SCALE = {"data_quality": {"norm_mean"}, "isotropy": {"partition_raw"}, "lidar": {"delta_share"}}
# Those of rows as they are stored: lengths of single rows weigh them. RankMe and its kin are of raw rows.
BY_LENGTH = {
    "data_quality": {"norm_mean", "norm_variation"},
    "dimension_ranks": None,
    "feature_suppression": None,
    "group_table": {"gap_probe", "worst_probe", "worst_corrected_probe"},
    "isotropy": {"partition_raw"},
    "lidar": None,
    "linear_probe": None,
    "projector_backbone": {"entropy_rank_projector", "entropy_rank_backbone", "rankme_projector", "rankme_backbone"},
    "rank_curves": None,
    "subclass_collapse": {"subclass_accuracy", "subclass_skill", "p_value", "class_accuracy"},
}
# Means over samples, or ratios of their second moments: the same of every sample twice.
MEANS = {
    "adaptive_temperature": {"alignment", "adapted_temperature"},
    "alignment_uniformity": {"alignment", "alignment_distance"},
    "class_cosines": {"between", "closest"},
    "classifier_duality": {"nc3_self_duality", "nc3_cosine", "nc2_etf_of_head", "nc4_agreement", "head_accuracy"},
    "data_quality": {"unusable_share", "norm_mean", "classes"},
    "dimension_ranks": {"rankme", "effective_rank", "covariance_entropy_rank", "participation_ratio", "stable_rank"},
    # Repeated rows are taken out: they would make every distance 0.
    "intrinsic_dimension": {"two_nn", "levina_bickel", "fukunaga_olsen", "participation_ratio"},
    "isotropy": {"isoscore", "isoscore_star", "partition_unit", "partition_raw"},
    "lidar": {"lidar", "delta_share"},
    "modality_gap": {"gap_norm", "alignment", "positive_mean"},
    "neural_collapse": {"within_share", "nc1_pinv", "nc1_cdnv", "nc2_etf_error", "of_distance", "mean_cosine"},
    "score_distribution": {"positive_mean", "positive_variance"},
    "spectrum": {"largest_share", "largest_drop"},
    "subclass_collapse": {"subclass_share", "subclass_to_class"},
}
# By definition a number of single axes.
BY_AXIS = {"spectrum": {"std_of_unit_rows"}}


def trained(order: NDArray[np.int64], turn: NDArray[np.float64], copies: int = 1) -> Run:
    """Return a run of three steps and two layers, its samples in an order and its axes turned.

    Where there are `copies`, so many samples share each row of the second view, as queries do a document.
    """
    draw = np.random.default_rng(0)
    classes = np.arange(N) % 4
    base = 1.2 * draw.normal(size=(4, DIM))[classes] + draw.normal(size=(N, DIM))
    columns = {"label": classes, "subclass": np.arange(N) % 8, "group": np.arange(N) // 48, "id": np.arange(N)}
    steps = {}
    for step, noise in ((0, 2.0), (10, 0.8), (100, 0.3)):
        for layer, bend in (("projector", lambda rows: rows), ("backbone", np.tanh)):
            views = {name: bend(base + noise * draw.normal(size=(N, DIM))) @ turn for name in ("a", "b")}
            views["b"] = views["b"][np.arange(N) // (8 * copies) * 8 + np.arange(N) % 8] if copies > 1 else views["b"]
            steps[Snapshot(step, layer)] = EmbeddingSet.from_arrays(
                {name: rows[order] for name, rows in views.items()},
                metadata={name: column[order] for name, column in columns.items()},
                roles={"label": "label", "subclass": "subclass", "group": "group", "id": "id"},
            )
    return Run("trained", steps, card={"temperature": 0.2})


@cache
def as_it_is(name: str) -> Result:
    found: Result = cl_viz.diagnose(name, trained(np.arange(N), np.eye(DIM)))
    return found


@pytest.mark.parametrize("name", [name for name in DIAGNOSTICS if BY_DRAW.get(name, ()) is not None])
@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**16))
def test_neither_order_nor_axes_matter(name: str, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(N)
    turned = cl_viz.diagnose(name, trained(order, rotation(DIM, seed)))
    spared = {*(BY_DRAW.get(name) or ()), *BY_AXIS.get(name, ())}
    assert set(turned.quantities) == set(as_it_is(name).quantities)
    for quantity in sorted(set(turned.quantities) - spared):
        found, expected = turned.quantities[quantity].value, as_it_is(name).quantities[quantity].value
        if expected is None:
            assert found is None, quantity
        else:
            assert found == pytest.approx(expected, rel=1e-4, abs=1e-5), quantity


@cache
def in_order(name: str, copies: int) -> Result:
    found: Result = cl_viz.diagnose(name, trained(np.arange(N), np.eye(DIM), copies))
    return found


@pytest.mark.parametrize("copies", [1, 3])
@pytest.mark.parametrize("name", list(DIAGNOSTICS))
def test_the_order_of_rows_does_not_matter(name: str, copies: int) -> None:
    order = np.random.default_rng(7).permutation(N)
    expected, found = in_order(name, copies), cl_viz.diagnose(name, trained(order, np.eye(DIM), copies))
    drawn = set(found.quantities) if BY_DRAW.get(name, ()) is None else BY_DRAW.get(name, set())
    for quantity, own in found.quantities.items():
        other = expected.quantities[quantity]
        if own.value is None or other.value is None:
            assert own.value is other.value is None, quantity
        elif quantity not in drawn:
            assert own.value == pytest.approx(other.value, rel=1e-6, abs=1e-9), quantity
        elif own.interval is not None and other.interval is not None:
            # Another order is another draw: the two intervals are of one number.
            assert own.interval.low <= other.interval.high, quantity
            assert other.interval.low <= own.interval.high, quantity


def changed(change: Callable[[NDArray[np.float64]], NDArray[np.float64]], times: int = 1) -> Run:
    """Return the run with the rows of every view changed, and every sample so many times."""
    run, rows, steps = trained(np.arange(N), np.eye(DIM)), np.repeat(np.arange(N), times), {}
    for snapshot in run.snapshots:
        found = run.get(*snapshot)
        columns = {name: found.metadata["a"][name][rows] for name in ("label", "subclass", "group")}
        views = {name: change(np.asarray(array))[rows] for name, array in found.views.items()}
        steps[snapshot] = EmbeddingSet.from_arrays(views, metadata=columns, roles={name: name for name in columns})
    return Run("trained", steps, card={"temperature": 0.2})


def same(name: str, found: Result, names: set[str]) -> None:
    for quantity in sorted(names):
        value, expected = found.quantities[quantity].value, as_it_is(name).quantities[quantity].value
        assert value == (None if expected is None else pytest.approx(expected, rel=1e-4, abs=1e-5)), quantity


@pytest.mark.parametrize("name", list(DIAGNOSTICS))
def test_the_scale_of_an_encoder_does_not_matter(name: str) -> None:
    found = cl_viz.diagnose(name, changed(lambda rows: 32 * rows))
    same(name, found, set(found.quantities) - BY_SCALE.get(name, set()))


@pytest.mark.parametrize("name", [name for name in DIAGNOSTICS if BY_LENGTH.get(name, ()) is not None])
@settings(max_examples=1, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**16))
def test_the_lengths_of_rows_do_not_matter(name: str, seed: int) -> None:
    lengths = np.exp(np.random.default_rng(seed).normal(size=(N, 1)))
    found = cl_viz.diagnose(name, changed(lambda rows: lengths * rows))
    same(name, found, set(found.quantities) - (BY_LENGTH.get(name) or set()))


@pytest.mark.parametrize("name", list(MEANS))
def test_every_sample_twice_gives_the_same_means(name: str) -> None:
    same(name, cl_viz.diagnose(name, changed(lambda rows: rows, times=2)), MEANS[name])


def test_what_is_spared_exists() -> None:
    for name, spared in (BY_DRAW | BY_AXIS).items():
        assert spared is None or spared <= {quantity.name for quantity in DIAGNOSTICS[name].quantities}
    for declared in (BY_SCALE, BY_LENGTH, MEANS):
        for name, spared in declared.items():
            assert spared is None or spared <= {quantity.name for quantity in DIAGNOSTICS[name].quantities}, name

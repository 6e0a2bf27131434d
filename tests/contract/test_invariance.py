"""What no diagnostic may depend on: the order of the samples, and the axes that an encoder happens to use."""

from __future__ import annotations

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
# By definition a number of single axes.
BY_AXIS = {"spectrum": {"std_of_unit_rows"}}


def trained(order: NDArray[np.int64], turn: NDArray[np.float64]) -> Run:
    """Return a run of three steps and two layers, its samples in an order and its axes turned."""
    draw = np.random.default_rng(0)
    classes = np.arange(N) % 4
    base = 1.2 * draw.normal(size=(4, DIM))[classes] + draw.normal(size=(N, DIM))
    columns = {"label": classes, "subclass": np.arange(N) % 8, "group": np.arange(N) // 48, "id": np.arange(N)}
    steps = {}
    for step, noise in ((0, 2.0), (10, 0.8), (100, 0.3)):
        for layer, bend in (("projector", lambda rows: rows), ("backbone", np.tanh)):
            views = {name: bend(base + noise * draw.normal(size=(N, DIM))) @ turn for name in ("a", "b")}
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


def test_what_is_spared_exists() -> None:
    for name, spared in (BY_DRAW | BY_AXIS).items():
        assert spared is None or spared <= {quantity.name for quantity in DIAGNOSTICS[name].quantities}

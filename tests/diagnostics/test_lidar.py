"""LiDAR: its dense definition, known answers, what delta does, and what it needs."""

from __future__ import annotations

import numpy as np
import pytest

import cl_viz
from cl_viz.core import validation
from cl_viz.core.result import Result
from cl_viz.diagnostics._dense import collapse as dense
from cl_viz.testing import rotation, sphere


def views_of(samples: np.ndarray, count: int = 2, noise: float = 0.3, seed: int = 0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {f"view_{i + 1}": samples + noise * generator.normal(size=samples.shape) for i in range(count)}


def lidar(views: dict[str, np.ndarray], **params: object) -> Result:
    return cl_viz.diagnose("lidar", cl_viz.EmbeddingSet.from_arrays(views), params=params)


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("delta", [1e-4, 0.1])
def test_it_is_that_of_its_dense_definition(count: int, delta: float) -> None:
    views = views_of(sphere(120, 10) + 0.2, count)
    stacked = np.stack(list(views.values()), axis=1)
    assert lidar(views, delta=delta)["lidar"].value == pytest.approx(dense.lidar(stacked, delta), rel=1e-9)
    unit = stacked / np.linalg.norm(stacked, axis=2, keepdims=True)
    found = lidar(views, delta=delta, scaling="unit")
    assert found["lidar"].value == pytest.approx(dense.lidar(unit, delta), rel=1e-9)
    assert found.caveats.normalised


def test_samples_that_differ_in_three_directions_count_three() -> None:
    samples = np.zeros((2000, 12))
    samples[:, :3] = 10 * np.random.default_rng(1).normal(size=(2000, 3))
    found = lidar(views_of(samples @ rotation(12), noise=0.1))
    assert found["lidar"].value == pytest.approx(3, rel=0.02)
    # RankMe counts the noise of the views as well.
    assert dense.rankme(views_of(samples, noise=3.0)["view_1"]) > 8


def test_order_and_rotation_do_not_matter_but_scale_does() -> None:
    views = views_of(sphere(200, 8))
    order = np.random.default_rng(0).permutation(200)
    moved = {name: rows[order] @ rotation(8) for name, rows in views.items()}
    value = lidar(views)["lidar"].value
    assert lidar(moved)["lidar"].value == pytest.approx(value, rel=1e-8)
    longer = {name: 10 * rows for name, rows in views.items()}
    assert lidar(longer, delta=0.01)["lidar"].value == pytest.approx(lidar(views, delta=1e-4)["lidar"].value, rel=1e-8)
    assert lidar(longer, delta=0.5)["lidar"].value != pytest.approx(lidar(views, delta=0.5)["lidar"].value, rel=1e-3)


def test_a_regulariser_that_decides_is_named() -> None:
    views = views_of(sphere(200, 8), noise=0.3)
    assert lidar(views).level == "good"
    heavy = lidar(views, delta=1.0)
    assert heavy.level == "watch"
    assert heavy["delta_share"].value > 5
    few = lidar(views_of(sphere(6, 20)))
    assert few.level == "watch"
    assert "cannot span 20 dimensions" in few.findings[0].message


def test_views_that_are_equal_have_only_the_regulariser() -> None:
    rows = sphere(40, 5)
    found = lidar({"a": rows, "b": rows.copy()})
    assert found["delta_share"].value is None
    assert found.level == "watch"


def test_the_curve_holds_the_number_itself() -> None:
    found = lidar(views_of(sphere(200, 8)), delta=3e-3)
    curve = found.views["delta"].series[0]
    assert curve.y[np.flatnonzero(curve.x == 3e-3)[0]] == found["lidar"].value
    assert (np.diff(curve.x) > 0).all()


def test_it_needs_aligned_views() -> None:
    one = cl_viz.diagnose("lidar", cl_viz.EmbeddingSet.from_arrays(sphere(30, 4)))
    pairs = np.stack([np.repeat(np.arange(30), 2), np.arange(60)], axis=1)
    many = cl_viz.EmbeddingSet.from_arrays({"image": sphere(30, 4), "text": sphere(60, 4)}, pairs=pairs)
    for found in (one, cl_viz.diagnose("lidar", many)):
        assert found.level == "unknown"
        assert "second view" in found.findings[0].advice


def test_blocks_of_rows_give_what_all_rows_give(monkeypatch: pytest.MonkeyPatch) -> None:
    views = views_of(sphere(100, 6) + 1.0)
    whole = lidar(views)["lidar"].value
    monkeypatch.setattr(validation.row_blocks, "__defaults__", (7 * 6 * 8,))
    assert lidar(views)["lidar"].value == pytest.approx(whole, rel=1e-10)


def test_a_uniform_sphere_is_never_bad() -> None:
    for n, dim in ((60, 4), (200, 30), (500, 16)):
        assert lidar({"a": sphere(n, dim, 1), "b": sphere(n, dim, 2)}).level != "bad"

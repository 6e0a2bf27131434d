"""The plan of a pass: what it counts, what it depends on, and that it is of the right size."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

import cl_viz
from cl_viz.core.errors import DeviceError
from cl_viz.engine.memory import array_bytes
from cl_viz.engine.neighbors import largest_of_blocks
from cl_viz.engine.precision import score_type
from cl_viz.engine.rows import view_rows
from cl_viz.testing import paired_sphere, sphere


def a_set(n: int, dim: int = 16) -> cl_viz.EmbeddingSet:
    return cl_viz.EmbeddingSet.from_arrays(sphere(n, dim))


def test_it_counts_the_scores_of_every_part() -> None:
    found = cl_viz.plan(paired_sphere(300, 16, 0.5), anchors=100, neighbors=5)
    # 600 rows: half the square; 200 anchors against all; neighbours are found among these.
    assert found.scores == 600**2 // 2 + 200 * 600
    assert set(found.parts) == {"pairs", "anchors", "neighbors"}
    assert found.seconds == pytest.approx(sum(found.parts.values()))
    assert "MB" in str(found)


@pytest.mark.slow
def test_time_grows_with_the_square_of_the_rows_and_memory_with_the_neighbours() -> None:
    small, large = cl_viz.plan(a_set(20_000), anchors=0), cl_viz.plan(a_set(40_000), anchors=0)
    assert large.seconds == pytest.approx(4 * small.seconds)
    with_neighbors = cl_viz.plan(a_set(20_000), anchors=0, neighbors=200)
    # 12 bytes each: those found, a copy that a stopped pass goes on from, and lists of twice the length.
    assert with_neighbors.memory - small.memory == 20_000 * (200 + 200 + 400) * 12
    assert with_neighbors.parts["neighbors"] > 0


@pytest.mark.slow
def test_neighbours_of_all_blocks_of_views_are_held_at_once() -> None:
    embedding_set = paired_sphere(3000, 8, 0.5)
    said = cl_viz.plan(embedding_set, anchors=0, neighbors=40).memory - cl_viz.plan(embedding_set, anchors=0).memory
    rows = view_rows(embedding_set, torch.device("cpu"), score_type(embedding_set, torch.device("cpu"), "auto"))
    held = sum(kept.kept.nbytes + kept.beside.nbytes for kept in largest_of_blocks(rows, 40).values())
    found = cl_viz.scan(embedding_set, anchors=0, neighbors=40, cache=False).neighbors.values()
    assert said == held + 2 * sum(near.indices.nbytes + near.scores.nbytes for near in found)


@pytest.mark.slow
def test_anchors_of_a_large_set_keep_about_what_was_said() -> None:
    said = cl_viz.plan(a_set(6000, 32), anchors=1000).memory - cl_viz.plan(a_set(6000, 32), anchors=0).memory
    kept = cl_viz.scan(a_set(6000, 32), anchors=1000, cache=False).anchors
    assert said / 2 < sum(map(array_bytes, kept.values())) < 2 * said


def test_a_device_that_is_absent_is_refused() -> None:
    with pytest.raises(DeviceError):
        cl_viz.plan(a_set(100), device="cuda:9")


@pytest.mark.slow
@pytest.mark.parametrize("neighbors", [None, 50])
def test_the_plan_is_of_the_size_of_the_time_taken(neighbors: int | None) -> None:
    """A wide bound, since other processes may come and go in between; the tight one is measured by the benchmark."""
    embedding_set = cl_viz.EmbeddingSet.from_arrays(sphere(16_000, 64).astype(np.float32))
    _ = embedding_set.quality, embedding_set.fingerprint
    said = cl_viz.plan(embedding_set, neighbors=neighbors).seconds
    began = time.perf_counter()
    cl_viz.scan(embedding_set, neighbors=neighbors, cache=False)
    assert said / 6 < time.perf_counter() - began < 6 * said

"""The plan of a pass: what it counts, what it depends on, and that it is of the right size.

What is said against what is taken on an idle machine is measured by the benchmark, not here.
"""

from __future__ import annotations

import math
import time
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import cl_viz
from cl_viz.core.errors import DeviceError
from cl_viz.engine import anchor_pass, compiled, pass_rates
from cl_viz.engine.anchor_sketch import CandidateCells
from cl_viz.engine.memory import array_bytes
from cl_viz.engine.nearest_so_far import NearestSoFar
from cl_viz.engine.neighbors import largest_of_blocks
from cl_viz.engine.pair_pass import Scratch
from cl_viz.engine.pass_rates import AnchorRates, Conditions, NeighborRates, PairRates, insertions, rows_to_time
from cl_viz.engine.plan import _anchor_work_bytes, _Size, conditions
from cl_viz.engine.precision import score_type
from cl_viz.engine.rows import view_rows
from cl_viz.engine.workers import thread_count
from cl_viz.testing import paired_sphere, sphere

CPU = torch.device("cpu")
PAIR = PairRates(run=0.01, row=1e-6, moment=4e-6, pair=3e-9)
ANCHOR = AnchorRates(score=5e-9, anchor=3e-5, kept=4000.0)
NEAR = NeighborRates(offer=1e-9, insertion=1e-7)


def a_set(n: int, dim: int = 16) -> cl_viz.EmbeddingSet:
    return cl_viz.EmbeddingSet.from_arrays(sphere(n, dim))


def rows_of_ones(n: int, dim: int = 4, views: int = 1) -> cl_viz.EmbeddingSet:
    """A set that takes no time to make: its rows are never scored."""
    return cl_viz.EmbeddingSet.from_arrays({f"view {place}": np.ones((n, dim), np.float32) for place in range(views)})


@pytest.fixture
def given_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pass_rates, "pair_rates", lambda about: PAIR)
    monkeypatch.setattr(pass_rates, "anchor_rates", lambda about: ANCHOR)
    monkeypatch.setattr(pass_rates, "neighbor_rates", lambda about, k, *, shared: NEAR)


def test_it_counts_the_scores_of_every_part(given_rates: None) -> None:
    found = cl_viz.plan(paired_sphere(300, 16, 0.5), anchors=100, neighbors=5)
    # 600 rows: half the square; 200 anchors against all; neighbours are found among these.
    assert found.scores == 600**2 // 2 + 200 * 600
    assert set(found.parts) == {"rows", "pairs", "anchors", "neighbors"}
    assert found.seconds == pytest.approx(sum(found.parts.values()))
    assert "MB" in str(found)


def test_anchors_count_the_pairs_that_they_see(given_rates: None) -> None:
    n, leading = 20_000, 8192
    parts = cl_viz.plan(rows_of_ones(n), "cpu").parts
    assert parts["pairs"] == pytest.approx((n - leading) ** 2 / 2 * PAIR.pair)
    assert parts["anchors"] == pytest.approx(n * leading * ANCHOR.score + leading * ANCHOR.anchor)
    assert parts["neighbors"] == 0
    alone = cl_viz.plan(rows_of_ones(n), "cpu", anchors=0).parts
    assert (alone["pairs"], alone["anchors"]) == (pytest.approx(n**2 / 2 * PAIR.pair), 0.0)
    two = cl_viz.plan(rows_of_ones(n // 2, views=2), "cpu").parts
    # Each anchor looks at both views.
    assert two["anchors"] == pytest.approx(2 * leading * (n * ANCHOR.score + 2 * ANCHOR.anchor))


def test_neighbours_are_offered_every_pair_of_their_blocks_and_change_lists_now_and_then(given_rates: None) -> None:
    one = cl_viz.plan(rows_of_ones(1000), "cpu", anchors=0, neighbors=10).parts["neighbors"]
    changes = 1000 * 10 * (1 + math.log(100))
    assert insertions(1000, 1000, 10) == pytest.approx(changes)
    assert one == pytest.approx(1000**2 / 2 * NEAR.offer + changes * NEAR.insertion)
    two = cl_viz.plan(rows_of_ones(1000, views=2), "cpu", anchors=0, neighbors=10).parts["neighbors"]
    assert two == pytest.approx(4 * one)


def test_moments_keep_one_thread_and_the_others_wait_only_for_what_is_left(
    given_rates: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = thread_count(CPU)
    many = cl_viz.plan(rows_of_ones(100_000), "cpu", anchors=0).parts["rows"]
    assert many == pytest.approx(PAIR.run + 100_000 * (PAIR.row + PAIR.moment / threads))
    monkeypatch.setattr(pass_rates, "pair_rates", lambda about: PairRates(0.0, 0.0, 1.0, 1e-9))
    wide = cl_viz.plan(rows_of_ones(2000), "cpu", anchors=0)
    assert wide.seconds == pytest.approx(2000 if threads > 1 else 2000 + 2000**2 / 2 * 1e-9)


def test_it_grows_with_rows_anchors_and_neighbours(given_rates: None) -> None:
    def seconds_and_memory(n: int = 20_000, dim: int = 4, **arguments: Any) -> tuple[float, int]:
        found = cl_viz.plan(rows_of_ones(n, dim), "cpu", **arguments)
        return found.seconds, found.memory

    for steps in (
        # Up to 8,192 rows numbers have twice the bytes; above 20,480 anchors do not meet all at once.
        [seconds_and_memory(n) for n in (1000, 3000, 8000)],
        [seconds_and_memory(n) for n in (9000, 20_000)],
        [seconds_and_memory(n) for n in (21_000, 40_000)],
        [seconds_and_memory(anchors=count) for count in (0, 1, 500, 8192, 20_000)],
        # With neighbours they never do.
        [seconds_and_memory(neighbors=k) for k in (1, 15, 200)],
        [seconds_and_memory(anchors=0, neighbors=k) for k in (None, 1)],
    ):
        assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(steps))
    assert seconds_and_memory(dim=64)[1] > seconds_and_memory(dim=4)[1]


def test_an_anchors_score_takes_no_less_than_a_pair(given_rates: None, monkeypatch: pytest.MonkeyPatch) -> None:
    without = cl_viz.plan(rows_of_ones(20_000), "cpu", anchors=0).seconds
    monkeypatch.setattr(pass_rates, "anchor_rates", lambda about: AnchorRates(0.0, 0.0, 0.0))
    assert cl_viz.plan(rows_of_ones(20_000), "cpu", anchors=100).seconds >= without


def test_two_rates_are_those_of_two_times_and_never_negative() -> None:
    often, seldom = (100.0, 1000.0), (10.0, 20.0)
    assert pass_rates.two_rates((100 * 0.3 + 10 * 2, 1000 * 0.3 + 20 * 2), often, seldom) == pytest.approx((0.3, 2.0))
    # Noise: the small set took longer than the large one; the large one next to no time beside it; nothing at all.
    assert pass_rates.two_rates((8.0, 4.0), often, seldom) == pytest.approx((0.001, 0.15))
    assert pass_rates.two_rates((0.0, 4.0), often, seldom) == pytest.approx((0.004, 0.0))
    assert pass_rates.two_rates((0.0, 0.0), often, seldom) == (0.0, 0.0)


def test_sets_that_are_timed_stay_small() -> None:
    def rows(total: int, dim: int, *, compiled: bool = True) -> int:
        return rows_to_time(total, dim, CPU, "float32", compiled=compiled)

    assert rows(10**7, 128) == rows(10**7, 512) == 8192
    assert rows(10**7, 128, compiled=False) == 4096
    assert rows(10**7, 4096) == 2048
    assert [rows(total, 64) for total in (2, 512, 513, 3000)] == [512, 512, 1024, 4096]


def test_every_part_is_timed_by_itself_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    calls = {"run_pairs": 0, "scan_anchors": 0, "scan": 0, "neighbors_of_rows": 0}

    def counted(name: str) -> None:
        original = getattr(pass_rates, name)

        def do(*arguments: Any, **more: Any) -> Any:
            calls[name] += 1
            return original(*arguments, **more)

        monkeypatch.setattr(pass_rates, name, do)

    class Counted(pass_rates._Probe):
        def __init__(self, about: Conditions, rows: int, n_anchors: int = 0) -> None:
            made.append(rows)
            super().__init__(about, rows, n_anchors)

    monkeypatch.setattr(pass_rates, "_Probe", Counted)
    for name in calls:
        counted(name)
    pass_rates.forget()
    arguments: dict[str, Any] = {"anchors": 10, "neighbors": 3}
    first = cl_viz.plan(paired_sphere(400, 5, 0.5), "cpu", **arguments)
    assert max(made) == 1024  # as many rows as the set has, in a power of two
    assert len(made) == 3 + 2 + 2
    # Three rounds and one to warm up: two sets of pairs; the same with and without neighbours; two with anchors.
    assert calls["run_pairs"] <= 3 * 2 + 3 * 4 + 1
    assert calls["scan_anchors"] <= 3 * 2 + 1
    assert calls["scan"] <= 3 + 1
    assert calls["neighbors_of_rows"] == 0
    assert min(first.parts.values()) >= 0
    again = cl_viz.plan(paired_sphere(400, 5, 0.5), "cpu", **arguments)
    assert again.seconds == first.seconds
    assert len(made) == 7


def test_rates_are_measured_anew_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(pass_rates, "_pair_rates", lambda about, period: asked.append(period) or PAIR)
    about = Conditions(8, "cpu", "float32", 1, 0, 512, True)
    for clock in (1000.0, 1001.0, 1000.0 + pass_rates.SECONDS_VALID):
        monkeypatch.setattr(pass_rates, "time", SimpleNamespace(monotonic=lambda clock=clock: clock))
        assert pass_rates.pair_rates(about) is PAIR
    assert asked[0] == asked[1] < asked[2]


def test_memory_grows_with_the_neighbours(given_rates: None) -> None:
    small = cl_viz.plan(a_set(20_000), "cpu", anchors=0)
    with_neighbors = cl_viz.plan(a_set(20_000), "cpu", anchors=0, neighbors=200)
    # 12 bytes each: those found, a copy that a stopped pass goes on from, and lists of twice the length.
    assert with_neighbors.memory - small.memory == 20_000 * (200 + 200 + 400) * 12


def test_neighbours_of_all_blocks_of_views_are_held_at_once(given_rates: None) -> None:
    embedding_set = paired_sphere(3000, 8, 0.5)
    plans = [cl_viz.plan(embedding_set, "cpu", anchors=0, neighbors=k).memory for k in (None, 40)]
    rows = view_rows(embedding_set, CPU, score_type(embedding_set, CPU, "auto"))
    held = sum(kept.kept.nbytes + kept.beside.nbytes for kept in largest_of_blocks(rows, 40).values())
    found = cl_viz.scan(embedding_set, anchors=0, neighbors=40, cache=False).neighbors.values()
    assert plans[1] - plans[0] == held + 2 * sum(near.indices.nbytes + near.scores.nbytes for near in found)


@pytest.mark.parametrize(
    ("n", "n_anchors", "k", "precision", "said"),
    [
        (3000, 400, 0, "float32", 320 * 3000 * 4 + 32 * 2500 * 8),
        (3000, 400, 0, "float64", 320 * 3000 * 8 + 32 * 2500 * 16),
        (21_000, 256, 0, "float32", 256 * 8192 * 4 + 256 * 2500 * 8),
        (5000, 400, 3, "float32", 320 * 4096 * 4 + 320 * 2500 * 8),
    ],
)
def test_threads_take_the_memory_for_anchors_that_is_said(
    n: int, n_anchors: int, k: int, precision: str, said: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not compiled.wait():
        pytest.skip(compiled.failure())
    threads: list[Scratch] = []
    monkeypatch.setattr(anchor_pass, "Scratch", lambda: threads.append(Scratch()) or threads[-1])
    monkeypatch.setattr(anchor_pass, "bands", lambda n_anchors, height: [slice(0, min(n_anchors, height))])
    embedding_set, dtype = rows_of_ones(n), getattr(torch, precision)
    rows = view_rows(embedding_set, CPU, dtype, n_leading=n_anchors)
    links = {("view 0", "view 0"): np.zeros((0, 2), dtype=np.int64)}
    monkeypatch.setattr(CandidateCells, "join", lambda *_: None)
    near = NearestSoFar(largest_of_blocks(rows, k)) if k else None
    anchor_pass.scan_anchors(rows["view 0"], rows, links, n_anchors, 0, lambda done: None, near=near)
    (thread,) = threads
    cells = thread._cells._kept
    held = sum(cells[name].nbytes for name in ("cells", "counts", "sums") if name in cells)
    assert thread._buffer is not None
    assert _anchor_work_bytes(_Size.of(embedding_set, dtype, n_anchors, k)) == said
    assert thread._buffer.numel() * thread._buffer.element_size() + held == said


@pytest.mark.slow
def test_anchors_of_a_large_set_keep_about_what_was_said() -> None:
    embedding_set = a_set(3000, 32)
    rates = pass_rates.anchor_rates(conditions(embedding_set, CPU, score_type(embedding_set, CPU, "auto")))
    kept = cl_viz.scan(embedding_set, "cpu", anchors=800, cache=False).anchors
    assert 800 * rates.kept == pytest.approx(sum(map(array_bytes, kept.values())), rel=0.25)


def test_a_device_that_is_absent_is_refused() -> None:
    with pytest.raises(DeviceError):
        cl_viz.plan(a_set(100), device="cuda:9")


@pytest.mark.slow
def test_the_plan_is_of_the_size_of_what_the_pass_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """By processor time, and with a wide bound, since other processes come and go; the benchmark has the tight one."""
    monkeypatch.setattr(pass_rates, "time", SimpleNamespace(perf_counter=time.process_time, monotonic=time.monotonic))
    embedding_set = cl_viz.EmbeddingSet.from_arrays(sphere(3500, 32).astype(np.float32), label=np.arange(3500) % 5)
    _ = embedding_set.quality, embedding_set.fingerprint
    pass_rates.forget()
    arguments: dict[str, Any] = {"anchors": 1000, "neighbors": 15, "precision": "float32"}
    try:
        said = cl_viz.plan(embedding_set, "cpu", **arguments).seconds
    finally:
        pass_rates.forget()
    began = time.process_time()
    cl_viz.scan(embedding_set, "cpu", cache=False, **arguments)
    assert said / 3 < time.process_time() - began < 3 * said

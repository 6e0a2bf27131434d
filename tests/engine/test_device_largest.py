"""Lists that stay on the device of the scores, filled by torch: here on the CPU's own tensors."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import Cancelled
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.engine import compiled, device_largest, triton_neighbors
from cl_viz.engine.device_largest import EMPTY, LAST, DeviceLargest, pack, unpack
from cl_viz.engine.nearest import NeighborMap, nearest
from cl_viz.engine.neighbors import largest_of_blocks
from cl_viz.engine.pass_rates import NeighborRates, PairRates
from cl_viz.engine.rows import ViewRows, view_rows
from cl_viz.testing import clusters, sphere

CPU = torch.device("cpu")


@pytest.fixture
def kept_there(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keeps lists as on a device, and leaves the compiled loops alone."""
    before = compiled.enable(False)
    monkeypatch.setattr(triton_neighbors, "on_device", lambda device, dtype, n_entries: dtype == torch.float32)
    monkeypatch.setattr(device_largest, "_LEAST_SAMPLED", 64)
    yield
    compiled.enable(before)


def two_views() -> EmbeddingSet:
    views = {view: array.astype(np.float32) for view, array in clusters(300, 10, 6, 0.4).views.items()}
    views["view_1"][7], views["view_2"][140] = np.nan, 0.0
    return EmbeddingSet.from_arrays(views)


def rows_of(embedding_set: EmbeddingSet) -> ViewRows:
    return view_rows(embedding_set, CPU, torch.float32)["view_1"]


def test_entries_are_in_the_order_of_scores_and_of_equal_ones_the_smaller_number_is_larger() -> None:
    scores = torch.tensor([-torch.inf, -1.0, -0.5, -1e-30, 0.0, 1e-30, 0.5, 1.0])
    entries = pack(scores, torch.arange(8))
    assert (entries.diff() > 0).all()
    back, numbers = unpack(entries)
    assert torch.equal(back, scores)
    assert torch.equal(numbers, torch.arange(8))
    first, last = pack(torch.tensor([0.5, 0.5]), torch.tensor([0, LAST]))
    assert first > last > EMPTY
    assert int(pack(torch.tensor([-1.0]), torch.tensor([LAST]))) > EMPTY


@pytest.mark.parametrize("k", [1, 15, 200])
def test_neighbours_kept_there_are_those_kept_here(k: int, kept_there: None, monkeypatch: pytest.MonkeyPatch) -> None:
    embedding_set = two_views()
    # Several pieces of everything.
    monkeypatch.setattr(device_largest, "PRODUCTS", 20_000)
    monkeypatch.setattr(device_largest, "MERGED", 10_000)
    beside = cl_viz.scan(embedding_set, anchors=60, neighbors=k, precision="float32", cache=False).neighbors
    alone = nearest(embedding_set, k, precision="float32")
    monkeypatch.setattr(triton_neighbors, "on_device", lambda device, dtype, n_entries: False)
    for block, here in nearest(embedding_set, k, precision="float32").items():
        for there in (beside[block], alone[block]):
            np.testing.assert_array_equal(there.rows, here.rows)
            np.testing.assert_allclose(there.scores, here.scores, atol=1e-6)
            assert (there.indices == here.indices).mean() > 0.99
            assert there.scores.dtype == np.float32


def test_a_stopped_pass_goes_on_with_what_was_kept_there(kept_there: None) -> None:
    rows = rows_of(two_views())
    (kept,) = largest_of_blocks({"view_1": rows}, 5).values()
    assert isinstance(kept, DeviceLargest)
    every = rows.tile(slice(None))
    scores = (every @ every.T).fill_diagonal_(-torch.inf)
    kept.merge_scores(slice(0, len(rows)), scores[:, :100], 0)
    again = DeviceLargest(len(rows), 5, CPU)
    again.merge(slice(None), *kept.found())
    again.merge_scores(slice(0, len(rows)), scores[:, 100:], 100)
    assert torch.equal(unpack(again.entries)[0], scores.topk(5, dim=1).values)


def test_a_pass_that_was_stopped_finds_the_same(
    kept_there: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("safetensors")
    monkeypatch.setenv("CL_VIZ_CACHE", str(tmp_path))
    module = import_module("cl_viz.engine.scan")
    monkeypatch.setattr(module, "TILE", 64)
    monkeypatch.setattr(module, "CHUNK_SCORES", 3 * 64 * 64)
    embedding_set = two_views()

    def scan(progress: ProgressCallback = silent, *, cache: bool = True) -> NeighborMap:
        found = cl_viz.scan(
            embedding_set, anchors=60, neighbors=7, precision="float32", cache=cache, progress=progress
        )  # fmt: skip
        return dict(found.neighbors)

    def stop(done: float, message: str) -> None:
        if done > 0.7:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        scan(stop)
    assert list(tmp_path.rglob("unfinished-*"))
    again, whole = scan(), scan(cache=False)
    for block, kept in whole.items():
        np.testing.assert_array_equal(again[block].scores, kept.scores)
        np.testing.assert_array_equal(again[block].indices, kept.indices)


def test_limits_of_a_draw_leave_out_none_of_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_largest, "_LEAST_SAMPLED", 80)
    rows = rows_of(two_views())
    kept = DeviceLargest(len(rows), 6, CPU)
    kept.raise_limits(rows, rows)
    every = rows.tile(slice(None))
    scores = (every @ every.T).fill_diagonal_(-torch.inf)
    assert torch.isfinite(kept.limits).all()
    above = (scores > kept.limits[:, None]).sum(dim=1)
    assert (above >= 6).all()
    # Six of 80 that were drawn of 298: about 22 in all.
    assert 15 < above.double().mean() < 35
    # Too few were drawn to know anything.
    many = DeviceLargest(len(rows), 200, CPU)
    many.raise_limits(rows, rows)
    assert torch.equal(many.limits, torch.full((len(rows),), -torch.inf))


def test_a_list_that_is_short_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_largest, "MOST_SAMPLED", 70)
    rows = rows_of(two_views())
    every = rows.tile(slice(None))
    scores = (every @ every.T).fill_diagonal_(-torch.inf)
    kept = DeviceLargest(len(rows), 4, CPU)
    kept.merge_scores(slice(0, len(rows)), scores, 0)
    before = kept.entries.clone()
    assert kept.complete(rows, rows) == 0
    kept.entries[[3, 50]] = EMPTY
    kept.entries[90, 2:] = EMPTY
    kept.limits[[3, 50, 90]] = 0.999
    assert kept.complete(rows, rows) == 3
    found, numbers = unpack(kept.entries)
    torch.testing.assert_close(found, unpack(before)[0], atol=1e-6, rtol=0)
    assert torch.equal(numbers, unpack(before)[1])


def test_lists_too_long_for_a_device_are_kept_here(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = torch.device("cuda", 0)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1_600_000, 10**9))
    assert triton_neighbors.on_device(cuda, torch.float32, 100_000)
    assert not triton_neighbors.on_device(cuda, torch.float32, 100_001)
    assert not triton_neighbors.on_device(cuda, torch.float64, 10)
    assert not triton_neighbors.on_device(CPU, torch.float32, 10)


def test_a_plan_knows_the_lists_that_are_kept_there(kept_there: None, monkeypatch: pytest.MonkeyPatch) -> None:
    # Of the time nothing is asked.
    rates = import_module("cl_viz.engine.pass_rates")
    monkeypatch.setattr(rates, "pair_rates", lambda about: PairRates(0.0, 0.0, 0.0, 0.0))
    monkeypatch.setattr(rates, "neighbor_rates", lambda *about, shared: NeighborRates(0.0, 0.0))
    embedding_set = EmbeddingSet.from_arrays(sphere(1200, 8).astype(np.float32))
    plans = [cl_viz.plan(embedding_set, anchors=0, neighbors=k, precision="float32").memory for k in (None, 100)]
    # Found, and a copy that a stopped pass goes on from; entries; candidates of 1,200 rows and as many columns.
    assert plans[1] - plans[0] == 1200 * 100 * (2 * 12 + 8) + 2 * 1200 * 1024 * 8

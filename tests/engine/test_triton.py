"""The Triton kernel against torch: in Triton's interpreter everywhere, and on a CUDA device where there is one."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

import cl_viz
from cl_viz.engine import bins, triton_neighbors, triton_tiles, triton_trial
from cl_viz.engine.device_largest import DeviceLargest
from cl_viz.engine.nearest_so_far import NearestSoFar
from cl_viz.engine.tried_once import TriedOnce
from cl_viz.engine.triton_neighbors import TileLists
from cl_viz.engine.triton_tiles import TritonPairs, partner_table
from cl_viz.testing import clusters, collapsed, sphere

CHECKOUT = Path(__file__).resolve().parents[2]
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
Found = dict[str, dict[str, np.ndarray]]


@pytest.fixture(scope="module")
def interpreted(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What torch and the kernel find, by case and field, each as (torch, triton)."""
    if find_spec("triton") is None:
        pytest.skip("triton is not installed")
    path = tmp_path_factory.mktemp("triton") / "found.npz"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(CHECKOUT)}
    script = Path(__file__).with_name("interpreted_triton.py")
    ended = subprocess.run(
        [sys.executable, script, path], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    found: Found = {}
    with np.load(path) as arrays:
        for key, array in arrays.items():
            case, by, field = key.split("/")
            found.setdefault(f"{case}/{by}", {})[field] = array
    return found


@pytest.mark.parametrize(
    "case",
    [
        "a diagonal tile, labels, links",
        "two views, several partners",
        "no labels, one row",
        "close to 1",
        "blocks as on a device",
    ],
)
def test_the_kernel_counts_what_torch_counts(case: str, interpreted: Found) -> None:
    plain, kernel = interpreted[f"{case}/torch"], interpreted[f"{case}/triton"]
    # The scores are exact in float32, so that every bin must agree.
    np.testing.assert_array_equal(kernel["counts"], plain["counts"])
    np.testing.assert_allclose(kernel["sums"], plain["sums"], atol=1e-6)
    np.testing.assert_allclose(kernel["squares"], plain["squares"], rtol=1e-6)
    np.testing.assert_array_equal(kernel["low"], plain["low"])
    np.testing.assert_array_equal(kernel["high"], plain["high"])
    assert plain["counts"].sum() > 0


def test_the_cases_hold_every_relation_and_scores_close_to_1(interpreted: Found) -> None:
    counts = interpreted["a diagonal tile, labels, links/torch"]["counts"][0]
    assert (counts.sum(axis=1)[:3] > 0).all()
    assert (interpreted["two views, several partners/torch"]["counts"][0].sum(axis=1) > 0).all()
    near = interpreted["close to 1/torch"]["counts"][0, :, bins.COARSE_BINS :]
    assert (near.sum(axis=0) > 0).sum() > 50
    high = interpreted["a diagonal tile, labels, links/torch"]["high"]
    assert high.max() > 1.0


def test_a_whole_pass_finds_what_torch_finds(interpreted: Found) -> None:
    plain, kernel = interpreted["a whole pass/torch"], interpreted["a whole pass/triton"]
    assert_close(plain, kernel)
    assert plain["counts"].sum() == 118 * 117 // 2


@pytest.mark.parametrize(
    ("case", "sides"),
    [
        ("one view", 1),
        ("two views of different size", 2),
        ("one way of two", 1),
        ("more than there are", 1),
        ("ties", 1),
        ("no room", 1),
        ("no room in two views", 2),
        ("scores below zero", 2),
    ],
)
def test_the_kernel_finds_the_nearest(case: str, sides: int, interpreted: Found) -> None:
    found = interpreted[f"near {case}/triton"]
    assert len(found) == 3 * sides
    for side in range(sides):
        assert_nearest(found[f"scores {side}"], found[f"numbers {side}"], found[f"exact {side}"])


def assert_nearest(scores: np.ndarray, numbers: np.ndarray, exact: np.ndarray) -> None:
    """Assert that exact scores of each row were kept, the largest, each once, and of ties the first."""
    np.testing.assert_array_equal(scores, -np.sort(-exact, axis=1)[:, : scores.shape[1]])
    np.testing.assert_array_equal(np.take_along_axis(exact, numbers, axis=1), scores)
    assert all(len(set(row)) == len(row) for row in numbers.tolist())
    tied = scores[:, 1:] == scores[:, :-1]
    assert (numbers[:, 1:][tied] > numbers[:, :-1][tied]).all()


def test_the_cases_of_neighbours_are_those_that_they_are_named_after(interpreted: Found) -> None:
    ties = interpreted["near ties/triton"]["exact 0"]
    assert ((ties == ties.max(axis=1, keepdims=True)).sum(axis=1) == 5).all()
    assert interpreted["near more than there are/triton"]["scores 0"].shape == (9, 8)
    assert (interpreted["near scores below zero/triton"]["scores 0"] < 0).all()


@pytest.mark.parametrize("way", ["beside", "alone"])
def test_a_pass_with_the_kernel_finds_the_neighbours_that_torch_finds(way: str, interpreted: Found) -> None:
    blocks = [name.removesuffix("/torch") for name in interpreted if name.startswith(f"neighbours {way}")]
    blocks = [name for name in blocks if f"{name}/triton" in interpreted and not name.endswith("/triton")]
    assert len(blocks) == 4
    for block in blocks:
        plain, kernel = interpreted[f"{block}/torch"], interpreted[f"{block}/triton"]
        assert plain["scores"].shape == (49, 5)
        np.testing.assert_allclose(kernel["scores"], plain["scores"], atol=1e-6)
        assert (kernel["indices"] == plain["indices"]).mean() > 0.99


def test_a_kernel_that_counts_wrongly_is_found_out(interpreted: Found) -> None:
    assert str(interpreted["trial/right"]["said"]) == ""
    assert "wrong bins" in str(interpreted["trial/wrong"]["said"])
    assert str(interpreted["trial/right neighbours"]["said"]) == ""
    assert "wrong neighbours of 300 of 300 rows" in str(interpreted["trial/wrong neighbours"]["said"])


def test_the_trial_holds_every_relation_and_scores_close_to_1() -> None:
    rows = triton_trial._rows()
    counts = triton_trial._with_torch(rows, triton_trial._labels(), np.array([[0, 1]])).counts[0]
    assert (counts.sum(axis=1) > 0).all()
    assert (counts[:, bins.COARSE_BINS :].sum(axis=1)[1:] > 0).sum() >= 2
    assert counts.sum() == len(rows) * (len(rows) - 1) // 2


def assert_close(plain: dict[str, np.ndarray], kernel: dict[str, np.ndarray]) -> None:
    """Assert that two sketches differ by no more than products that round differently."""
    totals = plain["counts"].sum(axis=2)
    np.testing.assert_array_equal(kernel["counts"].sum(axis=2), totals)
    moved = np.abs(np.cumsum(plain["counts"] - kernel["counts"], axis=2)) @ np.diff(bins.edges())
    assert (moved <= 1e-6 * totals).all()
    np.testing.assert_allclose(kernel["sums"].sum(axis=2), plain["sums"].sum(axis=2), atol=1e-6 * totals.max())
    np.testing.assert_allclose(kernel["squares"], plain["squares"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(kernel["low"], plain["low"], atol=1e-6)
    np.testing.assert_allclose(kernel["high"], plain["high"], atol=1e-6)


def test_partners_stand_side_by_side() -> None:
    links = np.array([[0, 4], [2, 1], [2, 3]])
    np.testing.assert_array_equal(partner_table(links, 4), [[4, -1], [-1, -1], [1, 3], [-1, -1]])
    assert partner_table(links[:0], 3).shape == (3, 0)


def test_the_kernel_is_for_cuda_and_float32_alone() -> None:
    assert not triton_tiles.usable(torch.device("cpu"), torch.float32)
    assert not triton_tiles.usable(torch.device("cuda", 0), torch.float64)


def test_without_triton_the_reason_is_said_and_torch_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_tiles, "_kernel", TriedOnce(triton_tiles._trial))
    monkeypatch.setattr(triton_tiles, "find_spec", lambda name: None)
    assert not triton_tiles.usable(torch.device("cuda", 0), torch.float32)
    assert triton_tiles.failure() == "triton is not installed"


def test_a_kernel_that_does_not_compile_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: object, **named: object) -> None:
        raise RuntimeError("Failed to find C compiler")

    monkeypatch.setattr(triton_tiles, "_kernel", TriedOnce(triton_tiles._trial))
    monkeypatch.setattr(triton_tiles, "find_spec", lambda name: name)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr(triton_tiles, "TritonPairs", broken)
    for _ in range(2):
        assert not triton_tiles.usable(torch.device("cuda", 0), torch.float32)
    assert triton_tiles.failure() == "RuntimeError: Failed to find C compiler"


def test_a_kernel_that_does_not_compile_with_neighbours_bins_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(device: torch.device) -> str:
        raise RuntimeError("too many registers")

    monkeypatch.setattr(triton_tiles, "usable", lambda device, dtype: True)
    monkeypatch.setattr(triton_neighbors, "_kernel", TriedOnce(triton_neighbors._trial))
    monkeypatch.setattr(triton_trial, "trial_of_neighbors", broken)
    assert not triton_neighbors.usable(torch.device("cuda", 0))
    assert triton_neighbors.failure() == "RuntimeError: too many registers"
    # What was asked for is done by torch.
    rows = torch.from_numpy(sphere(40, 6)).to(torch.float32)
    kept = DeviceLargest(40, 3, rows.device)
    near = NearestSoFar({("a", "a"): kept})
    TileLists(near, ("a", "a"), slice(0, 40), slice(0, 40), diagonal=True).offer(rows, rows)
    exact = (rows @ rows.T).fill_diagonal_(-torch.inf)
    np.testing.assert_allclose(kept.found()[0], exact.topk(3, dim=1).values.numpy(), atol=1e-6)


def test_the_engine_imports_without_triton() -> None:
    code = "import sys; sys.modules['triton'] = None; import cl_viz.engine.scan, cl_viz.engine.pair_pass; print('fine')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "fine", done.stderr


@needs_cuda
@pytest.mark.parametrize("use_triton", [True, False])
@pytest.mark.parametrize("name", ["two views", "one view, some labels", "collapsed"])
def test_cuda_counts_what_the_processor_counts(name: str, use_triton: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    device = torch.device("cuda", 0)
    if use_triton and not triton_tiles.usable(device, torch.float32):
        pytest.skip(triton_tiles.failure())
    if not use_triton:
        monkeypatch.setattr(triton_tiles, "usable", lambda device, dtype: False)
    some = np.array([None if i % 5 == 0 else f"c{i % 11}" for i in range(3001)], dtype=object)
    embedding_set = {
        "two views": lambda: clusters(1500, 33, 9, 0.3),
        "one view, some labels": lambda: cl_viz.EmbeddingSet.from_arrays(sphere(3001, 128), label=some),
        "collapsed": lambda: collapsed(1200, 40, 0.003),
    }[name]()
    here, there = (
        cl_viz.scan(embedding_set, where, anchors=300, neighbors=7, precision="float32", cache=False)
        for where in ("cpu", "cuda")
    )
    fields = ("counts", "sums", "squares", "low", "high")
    assert_close(*({field: getattr(found.pairs, field) for field in fields} for found in (here, there)))
    for block, near in here.neighbors.items():
        np.testing.assert_allclose(there.neighbors[block].scores, near.scores, atol=1e-6)
    for view, sketch in here.anchors.items():
        for other, seen in sketch.candidates.items():
            theirs = there.anchors[view].candidates[other]
            np.testing.assert_array_equal(seen.counts.sum(axis=2), theirs.counts.sum(axis=2))
            np.testing.assert_allclose(seen.top_scores, theirs.top_scores, atol=1e-6)


@needs_cuda
def test_the_kernel_on_a_device_counts_exact_scores_exactly() -> None:
    device = torch.device("cuda", 0)
    if not triton_tiles.usable(device, torch.float32):
        pytest.skip(triton_tiles.failure())
    from tests.engine import interpreted_triton

    for name, case in interpreted_triton.cases().items():
        there = {key: value.to(device) if isinstance(value, torch.Tensor) else value for key, value in case.items()}
        there["labels"] = tuple(None if part is None else part.to(device) for part in case["labels"])
        found = TritonPairs(interpreted_triton.PairSketch.empty([("a", "a")]), device)
        found.add(
            0, there["left"], there["right"], there["labels"], case["links"], diagonal=case.get("diagonal", False)
        )
        found.flush()
        np.testing.assert_array_equal(found.sketch.counts, interpreted_triton.with_torch(case).counts, err_msg=name)


@needs_cuda
def test_the_kernel_on_a_device_finds_the_nearest() -> None:
    device = torch.device("cuda", 0)
    if not triton_neighbors.usable(device, torch.float32):
        pytest.skip(triton_neighbors.failure())
    from tests.engine import interpreted_triton

    for case in interpreted_triton.near_cases().values():
        there = {**case, "views": [rows.to(device) for rows in case["views"]], "shape": triton_tiles.SHAPE}
        found = interpreted_triton.near_of(there)
        for side in range(len(found) // 3):
            assert_nearest(found[f"scores {side}"], found[f"numbers {side}"], found[f"exact {side}"])

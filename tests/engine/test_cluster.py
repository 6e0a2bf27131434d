"""The pass on a Dask cluster of two processes, against the pass of one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cl_viz
from cl_viz.core.errors import Cancelled, FormatError, InputError
from cl_viz.engine import Statistics, cluster, cluster_tasks
from cl_viz.testing import clusters
from tests.engine.comparing import assert_same

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": 50}
    with distributed.LocalCluster(**options) as local, distributed.Client(local, set_as_default=False) as found:
        yield found


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PIECE_ROWS", 128)
    # What each part of the anchors sees in the four pieces is then joined two by two, and twice.
    monkeypatch.setattr(cluster_tasks, "ANCHORS_OF_A_TASK", 50)
    monkeypatch.setattr(cluster_tasks, "GROUP_BYTES", 1)
    monkeypatch.setattr(cluster, "JOINED_AT_ONCE", 2)


def labelled(n: int = 500) -> cl_viz.EmbeddingSet:
    found = clusters(n, 12, 4, 0.4)
    views = {view: array.astype(np.float32) for view, array in found.views.items()}
    views["view_1"][7] = np.nan
    return cl_viz.EmbeddingSet.from_arrays(views, label=np.where(np.arange(n) % 9, found.role("label"), -3))


def assert_equal(found: Statistics, expected: Statistics) -> None:
    assert found.pairs.blocks == expected.pairs.blocks
    np.testing.assert_array_equal(found.pairs.counts, expected.pairs.counts)
    np.testing.assert_allclose(found.pairs.sums, expected.pairs.sums, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(found.pairs.low, expected.pairs.low)
    np.testing.assert_allclose(found.pairs.high, expected.pairs.high)
    assert (found.n_used, found.n_excluded, found.precision) == (
        expected.n_used,
        expected.n_excluded,
        expected.precision,
    )
    for view, moments in expected.moments.views.items():
        assert found.moments.views[view].count == moments.count
        np.testing.assert_allclose(found.moments.views[view].scatter, moments.scatter, rtol=1e-9, atol=1e-9)
        np.testing.assert_array_equal(found.moments.classes[view].counts, expected.moments.classes[view].counts)
        assert found.moments.classes[view].names == expected.moments.classes[view].names
    assert list(found.neighbors) == list(expected.neighbors)
    assert list(found.anchors) == list(expected.anchors)
    for view, sketch in expected.anchors.items():
        own = found.anchors[view]
        np.testing.assert_array_equal(own.rows, sketch.rows)
        np.testing.assert_array_equal(own.offsets, sketch.offsets)
        np.testing.assert_allclose(own.positives, sketch.positives)
        assert (own.population, found.seed) == (sketch.population, expected.seed)
        for name, seen in sketch.candidates.items():
            np.testing.assert_array_equal(own.candidates[name].counts, seen.counts)
            np.testing.assert_allclose(own.candidates[name].sums, seen.sums, atol=1e-5)
            np.testing.assert_allclose(own.candidates[name].moments, seen.moments, atol=1e-9)
            np.testing.assert_allclose(own.candidates[name].below, seen.below)
            np.testing.assert_allclose(own.candidates[name].top_scores, seen.top_scores)
    for block, near in expected.neighbors.items():
        np.testing.assert_array_equal(found.neighbors[block].rows, near.rows)
        np.testing.assert_array_equal(found.neighbors[block].indices, near.indices)


@pytest.mark.usefixtures("small_pieces")
def test_a_set_in_memory_gives_the_counts_of_one_machine(client: Any) -> None:
    embedding_set = labelled()
    seen: list[float] = []
    found = cl_viz.scan(
        embedding_set, cluster=client, anchors=90, neighbors=5, progress=lambda done, message: seen.append(done)
    )
    assert_equal(found, cl_viz.scan(embedding_set, anchors=90, neighbors=5, cache=False))
    assert found.fingerprint == embedding_set.fingerprint
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_a_folder_of_shards_gives_the_counts_of_the_joined_set(client: Any, tmp_path: Path) -> None:
    embedding_set = labelled()
    for number, rows in enumerate(np.array_split(np.arange(500), [150, 190, 400])):
        for view, array in embedding_set.views.items():
            np.save(tmp_path / f"{view}_{number}.npy", array[rows])
        np.save(tmp_path / f"label_{number}.npy", embedding_set.role("label")[rows])  # type: ignore[index]
    found = cl_viz.scan(tmp_path, cluster=client.scheduler.address, neighbors=3)
    assert_equal(found, cl_viz.scan(embedding_set, neighbors=3, cache=False))


def test_parquet_shards_with_text_labels_that_not_every_shard_has(client: Any, tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    rows = np.random.default_rng(0).normal(size=(90, 6))
    label = np.repeat(["b", "a", "c"], 30)
    for number in range(3):
        part = slice(number * 30, number * 30 + 30)
        frame = pd.DataFrame({"embedding": list(rows[part]), "label": label[part]})
        frame.to_parquet(tmp_path / f"part-{number}.parquet")
    found = cl_viz.scan(tmp_path, cluster=client)
    assert_equal(found, cl_viz.scan(cl_viz.load(tmp_path), cache=False))
    assert next(iter(found.moments.classes.values())).names == ("a", "b", "c")


@pytest.mark.usefixtures("small_pieces")
def test_the_tasks_of_a_lost_worker_are_done_again(client: Any) -> None:
    embedding_set = labelled()
    expected = cl_viz.scan(embedding_set, anchors=60, neighbors=3, cache=False)
    lost: list[int] = []

    def lose_one(done: float, message: str) -> None:
        if done > 0.2 and not lost:
            lost.append(next(iter(client.run(os.getpid).values())))
            os.kill(lost[0], signal.SIGKILL)

    found = cl_viz.scan(embedding_set, cluster=client, anchors=60, neighbors=3, progress=lose_one)
    assert_equal(found, expected)
    assert len(lost) == 1
    assert lost[0] not in client.run(os.getpid).values()


@pytest.mark.usefixtures("small_pieces")
def test_a_stopped_pass_takes_its_tasks_back(client: Any) -> None:
    def stop(done: float, message: str) -> None:
        if done > 0.1:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        cl_viz.scan(labelled(), cluster=client, anchors=0, progress=stop)
    assert cl_viz.scan(labelled(300), cluster=client, anchors=0).n_used == 299


def test_what_does_not_fit_together_is_refused(client: Any, tmp_path: Path) -> None:
    for number, dim in enumerate((4, 5)):
        np.savez(tmp_path / f"part{number}.npz", embedding=np.ones((9, dim)) + np.arange(dim))
    with pytest.raises(InputError, match="of 5 entries"):
        cl_viz.scan(tmp_path, cluster=client, anchors=0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FormatError):
        cl_viz.scan(tmp_path / "empty", cluster=client, anchors=0)
    pairs = np.stack([np.arange(9), np.arange(9)], axis=1)
    unaligned = cl_viz.EmbeddingSet.from_arrays({"a": np.eye(9), "b": np.eye(9)}, pairs=pairs)
    with pytest.raises(InputError, match="pairs table"):
        cl_viz.scan(unaligned, cluster=client, anchors=0)


@pytest.mark.usefixtures("small_pieces")
def test_precision_is_that_which_is_asked_for(client: Any) -> None:
    embedding_set = labelled()
    for precision in ("float32", "float64"):
        found = cl_viz.scan(embedding_set, cluster=client, anchors=0, precision=precision, cache=False)
        assert found.precision == precision
        assert found.pairs.counts.sum() == cl_viz.scan(embedding_set, anchors=0, cache=False).pairs.counts.sum()
    with pytest.raises(InputError, match="float16"):
        cl_viz.scan(embedding_set, cluster=client, precision="float16")  # type: ignore[arg-type]


@pytest.mark.parametrize("as_folder", [False, True])
def test_what_a_cluster_found_is_kept(
    as_folder: bool, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CL_VIZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("cl_viz.engine.storage.KEEP_ABOVE_SECONDS", 0.0)
    shards = tmp_path / "shards"
    shards.mkdir()
    for number, rows in enumerate(np.array_split(np.random.default_rng(1).normal(size=(90, 6)), 2)):
        np.save(shards / f"part_{number}.npy", rows)
    source = shards if as_folder else cl_viz.load(shards)
    first = cl_viz.scan(source, cluster=client, anchors=8)
    passes: list[str] = []
    monkeypatch.setattr(cluster, "_pass", lambda *given: passes.append("again") or first)
    assert_same(cl_viz.scan(source, cluster=client, anchors=8), first)
    assert passes == []
    for changed in ({"anchors": 9}, {"anchors": 8, "precision": "float32"}, {"anchors": 8, "cache": False}):
        cl_viz.scan(source, cluster=client, **changed)
    assert passes == ["again"] * 3

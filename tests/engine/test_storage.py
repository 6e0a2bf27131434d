"""Statistics written and read again; files that must not be trusted."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cl_viz
from cl_viz.core.cache_root import CACHE_VARIABLE
from cl_viz.core.errors import FormatError
from cl_viz.engine import load_statistics, save_statistics, storage
from cl_viz.engine.scan import kept_neighbors
from cl_viz.engine.scanner import Scanner
from cl_viz.testing import clusters
from tests.engine.comparing import assert_same

scan_module = importlib.import_module("cl_viz.engine.scan")
safetensors = pytest.importorskip("safetensors")
save_file = pytest.importorskip("safetensors.numpy").save_file


def example() -> cl_viz.EmbeddingSet:
    return clusters(150, 8, 4, 0.3)


def test_statistics_are_read_as_they_were_written(tmp_path: Path) -> None:
    statistics = cl_viz.scan(example(), neighbors=3)
    save_statistics(statistics, tmp_path / "deep" / "kept.safetensors")
    assert_same(statistics, load_statistics(tmp_path / "deep" / "kept.safetensors"))
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["kept.safetensors"]


def test_no_bit_can_change_unnoticed(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    save_statistics(cl_viz.scan(example(), anchors=0), path)
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    for place in [*generator.integers(8, len(whole), 40), len(whole) - 1]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(generator.integers(8))
        path.write_bytes(damaged)
        try:
            found = load_statistics(path)
        except FormatError:
            continue
        # Only a change that means the same, such as a space in the header's padding, may pass.
        path.write_bytes(whole)
        assert_same(found, load_statistics(path))
    for cut in (0, 7, 8, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(FormatError):
            load_statistics(path)


def test_another_version_and_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    save_statistics(cl_viz.scan(example(), anchors=0), path)
    with safetensors.safe_open(path, framework="numpy") as stored:
        header = json.loads(stored.metadata()["cl_viz_statistics"])
        arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    save_file(arrays, path, metadata={"cl_viz_statistics": json.dumps({**header, "version": 0})})
    with pytest.raises(FormatError, match="version 0"):
        load_statistics(path)
    save_file(arrays, path)
    with pytest.raises(FormatError, match="no file of statistics"):
        load_statistics(path)
    with pytest.raises(FileNotFoundError):
        load_statistics(tmp_path / "absent")


def test_the_cache_keeps_what_fits_and_computes_what_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CL_VIZ_CACHE", str(tmp_path))
    monkeypatch.setattr(storage, "KEEP_ABOVE_SECONDS", 0.0)
    computed: list[int] = []

    def scan(embedding_set: cl_viz.EmbeddingSet, **keywords: Any) -> cl_viz.engine.Statistics:
        seen: list[float] = []
        found = cl_viz.scan(embedding_set, cache=True, progress=lambda done, message: seen.append(done), **keywords)
        computed.append(len(seen) > 1)
        assert seen[-1] == pytest.approx(1.0)
        return found

    embedding_set = example()
    first = scan(embedding_set)
    assert_same(first, scan(embedding_set))
    scan(embedding_set, anchors=7)
    relabelled = cl_viz.EmbeddingSet.from_arrays(dict(embedding_set.views), label=np.arange(150) % 2)
    scan(relabelled)
    assert computed == [True, False, True, True]
    (entry,) = [path for path in storage.cache_folder().iterdir() if load_statistics(path).pairs.counts is not None][:1]
    for path in storage.cache_folder().iterdir():
        path.write_bytes(path.read_bytes()[:-9] + b"123456789")
    assert_same(first, scan(embedding_set))
    assert_same(first, scan(embedding_set))
    assert computed[-2:] == [True, False]
    assert entry.exists()


def test_statistics_with_neighbours_serve_who_asks_for_fewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setattr(storage, "KEEP_ABOVE_SECONDS", 0.0)
    assert kept_neighbors(example(), "auto", "auto") is None
    whole = cl_viz.scan(example(), neighbors=200)
    plain = cl_viz.scan(example(), cache=False)
    assert_same(kept_neighbors(example(), "auto", "auto"), whole.neighbors)
    monkeypatch.setattr(scan_module, "compute_moments", lambda _: pytest.fail("the set was scanned again"))
    # A pass that finds neighbours too goes through its tiles in another order.
    assert_same(cl_viz.scan(example()), plain, rtol=1e-12)
    few = cl_viz.scan(example(), neighbors=7).neighbors["view_1", "view_2"]
    np.testing.assert_array_equal(few.indices, whole.neighbors["view_1", "view_2"].indices[:, :7])
    assert_same(Scanner().neighbors(example()), whole.neighbors)


def test_what_is_computed_at_once_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CL_VIZ_CACHE", str(tmp_path))
    monkeypatch.setattr(storage, "KEEP_ABOVE_SECONDS", 1e9)
    cl_viz.scan(example())
    assert list(tmp_path.rglob("*.safetensors")) == []


def test_the_cache_gives_up_the_entries_used_longest_ago(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CL_VIZ_CACHE", str(tmp_path))
    monkeypatch.setattr(storage, "KEEP_ABOVE_SECONDS", 0.0)
    entries: list[Path] = []
    for anchors in (5, 6, 7):
        cl_viz.scan(example(), anchors=anchors)
        (newest,) = set(storage.cache_folder().iterdir()) - set(entries)
        os.utime(newest, (1000 + anchors, 1000 + anchors))
        entries.append(newest)
    cl_viz.scan(example(), anchors=5)
    monkeypatch.setattr(storage, "FOLDER_BYTES", 3.5 * entries[0].stat().st_size)
    cl_viz.scan(example(), anchors=8)
    assert [entry.exists() for entry in entries] == [True, False, True]
    assert len(list(storage.cache_folder().iterdir())) == 3


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CL_VIZ_CACHE", str(tmp_path / "file"))
    assert cl_viz.scan(example(), anchors=0, cache=True).n_used == 150


def test_statistics_of_a_thousand_rows_are_small(tmp_path: Path) -> None:
    save_statistics(cl_viz.scan(clusters(1000, 32, 10, 0.8)), tmp_path / "kept")
    assert (tmp_path / "kept").stat().st_size < 25e6


def test_a_process_killed_while_it_writes_leaves_nothing_that_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = """
import os, signal
from pathlib import Path
import safetensors.numpy
import cl_viz
from cl_viz.engine import storage
from cl_viz.testing import clusters
storage.KEEP_ABOVE_SECONDS = 0.0
whole = safetensors.numpy.save_file
def half(arrays, path, metadata):
    whole(arrays, path, metadata)
    os.truncate(path, os.path.getsize(path) // 2)
    os.kill(os.getpid(), signal.SIGKILL)
safetensors.numpy.save_file = half
cl_viz.scan(clusters(150, 8, 4, 0.3))
"""
    environment = {**os.environ, "CL_VIZ_CACHE": str(tmp_path), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, check=False, timeout=120)
    assert ended.returncode == -signal.SIGKILL
    monkeypatch.setenv("CL_VIZ_CACHE", str(tmp_path))
    monkeypatch.setattr(storage, "KEEP_ABOVE_SECONDS", 0.0)
    (leftover,) = storage.cache_folder().iterdir()
    assert leftover.suffix != ".safetensors"
    assert leftover.stat().st_size > 1000
    seen: list[float] = []
    found = cl_viz.scan(example(), progress=lambda done, message: seen.append(done))
    assert len(seen) > 1
    assert_same(found, cl_viz.scan(example(), cache=False))
    assert leftover.exists()
    os.utime(leftover, (1000, 1000))
    cl_viz.scan(example(), anchors=5)
    assert not leftover.exists()
    assert len(list(storage.cache_folder().glob("*.safetensors"))) == 2

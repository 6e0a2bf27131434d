"""A pass that was stopped, or whose process was killed, goes on where it was."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import cl_viz
from cl_viz.core.errors import Cancelled
from cl_viz.engine import Statistics, resume, storage
from cl_viz.testing import clusters
from tests.engine.comparing import assert_same

pytest.importorskip("safetensors")

# The package offers the function of this name; here its module is meant.
scan = importlib.import_module("cl_viz.engine.scan")
TILE = 64


@pytest.fixture(autouse=True)
def _small_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CL_VIZ_CACHE", str(tmp_path))
    monkeypatch.setattr(scan, "TILE", TILE)
    monkeypatch.setattr(scan, "CHUNK_SCORES", 3 * TILE * TILE)


def stopped_at(share: float, **keywords: object) -> list[float]:
    """Scan until the progress passes `share`; return the progress seen."""
    seen: list[float] = []

    def stop(done: float, message: str) -> None:
        seen.append(done)
        if done > share:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        cl_viz.scan(clusters(300, 8, 4, 0.4), progress=stop, **keywords)  # type: ignore[arg-type]
    return seen


def unfinished_files() -> list[Path]:
    return list(storage.cache_folder().glob("unfinished-*"))


@pytest.mark.parametrize("share", [0.0, 0.6, 0.95])
def test_a_stopped_pass_goes_on_and_finds_the_same(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    scored: list[int] = []
    real = scan.run_pairs

    def counting(*given: object, **named: object) -> object:
        scored.append(1)
        return real(*given, **named)

    monkeypatch.setattr(scan, "run_pairs", counting)
    expected = cl_viz.scan(clusters(300, 8, 4, 0.4), anchors=50, neighbors=3, cache=False)
    in_all = len(scored)
    assert in_all > 5
    stopped_at(share, anchors=50, neighbors=3)
    assert len(unfinished_files()) == (share > 0)
    scored.clear()
    seen: list[float] = []
    found = cl_viz.scan(
        clusters(300, 8, 4, 0.4), anchors=50, neighbors=3, progress=lambda done, message: seen.append(done)
    )
    same_counts(found, expected)
    assert seen == sorted(seen)
    assert unfinished_files() == []
    assert {0.0: len(scored) == in_all, 0.6: 0 < len(scored) < in_all, 0.95: 0 < len(scored) < 3}[share]


def same_counts(first: Statistics, second: Statistics) -> None:
    assert_same(first.pairs.counts, second.pairs.counts)
    assert_same(first.anchors, second.anchors)
    assert_same(first.neighbors, second.neighbors)


def test_parts_of_another_set_or_a_damaged_file_are_not_used() -> None:
    stopped_at(0.6, anchors=50)
    (path,) = unfinished_files()
    assert resume.Unfinished(path, "another").parts == {}
    path.write_bytes(path.read_bytes()[:-5] + b"12345")
    found = cl_viz.scan(clusters(300, 8, 4, 0.4), anchors=50)
    same_counts(found, cl_viz.scan(clusters(300, 8, 4, 0.4), anchors=50, cache=False))


def test_nothing_is_kept_where_nothing_shall_be() -> None:
    stopped_at(0.6, cache=False)
    assert unfinished_files() == []


def test_a_killed_process_leaves_parts_that_are_whole(tmp_path: Path) -> None:
    code = """
import os, signal
import importlib, cl_viz
from cl_viz.engine import resume
from cl_viz.testing import clusters
scan = importlib.import_module("cl_viz.engine.scan")
resume.SECONDS_BETWEEN_WRITES = 0.0
scan.TILE, scan.CHUNK_SCORES = 64, 64 * 64
def report(done, message):
    if done > 0.5:
        os.kill(os.getpid(), signal.SIGKILL)
cl_viz.scan(clusters(300, 8, 4, 0.4), anchors=0, progress=report)
"""
    environment = {**os.environ, "CL_VIZ_CACHE": str(tmp_path), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, check=False, timeout=120)
    assert ended.returncode == -signal.SIGKILL
    (path,) = unfinished_files()
    parts = storage.read_values(path)
    assert 0 < parts["pairs done"] < 55
    assert parts["pairs"].counts.sum() > 0

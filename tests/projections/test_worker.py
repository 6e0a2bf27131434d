"""Maps in a process of their own: the same map, progress, errors, and an end when it is asked for."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import Cancelled, ClVizError, InputError
from cl_viz.projections import Job, start
from cl_viz.projections._worker import REQUEST, ROWS
from cl_viz.projections._worker_process import work


def test_the_process_makes_the_same_map_and_keeps_it(
    clumps: EmbeddingSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CL_VIZ_CACHE", str(tmp_path))
    job = start(clumps, "tsne", params={"iterations": 60, "early_iterations": 40}, seed=4)
    made = job.result(120)
    assert (job.done, job.fraction, job.message) == (True, 1.0, "done")
    here = cl_viz.project(clumps, "tsne", params={"iterations": 60, "early_iterations": 40}, seed=4, cache=False)
    np.testing.assert_array_equal(made.coordinates, here.coordinates)
    np.testing.assert_array_equal(made.error, here.error)
    assert (made.trustworthiness, made.name, made.fingerprint) == (here.trustworthiness, "clumps", clumps.fingerprint)
    kept = start(clumps, "tsne", params={"iterations": 60, "early_iterations": 40}, seed=4)
    assert kept.done
    np.testing.assert_array_equal(kept.result(0).coordinates, made.coordinates)


def pretend(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let jobs have a process that runs other code."""

    def launch(folder: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )

    monkeypatch.setattr("cl_viz.projections._worker._launch", launch)


def process_of(job: Job) -> int:
    """Wait until the job has a process, and return its number."""
    deadline = time.monotonic() + 60
    while job._process is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return job._process.pid


def assert_stopped(job: Job, process: int, folder: Path) -> None:
    began = time.monotonic()
    job.stop()
    assert time.monotonic() - began < 1.0
    assert (job.done, job.message) == (True, "stopped")
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    with pytest.raises(Cancelled, match="stopped"):
        job.result()
    assert list(folder.iterdir()) == []


def test_a_stopped_map_ends_within_a_second_and_leaves_nothing(
    clumps: EmbeddingSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    job = start(clumps, "tsne", cache=False)
    process = process_of(job)
    with pytest.raises(TimeoutError):
        job.result(0.2)
    assert_stopped(job, process, tmp_path)


def test_a_process_that_does_not_listen_is_stopped_too(
    clumps: EmbeddingSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    pretend(
        monkeypatch,
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        'print(\'{"fraction": 0.5, "message": "half"}\', flush=True)\ntime.sleep(60)',
    )
    job = start(clumps, "tsne", cache=False)
    deadline = time.monotonic() + 60
    while job.message != "half":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert job.fraction == 0.5
    assert_stopped(job, process_of(job), tmp_path)


def test_a_process_that_dies_is_told(clumps: EmbeddingSet, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "import os; os.kill(os.getpid(), 9)")
    job = start(clumps, "tsne", cache=False)
    with pytest.raises(ClVizError, match="ended with code -9") as raised:
        job.result(60)
    assert "map fewer rows" in str(raised.value)
    assert job.message == "failed"


def test_an_error_crosses_over_whole(clumps: EmbeddingSet, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"kind": "InputError", "what": "it is odd", "where": "UMAP", "allowed": "even", "remedy": "double it"}
    pretend(monkeypatch, f"print({json.dumps({'error': told})!r})")
    with pytest.raises(InputError) as raised:
        start(clumps, "tsne", cache=False).result(60)
    assert str(raised.value) == "UMAP: it is odd. Allowed: even. What to do: double it."


def test_what_the_process_says_of_an_error(tmp_path: Path, clumps: EmbeddingSet) -> None:
    one = np.ones((30, 4), dtype=np.float32) / 2
    np.save(tmp_path / ROWS, one)
    asked = {
        "map": "tsne", "dim": 2, "view": "v", "params": {}, "seed": 0, "device": "cpu", "cache": False,
        "fingerprint": "f", "judged": True, "laid_out_on": "",
    }  # fmt: skip
    (tmp_path / REQUEST).write_text(json.dumps(asked))
    says = io.StringIO()
    assert work(tmp_path, says) == 0
    error = json.loads(says.getvalue().splitlines()[-1])["error"]
    assert error["kind"] == "InputError"
    assert "one direction" in error["what"]
    assert "Collapse page" in error["remedy"]
    (tmp_path / ROWS).write_bytes(b"not an array")
    says = io.StringIO()
    assert work(tmp_path, says) == 0
    assert json.loads(says.getvalue())["error"]["kind"] == "ClVizError"


def test_errors_that_can_be_foreseen_are_raised_before(clumps: EmbeddingSet) -> None:
    with pytest.raises(InputError, match="no method 'mds'"):
        start(clumps, "mds")
    with pytest.raises(InputError, match="8 or more"):
        start(clumps.select(rows=np.arange(5)), "tsne")

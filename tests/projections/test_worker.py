"""Maps in a process of their own: the same map, progress, errors, and an end when it is asked for."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import Cancelled, ClVizError, InputError
from cl_viz.projections import Job, start


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


def running(job: Job) -> int:
    """Wait until the job's process says how far the layout is, and return its number."""
    deadline = time.monotonic() + 100
    while not 0.3 < job.fraction < 0.9:
        assert time.monotonic() < deadline
        assert not job.done
        time.sleep(0.02)
    assert job._process is not None
    return job._process.pid


def test_a_stopped_map_ends_within_a_second_and_leaves_nothing(
    clumps: EmbeddingSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    job = start(clumps, "tsne", params={"iterations": 5000, "early_iterations": 2000}, cache=False)
    process = running(job)
    with pytest.raises(TimeoutError):
        job.result(0.01)
    assert "t-SNE: round" in job.message
    began = time.monotonic()
    job.stop()
    assert time.monotonic() - began < 1.0
    assert (job.done, job.message) == (True, "stopped")
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    with pytest.raises(Cancelled, match="stopped"):
        job.result()
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_dies_is_told(clumps: EmbeddingSet) -> None:
    job = start(clumps, "tsne", params={"iterations": 5000, "early_iterations": 2000}, cache=False)
    os.kill(running(job), 9)
    with pytest.raises(ClVizError, match="ended with code -9"):
        job.result(10)
    assert job.message == "failed"


def test_errors_are_raised_before_or_cross_over(clumps: EmbeddingSet) -> None:
    with pytest.raises(InputError, match="no method 'mds'"):
        start(clumps, "mds")
    with pytest.raises(InputError, match="8 or more"):
        start(clumps.select(rows=np.arange(5)), "tsne")
    one = EmbeddingSet.from_arrays(np.ones((30, 4), dtype=np.float32))
    with pytest.raises(InputError, match="one direction") as raised:
        start(one, "tsne", cache=False).result(60)
    assert "Collapse page" in str(raised.value)

"""`start`: a map made in a process of its own, which can be watched and stopped."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import cl_viz
from cl_viz.core import errors
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import Cancelled, ClVizError
from cl_viz.core.params import Params
from cl_viz.core.run import Run
from cl_viz.engine.storage import read_values
from cl_viz.projections._cache import MapCache
from cl_viz.projections._inputs import unit_rows
from cl_viz.projections._making import as_projection
from cl_viz.projections._projection import Projection
from cl_viz.projections._requests import MapRequest, check_rows, checked_request

ROWS, REQUEST, RESULT = "rows.npy", "request.json", "result.safetensors"
"""Files of the folder that a job shares with its process."""
_LOGGER = logging.getLogger("cl_viz.projections")
_TERMINATE_SECONDS = 0.3
"""How long a stopped process may take to end by itself."""


def start(
    data: EmbeddingSet | Run,
    method: str = "umap",
    *,
    dim: int = 2,
    view: str | None = None,
    params: Mapping[str, Any] | Params | None = None,
    seed: int = 0,
    device: str = "auto",
    cache: bool = True,
    judged: bool = True,
) -> Job:
    """Begin to make a map in a process of its own, so that neither its work nor its compiling holds anything up.

    Parameters
    ----------
    data, method, dim, view, params, seed, device, cache
        See `cl_viz.project`; a map that is kept on disk is there at once.
    judged : bool
        Whether what the map keeps is worked out too; without it `judge` does that afterwards.

    Returns
    -------
    Job

    Raises
    ------
    InputError
        As `cl_viz.project`, before anything is begun. What goes wrong later is raised by `Job.result`.
    """
    embedding_set = data.get() if isinstance(data, Run) else data
    request = checked_request(embedding_set, method, dim, view, params, seed, device)
    check_rows(embedding_set, request, int(embedding_set.quality[request.view].usable.sum()))
    return Job(embedding_set, request, cache=cache, judged=judged)


class Job:
    """A map that is being made; made by `start`.

    Parameters
    ----------
    embedding_set : EmbeddingSet
    request : MapRequest
    cache : bool
    judged : bool
    """

    def __init__(self, embedding_set: EmbeddingSet, request: MapRequest, *, cache: bool, judged: bool = True) -> None:
        self.request = request
        self._set, self._cache, self._judged = embedding_set, MapCache(cache), judged
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._fraction, self._message = 0.0, "starting"
        self._process: subprocess.Popen[str] | None = None
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._projection: Projection | None = None
        self._error: ClVizError | None = None
        found = self._kept()
        if found is not None:
            self._finish(found, None)
        else:
            threading.Thread(target=self._run, name=f"map-{request.method}", daemon=True).start()

    @property
    def fraction(self) -> float:
        """Share done, 0 to 1."""
        with self._lock:
            return self._fraction

    @property
    def message(self) -> str:
        """What is being done, in a few words."""
        with self._lock:
            return self._message

    @property
    def done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._ended.is_set()

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began

    def stop(self) -> None:
        """End it; the process is gone when this returns. Nothing half-made is kept."""
        self._stopping.set()
        with self._lock:
            process = self._process
        if process is not None:
            _kill(process)
        self._ended.wait(1.0)

    def result(self, timeout: float | None = None) -> Projection:
        """Return the map, waiting for it.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most; without it until it has ended.

        Raises
        ------
        Cancelled
            If it was stopped.
        TimeoutError
            If it has not ended in time.
        ClVizError
            What went wrong in its process.
        """
        if not self._ended.wait(timeout):
            raise TimeoutError(f"the map is not made after {self.seconds:.0f} s")
        if self._error is not None:
            raise self._error
        if self._projection is None:
            raise Cancelled("the map was stopped")
        return self._projection

    def _kept(self) -> Projection | None:
        """Return the map that is on disk, with what it keeps where that is asked for; None where either is not."""
        layout = self._cache.find(self._set.fingerprint, self.request.key)
        kept = self._cache.find(self._set.fingerprint, self.request.kept_key(False)) if self._judged else None
        if layout is None or (kept is None and self._judged):
            return None
        return as_projection(layout, kept, self.request, self._set)

    def _run(self) -> None:
        projection: Projection | None = None
        error: ClVizError | None = None
        try:
            projection = self._make()
        except ClVizError as raised:
            error = raised
        except Exception as raised:
            _LOGGER.exception("a map ended unexpectedly")
            error = ClVizError(f"the map was not made: {raised}", where=self.request.spec.label)
        self._finish(projection, Cancelled("the map was stopped") if self._stopping.is_set() else error)

    def _finish(self, projection: Projection | None, error: ClVizError | None) -> None:
        self._projection, self._error = (projection, None) if error is None else (None, error)
        with self._lock:
            if error is None:
                self._fraction, self._message = 1.0, "done"
            else:
                self._message = "stopped" if isinstance(error, Cancelled) else "failed"
        self._ended.set()

    def _make(self) -> Projection:
        with tempfile.TemporaryDirectory(prefix="cl_viz-map-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            rows, _ = unit_rows(self._set, self.request.view)
            np.save(folder / ROWS, rows, allow_pickle=False)
            del rows
            request = {
                **self.request.key, "device": self.request.device, "laid_out_on": self.request.laid_out_on,
                "cache": self._cache.enabled, "judged": self._judged, "fingerprint": self._set.fingerprint,
            }  # fmt: skip
            (folder / REQUEST).write_text(json.dumps(request), encoding="utf-8")
            self._watch(folder)
            values = read_values(folder / RESULT)
            return as_projection(values, values if self._judged else None, self.request, self._set)

    def _watch(self, folder: Path) -> None:
        """Start the process, follow what it says, and raise what it ended with."""
        with self._lock:
            if self._stopping.is_set():
                raise Cancelled("the map was stopped")
            process = self._process = _launch(folder)
        failure: ClVizError | None = None
        try:
            assert process.stdout is not None
            with process.stdout as says:
                for line in says:
                    said = json.loads(line)
                    if "error" in said:
                        failure = _error_of(said["error"])
                        continue
                    with self._lock:
                        self._fraction, self._message = float(said["fraction"]), str(said["message"])
            process.wait()
        finally:
            _end(process)
        if failure is not None:
            raise failure
        if process.returncode:
            raise ClVizError(
                f"the process of the map ended with code {process.returncode}",
                where=self.request.spec.label,
                remedy="if memory ran out, map fewer rows: select some with EmbeddingSet.select",
            )


def _launch(folder: Path) -> subprocess.Popen[str]:
    """Start a fresh interpreter: unlike a fork or a spawn it never runs the caller's own script again."""
    package = str(Path(cl_viz.__file__).resolve().parent.parent)
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "cl_viz.projections._worker_process", str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8",
        env=environment,
    )  # fmt: skip


def _kill(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_TERMINATE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _end(process: subprocess.Popen[str]) -> None:
    _kill(process)
    if process.stdin is not None:
        process.stdin.close()


def _error_of(said: Mapping[str, Any]) -> ClVizError:
    kind = getattr(errors, str(said["kind"]), ClVizError)
    if not (isinstance(kind, type) and issubclass(kind, ClVizError)):
        kind = ClVizError
    return kind(said["what"], where=said["where"], allowed=said["allowed"], remedy=said["remedy"])

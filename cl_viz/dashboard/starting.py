"""Starting the dashboard from Python: a server in a process of its own, which listens to this machine alone.

Nothing here imports streamlit: the server does.
"""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from html import escape
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError
from cl_viz.core.run import Run

if TYPE_CHECKING:
    from cl_viz.encoders import Target

ADDRESS = "127.0.0.1"
SAMPLE = "sample:"
"""What stands before the name of a bundled sample where paths are given."""
LEASH = "CL_VIZ_STOP_WITH_STANDARD_INPUT"
"""Variable that tells a server to stop when its standard input ends, as it does when the process that holds it dies."""
_FIRST_PORT, _PORTS = 8501, 100
_START_SECONDS = 120.0
_ASK_SECONDS = 0.1
_END_OF_LOG = 2_000
_STOP_SECONDS = 10.0
_FRAME = 'style="width: 100%; height: {height}px; border: 1px solid #8888; border-radius: 4px"'


class App:
    """A dashboard that was started from Python; it ends with this process, or when it is closed.

    Attributes
    ----------
    address : str
        Where a browser on this machine finds it.
    """

    def __init__(self, process: subprocess.Popen[bytes], address: str, folder: Path) -> None:
        self.address = address
        self._process = process
        self._folder = folder
        atexit.register(self.close)

    @property
    def running(self) -> bool:
        """Whether the server answers still."""
        return self._process.poll() is None

    def wait(self) -> None:
        """Return when the server has ended, by `close` or Ctrl-C: at the end of a script, which would end it else."""
        try:
            self._process.wait()
        except KeyboardInterrupt:
            self.close()

    def close(self) -> None:
        """End the server, and delete what was written for it."""
        atexit.unregister(self.close)
        _stop(self._process)
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> App:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"App({self.address!r}, {'running' if self.running else 'closed'})"

    def _repr_html_(self, height: int = 800) -> str:
        if not self.running:
            return "<p>The dashboard was closed.</p>"
        address, frame = escape(self.address), _FRAME.format(height=height)
        told = (
            f'<p>The dashboard is at <a href="{address}" target="_blank">{address}</a>, on the machine of this kernel.'
        )
        return f'{told}</p><iframe src="{address}" title="The dashboard of cl_viz" {frame}></iframe>'


def open_app(*targets: Target, port: int | None = None) -> App:
    """Open the dashboard on runs, sets, files or arrays, and go on; in a notebook it shows itself below the cell.

    What is in memory is written to a temporary folder first, which goes when the dashboard is closed. Files and folders
    are opened where they are: give their path where a set is too large to be written a second time.

    Parameters
    ----------
    *targets : Run, EmbeddingSet, path, or what is in memory
        What `cl_viz.open_run` takes, or ``"sample:NAME"`` for a bundled run. Nothing opens the bundled runs.
    port : int, optional
        1 to 65535; by default the first free one from 8501.

    Returns
    -------
    App
        With its `address`; `close` ends it, and so does the end of this process. At the end of a script, `wait`.

    Raises
    ------
    InputError
        If the port is taken, if the dashboard is not part of the installation or does not start, or if a run in memory
        cannot be written (see `cl_viz.save_run`).
    FormatError
        If there is nothing at a path.

    Examples
    --------
    >>> app = cl_viz.open_app(embeddings, "runs/first")  # doctest: +SKIP
    >>> app.close()  # doctest: +SKIP
    """
    script = app_script()
    if port is None:
        port = _free_port()
    else:
        check_free(port, where="open_app", remedy="leave `port` out to take the first free one")
    folder = Path(tempfile.mkdtemp(prefix="cl_viz-app-"))
    try:
        command = server_command(
            script, [_as_path(target, folder / str(place)) for place, target in enumerate(targets)], port
        )
        return App(_started(command, port, folder), f"http://{ADDRESS}:{port}", folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def app_script() -> Path:
    """Return the path of ``app.py``: beside the package in a checkout, inside it in a wheel.

    Raises
    ------
    InputError
        If neither is there.
    """
    package = Path(cl_viz.__file__).parent
    places = (package / "_app" / "app.py", package.parent / "app.py")
    for place in places:
        if place.is_file():
            return place
    raise InputError(
        "the dashboard is not part of this installation",
        where=str(package),
        allowed=" or ".join(map(str, places)),
        remedy="install cl-viz from its wheel, or run from a checkout",
    )


def server_command(script: Path, targets: Sequence[str], port: int | None) -> list[str]:
    """Return the command of a server that opens these; without a port it takes the first free one from 8501."""
    at = [] if port is None else ["--server.port", str(port)]
    return [sys.executable, "-P", "-m", "streamlit", "run", str(script), *at, "--", *targets]


def check_free(port: int, *, where: str, remedy: str) -> None:
    """Raise `InputError` where a server cannot listen at `port`."""
    try:
        _bind(port)
    except (OSError, OverflowError) as error:
        raise InputError(
            f"port {port} cannot be used: {error.strerror if isinstance(error, OSError) else error}",
            where=where, allowed="a free port, 1024 to 65535", remedy=remedy,
        ) from error  # fmt: skip


def _bind(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((ADDRESS, port))


def _free_port() -> int:
    for port in range(_FIRST_PORT, _FIRST_PORT + _PORTS):
        try:
            _bind(port)
        except OSError:
            continue
        return port
    raise InputError(
        f"no port from {_FIRST_PORT} to {_FIRST_PORT + _PORTS - 1} is free", where="open_app", remedy="give `port`"
    )


def _as_path(target: Target, folder: Path) -> str:
    """Return what the server is told to open; what is in memory is written to `folder`, as a run."""
    from cl_viz.encoders import open_run
    from cl_viz.recording.saving import save_run

    if isinstance(target, str) and target.startswith(SAMPLE):
        return target
    run = Run.from_set(target) if isinstance(target, EmbeddingSet) else open_run(target)
    if isinstance(target, str | os.PathLike):
        return str(Path(target).resolve())
    # A set that was read from a file may have other roles by now, a run that stands in a folder under its name has not.
    return str(Path(run.source).resolve() if _is_in_folder(run) else save_run(run, folder))


def _is_in_folder(run: Run) -> bool:
    from cl_viz.encoders import open_run

    return Path(run.source).is_dir() and open_run(run.source).name == run.name


def _started(command: Sequence[str], port: int, folder: Path) -> subprocess.Popen[bytes]:
    """Start the server and return it once it answers."""
    log = folder / "server.log"
    with log.open("wb") as output:
        # A session of its own: an interrupt of a notebook's cell is not meant for it.
        process = subprocess.Popen(
            list(command), stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT,
            env={**os.environ, LEASH: "1"}, start_new_session=True,
        )  # fmt: skip
    try:
        end = time.monotonic() + _START_SECONDS
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > end:
                said = log.read_text(encoding="utf-8", errors="replace")[-_END_OF_LOG:].strip()
                raise InputError(
                    "the dashboard did not start", where=f"port {port}", remedy=f"see what the server said: {said}"
                )
            time.sleep(_ASK_SECONDS)
    except BaseException:
        _stop(process)
        raise
    return process


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{ADDRESS}:{port}/_stcore/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdin is not None:
        process.stdin.close()

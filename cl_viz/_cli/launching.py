"""Starting the dashboard: the app of the checkout, or the one inside the installed wheel."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import cl_viz
from cl_viz.core.errors import InputError

ADDRESS = "127.0.0.1"


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


def start_app(targets: Sequence[str], port: int | None) -> None:
    """Replace this process by the dashboard's server, which prints its address.

    Parameters
    ----------
    targets : sequence of str
        What to open: absolute paths or ``sample:NAME``; nothing opens the bundled samples.
    port : int, optional
        Port to serve on; by default the first free one from 8501.

    Raises
    ------
    InputError
        If the port is taken.
    """
    script = app_script()
    command = [sys.executable, "-P", "-m", "streamlit", "run", str(script)]
    if port is not None:
        _check_free(port)
        command += ["--server.port", str(port)]
    sys.stdout.flush()
    os.execv(sys.executable, [*command, "--", *targets])


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError as error:
            raise InputError(
                f"port {port} cannot be used: {error.strerror}",
                where="--port",
                allowed="a free port, 1024 to 65535",
                remedy="leave --port out to take the first free one",
            ) from error

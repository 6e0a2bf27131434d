"""Starting the dashboard in the place of the command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cl_viz.dashboard.starting import app_script, check_free, server_command


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
        If the port is taken, or the dashboard is not part of the installation.
    """
    command = server_command(app_script(), targets, port)
    if port is not None:
        check_free(port, where="--port", remedy="leave --port out to take the first free one")
    sys.stdout.flush()
    os.execv(sys.executable, command)
